"""`edit` corrects, `renew` is a new version: the difference decides how an episode ends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keywatch import config, ledger, outlook
from keywatch.model import Basis, Deadline, Found
from keywatch.policy.reconcile import observe
from keywatch.store import Store
from tests.cli_write.keyboard import Keyboard

PARTNERS = '[[source]]\nname = "partners"\nkind = "file"\npath = "partners.toml"\nevery = "0"\n'


@pytest.fixture
def partners(kw: Keyboard) -> Path:
    """A source whose items somebody writes into a file; the first run adopted one."""
    with (kw.folder / "keywatch.toml").open("a") as file:
        file.write(PARTNERS)
    path = kw.folder / "partners.toml"
    path.write_text('[[credential]]\nname = "acme"\nexpires = 2026-12-19\nowner = "payments"\nlead = "5bd"\n')
    kw.check("2026-09-01T11:00:00Z")
    return path


def plant(kw: Keyboard, *deadlines: Deadline, unconfirmed: bool = False) -> None:
    """A credential of a source that gives these dates."""
    now = datetime(2026, 9, 1, 10, tzinfo=UTC)
    settings = config.load(kw.folder / "keywatch.toml", {})
    with Store(settings.store) as store, store.write() as tx:
        row = observe(
            now, None, Found("web", "1", "web", deadlines, labels={"owner": "payments"}), "x", first_run=False
        )
        if unconfirmed:
            row = observe(now, row, Found("web", "2", "web", deadlines, labels=row.labels), "x", first_run=False)
        ledger.record(tx, ledger.resolve(row, settings, outlook.world(settings, tx.read, now)), now, "source:x")


def outcomes(kw: Keyboard) -> list[str]:
    return [row[0] for row in kw.select("SELECT outcome FROM episode ORDER BY id")]


def test_a_corrected_date_is_rescheduled_at_once(kw: Keyboard) -> None:
    """A later date ends the episode as rescheduled; the answer shows old and new, and the timeline says who."""
    kw.add()
    done = kw.ok("edit", "paygate-api", "--expires", "2027-01-19", "--by", "ana")
    assert "expires: 2026-12-19 → 2027-01-19" in done.out
    assert outcomes(kw) == ["rescheduled", ""]
    assert kw.select("SELECT who, data FROM event WHERE kind = 'edited'") == [("ana", '{"login": "root"}')]
    assert kw.select("SELECT ended_by FROM episode WHERE outcome <> ''") == [("ana",)]


def test_an_earlier_date_keeps_the_episode(kw: Keyboard) -> None:
    """It moves: nothing ends."""
    kw.add()
    kw.ok("edit", "paygate-api", "--expires", "2026-11-19")
    assert outcomes(kw) == [""]
    assert kw.select("SELECT moved_at IS NOT NULL FROM episode") == [(1,)]


def test_a_new_version_is_renewed(kw: Keyboard) -> None:
    """`renew` ends the episode as renewed, issued now, under the next version."""
    kw.add()
    kw.at = "2026-11-25T10:00:00Z"
    kw.ok("renew", "paygate-api", "--expires", "2027-12-19", "--by", "ana")
    assert outcomes(kw) == ["renewed", ""]
    assert kw.select("SELECT version, substr(issued, 1, 16) FROM credential") == [("2", "2026-11-25 10:00")]
    kw.ok("renew", "paygate-api", "--expires", "2028-12-19", "--issued", "2026-11-20")
    assert kw.select("SELECT version, substr(issued, 1, 10) FROM credential") == [("3", "2026-11-19")]


def test_a_renewal_that_is_no_later_is_taken_and_said(kw: Keyboard) -> None:
    """It may be true; the note makes a mistyped year visible."""
    kw.add()
    assert "no later than before (2026-12-19)" in kw.ok("renew", "paygate-api", "--expires", "2026-10-19").err


def test_renewing_ends_an_accepted_risk(kw: Keyboard) -> None:
    """The new version is spoken of again, from the beginning."""
    kw.add()
    kw.ok("accept-risk", "paygate-api", "--until", "2027-06-01", "--by", "mia", "--reason", "going away")
    kw.ok("renew", "paygate-api", "--expires", "2027-12-19")
    assert outcomes(kw)[-1] == ""
    assert kw.select("SELECT accepted_until FROM credential") == [(None,)]


def test_renew_refuses_what_a_source_shows(kw: Keyboard, partners: Path) -> None:
    """Exit 2 with the hint: the source shows it; edit corrects a date."""
    assert "edit acme --expires" in kw.refused("renew", "acme", "--expires", "2027-12-19")


def test_a_source_date_is_overridden_for_its_version_only(kw: Keyboard, partners: Path) -> None:
    """The override survives collecting; a new version brings its own date, and the answer said so."""
    assert "holds for version 1 only" in kw.ok("edit", "acme", "--expires", "2027-01-19", "--by", "ana").err
    assert outcomes(kw) == ["rescheduled", ""]
    kw.check("2026-09-02T11:00:00Z")
    assert kw.known()["acme"]["expires_at"] == "2027-01-18T23:00:00Z"
    partners.write_text(partners.read_text().replace("2026-12-19", "2027-12-19\nissued = 2026-09-01"))
    kw.check("2026-09-03T11:00:00Z")
    assert kw.known()["acme"]["expires_at"] == "2027-12-18T23:00:00Z"


def test_labels_of_a_source_row_are_overrides_that_can_be_taken_back(kw: Keyboard, partners: Path) -> None:
    """They survive collecting; "" goes back to what the source says."""
    kw.ok("edit", "acme", "--owner", "platform", "--lead", "21bd", "--env", "stage")
    kw.check("2026-09-02T11:00:00Z")
    row = kw.known()["acme"]
    assert (row["owner"], row["env"], row["start_by"][:10]) == ("platform", "staging", "2026-11-19")
    done = kw.ok("edit", "acme", "--owner", "")
    assert "owner: platform → payments" in done.out
    kw.check("2026-09-03T11:00:00Z")
    assert kw.known()["acme"]["owner"] == "payments"


@pytest.mark.parametrize("basis", [Basis.ENFORCED, Basis.DELETION])
def test_a_hard_date_cannot_be_hidden(kw: Keyboard, basis: Basis) -> None:
    """The word of a person is kept beside it and said to be without effect; `never` is refused."""
    plant(kw, Deadline(datetime(2026, 12, 1, tzinfo=UTC), basis, "not after"))
    done = kw.ok("edit", "web", "--expires", "2027-06-01")
    assert "cannot hide it" in done.err
    assert kw.known()["web"]["expires_at"] == "2026-12-01T00:00:00Z"
    assert outcomes(kw) == [""]
    assert "never" in kw.refused("edit", "web", "--never")


def test_same_date_answers_the_question(kw: Keyboard) -> None:
    """ "Renewed, date not updated" is cleared and the episode goes on; without that question it is exit 2."""
    plant(kw, Deadline(datetime(2026, 12, 1, tzinfo=UTC), Basis.DECLARED, "expires"), unconfirmed=True)
    assert kw.select("SELECT unconfirmed FROM credential") == [("2",)]
    kw.ok("edit", "web", "--same-date")
    assert kw.select("SELECT unconfirmed FROM credential") == [("",)]
    assert outcomes(kw) == [""]
    assert "nobody asked" in kw.refused("edit", "web", "--same-date")


def test_never_and_back(kw: Keyboard) -> None:
    """A person's never ends the episode at once, a date afterwards opens a new one."""
    kw.add()
    kw.ok("edit", "paygate-api", "--never")
    assert kw.known()["paygate-api"]["state"] == "NEVER"
    assert outcomes(kw) == ["rescheduled"]
    kw.ok("edit", "paygate-api", "--expires", "2026-12-19")
    assert outcomes(kw) == ["rescheduled", ""]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["edit", "paygate-api"], "nothing was said"),
        (["edit", "paygate-ap", "--never"], "did you mean paygate-api"),
        (["edit", "paygate-api", "--expires", "01/02/2027"], "cannot read"),
        (["edit", "paygate-api", "--owner", "platfrom"], "did you mean 'platform'"),
        (["edit", "paygate-api", "--by", "nobody", "--env", "prod"], "nobody is called"),
        (["renew", "paygate-api", "--expires", "soon"], "cannot read"),
        (["renew", "paygate-api"], "--expires"),
        (["renew", "nothing", "--expires", "2027-01-01"], "no credential"),
    ],
)
def test_bad_input_changes_nothing(kw: Keyboard, args: list[str], said: str) -> None:
    """Two lines, exit 2, every row as it was."""
    kw.add()
    assert said in kw.refused(*args)


def test_what_is_retired_is_not_edited(kw: Keyboard) -> None:
    """Exit 2, and the hint says how it begins anew."""
    kw.add()
    kw.ok("retire", "paygate-api")
    assert "keywatch add paygate-api" in kw.refused("edit", "paygate-api", "--never")
    assert "was retired" in kw.refused("renew", "paygate-api", "--expires", "2027-01-01")

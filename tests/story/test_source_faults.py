"""A source that fails takes nothing away: what was known goes on, what disappears is doubted, changes are weighed."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.bao import bao
from tests.story.story import CONFIG, Story, telling

SOURCE = """
[[source]]
name = "listed"
kind = "file"
path = "creds.csv"
every = "0"
"""
HEADER = "name,expires,issued,owner,lead,automatic\n"
PAYGATE = "paygate-api,2026-12-19,,payments,21bd,\n"
REST = "sftp,2027-06-01,,payments,5bd,\nmtls,2027-07-01,,payments,5bd,\n"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Three credentials come from a file; every mail is accepted; Ana is on call."""
    write(tmp_path, PAYGATE + REST)
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG + SOURCE) as told:
        assert told.check() == []
        told.at("2026-10-06 08:00").check()
        yield told


def write(folder: Path, rows: str) -> None:
    (folder / "creds.csv").write_text(HEADER + rows, encoding="utf-8")


def told(messages: list[dict[str, Any]], name: str = "paygate-api") -> set[tuple[str, str]]:
    """Which routes heard which stage of one credential."""
    return {
        (m["route"], n["stage"].partition("@")[0]) for m in messages for n in m["notices"] if n["credential"] == name
    }


def outcomes(story: Story, name: str = "paygate-api") -> list[str]:
    found = story.ask(
        "SELECT outcome FROM episode e JOIN credential c ON c.id = e.credential_id WHERE c.name = ? ORDER BY e.id", name
    )
    return [outcome for (outcome,) in found]


# --------------------------------------------------------------------------- it cannot be read


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS = {
    "missing": (_gone, "cannot read creds.csv: No such file or directory"),
    "not a file": (_folder, "cannot read creds.csv: Is a directory"),
    "not text": (lambda path: path.write_bytes(b"name\n\xff\xfe"), "creds.csv is not UTF-8"),
    "empty": (lambda path: path.write_text(""), "creds.csv: there is no credential in it"),
    "only a header": (lambda path: path.write_text(HEADER), "creds.csv: there is no credential in it"),
    "one bad row": (
        lambda path: path.write_text(HEADER + PAYGATE + REST.replace("2027-07-01", "01/07/2027")),
        "creds.csv: line 4 (mtls): expires: ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_last_known_dates_go_on(story: Story, fault: str) -> None:
    """Stale since, exit 3, one line on stderr; the stage that comes due meanwhile is said; then it recovers."""
    damage, reason = FAULTS[fault]
    damage(story.folder / "creds.csv")
    story.at("2026-10-20 08:00")
    answer = story.run("check", "-q", expect=3)
    assert answer.err.startswith(f"source listed: {reason}")
    assert answer.err.endswith("; its last known data go on\n")
    row = story.state()
    assert row["stale_since"] == "2026-10-20T08:00:00Z"
    assert row["expires_at"] == "2026-12-18T23:00:00Z"
    story.at("2026-10-21 07:00")
    assert told(story.check(expect=3)) == {("ana:mail", "30d"), ("payments-alias", "30d")}
    assert story.run("check", "-q", expect=3).err == "", "said once"
    assert story.state()["stale_since"] == "2026-10-20T08:00:00Z"
    assert "can no" not in story.run("list").err
    if (story.folder / "creds.csv").is_dir():
        shutil.rmtree(story.folder / "creds.csv")
    write(story.folder, PAYGATE + REST)
    story.at("2026-10-21 10:00")
    assert story.run("check", "-q").err == "source listed: can be read again\n"
    assert story.state()["stale_since"] is None


def test_a_source_that_leaves_the_config(story: Story) -> None:
    """Its rows keep speaking, stale; nothing of them is gone until a person says so."""
    story.rewrite(SOURCE, "")
    story.at("2026-10-21 07:00")
    assert told(story.check()) == {("ana:mail", "30d"), ("payments-alias", "30d")}
    assert story.state()["stale_since"] == "2026-10-21T07:00:00Z"
    story.run("retire", "--source", "listed", "--by", "mia")
    story.at("2026-11-06 08:00")
    assert told(story.check()) == set()
    assert outcomes(story) == ["retired"]


# --------------------------------------------------------------------------- something is not there any more


def test_one_that_disappears_is_doubted_first(story: Story) -> None:
    """Missing after the first complete listing, gone after a second one at least 10 minutes later, then retired."""
    write(story.folder, REST)
    story.at("2026-10-21 06:55").check()
    assert "missing" in story.run("list").out
    story.at("2026-10-21 07:00")
    assert told(story.check()) == {("ana:mail", "30d"), ("payments-alias", "30d")}, "five minutes prove nothing"
    assert outcomes(story) == [""]
    story.at("2026-10-21 07:06").check()
    assert outcomes(story) == ["retired"]
    assert story.ask("SELECT retired_by FROM credential WHERE name = 'paygate-api'") == [("source:listed",)]
    story.inbox()
    assert {m["kind"] for m in story.at("2026-10-26 08:00").check()} == {"digest"}
    assert "paygate-api: retired" in story.inbox("ana")[0].text


def test_a_gap_in_between_proves_nothing(story: Story) -> None:
    """Missing, then a source that cannot be read: however long that lasts, nothing is gone."""
    write(story.folder, REST)
    story.at("2026-10-20 08:00").check()
    _gone(story.folder / "creds.csv")
    story.at("2026-10-20 09:00").check(expect=3)
    story.at("2026-10-21 07:00")
    assert told(story.check(expect=3)) != set()
    assert outcomes(story) == [""]


def test_one_that_comes_back(story: Story) -> None:
    """A credential that was gone and is listed again lives again, with a new episode."""
    write(story.folder, REST)
    story.at("2026-10-20 08:00").check()
    story.at("2026-10-20 08:15").check()
    assert outcomes(story) == ["retired"]
    write(story.folder, PAYGATE + REST)
    story.at("2026-10-20 09:00").check()
    assert outcomes(story) == ["retired", ""]
    assert told(story.at("2026-10-21 07:00").check()) != set()


def test_a_mass_disappearance_is_an_outage(story: Story) -> None:
    """All at once is not believed: exit 3, nothing missing, reminders go on, until a person says that it is right."""
    write(story.folder, "something-else,2027-09-01,,payments,5bd,\n")
    story.at("2026-10-20 08:00")
    answer = story.run("check", "-q", expect=3)
    assert answer.err == ("source listed: all 3 credentials disappeared at once; its last known data go on\n")
    assert "missing" not in story.run("list").out
    story.at("2026-10-21 07:00")
    assert told(story.check(expect=3)) == {("ana:mail", "30d"), ("payments-alias", "30d")}, "held while it lasts"
    assert outcomes(story) == [""]
    story.run("retire", "--missing", "--source", "listed", "--by", "mia")
    assert outcomes(story) == ["retired"]
    story.at("2026-10-21 07:15")
    assert story.run("check", "-q").err == "source listed: can be read again\n"


def test_a_mass_disappearance_that_ends(story: Story) -> None:
    """The next listing shows them again: nothing happened."""
    write(story.folder, "something-else,2027-09-01,,payments,5bd,\n")
    story.at("2026-10-20 08:00").check(expect=3)
    write(story.folder, PAYGATE + REST)
    story.at("2026-10-20 09:00")
    assert story.run("check", "-q").err == "source listed: can be read again\n"
    assert story.state()["stale_since"] is None


# --------------------------------------------------------------------------- something changed


def test_renewed_at_the_source(story: Story) -> None:
    """A later date with a new version rules at once: the episode ends as renewed, and nothing more is said."""
    story.at("2026-10-21 07:00").check()
    write(story.folder, PAYGATE.replace("2026-12-19,", "2027-12-19,2026-10-22") + REST)
    story.at("2026-10-22 08:00").check()
    assert outcomes(story) == ["renewed", ""]
    assert told(story.at("2026-11-13 08:00").check()) == set()


def test_a_later_date_alone_is_weighed_for_a_day(story: Story) -> None:
    """The same version with a later date rules after 24 h unchanged; until then the known one speaks."""
    write(story.folder, PAYGATE.replace("2026-12-19", "2027-12-19") + REST)
    story.at("2026-10-20 08:00").check()
    assert story.state()["expires_at"] == "2026-12-18T23:00:00Z"
    story.at("2026-10-21 07:00")
    assert told(story.check()) != set(), "23 hours: the earlier date still rules"
    story.at("2026-10-21 08:15").check()
    assert outcomes(story) == ["rescheduled", ""]
    assert story.state()["expires_at"] == "2027-12-18T23:00:00Z"


def test_a_later_date_that_goes_back_again(story: Story) -> None:
    """A typing mistake that is mended within the day changed nothing."""
    write(story.folder, PAYGATE.replace("2026-12-19", "2027-12-19") + REST)
    story.at("2026-10-20 08:00").check()
    write(story.folder, PAYGATE + REST)
    story.at("2026-10-20 20:00").check()
    write(story.folder, PAYGATE.replace("2026-12-19", "2027-12-19") + REST)
    story.at("2026-10-21 08:15").check()
    assert outcomes(story) == [""], "the 24 h begin anew"


def test_an_earlier_date_speaks_at_once(story: Story) -> None:
    """It came nearer and a stage is reached: said in the same run, whatever the hour, in the same episode."""
    write(story.folder, PAYGATE.replace("2026-12-19", "2026-11-20") + REST)
    story.at("2026-10-10 21:00")
    assert {stage for _, stage in told(story.check())} == {"moved"}
    assert outcomes(story) == [""]


def test_a_date_that_is_lost(story: Story) -> None:
    """The date is not there any more: the last known one goes on, stale, and ends nothing."""
    write(story.folder, PAYGATE.replace("2026-12-19", "") + REST)
    story.at("2026-10-20 08:00").check()
    assert story.state()["expires_at"] == "2026-12-18T23:00:00Z"
    assert story.state()["stale_since"] == "2026-10-20T08:00:00Z"
    assert told(story.at("2026-10-21 07:00").check()) != set()


def test_a_never_is_weighed_for_a_day(story: Story) -> None:
    """A source that says never where a date was known is believed after 24 h."""
    write(story.folder, PAYGATE.replace("2026-12-19", "never") + REST)
    story.at("2026-10-20 08:00").check()
    assert story.state()["state"] != "NEVER"
    story.at("2026-10-21 08:15").check()
    assert story.state()["state"] == "NEVER"


# --------------------------------------------------------------------------- what keywatch cannot know


def test_an_owner_nobody_knows(story: Story) -> None:
    """One finding to [keywatch] owner, however many carry that label; what they need goes there too."""
    strangers = "".join(f"odd-{n},2026-12-19,,paymnts,21bd,\n" for n in range(7))
    write(story.folder, PAYGATE + REST + strangers)
    story.at("2026-10-10 10:00").check()
    monday = story.at("2026-10-12 07:00").check()
    assert [(m["route"], m["person"]) for m in monday if m["kind"] == "finding"] == [
        ("li:mail", "li"),
        ("mia:mail", "mia"),
    ]
    mail = next(mail for mail in story.inbox("li") if "paymnts" in str(mail.message["Subject"]))
    assert mail.message["Subject"] == "the owner 'paymnts' is not in the config"
    assert "odd-0, odd-1, odd-2, odd-3, odd-4 and 2 more" in mail.text
    later = story.at("2026-10-21 07:00").check()
    assert [m for m in later if m["kind"] == "finding"] == []
    assert {route for route, _ in told(later, "odd-3")} == {"li:mail", "mia:mail"}


# OpenBao stamps each version with the machine's clock, so this story plays from a Monday after today.
TODAY = datetime.now(UTC).date()
MONDAY = TODAY + timedelta(days=14 - TODAY.weekday())
VAULT = """
[[source]]
name = "vault"
kind = "vault"
address = "{address}"
token = "file:vault-token"
mounts = ["secret"]
every = "0"
"""
READ = 'path "secret/metadata/*" {{ capabilities = ["list", "read"] }}'.replace("{{", "{").replace("}}", "}")


@pytest.mark.server
def test_dates_nobody_can_read(tmp_path: Path) -> None:
    """UNKNOWN is one finding to the owner: one message for all that are new, and never again."""
    (tmp_path / "bao").mkdir()
    with bao(tmp_path / "bao") as vault:
        for name in ("one", "two"):
            vault.put(f"payments/{name}")
            vault.note(f"payments/{name}", expires="01/02/2027", owner="payments")
        (tmp_path / "vault-token").write_text(vault.token(READ), encoding="utf-8")
        config = CONFIG + VAULT.format(address=vault.address)
        with telling(tmp_path, f"{MONDAY} 08:00", {}, 365, config) as story:
            story.check()
            assert story.state("one")["state"] == "UNKNOWN"
            story.now += timedelta(days=1)
            assert [m["route"] for m in story.check() if m["kind"] == "finding"] == ["payments-alias", "ana:mail"]
            mail = story.inbox("ana")[0]
            assert mail.message["Subject"] == "one: its date cannot be read (and 1 more findings)"
            assert "01/02/2027" in mail.text
            assert "two: its date cannot be read" in mail.text
            for _ in range(8):
                story.now += timedelta(days=1)
                assert [m for m in story.check() if m["kind"] == "finding"] == []


# --------------------------------------------------------------------------- what a robot renews


ROBOT = "cert,{expires},{issued},payments,5bd,yes\n"


def test_a_robot_that_keeps_its_promise_is_silent(story: Story) -> None:
    """90 days, renewed at day 60, three times over: not a word, and each episode ends as renewed."""
    born = datetime(2026, 10, 6, 12, tzinfo=UTC)
    for _ in range(3):
        row = ROBOT.format(expires=f"{born + timedelta(days=90):%Y-%m-%d}", issued=f"{born:%Y-%m-%d}")
        write(story.folder, row + REST)
        for _ in range(10):
            story.now += timedelta(days=6)
            assert told(story.check(), "cert") == set()
            assert story.state("cert")["state"] == "OK"
        born += timedelta(days=60)
    assert outcomes(story, "cert") == ["renewed", "renewed", ""]


def test_a_robot_that_breaks_its_promise(story: Story) -> None:
    """Not renewed by day 75 of 90 (Sunday 20 Dec): the second check that sees it speaks, and the ladder follows."""
    write(story.folder, ROBOT.format(expires="2027-01-04", issued="2026-10-06") + REST)
    for day in ("2026-10-07", "2026-11-16", "2026-12-17", "2026-12-18", "2026-12-19", "2026-12-20"):
        assert told(story.at(f"{day} 08:00").check(), "cert") == set(), day
    assert told(story.at("2026-12-21 08:00").check(), "cert") != set()
    stages = set()
    for _ in range(15):
        story.now += timedelta(days=1)
        stages |= {stage for _, stage in told(story.check(), "cert")}
    assert {"late", "last", "expired+4h", "expired+1d"} <= stages

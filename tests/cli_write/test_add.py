"""`add`: registered in ten seconds, and it answers how it understood that."""

import pytest

from tests.cli_write.keyboard import Keyboard


def test_it_answers_how_it_read_the_date_and_who_hears_first(kw: Keyboard) -> None:
    """The date with its zone and last good day, start by, and the first message with the person then on call."""
    done = kw.add("paygate-api", "--env", "prod")
    assert "expires Sat 19 Dec 2026 00:00 Europe/Madrid; last good day Fri 18 Dec" in done.out
    assert "start by Fri 20 Nov 2026 (21bd before)" in done.out
    assert "first message Wed 21 Oct 09:00 to Ana Ruiz" in done.out
    assert kw.known()["paygate-api"]["env"] == "production"


def test_the_first_message_goes_where_it_was_announced(kw: Keyboard) -> None:
    """The announcement is the rules' own: a run a minute before says nothing, one then tells exactly these."""
    ahead = kw.ok(
        "add", "paygate-api", "--expires", "2026-12-19", "--lead", "21bd", "--owner", "payments", "-o", "json"
    ).json["first_message"]  # fmt: skip
    assert ahead["at"] == "2026-10-21T07:00:00Z"
    assert kw.check("2026-10-21T06:59:00Z") == []
    sent = kw.check("2026-10-21T07:00:30Z")
    assert {one["route"] for one in sent} == {"ana:mail", "payments-alias"}
    assert ahead["people"] == ["Ana Ruiz"]
    assert ahead["also"] == ["payments-alias"]


def test_past_what_the_roster_knows_it_is_whoever_is_on_call(kw: Keyboard) -> None:
    """A roster that cannot be asked does not stop `add`, and nobody is named by guessing."""
    text = (kw.folder / "keywatch.toml").read_text().replace('people = ["ana", "bo"]\nanchor', "people = []\nanchor")
    (kw.folder / "keywatch.toml").write_text(text)
    assert "first message Wed 21 Oct 09:00 to whoever is on call" in kw.add().out


def test_an_expiry_in_the_past_is_taken_and_said(kw: Keyboard) -> None:
    """It is EXPIRED at once, the answer says so, and the next run speaks of it."""
    done = kw.add("old", expires="2026-08-01")
    assert "it has expired already, Sat 1 Aug 2026" in done.err
    assert "first message with the next `keywatch check`" in done.out
    assert kw.known()["old"]["state"] == "EXPIRED"
    assert kw.check("2026-09-01T10:05:00Z")


def test_without_a_date_it_is_undated_and_says_so(kw: Keyboard) -> None:
    """Neither --expires nor --never: counted and listed, no episode, and the answer tells how to give a date."""
    done = kw.ok("add", "mystery", "--owner", "payments")
    assert "keywatch edit mystery --expires DATE" in done.err
    assert kw.known()["mystery"]["state"] == "UNDATED"
    kw.ok("add", "forever", "--never", "--owner", "payments")
    assert kw.known()["forever"]["state"] == "NEVER"
    kw.ok("add", "forever2", "--expires", "9999-12-31", "--owner", "payments")
    assert kw.known()["forever2"]["state"] == "NEVER"
    assert kw.select("SELECT count(*) FROM episode") == [(0,)]


def test_it_is_not_an_adoption(kw: Keyboard) -> None:
    """What a person adds speaks by the ladder from the first day: adopted_at stays empty."""
    kw.add("late", expires="2026-09-10")
    assert kw.select("SELECT adopted_at FROM credential") == [(None,)]
    assert kw.select("SELECT adopted_at FROM episode") == [(None,)]


def test_everything_said_is_kept(kw: Keyboard) -> None:
    """Each option is a label; people are kept under their key whatever they were called by."""
    kw.add(
        "x", "--service", "checkout", "--runbook", "https://wiki/x", "--approver", "PayGate desk",
        "--impact", "no cards", "--emergency", "+34 1", "--issuer-writes-to", "ops@example.com",
        "--renewable-by", "Ana Ruiz", "--deputy", "bo@example.com", "--issued", "2026-01-01",
    )  # fmt: skip
    labels = kw.select("SELECT labels, issued FROM credential")[0]
    for text in ('"ana"', '"bo"', "no cards", "PayGate desk", "https://wiki/x", "+34 1", "ops@example.com"):
        assert text in labels[0]
    assert labels[1].startswith("2025-12-31 23:00")


def test_who_added_it_is_recorded(kw: Keyboard) -> None:
    """The login stands in the timeline."""
    kw.login = "carla"
    kw.add()
    assert kw.select("SELECT kind, credential, who FROM event") == [("added", "manual:paygate-api", "carla")]


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("01/02/2026", "cannot read"),
        ("2026-W01-1", "cannot read"),
        ("soon", "cannot read"),
        ("20261219", "cannot read"),
        ("2026-12-19T08:00:00", "no offset"),
        ("2026-02-30", "not in the calendar"),
        ("", "cannot read"),
    ],
)
def test_a_date_that_could_be_guessed_is_refused(kw: Keyboard, date: str, said: str) -> None:
    """Ambiguous, compact, naive and impossible dates: exit 2 with the accepted forms, nothing stored."""
    error = kw.refused("add", "x", "--expires", date)
    assert said in error
    assert "2026-12-19" in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--owner", "paymets"], "did you mean 'payments'"),
        (["--env", "prodd"], "production"),
        (["--renewable-by", "anna"], "did you mean 'ana'"),
        (["--deputy", "nobody"], "no person 'nobody'"),
        (["--lead", "3 weeks"], "21bd"),
        (["--lead", "a=1bd,a=2bd"], "twice"),
        (["--lead", "9999w", "--expires", "0100-01-01"], "reach"),
        (["--runbook", "https://user:pass@wiki/x"], "looks like a secret"),
        (["--impact", "x" * 300], "longer than 256"),
        (["--expires", "2026-12-19", "--never"], "exclude"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(kw: Keyboard, options: list[str], said: str) -> None:
    """Unknown owner, environment, person; unreadable lead time; a secret in a label: exit 2, nothing stored."""
    error = kw.refused("add", "x", *options)
    assert said in error
    assert "pass@" not in error


def test_the_same_name_twice_is_refused(kw: Keyboard) -> None:
    """The hint names renew and edit; the first one stays as it is."""
    kw.add()
    error = kw.refused("add", "paygate-api", "--expires", "2027-12-19")
    assert "keywatch renew paygate-api" in error
    assert "keywatch edit paygate-api" in error


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb", " ", "", "x" * 300, "ghp_" + "a" * 36])
def test_names_nobody_can_type_again_are_refused(kw: Keyboard, name: str) -> None:
    """Newlines, ESC, bidi marks, empty, endless and secret-looking names: exit 2, and the error repeats none of it."""
    error = kw.refused("add", name, "--never")
    assert "\x1b" not in error
    assert "\u202e" not in error
    assert "ghp_" not in error


def test_html_is_a_name_like_any_other(kw: Keyboard) -> None:
    """It is kept as typed; making it harmless is for those who make HTML."""
    kw.add("<b>x</b>")
    assert "<b>x</b>" in kw.known()


def test_a_retired_name_begins_anew(kw: Keyboard) -> None:
    """The same row goes on under a new version, so its history stays; its old episode is over."""
    kw.add()
    kw.ok("retire", "paygate-api")
    kw.add(expires="2027-12-19")
    assert kw.select("SELECT count(*), max(version) FROM credential") == [(1, "2")]
    assert kw.select("SELECT outcome FROM episode ORDER BY id") == [("retired",), ("",)]

"""How a credential looks in a list."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from keywatch import report
from keywatch.dates import lead
from keywatch.model import Basis, Call, Credential, Episode, InHand, Person, Rules, Standing, Told

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")
RULES = Rules(default_lead=lead("5bd"))
EXPIRES = datetime(2026, 12, 18, 23, tzinfo=UTC)
ROW = Credential(
    1,
    "vault",
    "secret/paygate",
    "paygate-api",
    expires_at=EXPIRES,
    basis=Basis.DECLARED,
    because="custom_metadata.expires = 2026-12-19",
    owner="payments",
    start_by=datetime(2026, 11, 19, 23, tzinfo=UTC),
    late_at=datetime(2026, 11, 20, 23, tzinfo=UTC),
)


def test_instants_are_utc_and_days_are_the_owners() -> None:
    """A program gets the instant with Z; the day beside it is the one people see in the owner's zone."""
    made = report.record(ROW, NOW, MADRID, RULES)
    assert (made["expires_at"], made["last_good_day"]) == ("2026-12-18T23:00:00Z", "2026-12-18")
    assert (made["start_by"], made["start_by_day"]) == ("2026-11-19T23:00:00Z", "2026-11-20")
    assert (made["state"], made["basis"], made["env"]) == ("LATE", "declared", "production")


def test_no_lead_time_is_shown_as_assumed() -> None:
    """A guess must look like a guess."""
    made = report.record(ROW, NOW, MADRID, RULES)
    assert (made["lead_time"], made["lead_assumed"]) == ("5bd", True)
    said = report.record(replace(ROW, lead="21bd"), NOW, MADRID, RULES)
    assert (said["lead_time"], said["lead_assumed"]) == ("21bd", False)
    assert "assumed" in " ".join(report.row(ROW, NOW, MADRID, RULES))


def test_in_hand_names_the_person_and_the_last_day() -> None:
    """A promise for the 1st ends with it: the instant is the midnight after, the day shown is the 1st."""
    held = replace(ROW, in_hand=InHand("ana", datetime(2026, 12, 1, 23, tzinfo=UTC), begun=True))
    assert report.record(held, NOW, MADRID, RULES)["in_hand"] == {
        "person": "ana",
        "until": "2026-12-01T23:00:00Z",
        "begun": True,
    }
    assert report.row(held, NOW, MADRID, RULES)[-1] == "ana until 2026-12-01"
    assert report.record(ROW, NOW, MADRID, RULES)["in_hand"] is None


def test_marks_stand_beside_the_state() -> None:
    """A word, never only a colour: automatic, and stale since when."""
    stale = replace(ROW, automatic=True, stale_since=NOW - timedelta(days=2))
    assert report.word(stale, NOW) == "✔ OK, automatic, stale since 2026-11-19"
    gone = replace(ROW, retired_at=NOW, retired_by="source:vault")
    assert report.word(gone, NOW) == "– retired by source:vault"


def test_the_row_says_when_it_was_last_said_and_to_whom() -> None:
    """The latest acceptance counts, in the owner's zone."""
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    told = (Told("ana:mail", "ana", 0, Standing.ACCEPTED, at), Told("x", "", 0, Standing.FAILED))
    episode = Episode(1, NOW, EXPIRES, "1", calls=(Call("7d@2026-11-13", at, True, told),))
    people = {"ana": Person("ana", "Ana Ruiz")}
    assert report.last_told(episode, people, NOW, MADRID) == "today 09:00 Ana Ruiz"
    assert report.last_told(episode, people, NOW + timedelta(days=3), MADRID) == "Sat 21 Nov 09:00 Ana Ruiz"
    assert report.last_told(None, people, NOW, MADRID) == ""


def test_the_last_line_names_the_next_step() -> None:
    """After a list people know what to type; the name is quoted for a shell."""
    odd = replace(ROW, name="it's")
    assert report.next_step([odd], NOW, MADRID) == (
        """1 credential, 1 needs action; first: `keywatch show 'it'"'"'s'`"""
    )
    later = replace(ROW, start_by=NOW + timedelta(days=9), late_at=NOW + timedelta(days=10))
    assert report.next_step([later], NOW, MADRID).endswith("next: start paygate-api by 2026-11-30 10:00")
    assert "keywatch add" in report.next_step([], NOW, MADRID)

"""`keywatch who`: what it says of another instant, and of routes that are not simply alive or dead."""

from pathlib import Path

import pytest

from keywatch.model import EvidenceKind
from tests.cli.test_rosters import rendered
from tests.cli.test_routes import DAY, learn
from tests.cli_read.house import NOW, House, make


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The roster was read ten minutes ago; Ana, who is on call, is proven since yesterday."""
    made = make(tmp_path)
    rendered(made)
    learn(made, "ana:mail", EvidenceKind.ACK, 1, person="ana")
    return made


def notes(house: House, *args: str) -> list[str]:
    found: list[str] = house.run("who", "payments", "-o", "json", *args).json["notes"]
    return found


def test_now_needs_no_note(house: House) -> None:
    """All is known of this instant."""
    assert notes(house) == []


def test_a_proof_that_ends_within_a_week(house: House) -> None:
    """So that somebody can answer a test before the route counts for less."""
    learn(house, "mia:mail", EvidenceKind.REPLY, 84, person="mia")
    assert notes(house) == ["unless somebody answers through it before, this proof ends: mia:mail (27 Nov 2026)"]
    learn(house, "mia:mail", EvidenceKind.REPLY, 82, person="mia")
    assert notes(house) == []


def test_a_future_instant(house: House) -> None:
    """The roster answers for then, the routes for now; and the proofs that do not last until then are named."""
    assert notes(house, "--at", "2026-12-01") == [
        "routes are judged as of now: what is learnt of them until then is not known yet"
    ]
    assert notes(house, "--at", "2027-03-01")[1:] == [
        "unless somebody answers through it before, this proof ends: ana:mail (18 Feb 2027)"
    ]


def test_a_past_instant(house: House) -> None:
    """It is no record of who was told: another command is."""
    (note,) = notes(house, "--at", "2026-11-01")
    assert note.startswith("that is past: ")
    assert "`keywatch why NAME` says who was told" in note


def test_a_shared_proof_ends_sooner(house: House) -> None:
    """45 days, and not the 90 of a person."""
    learn(house, "payments-alias", EvidenceKind.ATTESTED, 40, person="ana")
    assert notes(house) == ["unless somebody answers through it before, this proof ends: payments-alias (26 Nov 2026)"]


def test_away_and_partial_stand_beside_the_health(house: House) -> None:
    """They count for less than they seem to, so others are told too."""
    learn(house, "ana:mail", EvidenceKind.AWAY, 0.5, until=NOW + 12 * DAY)
    learn(house, "payments-alias", EvidenceKind.PARTIAL, 3, code="5.1.1")
    out = house.run("who", "payments").out
    assert "by ana:mail, proven, away until 3 Dec 2026 (Ana Ruiz answered, 20 Nov 2026)" in out
    assert "by payments-alias, suspect, partial (some of its readers are gone: 5.1.1, 18 Nov 2026)" in out
    assert "note: payments-alias: some who should read it do not exist any more" in out
    alias, ana = house.run("who", "payments", "-o", "json").json["rungs"][0]["routes"][:2]
    assert (alias["partial"], ana["away_until"]) == (True, "2026-12-03T09:00:00Z")

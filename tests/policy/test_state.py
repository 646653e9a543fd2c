"""The one word for a credential, at every boundary, and the marks beside it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keywatch.model import Credential, InHand, State
from keywatch.policy.state import ORDER, marks, speaks, state, worst_first
from tests.policy.build import DAY, at, credential, madrid

TICK = timedelta(microseconds=1)
ROW = credential(madrid("2026-12-19"), "5bd")
NOON = madrid("2026-12-01 12:00")


@pytest.mark.parametrize(
    ("from_", "before", "after"),
    [
        ("2026-11-13 09:00", State.OK, State.PLAN),
        ("2026-12-07 09:00", State.PLAN, State.START),
        ("2026-12-15 00:00", State.START, State.LATE),
        ("2026-12-19 00:00", State.LATE, State.EXPIRED),
    ],
)
def test_a_state_begins_at_its_instant(from_: str, before: State, after: State) -> None:
    """PLAN with the first stage, START with the 7d stage, LATE at the midnight after start by, EXPIRED at the end."""
    assert state(ROW, madrid(from_) - TICK) is before
    assert state(ROW, madrid(from_)) is after


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-12-16 23:59", State.IN_HAND), ("2026-12-17 00:00", State.LATE), ("2026-12-01 12:00", State.IN_HAND)],
)
def test_in_hand_until_the_promise_ends(now: str, expected: State) -> None:
    """A promise outranks PLAN, START and LATE, and ends with its instant."""
    taken = replace(ROW, in_hand=InHand("ana", madrid("2026-12-17"), begun=False))
    assert state(taken, madrid(now)) is expected


def test_expired_outranks_in_hand() -> None:
    """A promise does not make a dead credential live."""
    taken = replace(ROW, in_hand=InHand("ana", madrid("2026-12-24"), begun=True))
    assert state(taken, madrid("2026-12-19") - TICK) is State.IN_HAND
    assert state(taken, madrid("2026-12-19")) is State.EXPIRED


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"problem": "cannot read 'soon'"}, State.UNKNOWN),
        ({"problem": "cannot read 'soon'", "never": True}, State.UNKNOWN),
        ({}, State.UNDATED),
        ({"never": True}, State.NEVER),
    ],
)
def test_without_a_date(said: dict[str, Any], expected: State) -> None:
    """A date that cannot be read is UNKNOWN, none at all is UNDATED, and NEVER only where somebody said so."""
    assert state(Credential(1, "vault", "a", "a", **said), NOON) is expected


def test_what_is_not_active_is_never_spoken_of() -> None:
    """Disabled or revoked: OK on the day it expires, too, and with the mark that says why."""
    off = replace(ROW, active=False)
    assert {state(off, ROW.expires_at + n * DAY) for n in (-10, -1, 0, 9) if ROW.expires_at} == {State.OK}
    assert "inactive" in marks(off, NOON)


# --------------------------------------------------------------------------- automatic

ROBOT = credential("2026-12-31", "1d", automatic=True, issued=at("2026-10-02"))
OVERDUE = at("2026-12-16")


def test_an_automatic_renewal_is_ok_until_two_checks_saw_it_overdue() -> None:
    """Silent past start by and at the first check that sees it; from the second check on like any other."""
    assert ROBOT.speaks_from == OVERDUE
    assert state(ROBOT, OVERDUE + DAY) is State.OK
    seen = replace(ROBOT, overdue_seen=OVERDUE + DAY)
    assert state(seen, OVERDUE + DAY) is State.OK
    assert not speaks(seen, OVERDUE + DAY)
    assert speaks(seen, OVERDUE + DAY + TICK)
    assert state(seen, OVERDUE + DAY + TICK) is State.PLAN
    assert state(seen, at("2026-12-31") - TICK) is State.LATE


def test_an_overdue_robot_is_silent_again_when_its_date_moves_away() -> None:
    """What was overdue for the old date is not overdue for the new one."""
    later = credential("2027-03-31", "1d", automatic=True, issued=at("2026-10-02"), overdue_seen=OVERDUE)
    assert not speaks(later, at("2027-01-15"))
    assert state(later, at("2027-01-15")) is State.OK


def test_an_expired_automatic_one_is_expired() -> None:
    """The robot's silence ends with the credential."""
    assert state(ROBOT, at("2026-12-31")) is State.EXPIRED


# --------------------------------------------------------------------------- marks and order


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"automatic": True}, "automatic"),
        ({"unconfirmed": "v2"}, "renewed, date not updated"),
        ({"stale_since": NOON}, "stale since"),
        ({"missing_since": NOON}, "missing"),
        ({"active": False}, "inactive"),
        ({"problem": "cannot read 'soon'"}, "unreadable date"),
        ({"accepted_until": NOON + DAY}, "risk accepted"),
    ],
)
def test_each_mark_has_one_cause(changes: dict[str, Any], mark: str) -> None:
    """A mark stands beside the state for exactly its own reason."""
    assert marks(ROW, NOON) == ()
    assert marks(replace(ROW, **changes), NOON) == (mark,)


def test_an_accepted_risk_that_has_ended_is_no_mark() -> None:
    """Until means until."""
    assert marks(replace(ROW, accepted_until=NOON), NOON) == ()


def test_worst_first() -> None:
    """State, then the date that matters, then the name; what has no date comes last in its state."""
    assert ORDER[0] is State.EXPIRED
    assert set(ORDER) == set(State)
    late = replace(ROW, name="b", late_at=NOON)
    later = replace(late, name="a", start_by=ROW.start_by + DAY if ROW.start_by else None)
    same = replace(late, name="c")
    dead = replace(ROW, expires_at=NOON)
    undated = Credential(9, "vault", "u", "a")
    never = replace(undated, never=True)
    rows = [never, undated, later, same, late, dead]
    assert sorted(rows, key=lambda row: worst_first(row, NOON)) == [dead, late, same, later, undated, never]

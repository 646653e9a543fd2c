"""How long a message that was not accepted waits: ever longer, and never past what it is about."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keywatch.policy.case import timeline
from keywatch.policy.retry import FIRST, LONGEST, SHARE, SOONEST, pause
from keywatch.policy.stages import stages
from tests.policy.build import at, credential, episode, world

EXPIRES = at("2026-12-19")


def wait(now: datetime, tries: int) -> timedelta:
    row = credential("2026-12-19", "5bd")
    return pause(now, tries, [(row, episode(row))], world())


def test_it_doubles_up_to_six_hours() -> None:
    """Far from any stage: 10, 20, 40 … minutes, and never more than six hours. Without a credential the same."""
    far = at("2026-07-01 10:00")
    assert [wait(far, tries) for tries in (1, 2, 3)] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert wait(far, 40) == pause(far, 40, [], world()) == LONGEST


def test_the_next_stage_is_not_slept_through() -> None:
    """The start of `7d` is two hours away: the try is then, not four hours after it."""
    row, place = credential("2026-12-19", "5bd"), world()
    due = next(s.due for s in stages(timeline(row, episode(row), place), at("2026-11-01")) if s.key.startswith("7d"))
    assert wait(due - timedelta(hours=2), 20) == timedelta(hours=2)


def test_eight_tries_fit_before_an_expiry() -> None:
    """Four hours before the end it is half an hour, whatever the number of tries; a minute at the very end."""
    assert wait(EXPIRES - timedelta(hours=4), 20) == timedelta(hours=4) / SHARE
    assert wait(EXPIRES - timedelta(seconds=90), 20) == SOONEST


@given(st.integers(0, 400 * 24 * 60), st.integers(1, 60))
def test_it_never_sleeps_past_a_stage(minutes: int, tries: int) -> None:
    """Wherever time stands, no stage lies within the pause, and the pause is longer than nothing."""
    row, place = credential("2026-12-19", "5bd"), world()
    now = EXPIRES - timedelta(days=300) + timedelta(minutes=minutes)
    paused = pause(now, tries, [(row, episode(row))], place)
    assert timedelta(0) < paused <= LONGEST
    ahead = [s.due for s in stages(timeline(row, episode(row), place), now) if s.due > now]
    assert all(due >= now + paused for due in ahead)

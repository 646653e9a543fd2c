"""The time that a run decides by: it never goes back, and a leap of years is not believed."""

from datetime import UTC, datetime, timedelta

import pytest

from keywatch.clock import LEAP, SKEW, Steady, ahead, back
from keywatch.errors import Exit, KeywatchError

NOW = datetime(2026, 12, 7, 9, tzinfo=UTC)
NONE, DAY = timedelta(0), timedelta(days=1)


def test_a_clock_that_goes_on_is_believed() -> None:
    """Forward by anything up to a leap, or a store without a run: nothing is added."""
    assert ahead(NOW, None, NONE) == NONE
    assert ahead(NOW, NOW, NONE) == NONE
    assert ahead(NOW + LEAP, NOW, NONE) == NONE


def test_a_small_step_back_changes_nothing() -> None:
    """Hosts differ by minutes: within the skew the later of the two times rules, and nothing is said."""
    assert ahead(NOW - SKEW, NOW, NONE) == NONE
    steady = Steady(lambda: NOW - SKEW, NONE, NOW)
    assert steady() == NOW


def test_time_goes_on_from_the_last_run() -> None:
    """A day back: the run decides at the last run's time, and an hour later an hour after that."""
    by = ahead(NOW - DAY, NOW, NONE)
    assert by == DAY
    assert Steady(lambda: NOW - DAY, by, NOW)() == NOW
    hour = timedelta(hours=1)
    assert ahead(NOW - DAY + hour, NOW, by) == by
    assert Steady(lambda: NOW - DAY + hour, by, NOW)() == NOW + hour
    assert "1 d 0 h" in back(NOW - DAY, by)


def test_a_clock_that_caught_up_is_believed_again() -> None:
    """Set to 1970 at boot and right after the first minutes: what was added is dropped."""
    boot = datetime(1970, 1, 1, tzinfo=UTC)
    by = ahead(boot, NOW, NONE)
    assert boot + by == NOW
    assert ahead(NOW + timedelta(minutes=5), NOW + timedelta(minutes=2), by) == NONE


def test_a_leap_decides_nothing() -> None:
    """Beyond 400 days nobody is told of a whole year at once: exit 1, and the command that accepts it."""
    with pytest.raises(KeywatchError) as refused:
        ahead(NOW + LEAP + timedelta(seconds=1), NOW, NONE)
    assert refused.value.exit_code is Exit.BAD
    assert "db clock" in refused.value.hint

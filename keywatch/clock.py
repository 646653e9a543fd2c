"""The time that a run decides by: it never goes back, and a leap of years is not believed.

A clock that is wrong must not make keywatch mute. Where it fell back, time goes on from the last run, which can only
hasten a reminder; where it leaps, nothing is decided until a person says that it is right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keywatch.errors import Exit, KeywatchError

SKEW = timedelta(minutes=10)
"""Hosts and corrections differ by less; the later time then simply rules."""
LEAP = timedelta(days=400)
"""No installation rests longer than this and then goes on by itself."""


@dataclass(frozen=True, slots=True)
class Steady:
    """A clock that never shows an earlier time than the last run did."""

    base: Callable[[], datetime]
    ahead: timedelta = timedelta(0)
    floor: datetime | None = None

    def __call__(self) -> datetime:
        now = self.base() + self.ahead
        return max(now, self.floor) if self.floor else now


def resumed(base: Callable[[], datetime], high_water: datetime | None, before: timedelta) -> tuple[Steady, timedelta]:
    """The clock to decide by, and how far it had to be put ahead of `base`: nothing within the skew.

    Raises:
        KeywatchError: the clock leapt (exit 1).
    """
    by = ahead(base(), high_water, before)
    lead = max(by, high_water - base(), timedelta(0)) if high_water else by
    return Steady(base, lead, high_water), by


def ahead(now: datetime, high_water: datetime | None, before: timedelta) -> timedelta:
    """How far ahead of the clock a run decides, so that time goes on from the `high_water` of all runs.

    `before`: the same of the last run. A clock that has caught up is believed again.

    Raises:
        KeywatchError: it leapt further than `LEAP` (exit 1: nobody who is due is told).
    """
    if high_water is None or now >= high_water:
        if high_water and now - high_water > LEAP:
            years = f"{(now - high_water).days} days after the last run ({high_water:%Y-%m-%d})"
            raise KeywatchError(
                f"the clock says {now:%Y-%m-%d %H:%M} UTC, {years}; nothing was decided",
                "set the clock; if it is right, say so: `keywatch db clock`",
                Exit.BAD,
            )
        return timedelta(0)
    return before if now + before >= high_water - SKEW else high_water - now


def back(now: datetime, by: timedelta) -> str:
    """What is said of a clock that is `by` behind the time of the last run."""
    days = f"{by.days} d {by.seconds // 3600} h" if by.days else f"{by.seconds // 3600} h {by.seconds % 3600 // 60} min"
    return (
        f"the clock went back to {now:%Y-%m-%d %H:%M} UTC: keywatch goes on {days} ahead of it, from its last run; "
        "if the clock is right now: `keywatch db clock`"
    )

"""How people and sources write instants and durations, read strictly: a guessed date is an outage.

Instants are aware UTC `datetime`s. A bare date is the *start* of that day in a zone the caller names, so a
credential that "expires 2026-12-19" has its last good day on the 18th.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from keywatch.errors import DateError

ACCEPTED = "write 2026-12-19 (the start of that day) or 2026-12-19T08:00:00Z (an instant with its offset)"
LEADS = "write 21bd (working days), 3w, 90d, 12h, or steps: approval=15bd,issue=1bd,deploy=3bd,margin=2bd"
FIRST_YEAR, LAST_YEAR = 2, 8999
"""Outside these years a date is a way to say "never" (0001-01-01, 9999-12-31)."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?([Zz]|UTC|[+-]\d{2}:?\d{2})", re.ASCII
)
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
_SPAN = re.compile(r"(\d{1,4})(bd|h|d|w)", re.ASCII)
_STEP = re.compile(r"[a-z][a-z0-9 _-]{0,30}")


def start_of(day: date, zone: ZoneInfo, at: time = time(0)) -> datetime:
    """The UTC instant at which `day` reads `at` in `zone`; a local time that does not exist resolves forward."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def last_good_day(expires_at: datetime, zone: ZoneInfo) -> date:
    """The last local day that is good to its end; for an instant inside a day, that day itself."""
    return (expires_at - timedelta(microseconds=1)).astimezone(zone).date()


def instant(value: str | date | datetime, zone: ZoneInfo) -> datetime | None:
    """Read a date or an instant as UTC; None means *never*.

    Raises:
        DateError: naive, compact, week, ambiguous or impossible dates. Nothing is guessed.
    """
    if isinstance(value, datetime):
        return _bounded(value, value.isoformat(sep=" "))
    if isinstance(value, date):
        return start_of(value, zone) if FIRST_YEAR <= value.year <= LAST_YEAR else None
    text = value.strip()
    try:
        if _DATE.fullmatch(text):
            return instant(date.fromisoformat(text), zone)
        if found := _INSTANT.fullmatch(text):
            day, clock, offset = found.groups()
            return _bounded(datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'UTCZz' else offset}"), text)
    except ValueError:
        raise DateError(f"'{text}' is not in the calendar", ACCEPTED) from None
    if _NAIVE.fullmatch(text):
        raise DateError(f"'{text}' has no offset from UTC", ACCEPTED)
    raise DateError(f"cannot read '{text[:40]}' as a date", ACCEPTED)


def _bounded(moment: datetime, text: str) -> datetime | None:
    if moment.tzinfo is None:
        raise DateError(f"'{text}' has no offset from UTC", ACCEPTED)
    return moment.astimezone(UTC) if FIRST_YEAR <= moment.year <= LAST_YEAR else None


class Unit(StrEnum):
    """What a span counts in."""

    WORKING_DAYS = "bd"
    HOURS = "h"
    DAYS = "d"
    WEEKS = "w"


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a renewal: who or what it waits for, and how long that takes."""

    name: str
    amount: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


@dataclass(frozen=True, slots=True)
class Lead:
    """The lead time of a renewal: its steps in the order in which they are done. One unnamed step: a plain duration."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return ",".join(f"{s.name}={s}" if s.name else str(s) for s in self.steps)

    @property
    def in_hours(self) -> bool:
        """Whether start by is an exact instant instead of a day."""
        return all(step.unit is Unit.HOURS for step in self.steps)


def span(text: str, name: str = "") -> Step:
    """Read one duration such as `21bd`, `3w`, `90d` or `12h`.

    Raises:
        DateError: another form.
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise DateError(f"cannot read '{text[:40]}' as a duration", LEADS)
    return Step(name, int(found[1]), Unit(found[2]))


def lead(text: str) -> Lead:
    """Read a lead time: one duration, or named steps separated by commas.

    Raises:
        DateError: another form, or the same step twice.
    """
    if "=" not in text:
        return Lead((span(text),))
    steps = []
    for part in text.split(","):
        name, _, duration = part.partition("=")
        if not _STEP.fullmatch(name.strip()):
            raise DateError(f"'{name.strip()[:40]}' is not the name of a step", LEADS)
        steps.append(span(duration, name.strip()))
    if len({step.name for step in steps}) < len(steps):
        raise DateError(f"'{text}' names a step twice", LEADS)
    return Lead(tuple(steps))


def elapsed(text: str) -> timedelta:
    """Read a plain span of clock time (`14d`, `2h`, `15m`, `0`), for options such as `--within` and `every`.

    Raises:
        DateError: another form; working days are not clock time.
    """
    if text.strip() == "0":
        return timedelta(0)
    if found := re.fullmatch(r"(\d{1,4})m(in)?", text.strip(), re.ASCII):
        return timedelta(minutes=int(found[1]))
    step = span(text)
    if step.unit is Unit.WORKING_DAYS:
        raise DateError(f"'{text}' counts working days, and here clock time is meant", "write 14d, 26h or 15m")
    return step.amount * {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[step.unit.value]

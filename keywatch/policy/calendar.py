"""Working days: when an owner's people can work, and when they may be spoken to."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial

from keywatch.dates import start_of
from keywatch.errors import DateError
from keywatch.model import Calendar

DAY = timedelta(days=1)
_FAR = 366 * 60
"""Days after which a calendar without a working day is given up."""


def is_open(calendar: Calendar, day: date) -> bool:
    """Whether messages may go out on `day`. A freeze stops work, not messages."""
    return day.weekday() not in calendar.weekend and day not in calendar.holidays


def is_working(calendar: Calendar, day: date) -> bool:
    """Whether work on a renewal counts on `day`; both dates of a freeze are frozen."""
    return is_open(calendar, day) and not any(first <= day <= last for first, last in calendar.freezes)


def local_day(calendar: Calendar, moment: datetime) -> date:
    """The date of an instant in the calendar's zone."""
    return moment.astimezone(calendar.zone).date()


def working_day_before(calendar: Calendar, day: date) -> date:
    """`day` itself if people work on it, else the nearest working day before it."""
    return nth_working_day_back(calendar, day, 1)


def open_day_before(calendar: Calendar, day: date) -> date:
    """`day` itself if messages may go out on it, else the nearest such day before it."""
    return _nth(day, -DAY, 1, partial(is_open, calendar))


def nth_working_day_back(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day counting back from `day`, which counts if it is one."""
    return _nth(day, -DAY, count, partial(is_working, calendar))


def open_days_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th day after `day` on which messages may go out."""
    return _nth(day + DAY, DAY, count, partial(is_open, calendar))


def working_days_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day after `day`."""
    return _nth(day + DAY, DAY, count, partial(is_working, calendar))


def _nth(first: date, step: timedelta, count: int, counts: Callable[[date], bool]) -> date:
    """The `count`-th day that counts, from `first` on in steps of a day."""
    left = count
    for n in range(_FAR):
        day = first + n * step
        left -= counts(day)
        if left == 0:
            return day
    raise _never_open()


def working_days_between(calendar: Calendar, first: date, until: date) -> int:
    """How many working days lie in `[first, until)`."""
    return sum(is_working(calendar, first + n * DAY) for n in range((until - first).days))


def put_off(calendar: Calendar, at: time, moment: datetime, *, every_day: bool = False) -> datetime:
    """The next `at` o'clock at or after `moment` on a day on which messages may go out (or on any day)."""
    day = local_day(calendar, moment)
    for ahead in range(_FAR):
        candidate = day + ahead * DAY
        due = start_of(candidate, calendar.zone, at)
        if due >= moment and (every_day or is_open(calendar, candidate)):
            return due
    raise _never_open()


def _never_open() -> DateError:
    return DateError("this calendar has no working day", "look at its weekend, holidays and freezes")

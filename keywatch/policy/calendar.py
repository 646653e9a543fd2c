"""Working days: when an owner's people can work, and when they may be spoken to."""

from datetime import date, datetime, time, timedelta

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
    for back in range(_FAR):
        if is_open(calendar, day - back * DAY):
            return day - back * DAY
    raise _never_open()


def nth_working_day_back(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day counting back from `day`, which counts if it is one."""
    left = count
    for back in range(_FAR):
        candidate = day - back * DAY
        if is_working(calendar, candidate):
            left -= 1
            if left == 0:
                return candidate
    raise _never_open()


def open_days_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th day after `day` on which messages may go out."""
    left = count
    for ahead in range(1, _FAR):
        if is_open(calendar, day + ahead * DAY):
            left -= 1
            if left == 0:
                return day + ahead * DAY
    raise _never_open()


def working_days_after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`-th working day after `day`."""
    left = count
    for ahead in range(1, _FAR):
        if is_working(calendar, day + ahead * DAY):
            left -= 1
            if left == 0:
                return day + ahead * DAY
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

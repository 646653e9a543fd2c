"""The oracle's own calendar: when each stage of DESIGN §5 is due, written from the rules and not from the code.

One calendar (Madrid, Monday to Friday, two holidays, a freeze), lead times in working days, lives of ten days or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Madrid")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HOLIDAYS = {date(2026, 12, 25), date(2027, 1, 6), date(2027, 5, 1), date(2027, 12, 8)}
FREEZE = (date(2026, 12, 20), date(2027, 1, 3))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), ZONE).astimezone(UTC)


def nine(day: date) -> datetime:
    return datetime.combine(day, time(9), ZONE).astimezone(UTC)


def local(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def is_open(day: date) -> bool:
    """Whether people are spoken to on that day."""
    return day.weekday() < 5 and day not in HOLIDAYS


def is_working(day: date) -> bool:
    """Whether people work on it."""
    return is_open(day) and not FREEZE[0] <= day <= FREEZE[1]


def put_off(moment: datetime, *, every_day: bool = False) -> datetime:
    """The next nine o'clock from `moment` on, of a day on which people are spoken to."""
    day = local(moment)
    while nine(day) < moment or not (every_day or is_open(day)):
        day += DAY
    return nine(day)


def working_days_after(day: date, count: int) -> date:
    while count:
        day += DAY
        count -= is_working(day)
    return day


def _working_before(day: date) -> date:
    while not is_working(day):
        day -= DAY
    return day


@dataclass(frozen=True)
class Stage:
    """One thing that is due, and the rung whose people must hear of it."""

    due: datetime
    kind: str
    rung: int

    @property
    def urgent(self) -> bool:
        """It speaks although somebody has promised something."""
        return self.kind in ("last", "expired", "again")


@dataclass(frozen=True)
class Dates:
    """The dates of one credential that follow from its end, its issue and its lead time (working days)."""

    expires: datetime
    lead: int
    issued: datetime | None = None

    @property
    def start_day(self) -> date:
        """The last day on which work can begin."""
        day = local(self.expires) - DAY
        left = self.lead
        while left := left - is_working(day):
            day -= DAY
        if self.issued and self.expires - midnight(day) >= (self.expires - self.issued) / 2:
            return _working_before(local(self.expires - (self.expires - self.issued) / 3))
        return day

    @property
    def start_by(self) -> datetime:
        return midnight(self.start_day)

    @property
    def late_at(self) -> datetime:
        return min(midnight(self.start_day + DAY), self.expires)

    @property
    def last_at(self) -> datetime:
        return self.expires - DAY

    def before(self) -> list[tuple[datetime, int]]:
        """The stages before start by, with their rungs."""
        found = []
        for days, rung in ((30, 0), (14, 0), (7, 1), (2, 2)):
            day = self.start_day - days * DAY
            while not is_open(day):
                day -= DAY
            if self.issued is None or nine(day) >= self.issued:
                found.append((nine(day), rung))
        if not found and self.issued and self.issued < self.start_by:
            middle = self.issued + (self.start_by - self.issued) / 2
            found = [(min(put_off(middle), self.late_at), 2)]
        return found

    @property
    def plan_at(self) -> datetime:
        """The first stage."""
        return min([due for due, _ in self.before()] + [self.start_by])

    def late(self, floor: datetime, now: datetime) -> Iterator[datetime]:
        day = local(max(self.late_at, floor))
        while nine(day) <= now and nine(day) < self.last_at:
            if is_open(day) and nine(day) >= max(self.late_at, floor):
                yield nine(day)
            day += DAY

    def again(self, floor: datetime, now: datetime) -> Iterator[datetime]:
        """Daily for fourteen days after the end, then weekly."""
        days = 1
        while self.expires + days * DAY <= now:
            yield put_off(max(self.expires + days * DAY, floor), every_day=True)
            days += 1 if days < 14 else 7

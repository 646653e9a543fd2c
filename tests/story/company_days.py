"""Where the company works, and when: its calendars and start-by days, counted a second time, for the judge."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Office:
    """When people of one place work."""

    name: str
    zone: ZoneInfo
    holidays: tuple[date, ...]
    freeze: tuple[date, date] | None = None

    def is_open(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.holidays

    def is_working(self, day: date) -> bool:
        return self.is_open(day) and not (self.freeze and self.freeze[0] <= day <= self.freeze[1])

    def at(self, day: date, hour: float) -> datetime:
        """An instant of a local day."""
        return (datetime.combine(day, time(), self.zone) + timedelta(hours=hour)).astimezone(UTC)

    @property
    def section(self) -> str:
        """What keywatch.toml says of it."""
        days = ", ".join(f"{day}" for day in self.holidays)
        text = f'[calendars.{self.name}]\ntimezone = "{self.zone.key}"\nholidays = [{days}]\n'
        if self.freeze:
            text += f"freezes = [{{ from = {self.freeze[0]}, until = {self.freeze[1]} }}]\n"
        return text

    def start_by(self, expires: date, working_days: int) -> datetime:
        """The midnight before the last day on which work can begin."""
        day, left = expires, working_days
        while left:
            day -= DAY
            left -= self.is_working(day)
        return self.at(day, 0)

    def later(self, day: date, working_days: int) -> date:
        """The n-th day after `day` on which people work on something."""
        left = working_days
        while left:
            day += DAY
            left -= self.is_working(day)
        return day


OFFICES = (
    Office(
        "madrid",
        ZoneInfo("Europe/Madrid"),
        tuple(date.fromisoformat(d) for d in ("2026-10-12", "2026-12-08", "2026-12-25", "2027-01-01", "2027-01-06")),
        (date(2026, 12, 20), date(2027, 1, 3)),
    ),
    Office("berlin", ZoneInfo("Europe/Berlin"), (date(2026, 12, 25), date(2027, 1, 1), date(2027, 5, 1))),
    Office(
        "boston",
        ZoneInfo("America/New_York"),
        (date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1), date(2027, 7, 5)),
    ),
)

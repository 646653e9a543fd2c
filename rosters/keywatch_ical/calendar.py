"""Reads iCalendar into events with aware UTC bounds. One quarantine: whatever the libraries raise is one error.

Two things are never left to them. They compare a window in the zone of each event, which can lose an hour when
daylight saving ends: we ask for a month more and compare instants in UTC ourselves. And they read an
unknown time zone as none: we refuse it, because a guessed zone hands over at the wrong hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from keywatch.dates import start_of
from keywatch.errors import RosterError
from keywatch.model import Person

TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
"""The properties without which the time of a shift would be guessed."""
TOO_OFTEN = {"SECONDLY", "MINUTELY"}
"""Rules that make millions of events; no shift is like that."""
NOBODY = {"ROOM", "RESOURCE"}
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence, `[start, until)` in aware UTC."""

    start: datetime
    until: datetime
    summary: str
    attendees: list[Person]


def events(content: bytes, start: datetime, until: datetime, zone: ZoneInfo) -> list[Event]:
    """Every occurrence that overlaps the window and perhaps some beyond it; cancelled ones are left out.

    `zone`: where days and times without a zone are, unless the calendar names its own.

    Raises:
        RosterError: nonsense: it is not a calendar, or the time of an event cannot be read.
    """
    try:
        calendar: Any = icalendar.Calendar.from_ical(content)
        _check(calendar)
        zone = _own_zone(calendar) or zone
        found = recurring_ical_events.of(calendar).between(start, until)
        return [_event(one, zone) for one in found if str(one.get("STATUS", "")).upper() != "CANCELLED"]
    except RosterError:
        raise
    except Exception as problem:  # noqa: BLE001  they raise nearly everything, IsADirectoryError and AttributeError too
        what = f"the calendar cannot be read: {type(problem).__name__}"
        raise RosterError("nonsense", what, "open it in a calendar program") from None


def _check(calendar: Any) -> None:
    """Refuse what would otherwise be read as fewer shifts, or as shifts at other times."""
    if calendar.name != "VCALENDAR":
        raise RosterError("nonsense", "the feed is not a calendar", "check its url")
    for event in calendar.walk("VEVENT"):
        broken = {name for name, _ in event.errors} & set(TIMES)
        if broken or "DTSTART" not in event:
            raise RosterError("nonsense", f"an event has no readable {min(broken, default='DTSTART')}", "mend the feed")
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
            _check_zone(event.get(name))
        for rule in _listed(event.get("RRULE")):
            if TOO_OFTEN & set(rule.get("FREQ", [])) or len(rule.get("BYSECOND", [])) > 1:
                raise RosterError("nonsense", "an event repeats every minute", "shifts do not: check the feed")


def _check_zone(value: Any) -> None:
    moment = getattr(value, "dt", None)
    named = getattr(value, "params", {}).get("TZID")
    if named and isinstance(moment, datetime) and moment.tzinfo is None:
        raise RosterError(
            "nonsense", f"the time zone '{_plain(str(named))}' is unknown", "use a name like Europe/Berlin"
        )


def _own_zone(calendar: Any) -> ZoneInfo | None:
    named = str(calendar.get("X-WR-TIMEZONE", ""))
    return ZoneInfo(named) if named else None


def _event(one: Any, zone: ZoneInfo) -> Event:
    begins, ends = one["DTSTART"].dt, one["DTEND"].dt
    attendees = list(_attendees(_listed(one.get("ATTENDEE"))))
    return Event(_utc(begins, zone), _utc(ends, zone), _plain(str(one.get("SUMMARY", ""))), attendees)


def _utc(moment: date, zone: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        return start_of(moment, zone)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _attendees(values: list[Any]) -> Iterator[Person]:
    """People of an event: by mail address, else by the name beside it. Rooms are nobody."""
    for value in values:
        if str(value.params.get("CUTYPE", "")).upper() in NOBODY:
            continue
        name = _plain(str(value.params.get("CN", "")))
        scheme, _, address = str(value).partition(":")
        mail = address.strip().lower() if scheme.lower() == "mailto" and "@" in address else ""
        if mail or name:
            yield Person(mail or name, name or mail, mail)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _plain(text: str) -> str:
    """One short line of printable text: it ends up in messages and tables."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_NAME]

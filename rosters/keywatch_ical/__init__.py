"""On-call shifts from an iCalendar feed: the one thing that PagerDuty, Opsgenie, Grafana, Google and Outlook all give.

[rosters.payments]
kind = "ical"
url = "env:ONCALL_FEED"                       # an address with a token in it is a secret; a path works too
person_pattern = "On call: (?P<name>.+)"      # where events have no attendees; events it does not match are no shifts
level_pattern = "L(\\\\d)"                    # optional, in the summary: level 1 unless it matches

An event is a shift of its attendees, else of the person its summary names. A feed that cannot be read in full is an
error with its kind: half a calendar would say "nobody on duty".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keywatch.errors import KeywatchError, RosterError
from keywatch.model import Duty, Person
from keywatch.plugins import Run

BEFORE = timedelta(days=32)
AFTER = timedelta(days=60)
"""Members are those with a shift in `[now - BEFORE, now + AFTER)`."""
FRESH = timedelta(minutes=1)
"""One run asks for shifts and for members: it fetches once."""


class IcalRoster:
    """Reads one feed. It has no targets; one feed is one rota."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`url`: http(s) or webcal, a path, or a reference to either (`env:NAME`, `file:/path`, `cmd:argv`)."""

        url: str = field(repr=False)
        ca: str = ""
        """A PEM file of authorities to trust instead of the system's."""
        person_pattern: str = ""
        """Regular expression; the group `name`, else the first, else all of the match is the person."""
        level_pattern: str = ""
        """Regular expression; its group is the level, without a group a match is level 2."""
        max_mb: int = 5
        timeout_s: float = 10.0

    def __init__(self, settings: Settings) -> None:
        """Check the settings.

        Raises:
            KeywatchError: no url, or a pattern that is no regular expression.
        """
        if not settings.url or settings.max_mb < 1 or not 0 < settings.timeout_s <= 600:
            raise KeywatchError("an ical roster needs a url, max_mb from 1 and a timeout_s", 'url = "env:ONCALL_FEED"')
        self._settings = settings
        self._person = _pattern("person_pattern", settings.person_pattern)
        self._level = _pattern("level_pattern", settings.level_pattern)
        self._feed: tuple[datetime, bytes] | None = None

    def shifts(self, run: Run, target: str, start: datetime, until: datetime) -> Sequence[Duty]:
        """Every shift that touches `[start, until)`, in the order in which they start.

        Raises:
            RosterError: the feed does not answer, refuses, is not there or makes no sense.
        """
        content = self._content(run, target)
        if start >= until:
            return []
        from keywatch_ical.calendar import events

        found = []
        for event in events(content, start - BEFORE, until + timedelta(days=2), run.zone):
            if event.start < until and event.until > start:
                level = self._level_of(event.summary)
                people = event.attendees or self._named(event.summary)
                found += [Duty(person, level, event.start, event.until) for person in people]
        return sorted(found, key=lambda duty: (duty.start or start, duty.level, duty.person.key))

    def members(self, run: Run, target: str) -> Sequence[Person]:
        """Everybody with a shift in the month before and the two months after now.

        Raises:
            RosterError: as for `shifts`.
        """
        duties = self.shifts(run, target, run.now - BEFORE, run.now + AFTER)
        return list({duty.person.key: duty.person for duty in duties}.values())

    def _content(self, run: Run, target: str) -> bytes:
        if target:
            raise RosterError("unknown-target", f"a calendar has no '{target}'", "name the roster alone")
        if self._feed is None or not timedelta(0) <= run.now - self._feed[0] < FRESH:
            from keywatch_ical.fetch import fetch

            own = self._settings
            self._feed = run.now, fetch(run, own.url, own.ca, own.max_mb * 2**20, own.timeout_s)
        return self._feed[1]

    def _named(self, summary: str) -> list[Person]:
        if self._person:
            found = self._person.search(summary)
            if not found:
                return []
            groups = found.groupdict()
            summary = groups.get("name") or (found[1] if found.re.groups else found[0]) or ""
        name = " ".join(summary.split())
        return [Person(name, name)] if name else []

    def _level_of(self, summary: str) -> int:
        found = self._level.search(summary) if self._level else None
        if not found:
            return 1
        said = found[1] if found.re.groups else "2"
        return max(1, int(said)) if said and said.isdecimal() else 1


def _pattern(name: str, text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as problem:
        raise KeywatchError(f"{name} is no regular expression: {problem}", 'person_pattern = "On call: (.+)"') from None


__all__ = ["IcalRoster"]

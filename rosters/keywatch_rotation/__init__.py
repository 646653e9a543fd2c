"""A rotation written down in keywatch.toml: people in turn, handed over at a local time, with swaps.

[rosters.payments]
kind = "rotation"
people = ["ana", "bo", "cy"]           # in turn, from the anchor on and backwards from it
secondary = ["dee", "eli"]             # level 2, optional, handed over at the same time
anchor = 2026-10-05                    # ana's first day
at = 09:00:00
timezone = "Europe/Berlin"
overrides = [{ person = "bo", from = 2026-12-24T09:00:00+01:00, until = 2026-12-27, reason = "swap" }]

Hand-overs keep the local time, so daylight saving moves their UTC instant and never their hour. The last override
that covers an instant holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.dates import instant, start_of
from keywatch.errors import DateError, KeywatchError, RosterError
from keywatch.model import Duty, Person
from keywatch.plugins import Run

FORM = 'overrides = [{ person = "bo", from = 2026-12-24, until = 2026-12-27, reason = "swap" }]'
OVERRIDE_KEYS = {"person", "from", "until", "reason"}


@dataclass(frozen=True, slots=True)
class _Span:
    """Who has it over `[start, until)`."""

    person: str
    start: datetime
    until: datetime


class RotationRoster:
    """Answers from its settings alone, so it is never unreachable. It has no targets."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        """Keys of `[people]` in their order; the order is the rotation."""

        people: tuple[str, ...]
        anchor: date
        """The first person's first day."""
        at: time = time(9)
        """Local time of the hand-over."""
        every_days: int = 7
        timezone: str = "UTC"
        secondary: tuple[str, ...] = ()
        """Level 2; empty = there is none."""
        overrides: tuple[Mapping[str, Any], ...] = ()
        """Tables with person, from, until (a bare date is the start of that day) and optionally reason; level 1."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings.

        Raises:
            KeywatchError: nobody in it, an unknown time zone, or an override that cannot be read.
        """
        if not settings.people:
            raise KeywatchError("a rotation needs people", 'people = ["ana", "bo"]')
        if not 1 <= settings.every_days <= 366:
            raise KeywatchError(f"every_days = {settings.every_days} is not a number of days", "7 is a week")
        self._settings = settings
        try:
            self._zone = ZoneInfo(settings.timezone)
        except (KeyError, ValueError, OSError):
            raise KeywatchError(f"'{settings.timezone}' is not a time zone", "Europe/Berlin, say, or UTC") from None
        self._overrides = [self._override(table) for table in settings.overrides]

    def shifts(self, run: Run, target: str, start: datetime, until: datetime) -> Sequence[Duty]:
        """Every shift that touches `[start, until)`, whole, in the order in which they start."""
        del run  # nothing outside the settings is asked
        self._only_one(target)
        if start >= until:
            return []
        spans = [(span, 1) for span in self._level_one(start, until)]
        if self._settings.secondary:
            spans += [(span, 2) for span in self._turns(self._settings.secondary, start, until)]
        touching = [(span, level) for span, level in spans if span.start < until and span.until > start]
        in_order = sorted(touching, key=lambda pair: (pair[0].start, pair[1]))
        return [Duty(Person(s.person, s.person), level, s.start, s.until) for s, level in in_order]

    def members(self, run: Run, target: str) -> Sequence[Person]:
        """Everybody of the rotation, of its second level and of its overrides."""
        del run
        self._only_one(target)
        named = (*self._settings.people, *self._settings.secondary, *(span.person for span in self._overrides))
        return [Person(key, key) for key in dict.fromkeys(named)]

    # ----------------------------------------------------------------- turns

    def _turns(self, people: tuple[str, ...], start: datetime, until: datetime) -> Iterator[_Span]:
        """The plain rotation, from the turn that holds at `start` on."""
        turn = self._turn_at(start)
        while (begins := self._begins(turn)) < until:
            yield _Span(people[turn % len(people)], begins, self._begins(turn + 1))
            turn += 1

    def _begins(self, turn: int) -> datetime:
        day = self._settings.anchor + timedelta(days=turn * self._settings.every_days)
        return start_of(day, self._zone, self._settings.at)

    def _turn_at(self, moment: datetime) -> int:
        """The turn that holds: counted in local days, then corrected by comparing instants."""
        days = (moment.astimezone(self._zone).date() - self._settings.anchor).days
        turn = days // self._settings.every_days + 1
        while self._begins(turn) > moment:
            turn -= 1
        return turn

    # ----------------------------------------------------------------- overrides

    def _level_one(self, start: datetime, until: datetime) -> list[_Span]:
        spans = list(self._turns(self._settings.people, start, until))
        for override in self._overrides:
            spans = [rest for span in spans for rest in _without(span, override)]
            spans.append(override)
        return spans

    def _override(self, table: Mapping[str, Any]) -> _Span:
        if set(table) - OVERRIDE_KEYS or not {"person", "from", "until"} <= set(table) or not table["person"]:
            raise KeywatchError("an override has person, from and until, and may have a reason", FORM)
        try:
            begins, ends = (instant(table[key], self._zone) for key in ("from", "until"))
        except (DateError, AttributeError) as problem:
            raise KeywatchError(f"the override of {table['person']} cannot be read: {problem}", FORM) from None
        if begins is None or ends is None or begins >= ends:
            raise KeywatchError(f"the override of {table['person']} ends before it begins", FORM)
        return _Span(str(table["person"]), begins, ends)

    def _only_one(self, target: str) -> None:
        if target:
            raise RosterError("unknown-target", f"a rotation has no '{target}'", "name the roster alone")


def _without(span: _Span, cut: _Span) -> Iterator[_Span]:
    """What is left of a span when another takes its time."""
    if cut.until <= span.start or span.until <= cut.start:
        yield span
        return
    if span.start < cut.start:
        yield _Span(span.person, span.start, cut.start)
    if cut.until < span.until:
        yield _Span(span.person, cut.until, span.until)


__all__ = ["RotationRoster"]

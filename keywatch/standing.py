"""Whether keywatch itself is alive and well, from what its runs left behind."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keywatch import outlook
from keywatch.config import Config
from keywatch.errors import Exit
from keywatch.model import State
from keywatch.policy.state import state
from keywatch.read import FeedRow, Reader, instant_of
from keywatch.report import distance, fields, shown, utc

OK, WARNING, CRITICAL, UNKNOWN = range(4)
"""What monitoring systems of the Nagios kind call it, as exit codes."""
NAGIOS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


@dataclass(frozen=True, slots=True)
class Standing:
    """How keywatch stands."""

    at: datetime
    last_run: datetime | None
    max_age: timedelta
    code: int
    """The exit code of the last run."""
    uncovered: tuple[str, ...]
    """Credentials whose call reached nobody who counts."""
    pending: int
    """Messages not delivered yet."""
    waiting: int
    """Those of them that were tried at least once."""
    feeds: tuple[tuple[str, str], ...]
    """Sources and rosters in trouble, each with its problem."""
    next_due: datetime | None
    states: dict[State, int]

    @property
    def asleep(self) -> bool:
        """Nobody has run a check for too long: then nobody is told anything."""
        return self.last_run is None or self.at - self.last_run > self.max_age

    @property
    def exit_code(self) -> Exit:
        if self.uncovered or self.code == Exit.BAD:
            return Exit.BAD
        return Exit.UNKNOWN if self.asleep or self.feeds or self.code else Exit.WELL

    @property
    def nagios(self) -> int:
        """A check that does not run, or reaches nobody, is critical; a source that does not answer is a warning."""
        if self.exit_code is Exit.BAD or self.asleep:
            return CRITICAL
        return WARNING if self.exit_code is Exit.UNKNOWN else OK


def of(config: Config, reader: Reader, now: datetime, max_age: timedelta) -> Standing:
    """Read how keywatch stands."""
    counts, rows = reader.counts(), reader.credentials(now)
    feeds = outlook.feeds(config, reader)
    ahead = [row.next_at for row in rows if row.next_at] + [feed.next_at for _, feed in feeds if feed and feed.next_at]
    code = reader.meta("standing", "0")
    return Standing(
        at=now,
        last_run=instant_of(reader.meta("last_run") or None),
        max_age=max_age,
        code=int(code) if code.isdecimal() else int(Exit.UNKNOWN),
        uncovered=tuple(reader.uncovered()),
        pending=counts.pending,
        waiting=counts.waiting,
        feeds=tuple((name, _problem(feed)) for name, feed in feeds if _problem(feed)) + _clock(reader),
        next_due=min(ahead, default=None),
        states=dict(Counter(state(row, now) for row in rows)),
    )


def _problem(feed: FeedRow | None) -> str:
    if feed is None or (feed.complete_at is None and not feed.problem):
        return "it was never read"
    return feed.problem


def _clock(reader: Reader) -> tuple[tuple[str, str], ...]:
    """A clock that went back is a trouble like a source that does not answer."""
    by, _ = reader.clock_marks()
    return (("clock", f"behind the last run by {_hours(by)}; `keywatch db clock` if it is right"),) if by else ()


def text(standing: Standing) -> str:
    """For people, the verdict first."""
    ran, due = standing.last_run, standing.next_due
    head = {Exit.WELL: "keywatch is well", Exit.BAD: "keywatch needs you"}
    late = f" (longer than {_hours(standing.max_age)})" if ran and standing.asleep else ""
    counts = ", ".join(f"{count} {word}" for word, count in sorted(standing.states.items()))
    pairs = [
        ("last run", f"{distance(standing.at, ran)}{late}, exit {standing.code}" if ran else "never"),
        ("credentials", counts or "none"),
        ("uncovered", ", ".join(standing.uncovered) or "none"),
        ("messages", f"{standing.pending} to deliver, {standing.waiting} of them tried before"),
        *((name, problem) for name, problem in standing.feeds),
        ("next due", ("now" if due <= standing.at else distance(standing.at, due)) if due else "nothing"),
    ]
    return "\n".join([head.get(standing.exit_code, "keywatch cannot tell"), fields(pairs)])


def nagios(standing: Standing) -> str:
    """One line with performance data."""
    ran, age = standing.last_run, standing.max_age.total_seconds()
    said = [f"last run {distance(standing.at, ran)}" if ran else "no check has run yet"]
    said += [f"uncovered: {', '.join(standing.uncovered)}"] if standing.uncovered else []
    said += [f"{name}: {problem}" for name, problem in standing.feeds]
    line = shown("; ".join(said)).replace("|", "¦")
    numbers = {
        "age": f"{(standing.at - ran).total_seconds():.0f}s;;{age:.0f}" if ran else "U",
        "uncovered": f"{len(standing.uncovered)};;0",
        "waiting": standing.waiting,
        "feeds_in_trouble": f"{len(standing.feeds)};0",
        "expired": standing.states.get(State.EXPIRED, 0),
        "late": standing.states.get(State.LATE, 0),
        "credentials": sum(standing.states.values()),
    }
    return f"KEYWATCH {NAGIOS[standing.nagios]} - {line} | {' '.join(f'{k}={v}' for k, v in numbers.items())}"


def payload(standing: Standing) -> dict[str, Any]:
    """For programs."""
    return {
        "at": utc(standing.at),
        "last_run": utc(standing.last_run),
        "age_seconds": int((standing.at - standing.last_run).total_seconds()) if standing.last_run else None,
        "standing": standing.code,
        "uncovered": list(standing.uncovered),
        "pending": standing.pending,
        "waiting": standing.waiting,
        "feeds": [{"feed": name, "problem": problem} for name, problem in standing.feeds],
        "next_due": utc(standing.next_due),
        "states": {str(word): count for word, count in sorted(standing.states.items())},
        "exit_code": int(standing.exit_code),
    }


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g} h"

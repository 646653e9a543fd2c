"""How one fact of a history is said.

What comes from outside passes through the `say` of the output it is written in, so that a name closes no table, starts
no HTML and moves no cursor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.history import KEPT_BY, Chapter, End, History, Promise
from keywatch.model import AckKind, Evidence, Health, Standing, Told, Verdict, VerdictKind
from keywatch.read import Attempt, NoticeRow
from keywatch.report import in_zone, promised_day, utc
from keywatch.routes import said

STANDS = {
    Standing.PENDING: "not sent yet",
    Standing.WAITING: "put off, to be tried again",
    Standing.ACCEPTED: "accepted",
    Standing.FAILED: "not accepted",
    Standing.SUPERSEDED: "not owed any more",
}
Value = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class Form:
    """How texts from outside and instants are written in one kind of output."""

    say: Callable[[str], str]
    when: Callable[[datetime], str]
    """An instant, to the minute."""
    day: Callable[[datetime], str]
    """A date; with the clock where it is not midnight."""
    until: Callable[[datetime], str]
    """The day that a promise names."""


def for_people(zone: ZoneInfo, say: Callable[[str], str]) -> Form:
    """Instants as the owner's clock shows them."""
    return Form(
        say,
        lambda moment: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}",
        lambda moment: in_zone(moment, zone),
        lambda moment: promised_day(moment, zone),
    )


def for_programs() -> Form:
    """Instants in UTC, texts as they are."""

    def written(moment: datetime) -> str:
        return utc(moment) or ""

    return Form(str, written, written, written)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the timeline."""

    at: datetime
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""


@dataclass(frozen=True, slots=True)
class Table:
    """A section that is a table. Its texts are ready for their output; its instants are not."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    none: str
    """What it says without rows."""


def stage(key: str) -> str:
    """`7d before start by`, `late of 2026-11-23`: a stage without the sign that joins it to its date."""
    name, _, day = key.partition("@")
    if name[:-1].isdecimal():
        return f"{name} before start by"
    if name.startswith("step-"):
        return f"the step {name.removeprefix('step-')} is overdue"
    return f"{name} of {day}" if name in ("late", "lapsed") else name


@dataclass(frozen=True, slots=True)
class Words:
    """One history, told in one form."""

    history: History
    form: Form

    # ------------------------------------------------------------- who

    def name(self, person: str) -> str:
        """What people call somebody; one who is nowhere named any more, by their key."""
        people = self.history.world.people
        return self.form.say(people[person].name if person in people else person)

    def reader(self, told: Told) -> str:
        """Who a notice is for and by which route."""
        route = self.form.say(told.route)
        return f"{self.name(told.person)} by {route}" if told.person else f"whoever reads {route}"

    # ------------------------------------------------------------- routes

    def verdict(self, verdict: Verdict) -> str:
        """What became of one try. The words of a server that accepted say nothing."""
        words = [verdict.kind.value, verdict.code]
        if verdict.kind is not VerdictKind.ACCEPTED:
            words.append(verdict.text)
        blame = f" ({verdict.blame.value} to blame)" if verdict.blame and verdict.blame != "route" else ""
        return self.form.say(" ".join(word for word in words if word)) + blame

    def proof(self, row: Evidence) -> str:
        """One row of evidence as a clause."""
        return said(row, self.history.world.people, self.form.say)

    def health(self, health: Health) -> str:
        """A verdict on a route with the one row that explains it."""
        if health.because is None:
            return f"{health.state}: nobody had ever answered through it"
        away = ", away" if health.away else ""
        return f"{health.state}{away}: {self.proof(health.because)}, {self.form.when(health.because.at)}"

    # ------------------------------------------------------------- calls

    def stage(self, key: str) -> str:
        """A stage as people say it."""
        return self.form.say(stage(key))

    def tries(self, row: NoticeRow) -> Sequence[Attempt]:
        """The attempts at the message that a notice stands in."""
        return self.history.attempts.get(row.message or 0, ())

    def failures(self, chapter: Chapter) -> list[tuple[Told, Attempt]]:
        """Every finished try of an episode that was not accepted, oldest first."""
        told = {row.message: row.told for row in chapter.told if row.message}
        tries = [(one, attempt) for message, one in told.items() for attempt in self.history.attempts.get(message, ())]
        failed = [pair for pair in tries if pair[1].verdict and pair[1].verdict.kind is not VerdictKind.ACCEPTED]
        return sorted(failed, key=lambda pair: pair[1].started_at)

    # ------------------------------------------------------------- promises and ends

    def promised(self, promise: Promise) -> str:
        """Who promises what, until when."""
        what = "has begun, done by" if promise.ack.kind is AckKind.BEGUN else "will begin by"
        return f"{self.name(promise.ack.person)} {what} {self.form.until(promise.ack.until)}"

    def fate(self, promise: Promise) -> str:
        """What became of it: the end of a sentence whose subject it is."""
        over = promise.chapter.ended
        if promise.end is End.KEPT and over:
            kept = over.outcome in KEPT_BY
            return (
                f"{'was kept' if kept else 'was not needed any more'}: {over.outcome} {self.form.when(over.ended_at)}"
            )
        if promise.end is End.FOLLOWED and promise.next:
            mine = promise.next.person == promise.ack.person
            return "was replaced by the next one" if mine else f"was taken over by {self.name(promise.next.person)}"
        return {
            End.LAPSED: "lapsed: its date passed and the expiry had not moved",
            End.NEARER: "became void: the date came nearer than the one it was made for",
            End.UNREACHABLE: "became void: its giver was gone or had no living route left",
        }.get(promise.end, "holds")

    def outcome(self, chapter: Chapter) -> str:
        """How an episode ended, by whom, with the date before and the date after."""
        over = chapter.ended
        assert over is not None
        events = self.history.events
        told = next((event for event in events if event.kind == over.outcome and event.at == over.ended_at), None)
        new = told.data.get("new") if told and over.outcome in KEPT_BY else None
        until = f", now expires {self.form.day(datetime.fromisoformat(new))}" if new else ""
        return f"{over.outcome} by {self.name(over.ended_by)}{until} (was {self.form.day(chapter.episode.deadline)})"

    def apart(self, at: datetime, deadline: datetime) -> str:
        """`16 days before the expiry`, `10 hours after the expiry`."""
        gap, side = abs(at - deadline), "after" if at >= deadline else "before"
        far = f"{gap.days} days" if gap.days >= 3 else f"{gap // timedelta(hours=1)} hours"
        return f"{far} {side} the expiry"

"""What happened, in order of time, one line each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keywatch.audit.words import Line, Words
from keywatch.history import Chapter, End
from keywatch.model import Call, Event, Evidence, EvidenceKind, Told
from keywatch.policy.acks import holding
from keywatch.read import Attempt, NoticeRow

OTHERWISE_TOLD = frozenset({"called", "superseded", "ack", "renewed", "rescheduled", "retired", "risk accepted"})
"""Events that repeat what calls, promises and the ends of episodes say in full."""
SAID = {
    "found": "first seen",
    "added": "registered",
    "edited": "edited",
    "version": "a new version",
    "moved": "its date came nearer",
    "missing": "not listed any more",
    "source": "a gap is reported",
    "finding": "found amiss",
    "gate-except": "let through the gate",
    "retire": "retired",
    "accept-risk": "the risk is accepted",
    "trouble": "out of order",
    "recovered": "in order again",
    "transport": "a transport failed",
    "mail": "by mail",
    "reminded": "half time",
    "question": "asked",
    "handover": "handed over",
    "step": "a step of the renewal is done",
}
OF_ITSELF = frozenset({"trouble", "recovered", "transport", "mail", "reminded", "question"})
"""Events that nobody did: keywatch saw or said them."""
SAME_RUN = timedelta(hours=1)
"""A call that is covered so soon after it was planned was covered by the run that planned it, retry and all."""
SOON = timedelta(minutes=1)
FEW = 3
"""Calls that one line names; of more it names the first and the last."""
LAST, FIRST = ("ended", "opened"), ("start-by", "expired")
"""At one instant an episode ends before the next one opens; the clock strikes before anybody acts."""


@dataclass(frozen=True, slots=True)
class Timeline(Words):
    """The lines of one history."""

    def lines(self) -> list[Line]:
        """Every line; those of one instant in the order in which they follow from each other."""

        def rank(line: Line) -> int:
            return -1 if line.kind in FIRST else LAST.index(line.kind) + 1 if line.kind in LAST else 0

        return sorted(self._told(), key=lambda line: (line.at, rank(line)))

    def _told(self) -> Iterator[Line]:
        yield from self._row()
        yield from self._events()
        for chapter in self.history.chapters:
            yield from self._opening(chapter)
            yield from self._passed_over(chapter)
            for call in chapter.episode.calls:
                yield from self._call(chapter, call)
            yield from self._attempts(chapter)
        yield from self._evidence()
        for chapter in self.history.chapters:
            yield from self._cover(chapter)
            yield from self._promises(chapter)
            yield from self._dates(chapter)

    # ------------------------------------------------------------- the credential and its episodes

    def _events(self) -> Iterator[Line]:
        for event in self.history.events:
            if event.kind in OTHERWISE_TOLD:
                continue
            by = f" by {self.name(event.who)}" if event.who and event.kind not in OF_ITSELF else ""
            text = f"{SAID.get(event.kind) or self.form.say(event.kind)}{by}: {self._said(event)}"
            data = {"who": event.who, "said": event.text, **({"data": dict(event.data)} if event.data else {})}
            yield Line(event.at, event.kind, text, data)

    def _row(self) -> Iterator[Line]:
        """What only its own row says: it was seen, it went without an episode that could end, it is out of sight."""
        row, kinds = self.history.credential, {(event.kind, event.at) for event in self.history.events}
        if row.first_seen and not {kind for kind, _ in kinds} & {"found", "added"}:
            yield Line(row.first_seen, "seen", "first seen")
        if row.retired_at and not kinds & {("retire", row.retired_at), ("retired", row.retired_at)}:
            yield Line(row.retired_at, "retired", f"retired by {self.name(row.retired_by)}", {"by": row.retired_by})
        if row.stale_since:
            yield Line(row.stale_since, "stale", "its source has not shown it since: its last known date goes on")

    def _said(self, event: Event) -> str:
        """The text of an event; where an episode knows the date it was moved to, that date in the owner's zone."""
        moved = [chapter.episode for chapter in self.history.chapters if chapter.episode.moved_at == event.at]
        if event.kind == "moved" and moved:
            return f"expires {self.form.day(moved[0].deadline)}"
        return self.form.say(event.text)

    def _opening(self, chapter: Chapter) -> Iterator[Line]:
        episode, start_by = chapter.episode, self.history.due(chapter)["start by"]
        later = ", as it came to be" if episode.moved_at else ""
        days = f"expires {self.form.day(episode.deadline)}{later}, start by {self.form.day(start_by)}"
        data = {"deadline": episode.deadline, "start_by": start_by}
        yield Line(episode.opened_at, "opened", f"an episode opens: {days}", data)

    def _dates(self, chapter: Chapter) -> Iterator[Line]:
        """What the clock did: work had to begin, it expired, it was over."""
        episode, over = chapter.episode, chapter.ended
        until, start_by = over.ended_at if over else self.history.at, self.history.due(chapter)["start by"]
        for at, kind, what in ((start_by, "start-by", "START BY"), (episode.deadline, "expired", "EXPIRED")):
            at = max(at, episode.moved_at or at)  # a date that came nearer may bring what is past already
            if episode.opened_at <= at <= until:
                held = holding(episode.acks, at)
                hand = f"{self.name(held.person)} has it in hand" if held else "nobody has it in hand"
                yield Line(at, kind, f"{what}: {hand}", {"in_hand": held.person if held else None})
        if over:
            data = {"outcome": over.outcome.value, "by": over.ended_by, "deadline": episode.deadline}
            yield Line(over.ended_at, "ended", f"the episode ends: {self.outcome(chapter)}", data)

    # ------------------------------------------------------------- calls

    def _passed_over(self, chapter: Chapter) -> Iterator[Line]:
        passed: dict[datetime, list[str]] = {}
        for call in chapter.episode.calls:
            if not call.told:
                passed.setdefault(call.at, []).append(call.stage)
        for at, stages in passed.items():
            what = ", ".join(self.stage(stage) for stage in stages)
            if len(stages) > FEW:
                what = f"{len(stages)} calls, from {self.stage(stages[0])} to {self.stage(stages[-1])}"
            yield Line(at, "passed-over", f"passed over for a more urgent call: {what}", {"stages": stages})

    def _call(self, chapter: Chapter, call: Call) -> Iterator[Line]:
        """One line when it was planned, and one each time it was widened."""
        due, what = self.history.due(chapter).get(call.stage), f"call {self.stage(call.stage)}"
        rows, dead = chapter.notices.get(call.stage, ()), list(self.history.passed_by(chapter, call))
        for at in sorted({row.at for row in rows}):
            joined, first = [row for row in rows if row.at == at], at == call.at
            when = f", due {self.form.when(due)}," if first and due and at - due > SOON else ""
            not_told = [f"not to {self.form.say(route)}, which is dead" for route, _ in dead if first]
            told = "; ".join([*(self._addressed(row) for row in joined), *not_told])
            data = {
                "stage": call.stage,
                "due": due,
                "asks": call.asks,
                "told": [{"route": row.told.route, "person": row.told.person or None} for row in joined],
                "dead": [route for route, _ in dead] if first else [],
            }
            verb = "goes" if first else "is widened"
            yield Line(at, "call" if first else "widened", f"{what}{when} {verb} to {told}", data)

    def _addressed(self, row: NoticeRow) -> str:
        return f"{self.reader(row.told)} ({self.history.health(row.told.route, row.at).state})"

    def _attempts(self, chapter: Chapter) -> Iterator[Line]:
        told = {row.message: row.told for row in chapter.told if row.message}
        for message, one in told.items():
            for attempt in self.history.attempts.get(message, ()):
                yield self._attempt(one, attempt)

    def _attempt(self, told: Told, attempt: Attempt) -> Line:
        verdict = attempt.verdict
        again = f", try {attempt.n}" if attempt.n > 1 else ""
        said = self.verdict(verdict) if verdict else "not settled: its run is not over, or died"
        data = {"route": told.route, "person": told.person or None, "try": attempt.n, "started_at": attempt.started_at}
        if verdict:
            data |= {"verdict": verdict.kind.value, "blame": verdict.blame.value, "code": verdict.code}
            data["said"] = verdict.text
        at = attempt.ended_at or attempt.started_at
        return Line(at, "attempt", f"{self.form.say(told.route)}{again}: {said}", data)

    def _cover(self, chapter: Chapter) -> Iterator[Line]:
        """Calls that nobody who counts accepted, or only in a later run than the one that planned them."""
        episode = chapter.episode
        for call in (call for call in episode.calls if call.told):
            what, data = f"call {self.stage(call.stage)}", {"stage": call.stage}
            covered = self.history.covered_at(chapter, call)
            since = episode.uncovered_since if call is episode.calls[-1] else None
            if covered and covered - call.at > SAME_RUN:
                yield Line(covered, "covered", f"{what} is covered now: enough routes that count accepted it", data)
            elif covered is None and (at := since or self._settled(chapter.notices[call.stage])):
                yield Line(at, "uncovered", f"{what} is uncovered: nobody who counts has accepted it", data)

    def _settled(self, rows: Sequence[NoticeRow]) -> datetime | None:
        """When the last try of a call was over; None while one is open or nothing was tried."""
        tries = [attempt for row in rows for attempt in self.tries(row)]
        ended = [attempt.ended_at for attempt in tries if attempt.ended_at]
        return max(ended) if ended and len(ended) == len(tries) else None

    # ------------------------------------------------------------- routes and promises

    def _evidence(self) -> Iterator[Line]:
        """What was learnt of the routes meanwhile; silences only where they are this credential's."""
        history = self.history
        first = min((row.at for chapter in history.chapters for row in chapter.told), default=history.at)
        for route in history.routes():
            for _, row in history.testimony.get(route, ()):
                if row.at < first or (row.kind is EvidenceKind.SILENCE and row not in history.judged):
                    continue
                yield self._learnt(route, row)

    def _learnt(self, route: str, row: Evidence) -> Line:
        at = self.history.learnt_at(row)
        state = self.history.health(route, at + timedelta(microseconds=1)).state
        data = {"route": route, "evidence": row.kind.value, "code": row.code, "health": state.value}
        if row.kind is not EvidenceKind.SILENCE:
            before = self.history.health(route, at - timedelta(microseconds=1)).state
            turned = f"is {state} from here on" if state != before else f"stays {state}"
            return Line(at, "evidence", f"{self.form.say(route)} {turned}: {self.proof(row)}", data)
        stage = self.stage(row.detail.removeprefix(f"{self.history.credential.name} "))
        text = f"nobody had answered call {stage} on {self.form.say(route)}, which is {state}"
        return Line(at, "evidence", text, data)

    def _promises(self, chapter: Chapter) -> Iterator[Line]:
        for promise in self.history.promises(chapter):
            ack = promise.ack
            data = {"person": ack.person, "promise": ack.kind.value, "until": ack.until, "note": ack.note, "by": ack.by}
            note = f" ({self.form.say(ack.note)})" if ack.note else ""
            how = f"said with the code from {self.form.say(promise.route)}" if promise.route else "said by name"
            yield Line(ack.at, "promise", f"{self.promised(promise)}{note}, {how}", data)
            if promise.end in (End.LAPSED, End.NEARER, End.UNREACHABLE) and promise.at:
                kind = "lapsed" if promise.end is End.LAPSED else "void"
                yield Line(promise.at, kind, f"the promise of {self.name(ack.person)} {self.fate(promise)}", data)

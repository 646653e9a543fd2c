"""The head of the report, its tables, and what its reader must not take from the rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from keywatch.audit.words import STANDS, Table, Value, Words
from keywatch.history import Chapter
from keywatch.model import PRODUCTION, AckKind, Standing, Told, VerdictKind
from keywatch.policy.acks import holding
from keywatch.policy.calendar import local_day
from keywatch.read import Attempt, NoticeRow


@dataclass(frozen=True, slots=True)
class Sections(Words):
    """Everything of the report but its timeline."""

    # ------------------------------------------------------------- the head

    def summary(self) -> Iterator[str]:
        """The facts of the latest episode in which anything was said, a sentence each."""
        row, subject, say = self.history.credential, self.history.subject, self.form.say
        where = [say(row.env) or PRODUCTION, *([f"service {say(row.service)}"] if row.service else [])]
        owner = f"is owned by {say(row.owner)}" if row.owner else "has no owner"
        seen = f" and is known since {self.form.when(row.first_seen)}" if row.first_seen else ""
        yield f"The credential {say(row.name)} ({', '.join(where)}) {owner}{seen}."
        if subject is None:
            yield f"It never had a date to watch: {say(row.problem) or 'nobody gave it one'}."
            return
        deadline, start_by = subject.episode.deadline, self.history.due(subject)["start by"]
        over = subject.ended.ended_at if subject.ended else self.history.at
        verb = "expired" if over >= deadline else "was to expire" if subject.ended else "expires"
        had = "has" if subject.ended is None and over < start_by else "had"
        yield f"It {verb} on {self.form.day(deadline)}; work {had} to start by {self.form.day(start_by)}."
        yield from self._deliveries(subject)
        yield self._hands(subject)
        yield self._ending(subject)

    def days_ahead(self, subject: Chapter) -> int:
        """Days from the first notice to the expiry, as the owner's calendar counts them."""
        calendar = self.history.calendar
        first, last = local_day(calendar, subject.told[0].at), local_day(calendar, subject.episode.deadline)
        return (last - first).days

    def _deliveries(self, subject: Chapter) -> Iterator[str]:
        if not subject.told:
            yield "Nobody was told of it."
            return
        first, days = subject.told[0].at, self.days_ahead(subject)
        before = f"{days} days before the expiry" if first < subject.episode.deadline else "after it had expired"
        yield f"The first notice was planned on {self.form.when(first)}, {before}."
        failures = self.failures(subject)
        if failures:
            which = "first" if len(failures) > 1 else "only"
            yield f"The {which} delivery that failed: {self._failure(*failures[0])}."
        if len(failures) > 1:
            yield f"The last of {len(failures)} deliveries that failed: {self._failure(*failures[-1])}."
        yield self._first_read(subject)

    def _failure(self, told: Told, attempt: Attempt) -> str:
        assert attempt.verdict is not None
        return f"{self.form.when(attempt.started_at)}, to {self.reader(told)}: {self.verdict(attempt.verdict)}"

    def _first_read(self, subject: Chapter) -> str:
        read = self.history.first_read(subject)
        if read is None:
            return "No notice was accepted on a route that a living person is known to read."
        row, proof = read
        assert row.told.accepted_at is not None
        at, known = row.told.accepted_at, "by then" if proof.at <= row.told.accepted_at else "only since"
        return (
            f"The first notice on a route that a living person reads was accepted on {self.form.when(at)}: "
            f"{self.reader(row.told)} (known {known} {self.form.when(proof.at)}: {self.proof(proof)})."
        )

    def _hands(self, subject: Chapter) -> str:
        given = self.history.promises(subject)
        if not given:
            return "Nobody had it in hand."
        said = [f"{self.promised(one)} (said {self.form.when(one.ack.at)}; it {self.fate(one)})" for one in given]
        return f"It was in hand: {'; '.join(said)}."

    def _ending(self, subject: Chapter) -> str:
        if subject.ended is None:
            held = holding(subject.episode.acks, self.history.at)
            hand = f"{self.name(held.person)} has it in hand" if held else "nobody has it in hand"
            return f"It has not ended: the date has not moved, and {hand}."
        at = subject.ended.ended_at
        apart = self.apart(at, subject.episode.deadline)
        return f"It ended on {self.form.when(at)}, {apart}: {self.outcome(subject)}."

    # ------------------------------------------------------------- the tables

    def told(self) -> Table:
        """One row a notice, and one for each route that got none because it was dead."""
        rows: list[tuple[Value, ...]] = []
        for chapter in self.history.chapters:
            for call in (call for call in chapter.episode.calls if call.told):
                stage = self.stage(call.stage)
                rows += [self._notice(stage, row) for row in chapter.notices[call.stage]]
                for route, then in self.history.passed_by(chapter, call):
                    say, why = self.form.say, self.health(then)
                    rows.append((stage, call.at, "nobody", say(route), "", why, "not sent: it was dead", None))
        head = ("Call", "Planned", "Who, and why", "Route", "Rung", "The route then", "What became of it", "Accepted")
        return Table("Who was told", head, rows, "Nobody was ever told.")

    def _notice(self, stage: str, row: NoticeRow) -> tuple[Value, ...]:
        told, verdict = row.told, row.verdict
        who = f"{self.name(told.person) if told.person else 'whoever reads it'}, {self.form.say(row.why)}"
        became, tries = STANDS[told.standing], len(self.tries(row))
        if verdict and verdict.kind is VerdictKind.ACCEPTED:
            became = self.verdict(verdict)
        elif verdict:
            became = f"{became}: {self.verdict(verdict)}"
        became += f" ({tries} tries)" if tries > 1 else ""
        then = self.health(self.history.health(told.route, row.at))
        return stage, row.at, who, self.form.say(told.route), told.rung, then, became, told.accepted_at

    def routes(self) -> Table:
        """Each route as it was at the first call, and as it was at the end."""
        history, subject = self.history, self.history.subject
        first = subject.told[0].at if subject and subject.told else history.at
        last = subject.ended.ended_at if subject and subject.ended else history.at
        rows: list[tuple[Value, ...]] = []
        for name in history.routes():
            route = history.route(name)
            whose = self.name(route.person) if route.person else "shared" if route.shared else "nobody's"
            gone = "" if name in history.world.routes else " (not in the config any more)"
            states = (self.health(history.health(name, at)) for at in (first, last))
            rows.append((f"{self.form.say(name)}{gone}", whose, *states))
        return Table("Routes", ("Route", "Whose", "At the first call", "At the end"), rows, "There is no route.")

    def promises(self) -> Table:
        """Every promise, and what became of it."""
        rows: list[tuple[Value, ...]] = []
        for promise in chain.from_iterable(map(self.history.promises, self.history.chapters)):
            ack, say = promise.ack, self.form.say
            what = "has begun, done by" if ack.kind is AckKind.BEGUN else "will begin by"
            day = self.form.until(ack.until)
            rows.append(
                (self.name(ack.person), what, day, ack.at, say(ack.note), say(ack.by), f"it {self.fate(promise)}")
            )
        head = ("Who", "What", "Until", "Said", "Note", "Recorded by", "What became of it")
        return Table("Promises", head, rows, "Nobody promised anything.")

    # ------------------------------------------------------------- the gaps

    def unknown(self) -> Iterator[str]:
        """What the rows do not say."""
        history = self.history
        rows = [row for chapter in history.chapters for row in chapter.told]
        if any(row.told.standing is Standing.ACCEPTED for row in rows):
            yield "Whether an accepted message was read: a server accepts, only an answer shows a reader."
        verdicts = [attempt.verdict for row in rows for attempt in self.tries(row)]
        if any(verdict is None or verdict.kind is VerdictKind.UNKNOWN for verdict in verdicts):
            yield "Whether a message whose try is unknown or not settled arrived: its run ended before it could say so."
        for chapter in history.chapters:
            for since, until, count in history.gaps(chapter):
                calls = "a call was" if count == 1 else f"{count} calls were"
                yield (
                    f"Why nothing was planned from {self.form.when(since)} until {self.form.when(until)}, when {calls} "
                    "due: runs leave no row of their own, so probably there was none."
                )
        if any(row.told.route not in history.world.routes for row in rows):
            yield "Whether a route that is not in the config any more was shared: it is taken for shared if nobody's."
        moves = {chapter.episode.moved_at for chapter in history.chapters}
        if any(event.kind == "moved" and event.at not in moves for event in history.events):
            yield "The hours of a date that came nearer more than once: only days in UTC were written down."
        yield "What was configured then: owners, lead time, calendars and the windows of proof are those of today."
        yield "When the new credential was in use: keywatch sees that its date moved, not that it was deployed."
        yield "What failed because of it, and for whom: keywatch sees dates and messages, no traffic."

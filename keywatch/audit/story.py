"""The episodes of one credential in a few lines, for `keywatch why`: each call with all who were told, each promise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keywatch.audit.timeline import OTHERWISE_TOLD, SAID
from keywatch.audit.words import Words, stage
from keywatch.history import Chapter, End
from keywatch.model import Call, Standing
from keywatch.read import NoticeRow

MARKS = {
    Standing.PENDING: "…",
    Standing.WAITING: "…",
    Standing.ACCEPTED: "✓",
    Standing.FAILED: "✗",
    Standing.SUPERSEDED: "–",
}
SAME_RUN = timedelta(hours=1)
"""Whoever joins a call so soon was told by the run that planned it."""
SILENT = OTHERWISE_TOLD | {"found", "added"}


@dataclass(frozen=True, slots=True)
class Story(Words):
    """The lines of one history. What comes from outside passes through `form.say`."""

    def lines(self) -> Iterator[str]:
        """The episodes that are over in a line each, then the open one in full."""
        for chapter in self.history.chapters:
            day = self.form.day(chapter.episode.deadline)
            if chapter.ended:
                yield f"episode towards {day}, {self._over(chapter)}"
                continue
            yield f"episode towards {day}" + (f", rung {chapter.episode.rung}" if chapter.told else "")
            if not chapter.told:
                yield "  nobody was told of it yet"
            for _, lines in sorted(self._story(chapter), key=lambda one: one[0]):
                yield from (f"  {line}" for line in lines)
            if since := chapter.episode.uncovered_since:
                yield f"uncovered since {self.form.day(since)}: nobody who counts has accepted it"

    def _over(self, chapter: Chapter) -> str:
        assert chapter.ended is not None
        count = sum(bool(call.told) for call in chapter.episode.calls)
        ended = f"{chapter.ended.outcome} by {self.name(chapter.ended.ended_by)}"
        return f"{count} call{'s' * (count != 1)}: {ended} on {self.form.when(chapter.ended.ended_at)}"

    def _story(self, chapter: Chapter) -> Iterator[tuple[datetime, list[str]]]:
        """Calls, promises and whatever else was written down, each with its instant."""
        for call in chapter.episode.calls:
            yield from self._call(chapter, call)
        for promise in self.history.promises(chapter):
            how = f"said with the code from {self.form.say(promise.route)}" if promise.route else "said by name"
            note = f" ({self.form.say(promise.ack.note)})" if promise.ack.note else ""
            yield promise.ack.at, [f"{self.form.when(promise.ack.at)} {self.promised(promise)}{note}, {how}"]
            if promise.at and promise.end in (End.LAPSED, End.NEARER, End.UNREACHABLE):
                whose = self.name(promise.ack.person)
                yield promise.at, [f"{self.form.when(promise.at)} the promise of {whose} {self.fate(promise)}"]
        for event in self.history.events:
            if event.at >= chapter.episode.opened_at and event.kind not in SILENT:
                what = SAID.get(event.kind) or self.form.say(event.kind)
                yield event.at, [f"{self.form.when(event.at)} {what}: {self.form.say(event.text)}"]

    def _call(self, chapter: Chapter, call: Call) -> Iterator[tuple[datetime, list[str]]]:
        """What one call said to whom; a stage that was passed over stands with the one that was said instead."""
        rows = chapter.notices.get(call.stage, ())
        if not rows:
            if all(other.at != call.at or not other.told for other in chapter.episode.calls):
                yield call.at, [f"{self.form.when(call.at)} {self.stage(call.stage)}: told nobody, no route is alive"]
            return
        passed = [self.stage(one.stage) for one in chapter.episode.calls if one.at == call.at and not one.told]
        instead = f" (said instead of {', '.join(passed)})" if passed else ""
        asks = ", asks for an answer" if call.asks else ""
        dead = [self.form.say(route) for route, _ in self.history.passed_by(chapter, call)]
        for n, group in enumerate(_groups(rows)):
            at = group[0].at
            head = f"{self.stage(call.stage)}{asks}{instead}"
            if n:
                head = f"{self.stage(call.stage)}: {_widened(rows, group)}"
            lines = [f"{self.form.when(at)} {head}", *(f"  {self._told(row, chapter, at)}" for row in group)]
            lines += [f"  ✗ {route}: not told, it was dead by then" for route in ([] if n else dead)]
            yield at, lines

    def _told(self, row: NoticeRow, chapter: Chapter, since: datetime) -> str:
        told, route = row.told, self.form.say(row.told.route)
        name = f"{self.name(told.person)} by {route}" if told.person else route
        rung = f", rung {told.rung}" if told.rung else ""
        health = self.history.health(told.route, row.at).state
        became = self._became(row, chapter, since)
        return f"{MARKS[told.standing]} {name} ({health}){rung}, {self.form.say(row.why)}: {became}"

    def _became(self, row: NoticeRow, chapter: Chapter, since: datetime) -> str:
        told = row.told
        if told.accepted_at:
            late = told.accepted_at - since >= timedelta(minutes=1)
            return f"accepted{f' {self.form.when(told.accepted_at)}' if late else ''}"
        if told.standing is Standing.SUPERSEDED:
            return _superseded_by(row, chapter)
        said = self.verdict(row.verdict) if row.verdict else ""
        if told.standing is Standing.PENDING:
            return "not sent yet"
        return f"{said}; it is tried again" if told.standing is Standing.WAITING else said or "failed"


def _groups(rows: Sequence[NoticeRow]) -> list[list[NoticeRow]]:
    """Notices of one call by the run that planned them."""
    groups: list[list[NoticeRow]] = []
    for row in rows:
        if groups and row.at - groups[-1][0].at < SAME_RUN:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _widened(rows: Sequence[NoticeRow], group: Sequence[NoticeRow]) -> str:
    before = max(row.told.rung for row in rows if row.at < group[0].at)
    rung = max(row.told.rung for row in group)
    return f"nobody had answered, rung {rung}" if rung > before else "more are told, so that it is covered"


def _superseded_by(row: NoticeRow, chapter: Chapter) -> str:
    later = [call for call in chapter.episode.calls if call.at > row.at and call.told]
    if later:
        return f"not owed any more: {stage(later[0].stage)} took its place"
    return "not owed any more: its route or its reason was gone before it was sent"

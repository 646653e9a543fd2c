"""The past of one credential as its rows tell it: what `why` and `audit` put into words.

Nothing is kept twice for it. What no row says outright (a promise that lapsed, a call that nobody who counts accepted,
a route that was dead at that time) is worked out from the rows, by the same rules that decided then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from keywatch.model import (
    PROOFS,
    Ack,
    Calendar,
    Call,
    Credential,
    Episode,
    Event,
    Evidence,
    EvidenceKind,
    Health,
    HealthState,
    Outcome,
    Route,
    World,
)
from keywatch.policy.audience import Ear, covered
from keywatch.policy.case import SHORTEST_CLIMB, timeline
from keywatch.policy.health import health
from keywatch.policy.stages import everything
from keywatch.policy.state import speaks
from keywatch.read import Attempt, Ended, NoticeRow, Reader

GAP = timedelta(hours=26)
"""A call planned so long after it was due tells of runs that did not come: even a daily one leaves a day and a bit."""

KEPT_BY = (Outcome.RENEWED, Outcome.RESCHEDULED)
"""The ends of an episode that make a promise of it a kept one; by the others it is merely over."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One episode, with what became of every notice in it."""

    episode: Episode
    notices: Mapping[str, tuple[NoticeRow, ...]]
    """By stage; a stage that was passed over has none."""
    ended: Ended | None = None
    """None: it is open."""

    @property
    def told(self) -> tuple[NoticeRow, ...]:
        """Every notice, oldest first."""
        return tuple(sorted((row for rows in self.notices.values() for row in rows), key=lambda row: row.at))


class End(StrEnum):
    """What became of a promise."""

    HOLDS = "holds"
    KEPT = "kept"
    """The episode ended before the promise did."""
    FOLLOWED = "followed"
    """By another promise, before its end."""
    LAPSED = "lapsed"
    NEARER = "nearer"
    """Void: the date came nearer than the one it was made for."""
    UNREACHABLE = "unreachable"
    """Void: its giver was gone, or had no living route left."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One ack, by which route it came, and what became of it."""

    ack: Ack
    chapter: Chapter
    route: str
    """The route whose message it answered; "" = it was given by name."""
    end: End
    at: datetime | None
    """When it ended so; None while it holds."""
    next: Ack | None = None
    """What followed it."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known of one credential's past at `at`."""

    credential: Credential
    at: datetime
    world: World
    """As it is configured now: nobody keeps what was configured then."""
    chapters: tuple[Chapter, ...]
    """Oldest first; the open one is the last."""
    events: tuple[Event, ...]
    attempts: Mapping[int, tuple[Attempt, ...]]
    """By message."""
    answered_by: Mapping[int, str]
    """By ack: the route whose message it answered."""
    testimony: Mapping[str, Sequence[tuple[str, Evidence]]]
    """By route: evidence with the keyed hash of the address it is about."""
    sent_to: Mapping[str, Sequence[tuple[datetime, str]]]
    """By route: since when it led to which address, as far as messages went there."""
    judged: Mapping[Evidence, datetime]
    """The silences of this credential, which are all dated by their call, and when each was found to be one."""

    @property
    def calendar(self) -> Calendar:
        """The owner's: its days and its zone are those of the report."""
        return self.world.owner_of(self.credential).calendar

    @property
    def subject(self) -> Chapter | None:
        """The episode a report is about: the latest in which anything was said, else the latest."""
        spoken = [chapter for chapter in self.chapters if chapter.notices] or list(self.chapters)
        return spoken[-1] if spoken else None

    # ------------------------------------------------------------- routes as they were

    def route(self, name: str) -> Route:
        """A route as the config has it; one that is gone from it, as its notices show it."""
        if name in self.world.routes:
            return self.world.routes[name]
        readers = [row.told.person for chapter in self.chapters for row in chapter.told if row.told.route == name]
        person = next((reader for reader in readers if reader), "")
        return Route(name, person, shared=not person)

    def evidence(self, route: str, at: datetime) -> tuple[Evidence, ...]:
        """All evidence, also later one, about the address that the route led to at that time; oldest first."""
        address = self._address(route, at)
        return tuple(row for where, row in self.testimony.get(route, ()) if where == address)

    def _address(self, route: str, at: datetime) -> str:
        """Where the last message before `at` went; before any message, the first address that is known."""
        led_to = self.sent_to.get(route) or [(row.at, where) for where, row in self.testimony.get(route, ())]
        before = [where for since, where in led_to if since <= at]
        return before[-1] if before else led_to[0][1] if led_to else ""

    def health(self, route: str, at: datetime) -> Health:
        """What was to be thought of a route at that time: by what was known then and nothing later."""
        known = [row for row in self.evidence(route, at) if self._known(row, at)]
        return health(self.route(route), known, at, self.world.rules)

    def _known(self, row: Evidence, at: datetime) -> bool:
        """A silence is dated by the call that nobody answered, and known only after the next one was planned."""
        return row.at <= at if row.kind is not EvidenceKind.SILENCE else self.learnt_at(row) < at

    def learnt_at(self, row: Evidence) -> datetime:
        """When a row of evidence was written: for a silence of this credential when it next climbed or spoke."""
        return self.judged.get(row, row.at)

    def routes(self) -> list[str]:
        """Every route that was told anything, and those of the owner that never were."""
        told = [row.told.route for chapter in self.chapters for row in chapter.told]
        return list(dict.fromkeys([*told, *self.world.owner_of(self.credential).routes]))

    def passed_by(self, chapter: Chapter, call: Call) -> Iterator[tuple[str, Health]]:
        """The routes of this episode or this owner that got nothing of a call because they were dead by then."""
        heard = {row.told.route for row in chapter.notices.get(call.stage, ())}
        known = [row.told.route for row in chapter.told if row.at < call.at]
        for name in dict.fromkeys([*known, *self.world.owner_of(self.credential).routes]):
            then = self.health(name, call.at)
            if name not in heard and then.state is HealthState.DEAD:
                yield name, then

    # ------------------------------------------------------------- calls

    def due(self, chapter: Chapter) -> Mapping[str, datetime]:
        """When each stage of an episode was due, by the rules and the lead time of today."""
        row, episode = self.credential, chapter.episode
        if episode.version != row.version:
            row = replace(row, issued=None, unconfirmed="", overdue_seen=None)
        line = timeline(replace(row, expires_at=episode.deadline), episode, self.world)
        until = chapter.ended.ended_at if chapter.ended else self.at
        return {"start by": line.when.start_by} | {stage.key: stage.due for stage in everything(line, until)}

    def gaps(self, chapter: Chapter) -> Iterator[tuple[datetime, datetime, int]]:
        """When calls were due and none was planned for long, though no promise kept them back.

        From when, until when they were planned or passed over, and how many there were.
        """
        due, waited = self.due(chapter), dict[datetime, list[datetime]]()
        for call in chapter.episode.calls:
            at = due.get(call.stage)
            held = any(ack.at <= call.at and (at is None or ack.ends_at > at) for ack in chapter.episode.acks)
            if at and call.at - at > GAP and not held and speaks(self.credential, call.at):
                waited.setdefault(call.at, []).append(at)
        for until, since in waited.items():
            yield min(since), until, len(since)

    def covered_at(self, chapter: Chapter, call: Call) -> datetime | None:
        """When enough routes that count had accepted a call, by the evidence of that instant; None: never."""
        told = [row.told for row in chapter.notices.get(call.stage, ())]
        for at in sorted({one.accepted_at for one in told if one.accepted_at}):
            ears = [Ear(one.route, one.duty) for one in told if one.accepted_at and one.accepted_at <= at]
            if covered(ears, self._world_at(at, [ear.route for ear in ears])):
                return at
        return None

    def _world_at(self, at: datetime, routes: Sequence[str]) -> World:
        known = {**self.world.routes, **{name: self.route(name) for name in routes}}
        return replace(self.world, routes=known, health={name: self.health(name, at) for name in routes})

    def first_read(self, chapter: Chapter) -> tuple[NoticeRow, Evidence] | None:
        """The first notice accepted on a route that a living person reads, and the row that says so.

        Either somebody had proven the route by then, or somebody did so after it, soon enough to speak of that time.
        """
        accepted = [(row.told.accepted_at, row) for row in chapter.told if row.told.accepted_at]
        for at, row in sorted(accepted, key=lambda one: one[0]):
            then = self.health(row.told.route, at)
            if then.state is HealthState.PROVEN and then.because:
                return row, then.because
            rules, shared = self.world.rules, self.route(row.told.route).shared
            until = at + (rules.shared_proof if shared else rules.personal_proof)
            for proof in self.evidence(row.told.route, at):
                if proof.kind in PROOFS and at < proof.at <= until:
                    return row, proof
        return None

    # ------------------------------------------------------------- promises

    def promises(self, chapter: Chapter) -> list[Promise]:
        """Every promise of an episode, oldest first, with what became of it."""
        given = chapter.episode.acks
        return [self._promise(chapter, ack, given[n + 1 : n + 2]) for n, ack in enumerate(given)]

    def _promise(self, chapter: Chapter, ack: Ack, following: Sequence[Ack]) -> Promise:
        over = chapter.ended.ended_at if chapter.ended else None
        after = next((one for one in following if one.at < ack.ends_at), None)
        if after:
            end, at = End.FOLLOWED, after.at
        elif over and over < ack.ends_at:
            end, at = End.KEPT, over
        elif ack.ends_at > self.at:
            end, at = End.HOLDS, None
        elif ack.void_at is None or ack.void_at >= ack.until:
            end, at = End.LAPSED, ack.until
        else:
            moved = any(event.kind == "moved" and event.at == ack.void_at for event in self.events)
            end, at = (End.NEARER if moved else End.UNREACHABLE), ack.void_at
        return Promise(ack, chapter, self.answered_by.get(ack.id, ""), end, at, after)


def chapters(credential: Credential, reader: Reader) -> tuple[Chapter, ...]:
    """The episodes of a credential, oldest first; the last one may be open."""
    over = [_chapter(past.episode, past, reader) for past in reversed(reader.last_episodes(credential.id))]
    now = reader.episodes([credential.id]).get(credential.id)
    return (*over, _chapter(now, None, reader)) if now else tuple(over)


def _chapter(episode: Episode, ended: Ended | None, reader: Reader) -> Chapter:
    notices: dict[str, tuple[NoticeRow, ...]] = {}
    for row in reader.told(episode.id):
        notices[row.stage] = (*notices.get(row.stage, ()), row)
    return Chapter(episode, notices, ended)


def read(credential: Credential, reader: Reader, world: World, now: datetime) -> History:
    """Everything the store knows of a credential's past."""
    told = chapters(credential, reader)
    rows = [row for chapter in told for row in chapter.told]
    routes = dict.fromkeys([*(row.told.route for row in rows), *world.owner_of(credential).routes])
    key = f"{credential.source}:{credential.ref}"
    trouble = _troubles(credential, [*routes], reader, world)
    testimony = reader.testimony(routes)
    return History(
        credential=credential,
        at=now,
        world=world,
        chapters=told,
        events=tuple(sorted((*reader.events(key), *trouble), key=lambda event: event.at)),
        attempts=reader.attempts_of({row.message for row in rows if row.message}),
        answered_by={ack: route for one in told for ack, route in reader.answered_by(one.episode.id).items()},
        testimony=testimony,
        sent_to=reader.sent_to(routes),
        judged=_judged(credential.name, told, [row for known in testimony.values() for _, row in known], now),
    )


def _troubles(credential: Credential, routes: Sequence[str], reader: Reader, world: World) -> list[Event]:
    """What kept keywatch from seeing it or from reaching its people: of its source, its routes and its roster."""
    subjects = [f"source:{credential.source}", *(f"route:{name}" for name in routes), "inbox", "transport"]
    subjects += [f"roster:{world.owner_of(credential).roster}"] if world.owner_of(credential).roster else []
    kinds = {"source", "trouble", "recovered", "transport"}
    return [event for one in subjects for event in reader.events(one, kinds=kinds, since=credential.first_seen)]


def _judged(
    name: str, told: Sequence[Chapter], evidence: Sequence[Evidence], now: datetime
) -> dict[Evidence, datetime]:
    """A silence is judged when the episode next climbs or speaks; a call that is widened at once is neither."""
    calls = {(f"{name} {call.stage}", call.at) for chapter in told for call in chapter.episode.calls if call.told}
    spoken = sorted({row.at for chapter in told for row in chapter.told})
    found = {}
    for row in evidence:
        if row.kind is EvidenceKind.SILENCE and (row.detail, row.at) in calls:
            soonest = row.at + SHORTEST_CLIMB
            found[row] = next((at for at in spoken if at >= soonest), now)
    return found

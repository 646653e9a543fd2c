"""Answers to messages: a promise with a date for what a message says, and the proof that somebody read it.

`by_code` is what a person does who holds a message; `by_name` is recorded and proves nothing. Both write in the
transaction of their caller and refuse before they write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from keywatch import canary, ledger, outlook
from keywatch.config import Config
from keywatch.errors import KeywatchError
from keywatch.model import (
    AckKind,
    Credential,
    Episode,
    Event,
    Evidence,
    EvidenceKind,
    HealthState,
    Message,
    MessageKind,
    MessageState,
    Person,
    Route,
    World,
)
from keywatch.policy import acks, audience
from keywatch.policy.calendar import DAY, local_day
from keywatch.policy.case import timeline
from keywatch.policy.stages import Timeline
from keywatch.read import Item
from keywatch.render.entries import name_of
from keywatch.store import Tx
from keywatch.text import clean


@dataclass(frozen=True, slots=True)
class Promise:
    """What somebody promises, before it is known how far it may reach."""

    kind: AckKind
    until: date | None = None
    note: str = ""
    login: str = ""
    only: str = ""
    """One credential of the message; "" = all that ask."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One credential that is in hand now."""

    credential: Credential
    person: Person
    kind: AckKind
    day: date
    """The last day of the promise, in the owner's zone."""
    until: datetime
    shortened: bool
    """The promise asked for more than this credential allows."""
    before: str
    """Who had it in hand until now; "" = nobody else."""
    resumes_at: datetime
    """When it is said again if nothing happens until then …"""
    joining: tuple[str, ...]
    """… and who hears of it then who did not before."""
    speaks_at: datetime | None
    """When the last 24 h speak although it is in hand."""
    zone: ZoneInfo
    """The owner's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ack did."""

    taken: tuple[Taken, ...] = ()
    left: tuple[str, ...] = ()
    """What stands in the message and needs no promise, or no more: a sentence each."""
    proof: str = ""
    """What it says about the route, a sentence; "" = it proves none."""
    overtaken: bool = False
    """The message was superseded by a later one."""


# --------------------------------------------------------------------------- by the code of a message


def by_code(
    tx: Tx, config: Config, world: World, message: Message, by: Person | None, promise: Promise, now: datetime
) -> Answer:
    """Take what the message says and prove the route it went to.

    Raises:
        KeywatchError: nobody was ever sent that message, nobody says who answers, or the date is out of bounds.
    """
    if message.tries == 0:
        raise unknown_code(message.code)
    giver = _giver(config, world, message, by, promise.login)
    proof = _prove(tx, config, world, message, giver, now)
    world = outlook.world(config, tx.read, now)
    items = tx.read.items(message.id, now, superseded=True)
    wanted = _wanted(tx, items, promise, now)
    latest = {item.episode.id: item for item in items}.values()
    left = () if promise.only else tuple(_not_taken(tx, item) for item in latest if item not in wanted)
    own = [item for item in wanted if canary.is_canary(item.credential)]
    said = tuple(canary.answered(tx, config, item.credential, giver, now) for item in own)
    taken = _take_all(tx, world, [item for item in wanted if item not in own], giver, promise, message, now)
    reminded = message.kind in (MessageKind.REMINDER, MessageKind.DIGEST)  # a digest may carry a reminder
    if not items and (reminded or promise.until or promise.kind is AckKind.BEGUN):
        left = (f"that {message.kind.value} asks for no promise, so none was made; `keywatch ack NAME` makes one",)
    return Answer(taken, (*said, *left), proof, message.state is MessageState.SUPERSEDED)


def unknown_code(text: str) -> KeywatchError:
    """The refusal of something that is neither a code nor a credential."""
    return KeywatchError(
        f"no message has the code '{clean(text, 40)}', and no credential is called so",
        "look at the message again; `keywatch list` shows the names",
    )


def _giver(config: Config, world: World, message: Message, by: Person | None, login: str) -> Person:
    """Who answers: `--by`, else the one whose route it is, else the login where it names a person."""
    if by:
        return by
    route = world.routes.get(message.route)
    person = world.people.get(route.person if route else message.person)
    person = person or config.people.get(login)
    if person is None:
        raise KeywatchError(
            f"more than one person may read {message.route}: who takes it?",
            f"add --by NAME; [people] has: {', '.join(config.people)}",
        )
    return person


def _wanted(tx: Tx, items: Sequence[Item], promise: Promise, now: datetime) -> list[Item]:
    """The open calls of the message that ask, the latest of each episode; with `only` that one, asking or not."""
    latest = {item.episode.id: item for item in items if not item.ended_at}
    if not promise.only:
        return [item for item in latest.values() if item.asks or canary.is_canary(item.credential)]
    meant = {row.id for row in tx.read.find(promise.only, now)}
    found = [item for item in latest.values() if item.credential.id in meant]
    if not found:
        names = ", ".join(dict.fromkeys(item.credential.name for item in latest.values())) or "nothing that is open"
        raise KeywatchError(f"'{clean(promise.only, 80)}' is not open in that message", f"it speaks of: {names}")
    return found


def _not_taken(tx: Tx, item: Item) -> str:
    row = item.credential
    if not item.ended_at:
        return f"{row.name}: nothing to answer yet; `--only {row.name}` takes it all the same"
    outcome = next((e.outcome for e in tx.read.last_episodes(row.id) if e.episode.id == item.episode.id), None)
    return f"{row.name}: over already ({outcome or 'ended'})"


# --------------------------------------------------------------------------- by name


def by_name(tx: Tx, world: World, row: Credential, giver: Person, promise: Promise, now: datetime) -> Answer:
    """Take one credential. It is recorded, and proves no route.

    Raises:
        KeywatchError: there is nothing to take, or the date is out of bounds.
    """
    if canary.is_canary(row):
        raise KeywatchError(
            f"{row.name} is answered by the code of its message: that proves that messages arrive",
            f"nobody got one? `keywatch why {row.name}`, `keywatch doctor`",
        )
    episode = tx.read.episodes([row.id]).get(row.id)
    if episode is None:
        why = "is retired" if row.retired_at else "has no date" if row.expires_at is None else "is an accepted risk"
        raise KeywatchError(f"there is nothing to take: {row.name} {why}", f"`keywatch show {row.name}`")
    return Answer(_take_all(tx, world, [(row, episode)], giver, promise, None, now))


# --------------------------------------------------------------------------- the promise


def _take_all(
    tx: Tx,
    world: World,
    wanted: Sequence[Item | tuple[Credential, Episode]],
    giver: Person,
    promise: Promise,
    message: Message | None,
    now: datetime,
) -> tuple[Taken, ...]:
    pairs = [(one.credential, one.episode) if isinstance(one, Item) else one for one in wanted]
    lines = [timeline(row, episode, world) for row, episode in pairs if row.expires_at]
    if lines and not audience.reachable(giver, world):
        raise KeywatchError(
            f"{giver.name} has no living route, so this promise could not be kept in mind",
            "give them a route in the config, prove one with `keywatch test`, or let somebody else take it",
        )
    if promise.until and lines:
        _check_until(lines, promise, now)
    return tuple(_take(tx, world, line, giver, promise, message, now) for line in lines)


def _check_until(lines: Sequence[Timeline], promise: Promise, now: datetime) -> None:
    """One credential must allow the day; in a message with several each takes as much of it as it can."""
    assert promise.until is not None
    furthest = max(lines, key=lambda line: _latest(line, promise.kind, now))
    acks.promised_day(furthest.calendar, furthest.when, promise.kind, now, promise.until, _adopted(furthest))


def _latest(line: Timeline, kind: AckKind, now: datetime) -> date:
    return acks.latest_day(line.calendar, line.when, kind, now, _adopted(line))


def _adopted(line: Timeline) -> datetime | None:
    return None if line.expires_while_adopted else line.adopted_until


def _take(
    tx: Tx, world: World, line: Timeline, giver: Person, promise: Promise, message: Message | None, now: datetime
) -> Taken:
    row, episode, kind = line.credential, line.episode, promise.kind
    if promise.until:
        day = max(min(promise.until, _latest(line, kind, now)), local_day(line.calendar, now))
    else:
        day = acks.default_day(line.calendar, line.when, kind, now, row.start_from, _adopted(line))
    end = acks.end_of(line.calendar, day)
    held, note = acks.holding(episode.acks, now), clean(promise.note)
    if held and promise.until is None and held.until > end:
        # An answer without a date takes back nothing that was promised for longer, by whomever.
        kind, end, day = held.kind, held.until, local_day(line.calendar, held.until) - DAY
        note = note or held.note
    if held is None or (held.person, held.kind, held.until, held.note) != (giver.key, kind, end, note):
        route, message_id = (message.route, message.id) if message else ("", None)
        tx.add_ack(episode.id, kind, giver.key, now, end, note, promise.login, route, message_id)
        tx.add_event(_event(row, giver, kind, day, note, promise.login, now))
    joining = audience.joining(world.owner_of(row), world, now, min(episode.rung + 1, 3))
    heard = {told.route for call in episode.calls for told in call.told}
    return Taken(
        credential=row,
        person=giver,
        kind=kind,
        day=day,
        until=end,
        shortened=promise.until is not None and day < promise.until,
        before=name_of(held.person, held.person, world) if held and held.person != giver.key else "",
        resumes_at=line.later(end, every_day=end >= line.when.expires_at, floor=end),
        joining=tuple(dict.fromkeys(name_of(p.person, p.route, world) for p in joining if p.route not in heard)),
        speaks_at=line.when.last_at if line.ladder.last and now < line.when.last_at < end else None,
        zone=line.calendar.zone,
    )


def _event(row: Credential, giver: Person, kind: AckKind, day: date, note: str, login: str, now: datetime) -> Event:
    said = f"begins by {day}" if kind is AckKind.ACK else f"has begun, done by {day}"
    text = f"{giver.name} {said}" + (f": {note}" if note else "")
    return Event(now, "ack", ledger.key(row), giver.key, text, {"login": login} if login != giver.key else {})


# --------------------------------------------------------------------------- the proof


def _prove(tx: Tx, config: Config, world: World, message: Message, giver: Person, now: datetime) -> str:
    """A human acted with what only this route brought: that proves it, as far back as it still leads there."""
    route = world.routes.get(message.route)
    if route is None:
        return f"{message.route} is not in the config any more: nothing to prove"
    health = world.health_of(route.name)
    dead = health.because if health.state is HealthState.DEAD else None
    if dead and dead.at >= _sent_at(tx, message, now):
        return (
            f"{route.name} has refused since that message ({dead.code or 'refused'}): it stays dead; "
            f"`keywatch test {route.name}` sends one whose code revives it"
        )
    kind = EvidenceKind.ATTESTED if message.kind in (MessageKind.QUESTION, MessageKind.TEST) else EvidenceKind.ACK
    row = Evidence(now, route.name, kind, "ack", detail=_detail(message), person=giver.key)
    present = outlook.address_hash(tx.read.meta("key"), route, config.base)
    tx.add_evidence(row, message.address_hash or present)
    if message.address_hash not in ("", present):
        return f"{route.name} has another address now than when that message went out: the new one stays unproven"
    return _proven(route, revived=dead is not None)


def _sent_at(tx: Tx, message: Message, now: datetime) -> datetime:
    """When the message last went out."""
    tries = tx.read.attempts(message.id)
    return max((one.ended_at or one.started_at for one in tries), default=now)


def _detail(message: Message) -> str:
    return f"answered the {message.kind.value} of {message.created_at:%Y-%m-%d}"


def _proven(route: Route, *, revived: bool) -> str:
    reader = "somebody reads it" if route.shared or not route.person else "it is read"
    return f"{route.name} was dead and lives again: {reader}" if revived else f"{route.name} is proven: {reader}"

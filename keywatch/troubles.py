"""What keeps keywatch from reaching people or from knowing: dead routes, sources and rosters that do not answer.

Each is the subject of an episode of its own. It is said once when it begins, to the people of every owner it concerns,
with every credential that hangs on it, in one message; a week later (at once where all of that came back) again and one
rung wider, and once everybody has heard of it every four weeks; and it ends when it is mended or gone from the config.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from keywatch import outlook, selfproof
from keywatch.config import Config
from keywatch.findings import FINDING, NONE, WIDEST, reached, subject_of
from keywatch.model import (
    Credential,
    Event,
    EvidenceKind,
    Health,
    HealthState,
    MessageKind,
    Outcome,
    Owner,
    Route,
    Trust,
    World,
)
from keywatch.policy.audience import on_call_of, on_duty, reachable
from keywatch.policy.calendar import put_off
from keywatch.policy.reach import concerned, hanging
from keywatch.read import FeedRow, Reader, Subject
from keywatch.report import in_zone
from keywatch.store import Tx
from keywatch.wording import domain

AGAIN = timedelta(days=7) - timedelta(hours=1)
"""A daily run is never late by the seconds that the one a week ago took."""
LATER = timedelta(days=28) - timedelta(hours=1)
"""Once everybody has heard of it; the digest shows it each week."""
PATIENCE = timedelta(hours=24)
"""How long a source or a roster may fail before people are told; runs say it at once on stderr."""
LISTED = 40
TOLD_OF = frozenset(EvidenceKind) - {EvidenceKind.SILENCE}
"""Suspicions that are said; somebody who does not answer calls is asked again anyway."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong now, in words."""

    subject: str
    cause: str
    """Short and stable while it is the same trouble."""
    what: str
    todo: str
    owners: tuple[str, ...]
    """Whose people are told."""
    hangs: tuple[str, ...] = ()
    """The credentials that depend on it."""
    at_once: bool = False
    once: bool = False
    """It is not said again: the digest shows it."""
    after: timedelta = timedelta(0)
    """It has to last so long before people are told."""

    @property
    def title(self) -> str:
        """The head of a subject, and the row of the timeline: short enough for a phone."""
        return self.what.partition(": ")[0]


def keep(
    tx: Tx, config: Config, world: World, now: datetime, lost: Mapping[str, Collection[str]] = NONE
) -> datetime | None:
    """Open, repeat and end the episodes of what is no credential. Returns when one is to be said again.

    `lost` are the subjects that nobody can be counted on to have heard, with the routes that took them all the same.
    """
    open_ones = {name: row for name, row in tx.read.subjects().items() if not name.startswith(FINDING)}
    found = {one.subject: one for one in troubles(config, tx.read, world, now)}
    for subject, row in open_ones.items():
        if subject not in found:
            _end(tx, row, world, config, now)
    said = []
    for one in found.values():
        rung, again = _turn(tx, one, open_ones.get(one.subject), now, lost=one.subject in lost)
        if rung is not None:
            said.append((one, rung, lost[one.subject] if again else ()))
    _tell(tx, config, world, said, now)
    rows = [row for name, row in tx.read.subjects().items() if not name.startswith(FINDING)]
    nexts = [_again_at(row.told_at, row.rung) if row.told_at else row.opened_at + PATIENCE for row in rows]
    return min((at for at in nexts if at > now), default=None)


def _turn(tx: Tx, trouble: Trouble, row: Subject | None, now: datetime, *, lost: bool) -> tuple[int | None, bool]:
    """The rung at which a trouble is to be said now (None: it was), and whether that is because nobody heard of it."""
    row = row or tx.open_subject(trouble.subject, trouble.cause, now)
    if now - row.opened_at < trouble.after:
        return None, False
    known = row.told_at is not None and row.cause == trouble.cause
    early = known and (trouble.once or (row.told_at is not None and now < _again_at(row.told_at, row.rung)))
    if early and not (lost and row.rung < WIDEST):
        return None, False
    rung = min(row.rung + 1, WIDEST) if known else row.rung
    tx.change_episode(row.id, rung=rung, told_at=now, version=trouble.cause)
    if not known:
        tx.add_event(Event(now, "trouble", trouble.subject, "keywatch", trouble.title))
    return rung, early


def _again_at(told_at: datetime, rung: int) -> datetime:
    return told_at + (AGAIN if rung < WIDEST else LATER)


def _end(tx: Tx, row: Subject, world: World, config: Config, now: datetime) -> None:
    kind, _, name = row.subject.partition(":")
    there = {"route": name in world.routes, "source": any(one.name == name for one in config.sources)}
    there["roster"] = name in outlook.roster_references(config)
    there["inbox"] = config.inbox is not None and (not name or bool(config.inbox.self_proof))
    unused = kind == "route" and _is_sick(world.health_of(name))
    well = there[kind] and not unused
    tx.end_episode(row.id, Outcome.RENEWED if well else Outcome.RETIRED, "keywatch", now)
    gone = " is not needed any more" if unused else " is not in the config any more"
    text = f"{kind} {name}".strip() + (" is well again" if well else gone)
    if row.told_at:
        tx.add_event(Event(now, "recovered", row.subject, "keywatch", text))


# --------------------------------------------------------------------------- what is wrong


def troubles(config: Config, reader: Reader, world: World, now: datetime) -> Iterator[Trouble]:
    """Everything that is wrong now, said before or not."""
    sick = [name for name in world.routes if _is_sick(world.health_of(name))]
    feeds = dict(outlook.feeds(config, reader))
    ill = {label: feed for label, feed in feeds.items() if feed and feed.problem}

    @cache
    def rows() -> list[Credential]:
        return reader.credentials(now)

    for name in sorted(sick):
        yield from _of_route(world.routes[name], world, rows)
    for source in config.sources:
        if feed := ill.get(f"source {source.name}"):
            yield _of_source(source.name, feed, config, rows())
    for reference in outlook.roster_references(config):
        yield from _of_roster(reference, ill.get(f"roster {reference}"), config, world, rows, now)
    if world.unheard:
        what = f"Nothing is heard of bounces and answers: {world.unheard}"
        todo = (
            "Mend [inbox]; until then every mail route counts as unproven, so more people are told. `keywatch doctor`"
        )
        yield Trouble("inbox", "unread", what, todo, (config.keeper,), at_once=True)
    if (ears := selfproof.hearing(config, reader, now)) and ears.deaf_since:
        yield _of_ears(ears.deaf_since, config)


def _is_sick(health: Health) -> bool:
    if health.state is HealthState.DEAD or health.partial:
        return True
    return health.state is HealthState.SUSPECT and health.because is not None and health.because.kind in TOLD_OF


def _of_route(route: Route, world: World, rows: Callable[[], list[Credential]]) -> Iterator[Trouble]:
    owners = concerned(route, world, rows())
    hangs = tuple(row.name for row in hanging(route, world, rows()))
    if not owners and not hangs:
        return
    health = world.health_of(route.name)
    cause = f"{health.state}|{health.because.kind}|{health.because.code}" if health.because else str(health.state)
    if health.partial and health.state is not HealthState.DEAD:
        cause = "partial"
    yield Trouble(
        f"route:{route.name}",
        cause,
        _what(route, health),
        _todo(route, health, world),
        owners or (world.keeper,),
        hangs,
        at_once=health.state is HealthState.DEAD,
        once=cause == "partial",
    )


def _what(route: Route, health: Health) -> str:
    row, name = health.because, f"{route.name} ({route.mail})" if route.mail else route.name
    if _is_issuers(route):
        name = route.mail
    code = f" ({row.code})" if row and row.code else ""
    if health.state is HealthState.DEAD:
        if row and row.kind is EvidenceKind.UNRESOLVED:
            return f"The route {name} leads nowhere: {row.detail or 'its domain takes no mail'}"
        return f"The route {name} is dead{code}: nothing that is sent there reaches anybody"
    if health.partial:
        return f"Some who should read {name} do not exist any more{code}"
    if row and row.kind is EvidenceKind.UNANSWERED:
        return f"Nobody says that they read {name}: it was asked on {row.detail} and nobody has answered"
    if row and row.kind is EvidenceKind.REFUSED:
        return f"The route {name} is dead or was moved{code}: what was sent there reached nobody"
    if row and row.kind is EvidenceKind.LEFT:
        return f"The route {name} answers that its reader has left"
    return f"The mailbox behind {name} is full{code}"


def _is_issuers(route: Route) -> bool:
    """An address that only issuers write to, and no route of the config."""
    return route.name.startswith("issuer:")


def _todo(route: Route, health: Health, world: World) -> str:
    parts = []
    if issued := world.issuers.get(route.name):
        names = ", ".join(issued[:LISTED])
        parts.append(f"The issuer of {names} still writes to {route.mail}: change it there.")
    if health.partial and health.state is not HealthState.DEAD:
        parts.append(f"Take the address that is gone off {route.name}; the others still get what is sent.")
    elif _is_issuers(route):
        parts.append(f"It is read after all: `keywatch test {route.name}`.")
        parts.append("It was changed: `keywatch edit NAME --issuer-writes-to ADDRESS`.")
    elif route.shared or not route.person:
        parts.append(f"Name a replacement in the config, or mend it and prove it with `keywatch test {route.name}`.")
    else:
        parts.append(f"Give {route.person} an address that is read; `keywatch test {route.name}` proves the old one.")
    return " ".join(parts)


def _of_source(name: str, feed: FeedRow, config: Config, rows: Iterable[Credential]) -> Trouble:
    since = f"since {in_zone(feed.complete_at, config.zone)}" if feed.complete_at else "and never could be"
    what = f"The source {name} cannot be read {since}: {feed.problem}"
    hangs = tuple(row.name for row in rows if row.source == name)
    todo = f"Their last known dates go on, and what was renewed there is not seen. `keywatch doctor` looks at {name}."
    return Trouble(f"source:{name}", "unread", what, todo, (config.keeper,), hangs, after=PATIENCE)


def _of_roster(
    reference: str,
    feed: FeedRow | None,
    config: Config,
    world: World,
    rows: Callable[[], list[Credential]],
    now: datetime,
) -> Iterator[Trouble]:
    owners = tuple(owner.name for owner in config.owners.values() if owner.roster == reference)
    cause, what = _roster_trouble(world.owners[owners[0]], feed, world, now)
    after = PATIENCE if cause == "silent" else timedelta(0)
    if cause:
        hangs = tuple(row.name for row in rows() if world.owner_of(row).name in owners)
        todo = f"Until it is mended more people are told at once. `keywatch rosters` shows {reference}."
        yield Trouble(f"roster:{reference}", cause, what, todo, owners, hangs, after=after)


def _roster_trouble(owner: Owner, feed: FeedRow | None, world: World, now: datetime) -> tuple[str, str]:
    """(what kind of trouble, in words); nothing where it answers and names people who can be reached."""
    roster = on_call_of(owner, world)
    if roster is None:
        return "", ""
    if feed and (feed.complete_at is None or now - feed.complete_at >= PATIENCE):
        return "silent", f"The roster {owner.roster} does not answer: {feed.problem}"
    if roster.trust is Trust.UNKNOWN:
        return "", ""  # not for a day yet
    first = on_duty(owner, world, put_off(owner.calendar, world.rules.at, now), 1)  # when it would be said
    if not first:
        return "nobody", f"The roster {owner.roster} names nobody who is on call now"
    if lost := [duty.person for duty in first if not reachable(duty.person, world)]:
        why = "is not active" if not lost[0].active else "has no route that leads to them"
        return f"lost {lost[0].key}", f"{lost[0].name} is on call by {owner.roster} and {why}"
    return "", ""


def _of_ears(since: datetime, config: Config) -> Trouble:
    """The mail that has to bounce did not: dead routes may be found only when somebody misses a message."""
    what = f"keywatch does not hear of bounces: a mail of {in_zone(since, config.zone)} to nobody never came back"
    todo = (
        "See where mails to unknown addresses go, and whether what comes back reaches [inbox]; "
        f"`keywatch test {outlook.SELF_PROOF}` sends another one. `keywatch doctor`"
    )
    return Trouble(outlook.SELF_PROOF, "deaf", what, todo, (config.keeper,))


# --------------------------------------------------------------------------- words


def _tell(
    tx: Tx, config: Config, world: World, said: Sequence[tuple[Trouble, int, Collection[str]]], now: datetime
) -> None:
    """One message for each route, with all that is new for it. Of each trouble: its rung, and whom to leave out."""
    messages: dict[tuple[str, str, datetime], list[Trouble]] = {}
    whys: dict[str, str] = {}
    for trouble, rung, tried in said:
        for name in trouble.owners:
            owner = world.owners[name]
            due = now if trouble.at_once else put_off(owner.calendar, world.rules.at, now)
            for one in reached(owner, world, now, rung, tried):
                if trouble.subject == f"route:{one.route}":
                    continue  # whoever reads it does not need to hear of it, and nobody else does there
                whys.setdefault(one.route, one.why)
                mine = messages.setdefault((one.route, one.person, due), [])
                if trouble not in mine:
                    mine.append(trouble)
    for (route, person, due), found in messages.items():
        told = hashlib.sha256("|".join(f"{one.subject} {one.cause}" for one in found).encode()).hexdigest()[:16]
        about = "\n".join(one.subject for one in found)
        words = {"subject": subject_of([one.title for one in found]), "text": _text(found, whys[route]), "about": about}
        body = json.dumps(words)
        key = f"trouble|{told}|{route}|{now.isoformat()}"
        tx.enqueue(MessageKind.FINDING, key, route, person, body, due, domain(config))


def _text(found: Iterable[Trouble], why: str) -> str:
    lines = []
    for one in found:
        lines += [f"{one.what}.", one.todo, *_hanging_lines(one.hangs), ""]
    return "\n".join([*lines, f"Why you: {why}.", ""])


def _hanging_lines(hangs: Sequence[str]) -> list[str]:
    if not hangs:
        return []
    more = [f"  and {len(hangs) - LISTED} more: `keywatch routes`"] if len(hangs) > LISTED else []
    return ["What hangs on it:", *(f"  {name}" for name in hangs[:LISTED]), *more]

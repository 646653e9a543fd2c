"""The weekly mail: one per person over everything their owners have, worst first.

It goes out when there is something to say, and to heads, `[keywatch] owner` and `[digest] also` each week, so that a
missing Monday mail is noticed; to everybody on the first Monday of the month.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keywatch.config import Config
from keywatch.dates import start_of
from keywatch.findings import out_of_reach
from keywatch.model import Credential, Event, MessageKind, Owner, Person, State, World
from keywatch.policy.audience import fallback_of, members_of, on_duty, routes_of
from keywatch.policy.calendar import DAY
from keywatch.policy.reach import concerned
from keywatch.policy.state import marks, state, worst_first
from keywatch.read import Reader
from keywatch.reminders import Note
from keywatch.render import page
from keywatch.render.entries import expiry
from keywatch.store import Tx
from keywatch.wording import CODE, domain

WEEK = timedelta(days=7)
_SPEAKS = (State.EXPIRED, State.LATE, State.START, State.IN_HAND, State.UNKNOWN, State.PLAN)
_CHANGES = ("renewed", "rescheduled", "retired", "risk accepted", "moved", "found", "missing")
LONGEST = 40
"""Lines a mail shows; the rest is a count."""


@dataclass(frozen=True, slots=True)
class Line:
    """One credential in a digest, ready to be read."""

    state: str
    name: str
    where: str
    owner: str
    text: str


@dataclass(frozen=True, slots=True)
class Digest:
    """What one reader gets."""

    person: str
    """A person's key, or a route's name for `[digest] also`."""
    routes: tuple[str, ...]
    greeting: str
    subject: str
    lines: tuple[Line, ...]
    more: int
    fine: int
    undated: tuple[str, ...]
    changes: tuple[str, ...]
    unreached: tuple[str, ...]
    """What keeps keywatch from reaching people or from knowing. It is said by itself too, so it makes no digest due."""
    always: bool
    """They get it each week, whatever it says."""
    notes: tuple[Note, ...] = ()
    """What they are to be reminded of that day: it takes no message of its own."""

    @property
    def says_something(self) -> bool:
        return bool(self.lines or self.changes)


def week_of(config: Config, now: datetime) -> str:
    """The ISO week in the installation's zone: part of a digest's key, so each goes out once."""
    year, week, _ = now.astimezone(config.zone).isocalendar()
    return f"{year}-W{week:02}"


def due_at(config: Config, now: datetime) -> datetime:
    """When this week's digest is due."""
    today = now.astimezone(config.zone).date()
    monday = today - today.weekday() * DAY
    return start_of(monday + config.digest.weekday * DAY, config.zone, config.digest.at)


def next_at(config: Config, now: datetime) -> datetime:
    """The next instant at which a digest will be due."""
    this_week = due_at(config, now)
    return this_week if now < this_week else due_at(config, now + WEEK)


def enqueue_due(
    tx: Tx, config: Config, world: World, now: datetime, notes: Sequence[Note] = (), *, force: bool = False
) -> list[Digest]:
    """Enqueue this week's digests once their time has come, with the notes to their readers. Returns the new ones.

    A store that is new starts with the next Monday: nothing was promised for the last one.
    """
    week, mark = week_of(config, now), tx.read.meta("digest_week")
    if not force and (mark == week or now < due_at(config, now)):
        return []
    if not mark and not force:
        tx.set_meta("digest_week", week)
        return []
    due = [
        _carrying(one, notes, world)
        for one in digests(config, world, tx.read, now)
        if force or one.always or one.says_something or _first_of_month(config, now)
    ]
    tx.set_meta("digest_week", week)
    return [one for one in due if _enqueue(tx, config, one, week, now)]


def _carrying(one: Digest, notes: Sequence[Note], world: World) -> Digest:
    """The digest with what its reader is reminded of, if it takes every route that the reminder would take."""
    mine = tuple(note for note in notes if note.person.key == one.person)
    if not mine or {route.name for route in routes_of(mine[0].person, world)} - set(one.routes):
        return one
    subject = "; ".join([*(note.subject for note in mine), one.subject[:1].lower() + one.subject[1:]])
    return replace(one, subject=subject, notes=mine)


def _enqueue(tx: Tx, config: Config, one: Digest, week: str, now: datetime) -> bool:
    """False: it went out before."""
    body = json.dumps({"subject": one.subject, "text": text(one), "html": html(one)})
    person = one.person if one.person in config.people or "@" in one.person else ""
    keys = [(f"digest|{week}|{route}", route) for route in one.routes]
    made = [tx.enqueue(MessageKind.DIGEST, key, route, person, body, now, domain(config)) for key, route in keys]
    return any(message is not None for message in made)


def _first_of_month(config: Config, now: datetime) -> bool:
    return due_at(config, now).astimezone(config.zone).day <= 7


# --------------------------------------------------------------------------- who reads what


def digests(config: Config, world: World, reader: Reader, now: datetime) -> list[Digest]:
    """This week's digest of every reader."""
    rows = sorted(reader.credentials(now), key=lambda row: worst_first(row, now))
    gone = [row for row in reader.credentials(now, include_retired=True) if row.retired_at]
    events = reader.events(kinds=_CHANGES, since=now - WEEK)
    wrong = _unreached(config, reader, world, rows, now)
    heads = {owner.head for owner in config.owners.values() if owner.head}
    keepers = {person.key for person in readers_of(config.owners[config.keeper], world, now)}
    found = []
    for key, owners in _owners_by_reader(config, world, now).items():
        person = world.people[key]
        # One mail a person; whoever has no mail route gets it where they can be reached.
        routes = tuple(r.name for r in sorted(routes_of(person, world), key=lambda r: not r.mail))[:1]
        always = key in heads | keepers | set(config.digest.also)
        mine = [row for row in rows if world.owner_of(row).name in owners]
        keys = {f"{row.source}:{row.ref}" for row in [*mine, *(g for g in gone if world.owner_of(g).name in owners)]}
        said = [event for event in events if event.credential in keys]
        if routes:
            theirs = tuple(text for text, of in wrong.items() if of & owners)
            found.append(_digest(key, routes, person.name, owners, mine, said, theirs, world, now, always=always))
    named = [name for name in config.digest.also if name in world.routes and name not in world.people]
    whole = set(config.owners)
    every = tuple(wrong)
    return found + [_digest(name, (name,), name, whole, rows, events, every, world, now, always=True) for name in named]


def _unreached(
    config: Config, reader: Reader, world: World, rows: Sequence[Credential], now: datetime
) -> dict[str, set[str]]:
    """What is wrong with routes, rosters, sources and people now, in words, each with the owners it concerns."""
    found: dict[str, set[str]] = {}
    for subject in reader.subjects().values():
        said = reader.events(subject.subject, kinds={"trouble"}, limit=1)
        if said and subject.told_at:
            since = f"{subject.opened_at.astimezone(config.zone):%-d %b}"
            found[f"{said[-1].text} (since {since})"] = _concerned(subject.subject, config, world, rows)
    for finding in out_of_reach([row for row in rows if row.active], world, now):
        found[finding.what] = {finding.owner.name}
    return found


def _concerned(subject: str, config: Config, world: World, rows: Iterable[Credential]) -> set[str]:
    """The owners whose readers are told of a subject; what concerns nobody in particular is the keeper's."""
    kind, _, name = subject.partition(":")
    found: set[str] = set()
    if kind == "route" and name in world.routes:
        found = set(concerned(world.routes[name], world, rows))
    elif kind == "roster":
        found = {owner.name for owner in config.owners.values() if owner.roster == name}
    return found or {config.keeper}


def readers_of(owner: Owner, world: World, now: datetime) -> tuple[Person, ...]:
    """Who gets the digest of an owner: those it names, else members, always the head too.

    Where none of them can be reached it is the fallback: what an orphaned team owns must stay in sight.
    """
    named = tuple(world.people[key] for key in owner.digest if key in world.people)
    head = tuple(world.people[key] for key in (owner.head,) if key in world.people)
    usual = members_of(owner, world) or tuple(duty.person for duty in on_duty(owner, world, now))
    people = [person for person in (*(named or usual), *head) if routes_of(person, world)]
    return tuple({p.key: p for p in people or fallback_of(owner, world, now)}.values())


def _owners_by_reader(config: Config, world: World, now: datetime) -> dict[str, set[str]]:
    readers: dict[str, set[str]] = {}
    for owner in config.owners.values():
        for person in readers_of(owner, world, now):
            readers.setdefault(person.key, set()).add(owner.name)
    for key in config.digest.also:
        if key in world.people:
            readers.setdefault(key, set()).update(config.owners)
    return readers


# --------------------------------------------------------------------------- words


def _digest(
    person: str,
    routes: tuple[str, ...],
    name: str,
    owners: set[str],
    rows: list[Credential],
    events: Iterable[Event],
    unreached: tuple[str, ...],
    world: World,
    now: datetime,
    *,
    always: bool,
) -> Digest:
    speaking = [row for row in rows if state(row, now) in _SPEAKS]
    lines = tuple(_line(row, world, now) for row in speaking[:LONGEST])
    undated = tuple(row.name for row in rows if state(row, now) is State.UNDATED)
    fine = len(rows) - len(speaking) - len(undated)
    counts = [
        f"{sum(state(r, now) is s for r in rows)} {s.lower()}" for s in _SPEAKS if any(state(r, now) is s for r in rows)
    ]
    what = ", ".join([*counts, f"{fine} fine"]) if rows else "nothing registered"
    team = ", ".join(sorted(owners)) if len(owners) <= 3 else f"{len(owners)} owners"
    changes = tuple(f"{event.credential.rpartition('/')[2].rpartition(':')[2]}: {event.text}" for event in events)
    return Digest(
        person=person,
        routes=routes,
        greeting=f"{name}, this is the week of {team}.",
        subject=f"Week of {team}: {what}",
        lines=lines,
        more=len(speaking) - len(lines),
        fine=fine,
        undated=undated[:LONGEST],
        changes=changes[:LONGEST],
        unreached=unreached[:LONGEST],
        always=always,
    )


def _line(row: Credential, world: World, now: datetime) -> Line:
    zone = world.owner_of(row).calendar.zone
    said = []
    if row.expires_at:
        said.append(expiry(row.expires_at, zone, now))
    if row.start_by:
        said.append(f"start by {row.start_by.astimezone(zone):%a %-d %b}")
    if row.in_hand:
        said.append(f"{row.in_hand.person} has it until {(row.in_hand.until - DAY).astimezone(zone):%a %-d %b}")
    if row.problem:
        said.append(row.problem)
    if not row.owner:
        said.append("nobody owns it")
    said += marks(row, now)
    return Line(state(row, now).value, row.name, row.env or "production", row.owner, "; ".join(said))


def text(one: Digest) -> str:
    """The digest as plain text."""
    return page("digest.txt", digest=one, code=CODE)


def html(one: Digest) -> str:
    """The digest as HTML."""
    return page("digest.html", digest=one, code=CODE)

"""Quiet words to one person: half of what you promised has passed; with this duty you inherit what is open.

A reminder is no call: it asks for nothing, and counts for no cover, no silence and no health. Where the
same run sends the weekly digest it stands in it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from keywatch import canary, ledger
from keywatch.config import Config
from keywatch.model import (
    MANUAL,
    Ack,
    AckKind,
    Credential,
    Duty,
    Episode,
    Event,
    MessageKind,
    Owner,
    Person,
    State,
    World,
)
from keywatch.policy import acks
from keywatch.policy.audience import on_call_of, on_duty, routes_of
from keywatch.policy.calendar import put_off
from keywatch.policy.case import timeline
from keywatch.policy.deadlines import dates_of, first_step_due
from keywatch.policy.stages import Timeline
from keywatch.policy.state import state, worst_first
from keywatch.read import instant_of
from keywatch.render.entries import expiry, name_of, needs
from keywatch.report import promised_day, quoted
from keywatch.store import Tx
from keywatch.wording import CODE, domain

LONG = timedelta(days=2)
"""A promise shorter than this needs no reminder."""
TOO_NEAR = timedelta(hours=12)
"""So near its end a promise is spoken of by its end alone."""
FRESH_DUTY = timedelta(days=3)
"""Runs may be days apart; who has been on duty for longer knows what is open from the calls themselves."""
EVENING = time(20)
"""From here to the next `[policy] at` nobody is told what they inherit: it can wait until then."""
OPEN = (State.EXPIRED, State.LATE, State.START, State.IN_HAND)
LISTED = 40
KIND = "reminded"
"""The event that says that a promise was reminded of."""
ON_DUTY = "on_duty"
"""The value that holds, by owner, who was on duty at the last run and who is still to be told what they inherit."""
READ = f"`keywatch ack {CODE}` says that you have read this. It promises nothing."


@dataclass(frozen=True, slots=True)
class Note:
    """What one person is reminded of."""

    person: Person
    key: str
    """What makes it the same one in the next run."""
    subject: str
    text: str


def due(tx: Tx, config: Config, world: World, now: datetime) -> tuple[list[Note], datetime | None]:
    """Who is to be reminded of what, once: the caller says it. And when something will be due."""
    halves, half_times = _promises(tx, world, tx.read.held(now), now)
    shifts, starts = _duties(tx, config, world, now)
    return [*halves, *shifts], min((at for at in [*half_times, *starts] if at > now), default=None)


def say(tx: Tx, config: Config, world: World, notes: Iterable[Note], now: datetime) -> None:
    """Enqueue each for somebody's best route (all of theirs where none is proven)."""
    for note in notes:
        body = json.dumps({"subject": note.subject, "text": f"{note.text}\n{READ}\n"})
        for route in routes_of(note.person, world):
            key = f"{note.key}|{route.name}"
            tx.enqueue(MessageKind.REMINDER, key, route.name, note.person.key, body, now, domain(config))


# --------------------------------------------------------------------------- half of a promise


@dataclass(frozen=True, slots=True)
class Half:
    """A promise that holds, and when its giver is reminded of it."""

    credential: Credential
    episode: Episode
    ack: Ack
    due: datetime


def _promises(tx: Tx, world: World, held: Sequence[Credential], now: datetime) -> tuple[list[Note], Iterable[datetime]]:
    """For each giver of promises of which half has passed one note; when the others are due."""
    halves = _halves(tx, world, held, now)
    said = _said(tx, halves)
    fresh = [half for half in halves if str(half.ack.id) not in said]
    by_giver: dict[str, list[Half]] = {}
    for half in fresh:
        if half.due <= now <= half.ack.until - TOO_NEAR and routes_of(world.people[half.ack.person], world):
            by_giver.setdefault(half.ack.person, []).append(half)
    notes = [_remind_of(tx, world, world.people[key], mine, now) for key, mine in by_giver.items()]
    return notes, [half.due for half in fresh]


def _halves(tx: Tx, world: World, held: Sequence[Credential], now: datetime) -> list[Half]:
    found = []
    episodes = tx.read.episodes([row.id for row in held])
    for row in held:
        episode = episodes.get(row.id)
        ack = acks.holding(episode.acks, now) if episode else None
        if episode is None or ack is None or row.expires_at is None or ack.person not in world.people:
            continue
        if ack.until - ack.at >= LONG:
            due = put_off(world.owner_of(row).calendar, world.rules.at, ack.at + (ack.until - ack.at) / 2)
            found.append(Half(row, episode, ack, due))
    return found


def _said(tx: Tx, halves: Sequence[Half]) -> set[str]:
    since = min((half.ack.at for half in halves), default=None)
    return {event.data.get("ack", "") for event in tx.read.events(kinds={KIND}, since=since)} if since else set()


def _remind_of(tx: Tx, world: World, giver: Person, halves: Sequence[Half], now: datetime) -> Note:
    """One note for everything of which half of one person's time has passed."""
    lines_of = [(half, timeline(half.credential, half.episode, world)) for half in halves]
    (first, line), more = lines_of[0], len(halves) - 1
    name = first.credential.name
    until = _day(first.ack.until - timedelta(microseconds=1), line)
    subject = f"Half time: you have {name} until {until}" + (f" (and {more} more)" if more else "")
    lines = [f"{giver.name}, half of the time that you gave yourself has passed. Nothing is wrong yet.", ""]
    for half, line in lines_of:
        lines += [*_half_lines(line, half.ack, now), ""]
    key = f"half|{','.join(str(half.ack.id) for half in halves)}"
    for half, line in lines_of:
        promised = promised_day(half.ack.until, line.calendar.zone)
        text = f"{giver.name} was reminded: half of the time until {promised} has passed"
        about = ledger.key(half.credential)
        tx.add_event(Event(now, KIND, about, "keywatch", text, {"ack": str(half.ack.id)}))
    return Note(giver, key, subject, "\n".join(lines))


def _half_lines(line: Timeline, ack: Ack, now: datetime) -> list[str]:
    """What was promised until when, what comes then, how to extend it and how to end it."""
    row = line.credential
    what = "work has begun, done by" if ack.kind is AckKind.BEGUN else "you will begin by"
    promised = f"{_day(ack.at, line)} you said that {what} {_day(ack.until - timedelta(microseconds=1), line)}"
    adopted = None if line.expires_while_adopted else line.adopted_until
    last = acks.latest_day(line.calendar, line.when, AckKind.BEGUN, now, adopted)
    again = line.lapse_at(ack).astimezone(line.calendar.zone)
    steps = [f"A step is done: keywatch renew {quoted(row)} --done {line.when.left[0].name}"]
    return [
        f"{row.name} ({row.env or 'production'}): on {promised}.",
        f"It {expiry(line.when.expires_at, line.calendar.zone, now)}. {needs(line.when, line.calendar, now)}",
        f"If it is not renewed by then, it is said again {again:%a %-d %b %H:%M}, one rung higher.",
        f"It takes longer: keywatch ack {quoted(row)} --begun --until DATE (to {last:%a %-d %b} at most)",
        *(steps if len(line.when.left) > 1 else []),
        *renewed(row),
    ]


def renewed(row: Credential) -> list[str]:
    """How keywatch hears that it is renewed."""
    if row.source == MANUAL:
        return [f"It is renewed: keywatch renew {quoted(row)} --expires DATE"]
    return [f"It is renewed: {row.source} shows it, and this ends by itself"]


def _day(moment: datetime, line: Timeline) -> str:
    return f"{moment.astimezone(line.calendar.zone):%a %-d %b}"


# --------------------------------------------------------------------------- a duty that begins


def _duties(tx: Tx, config: Config, world: World, now: datetime) -> tuple[list[Note], list[datetime]]:
    """What whoever is new on call inherits; when the next one begins or is to be told."""
    before = tx.read.meta(ON_DUTY)
    known = json.loads(before or "{}")
    since = instant_of(tx.read.meta("last_run") or None) or now
    nexts: list[datetime] = []
    told: dict[str, list[tuple[Owner, Duty]]] = {}
    for owner in config.owners.values():
        roster = on_call_of(owner, world)
        if roster is None:
            continue
        nexts += [duty.start for duty in roster.duties if duty.level == 1 and duty.start]
        for duty, due in _owed(known, owner, world, since, now):
            nexts.append(due)
            if due <= now:
                known[owner.name]["owed"].pop(duty.person.key)
                told.setdefault(duty.person.key, []).append((owner, duty))
    rows = tx.read.credentials(now) if told else []
    notes = [_hand_on(world, mine, rows, now) for mine in told.values()]
    if (after := json.dumps(known, sort_keys=True)) != before:
        tx.set_meta(ON_DUTY, after)
    return [note for note in notes if note], nexts


def _owed(
    known: dict[str, dict[str, object]], owner: Owner, world: World, since: datetime, now: datetime
) -> list[tuple[Duty, datetime]]:
    """The shifts of this owner whose people are still to be told, each with when; `known` is brought up to date.

    Whom the first run finds on duty is not new. A shift that ends before its person may be told is passed over.
    """
    first = {duty.person.key: duty for duty in on_duty(owner, world, now, 1)}
    if not first:
        return []
    state_of = known.setdefault(owner.name, {"seen": sorted(first), "owed": {}})
    seen, owed = state_of["seen"], state_of["owed"]
    assert isinstance(seen, list)
    assert isinstance(owed, dict)
    fresh = [
        duty
        for key, duty in first.items()
        if key not in seen and duty.start and duty.start > since and now - duty.start <= FRESH_DUTY
    ]
    owed = {key: start for key, start in owed.items() if key in first} | {
        duty.person.key: duty.start.isoformat() for duty in fresh if duty.start
    }
    state_of |= {"seen": sorted(first), "owed": owed}
    return [(first[key], _civil(owner, world, datetime.fromisoformat(start))) for key, start in owed.items()]


def _civil(owner: Owner, world: World, start: datetime) -> datetime:
    """The start of a shift, or where that is at night the next `[policy] at`."""
    clock = start.astimezone(owner.calendar.zone).time()
    return (
        start if world.rules.at <= clock < EVENING else put_off(owner.calendar, world.rules.at, start, every_day=True)
    )


def _hand_on(
    world: World, mine: Sequence[tuple[Owner, Duty]], rows: Sequence[Credential], now: datetime
) -> Note | None:
    """One note to whoever is on call now, over everything that is open of what they answer for."""
    person = mine[0][1].person
    opened = {owner.name: _open(rows, owner, world, now) for owner, _ in mine}
    count = sum(len(found) for found in opened.values())
    if count == 0:
        return None
    names = " and ".join(name for name, found in opened.items() if found)
    subject = f"You are on call for {names}: {count} open credential{'s' * (count != 1)}"
    lines = []
    for owner, duty in mine:
        if found := opened[owner.name]:
            more = [f"  and {len(found) - LISTED} more: keywatch list"] if len(found) > LISTED else []
            until = f" until {duty.until.astimezone(owner.calendar.zone):%a %-d %b %H:%M}" if duty.until else ""
            lines.append(f"{person.name}, you are on call for {owner.name}{until}; you inherit:")
            lines += [*(f"  {_inherited(row, owner, world, now)}" for row in found[:LISTED]), *more, ""]
    text = "\n".join([*lines, "Take one: keywatch ack NAME. All of it: keywatch list"])
    starts = {owner.name: duty.start.isoformat() if duty.start else "" for owner, duty in mine}
    key = f"duty|{','.join(starts)}|{','.join(starts.values())}|{person.key}"
    return Note(person, key, subject, text)


def _open(rows: Iterable[Credential], owner: Owner, world: World, now: datetime) -> list[Credential]:
    mine = [row for row in rows if world.owner_of(row) == owner and not canary.is_canary(row)]
    return sorted((row for row in mine if state(row, now) in OPEN), key=lambda row: worst_first(row, now))


def _inherited(row: Credential, owner: Owner, world: World, now: datetime) -> str:
    """One open credential: its state, who has it in hand until when, and what is to be done next."""
    zone = owner.calendar.zone
    assert row.expires_at is not None
    when = dates_of(row, owner.calendar, world.rules)
    parts = [f"{state(row, now)}: {row.name} ({row.env or 'production'}) {expiry(row.expires_at, zone, now)}"]
    if row.in_hand and now < row.in_hand.until:
        until = (row.in_hand.until - timedelta(microseconds=1)).astimezone(zone)
        parts.append(f"{name_of(row.in_hand.person, '', world)} has it until {until:%a %-d %b}")
    else:
        parts.append("nobody has it")
    if now < row.expires_at and len(when.left) > 1:
        due = first_step_due(owner.calendar, when).astimezone(zone)
        parts.append(f"next: {when.left[0].name} by {due:%a %-d %b}")
    elif now < row.expires_at:
        parts.append(f"next: start by {when.start_by.astimezone(zone):%a %-d %b}")
    return "; ".join(parts)

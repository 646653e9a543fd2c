"""A promise that changes hands: it ends for its giver and stands in the name of another, who is told at once.

It proves no route: who hands over is not the one who was reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from keywatch.config import Config
from keywatch.errors import KeywatchError
from keywatch.model import Ack, AckKind, Credential, Person, World
from keywatch.policy import acks, audience
from keywatch.policy.calendar import local_day
from keywatch.policy.case import timeline
from keywatch.policy.stages import Timeline
from keywatch.register import Speaker
from keywatch.reminders import Note, renewed, say
from keywatch.render.entries import expiry, name_of, needs
from keywatch.report import quoted
from keywatch.store import Tx


@dataclass(frozen=True, slots=True)
class Handed:
    """One credential that somebody else has in hand now."""

    credential: Credential
    giver: str
    """The person's key, who may be nobody of the config any more."""
    person: Person
    kind: AckKind
    until: datetime
    day: date
    """The last day of the promise, in the owner's zone."""
    shortened: bool
    """What was promised reaches further than is allowed now."""
    zone: ZoneInfo


def hand_over(
    tx: Tx,
    config: Config,
    world: World,
    rows: Sequence[Credential],
    giver: Person | None,
    to: Person,
    who: Speaker,
    now: datetime,
) -> list[Handed]:
    """Give the promises of `rows` to `to`; without rows everything that `giver` holds. Nothing is half done.

    Raises:
        KeywatchError: nobody (or somebody else) holds one, `to` holds it already or cannot be reached.
    """
    if not audience.reachable(to, world):
        raise KeywatchError(
            f"{to.name} has no living route, so this promise could not be kept in mind",
            "give them a route in the config, prove one with `keywatch test`, or choose somebody else",
        )
    if all(world.health_of(route.name).away for route in audience.routes_of(to, world)):
        raise KeywatchError(
            f"{to.name} is away and would not hear of it", "choose somebody else; `keywatch routes` says until when"
        )
    if giver and giver.key == to.key:
        raise KeywatchError(f"{to.name} is both the giver and the receiver", "--to names somebody else")
    held = _held(tx, rows, now) if rows else _everything_of(tx, giver, now)
    for row, ack in held:
        _check(row, ack, giver, to, world)
    lines = [timeline(row, tx.read.episodes([row.id])[row.id], world) for row, _ in held]
    handed = [_hand(tx, line, ack, to, who, now) for line, (_, ack) in zip(lines, held, strict=True)]
    _tell(tx, config, world, handed, lines, who, now)
    return handed


def _held(tx: Tx, rows: Sequence[Credential], now: datetime) -> list[tuple[Credential, Ack]]:
    found = []
    episodes = tx.read.episodes([row.id for row in rows])
    for row in {row.id: row for row in rows}.values():
        episode = episodes.get(row.id)
        ack = acks.holding(episode.acks, now) if episode else None
        if ack is None:
            raise KeywatchError(f"nobody has {row.name} in hand", f"`keywatch ack {quoted(row)} --by PERSON` takes it")
        found.append((row, ack))
    return found


def _everything_of(tx: Tx, giver: Person | None, now: datetime) -> list[tuple[Credential, Ack]]:
    if giver is None:
        raise KeywatchError("what is to be handed over?", "name credentials, or --from PERSON for all that they hold")
    rows = [row for row in tx.read.credentials(now) if row.in_hand and row.in_hand.person == giver.key]
    if not rows:
        raise KeywatchError(f"{giver.name} has nothing in hand", "`keywatch list` shows who has what")
    return _held(tx, rows, now)


def _check(row: Credential, ack: Ack, giver: Person | None, to: Person, world: World) -> None:
    holder = name_of(ack.person, ack.person, world)
    if ack.person == to.key:
        raise KeywatchError(f"{to.name} has {row.name} in hand already", "--to names somebody else")
    if giver and ack.person != giver.key:
        raise KeywatchError(f"{row.name} is not in the hand of {giver.name}: {holder} has it", f"--from {ack.person}")


def _hand(tx: Tx, line: Timeline, ack: Ack, to: Person, who: Speaker, now: datetime) -> Handed:
    """Write the promise down anew, of the same kind and until the same day as far as that is allowed now."""
    adopted = None if line.expires_while_adopted else line.adopted_until
    last = acks.latest_day(line.calendar, line.when, ack.kind, now, adopted)
    wanted = local_day(line.calendar, ack.until - timedelta(microseconds=1))
    day = max(min(wanted, last), local_day(line.calendar, now))
    until = min(ack.until, acks.end_of(line.calendar, day))
    # The newest promise is the one that holds; given before the end of the other, that one was not broken.
    tx.add_ack(line.episode.id, ack.kind, to.key, now, until, ack.note, who.login)
    text = f"from {ack.person} to {to.name}, until {day}"
    tx.add_event(who.event(now, "handover", line.credential, text))
    return Handed(line.credential, ack.person, to, ack.kind, until, day, day < wanted, line.calendar.zone)


# --------------------------------------------------------------------------- who is told


def _tell(
    tx: Tx,
    config: Config,
    world: World,
    handed: Sequence[Handed],
    lines: Sequence[Timeline],
    who: Speaker,
    now: datetime,
) -> None:
    """One message to whoever has it now, and one to each who had it, unless they did it themselves."""
    by, to = name_of(who.name, who.name, world), handed[0].person
    key = f"handover|{now.isoformat()}|{','.join(str(line.episode.id) for line in lines)}"
    if who.name != to.key:
        said = [line for one, there in zip(handed, lines, strict=True) for line in _received(one, there, now)]
        head = f"{to.name}, {by} handed this over to you. It is in hand in your name now."
        subject = _subject("Handed over to you:", handed)
        say(tx, config, world, [Note(to, f"{key}|to", subject, "\n".join([head, "", *said]))], now)
    for giver in {one.giver: None for one in handed}:
        person, mine = world.people.get(giver), [one for one in handed if one.giver == giver]
        if person is None or giver == who.name:
            continue
        head = f"{person.name}, {by} handed this over to {to.name}. You need not do anything any more."
        said = [f"{one.credential.name}: {to.name} has it until {one.day:%a %-d %b}" for one in mine]
        subject = _subject(f"{to.name} has it now:", mine)
        say(tx, config, world, [Note(person, f"{key}|from", subject, "\n".join([head, "", *said, ""]))], now)


def _subject(head: str, handed: Sequence[Handed]) -> str:
    more = len(handed) - 1
    return f"{head} {handed[0].credential.name}" + (f" (and {more} more)" if more else "")


def _received(one: Handed, line: Timeline, now: datetime) -> list[str]:
    row = one.credential
    what = "work has begun, to be done" if one.kind is AckKind.BEGUN else "to be begun"
    return [
        f"{row.name} ({row.env or 'production'}): {what} by {one.day:%a %-d %b}.",
        f"It {expiry(line.when.expires_at, one.zone, now)}. {needs(line.when, line.calendar, now)}",
        f"It takes longer: keywatch ack {quoted(row)} --begun --until DATE",
        f"It is not yours: keywatch handover {quoted(row)} --to PERSON",
        *renewed(row),
        "",
    ]

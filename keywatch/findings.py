"""Tells people, once, what keeps keywatch from knowing or reaching: a date or owner nobody can read, a robot's broken
promise, the only person who can renew something gone, an owner none of whose people can be reached.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keywatch.config import Config
from keywatch.model import Credential, Event, MessageKind, MessageState, Outcome, Owner, Person, Planned, Trust, World
from keywatch.policy.audience import (
    LAST_RESORT,
    Ear,
    alive,
    audience,
    covered,
    members_of,
    on_call_of,
    on_duty,
    routes_of,
    starting_rung,
)
from keywatch.policy.calendar import put_off
from keywatch.policy.reconcile import promised_rotation
from keywatch.read import Reader, Subject
from keywatch.store import Tx
from keywatch.wording import domain

KIND = "finding"
FINDING = "finding:"
"""The subject of the episode that lasts while a finding does; it is said when it begins."""
WIDEST = 3
"""Members, head and fallback: neither a finding nor a trouble wakes anybody."""
NONE: Mapping[str, Collection[str]] = {}
GONE = (MessageState.REFUSED, MessageState.SUPERSEDED)
"""Messages that reach nobody: they came back, or their route had died before."""
NAMED = 5
"""Credentials a sentence names; the rest is a count."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with keywatch's own view."""

    owner: Owner
    """Whose people are told."""
    about: str
    """`source:ref`, or the name that nobody knows."""
    what: str
    detail: str
    todo: str
    version: str = ""
    rung: int = 0
    """How far it is told at least."""
    reach: bool = False
    """It keeps people from being reached or from renewing: said at once, and in each digest while it lasts."""

    @property
    def key(self) -> str:
        """Said once: the same trouble of the same version has the same key."""
        said = "|".join((self.about, self.version, self.what, self.detail))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def tell(tx: Tx, config: Config, world: World, now: datetime, lost: Mapping[str, Collection[str]] = NONE) -> None:
    """Enqueue what was not said before: one message for each route, with all that is new for it.

    What nobody can be counted on to have heard (`lost`, subjects) goes to others too, one rung wider.
    """
    said = {name: row for name, row in tx.read.subjects().items() if name.startswith(FINDING)}
    seen = set()
    messages: dict[tuple[str, str, datetime], dict[str, Finding]] = {}
    for finding in findings(tx.read.credentials(now), world, now):
        subject = f"{FINDING}{finding.key}"
        again = subject in lost and said[subject].rung < WIDEST
        known = subject in seen or (subject in said and not again)
        seen.add(subject)
        if known:
            continue
        row = said[subject] if again else _opened(tx, finding, subject, now)
        rung = max(row.rung, finding.rung) + again
        tx.change_episode(row.id, told_at=now, rung=rung)
        due = now if finding.reach else put_off(finding.owner.calendar, world.rules.at, now)
        for one in reached(finding.owner, world, now, rung, lost.get(subject, ())):
            messages.setdefault((one.route, one.person, due), {})[subject] = finding
    for subject in said.keys() - seen:
        tx.end_episode(said[subject].id, Outcome.RENEWED, "keywatch", now)
    for (route, person, due), found in messages.items():
        said_now = list(found.values())
        name = hashlib.sha256("|".join(one.key for one in said_now).encode()).hexdigest()[:16]
        words = {"subject": subject_of([one.what for one in said_now]), "text": _text(said_now)}
        body = json.dumps(words | {"about": "\n".join(found)})
        tx.enqueue(
            MessageKind.FINDING, f"finding|{name}|{route}|{now.isoformat()}", route, person, body, due, domain(config)
        )


def _opened(tx: Tx, finding: Finding, subject: str, now: datetime) -> Subject:
    tx.add_event(Event(now, KIND, finding.about, "keywatch", finding.what, {"key": finding.key}))
    return tx.open_subject(subject, finding.about, now)


def findings(rows: Iterable[Credential], world: World, now: datetime) -> Iterator[Finding]:
    """Everything that is wrong now, said before or not."""
    strangers: dict[str, list[str]] = {}
    rows = [row for row in rows if row.active]
    yield from out_of_reach(rows, world, now)
    for row in rows:
        if row.owner and row.owner not in world.owners:
            strangers.setdefault(row.owner, []).append(row.name)
        yield from _of_one(row, world.owner_of(row), now)
    for owner, names in strangers.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        detail = f"it should own {', '.join(names[:NAMED])}{more}; until it is known you are told of them"
        what = f"the owner '{owner}' is not in the config"
        # The list of names may grow: that is no news, so it is not part of the key.
        todo = f"Add [owners.{owner}], or mend the label: {detail}"
        yield Finding(world.owners[world.keeper], f"owner {owner}", what, "", todo)


def _of_one(row: Credential, owner: Owner, now: datetime) -> Iterator[Finding]:
    about, show = f"{row.source}:{row.ref}", f"keywatch show {row.name}"
    if row.problem:
        what = "its date cannot be read" if row.expires_at is None else "not all of it can be read"
        yield Finding(owner, about, f"{row.name}: {what}", row.problem, f"Give it one that can: {show}", row.version)
    promise = promised_rotation(row, now)
    if promise and row.expires_at is None:
        what = f"{row.name}: a new version was promised for {promise:%a %-d %b} and did not come"
        yield Finding(owner, about, what, "", f"Look at what rotates it: {show}", row.version)


# --------------------------------------------------------------------------- who cannot be reached


def out_of_reach(rows: Iterable[Credential], world: World, now: datetime) -> Iterator[Finding]:
    """What is wrong with people rather than with dates: the only one who can renew is gone, an owner has nobody."""
    left = _inactive(world)
    for row in rows:
        if key := row.details.get("renewable_by"):
            yield from _nobody_renews(row, key, left, world)
    for owner in world.owners.values():
        yield from _nobody_there(owner, left, world, now)


def _nobody_renews(row: Credential, key: str, left: Collection[str], world: World) -> Iterator[Finding]:
    """A year before the expiry is the time to move a renewal to somebody else; the week of the expiry is not."""
    why = _lost(key, left, world)
    if not why:
        return
    deputy = row.details.get("deputy", "")
    name = world.people[key].name if key in world.people else key
    todo = f"Move it to somebody else, then `keywatch edit {row.name} --renewable-by PERSON`."
    if deputy and not _lost(deputy, left, world):
        todo = f"{world.people[deputy].name} is the deputy and can renew it. {todo}"
    elif deputy:
        todo = f"The deputy {deputy} cannot be reached either. {todo}"
    what = f"only {name} can renew {row.name}, and {why}"
    yield Finding(world.owner_of(row), f"{row.source}:{row.ref}", what, "", todo, rung=1, reach=True)


def _lost(key: str, left: Collection[str], world: World) -> str:
    """Why somebody can renew nothing; "" = they can, or a roster that is silent may know them."""
    person = world.people.get(key)
    if person is None:
        silent = any(roster.trust is Trust.UNKNOWN for roster in world.on_call.values())
        return "" if silent else "is not there any more: no roster and no [people] has them"
    if key in left or not person.active:
        return "is not active any more in the roster"
    return "" if routes_of(person, world) else "no route leads to them any more"


def _inactive(world: World) -> frozenset[str]:
    """Everybody whom rosters know and none of them has as active: somebody of [people] may have left, too."""
    known: dict[str, bool] = {}
    for roster in world.on_call.values():
        for person in (*roster.members, *(duty.person for duty in roster.duties)):
            known[person.key] = known.get(person.key, False) or person.active
    return frozenset(key for key, active in known.items() if not active)


def _nobody_there(owner: Owner, left: Collection[str], world: World, now: datetime) -> Iterator[Finding]:
    roster = on_call_of(owner, world)
    if roster and roster.trust is Trust.UNKNOWN:
        return  # who its people are is not known; that the roster is silent is said by itself
    head = [world.people[owner.head]] if owner.head in world.people else []
    people: dict[str, Person] = {duty.person.key: duty.person for duty in on_duty(owner, world, now)}
    people |= {person.key: person for person in (*members_of(owner, world), *head)}
    if any(person.active and key not in left and routes_of(person, world) for key, person in people.items()):
        return
    names = ", ".join(person.name for person in people.values()) or "it has none"
    todo = f"Name somebody in [owners.{owner.name}]; until then its fallback is told of everything it owns."
    what = f"none of the people of {owner.name} can be reached"
    yield Finding(owner, f"owner {owner.name}", what, names, todo, rung=1, reach=True)


def unheard(reader: Reader, world: World, since: datetime) -> dict[str, set[str]]:
    """The subjects said after `since` of which so much came back that nobody can be counted on to have heard them.

    With the routes that were tried.
    """
    lost = {}
    for subject, tried in reader.tellings(since).items():
        there = [Ear(route, duty=True) for route, at, state in tried if state not in GONE and _kept(route, at, world)]
        if len(there) < len(tried) and not covered(there, world):
            lost[subject] = {route for route, _, _ in tried}
    return lost


def _kept(route: str, at: datetime, world: World) -> bool:
    """Whether nothing that was learnt since says that what was sent there then is read by nobody."""
    health = world.health_of(route)
    doubt = None if health.counts else health.because
    return alive(route, world) and (doubt is None or doubt.at < at)


def reached(
    owner: Owner, world: World, now: datetime, rung: int = 0, without: Collection[str] = ()
) -> tuple[Planned, ...]:
    """The people up to `rung`, and as many more as it takes to count on somebody. A finding wakes nobody.

    `without` are routes on which it was tried in vain.
    """
    planned: tuple[Planned, ...] = ()
    for reach in range(starting_rung(owner, world, now, rung), LAST_RESORT):
        planned = tuple(one for one in audience(owner, world, now, reach, pages=False) if one.route not in without)
        if covered([Ear(one.route, one.duty) for one in planned], world):
            break
    return planned


def subject_of(found: Sequence[str]) -> str:
    """The subject of a message about several things: the first of them, and how many more."""
    return found[0] + (f" (and {len(found) - 1} more findings)" if len(found) > 1 else "")


def _text(found: list[Finding]) -> str:
    lines = []
    for one in found:
        lines += [f"{one.what}{f' ({one.detail})' if one.detail else ''}.", one.todo, ""]
    return "\n".join(lines)

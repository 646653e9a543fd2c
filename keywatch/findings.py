"""Tells people, once, what keeps keywatch from knowing: a date or owner nobody can read, a robot's broken promise."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from keywatch.config import Config
from keywatch.model import Credential, Event, MessageKind, Owner, Planned, World
from keywatch.policy.audience import LAST_RESORT, Ear, audience, covered, starting_rung
from keywatch.policy.calendar import put_off
from keywatch.policy.reconcile import promised_rotation
from keywatch.store import Tx
from keywatch.wording import domain

KIND = "finding"
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

    @property
    def key(self) -> str:
        """Said once: the same trouble of the same version has the same key."""
        said = "|".join((self.about, self.version, self.what, self.detail))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def tell(tx: Tx, config: Config, world: World, now: datetime) -> None:
    """Enqueue what was not said before: one message for each route, with all that is new for it."""
    said = {event.data.get("key") for event in tx.read.events(kinds={KIND})}
    messages: dict[tuple[str, str, datetime], list[Finding]] = {}
    for finding in findings(tx.read.credentials(now), world, now):
        if finding.key in said:
            continue
        tx.add_event(Event(now, KIND, finding.about, "keywatch", finding.what, {"key": finding.key}))
        due = put_off(finding.owner.calendar, world.rules.at, now)
        for one in reached(finding.owner, world, now):
            messages.setdefault((one.route, one.person, due), []).append(finding)
    for (route, person, due), found in messages.items():
        name = hashlib.sha256("|".join(one.key for one in found).encode()).hexdigest()[:16]
        body = json.dumps({"subject": subject_of([one.what for one in found]), "text": _text(found)})
        tx.enqueue(MessageKind.FINDING, f"finding|{name}|{route}", route, person, body, due, domain(config))


def findings(rows: Iterable[Credential], world: World, now: datetime) -> Iterator[Finding]:
    """Everything that is wrong now, said before or not."""
    strangers: dict[str, list[str]] = {}
    for row in rows:
        if not row.active:
            continue
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


def reached(owner: Owner, world: World, now: datetime, rung: int = 0) -> tuple[Planned, ...]:
    """The people up to `rung`, and as many more as it takes to count on somebody. A finding wakes nobody."""
    planned: tuple[Planned, ...] = ()
    for reach in range(starting_rung(owner, world, now, rung), LAST_RESORT):
        planned = audience(owner, world, now, reach, pages=False)
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

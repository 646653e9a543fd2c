"""When the next message about a credential goes out, and to whom, as far as that is known: what `add` answers.

The rules themselves are asked, so the answer cannot differ from what `check` will do then.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from keywatch import outlook
from keywatch.config import Config
from keywatch.model import Credential, Decision, Episode, World
from keywatch.oncall import world_at
from keywatch.policy.audience import on_duty
from keywatch.policy.plan import decide
from keywatch.read import Reader
from keywatch.render.entries import name_of

STEPS = 1000
"""Instants that are looked at; a shift of eight hours, rendered two weeks ahead, makes about fifty."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next message about one credential."""

    at: datetime
    first: bool
    """Nothing was said in this episode yet."""
    people: tuple[str, ...] = ()
    """Names of whom it addresses; empty = whoever is on call then."""
    also: tuple[str, ...] = ()
    """Who gets it too."""


def next_message(config: Config, reader: Reader, row: Credential, now: datetime) -> Next | None:
    """The next message, or None where nothing is ahead. May ask the roster for that instant; never raises for it."""
    episode = reader.episodes([row.id]).get(row.id)
    if episode is None or row.automatic:
        return None
    world = outlook.world(config, reader, now)
    at = _speaks_at(row, episode, world, now)
    if at is None:
        return None
    owner = world.owner_of(row)
    then = world_at(config, world, owner, at, now)
    decision = decide(at, row, episode, then)
    found = Next(at, not any(call.told for call in episode.calls))
    if owner.roster and not on_duty(owner, then, at):
        return found
    first = [one for one in decision.notices if one.duty and one.rung == 0] or list(decision.notices)
    names = dict.fromkeys(name_of(one.person, one.route, then) for one in first)
    rest = dict.fromkeys(name_of(one.person, one.route, then) for one in decision.notices)
    return replace(
        found, people=tuple(names) or ("nobody: no route is alive",), also=tuple(n for n in rest if n not in names)
    )


def _speaks_at(row: Credential, episode: Episode, world: World, now: datetime) -> datetime | None:
    moment: datetime | None = now
    for _ in range(STEPS):
        if moment is None:
            return None
        decision = decide(moment, row, episode, world)
        if _says_something(decision, episode):
            return moment
        if decision.next_at is None or decision.next_at <= moment:
            return None
        moment = decision.next_at
    return None


def _says_something(decision: Decision, episode: Episode) -> bool:
    return bool(decision.notices) or decision.stage not in ("", *(call.stage for call in episode.calls))

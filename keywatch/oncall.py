"""Asks rosters who is on call, two weeks ahead, and turns what goes wrong into facts that only widen an audience."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from keywatch import plugins
from keywatch.config import Config, build
from keywatch.errors import KeywatchError, RosterError
from keywatch.model import OnCall, Owner, Trust, World
from keywatch.outlook import RENDERED_FOR, on_call, rendered, roster_references
from keywatch.policy.calendar import DAY
from keywatch.read import FeedRow, Reader
from keywatch.store import Tx
from keywatch.text import clean

ROSTER = "roster"
EVERY = timedelta(hours=1)
FRESH = timedelta(minutes=15)
"""A render older than this is renewed before a notice of its owners is planned."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PluginRun:
    """What a provider or a roster is lent for one run."""

    now: datetime
    zone: ZoneInfo
    base: Path
    threads: int = 8

    def secret(self, reference: str) -> str:
        return plugins.resolve(reference, self.base)

    def path(self, text: str) -> Path:
        return self.base / text

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Run `work` over `items` on a few threads, results in order."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(work, items)


def due(config: Config, reader: Reader, now: datetime, *, planning: bool) -> list[str]:
    """The roster references to ask now: those whose time has come, and before planning all that are not fresh."""
    found = []
    for reference in roster_references(config):
        roster, target = config.roster(reference)
        feed = reader.feed(ROSTER, roster.name, target)
        stale = feed is None or feed.tried_at is None or (planning and now - feed.tried_at > FRESH)
        if stale or (feed and (feed.next_at is None or feed.next_at <= now)):
            found.append(reference)
    return found


def ask(config: Config, reference: str, known: FeedRow | None, now: datetime) -> FeedRow:
    """Render one roster. What it answered before stays when it does not answer now."""
    roster, target = config.roster(reference)
    feed = known or FeedRow(ROSTER, roster.name, target)
    feed = replace(feed, tried_at=now, next_at=now + EVERY)
    try:
        kind = plugins.load("rosters", roster.kind)
        settings = build(kind.Settings, roster.settings, f"rosters.{roster.name}", str(config.path))
        run, until = PluginRun(now, config.zone, config.base), now + RENDERED_FOR
        answer = _answer(kind(settings), run, target, now, until)
    except RosterError as problem:
        return replace(feed, problem=f"{problem.kind}: {problem.what}")
    except KeywatchError as problem:
        return replace(feed, problem=problem.what)
    except ImportError as problem:
        extra = "pip install 'keywatch[calendar]'" if roster.kind == "ical" else "install what it needs"
        return replace(feed, problem=f"{roster.kind} rosters cannot be read here: {problem}; {extra}")
    except Exception as problem:  # noqa: BLE001  # a plugin's mistake must not stop a reminder
        return replace(feed, problem=clean(f"nonsense: {type(problem).__name__}: {problem}"))
    return replace(feed, complete_at=now, problem="", answer=answer)


def world_at(config: Config, world: World, owner: Owner, at: datetime, now: datetime) -> World:
    """The world with the owner's roster as it answers for `at`; a roster that was rendered so far is not asked."""
    if not owner.roster:
        return world
    known = world.on_call.get(owner.roster)
    if known and known.trust is not Trust.UNKNOWN and known.known_until and now <= at < known.known_until:
        return world
    answer: OnCall = on_call(owner.roster, ask(config, owner.roster, None, at), at)
    asked = config.world({**world.on_call, owner.roster: answer}, world.health)
    return replace(asked, routes={**world.routes, **asked.routes}, issuers=world.issuers, unheard=world.unheard)


def _answer(roster: Any, run: PluginRun, target: str, now: datetime, until: datetime) -> dict[str, Any]:
    duties = roster.shifts(run, target, now - DAY, until)
    return rendered(duties, roster.members(run, target), until)


def renew(tx: Tx, config: Config, feeds: Iterable[FeedRow], now: datetime) -> None:
    """Keep what rosters said; where duties or trust changed, their owners' credentials are looked at again."""
    for feed in feeds:
        before = tx.read.feed(feed.kind, feed.name, feed.target)
        if before and before.tried_at and feed.tried_at and before.tried_at > feed.tried_at:
            continue  # another run has asked since
        tx.put_feed(feed)
        if before and before.answer.get("duties") == feed.answer.get("duties") and before.problem == feed.problem:
            continue
        for owner in config.owners.values():
            if owner.roster and config.roster(owner.roster) == (config.rosters[feed.name], feed.target):
                tx.touch(now, owner=owner.name)

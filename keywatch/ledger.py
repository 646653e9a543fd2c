"""Every change of a credential passes here: the row is saved, its episode turns, and the timeline says why.

`add`, `edit`, `renew`, `retire`, `accept-risk`, `import` and every scan call `record`; nothing else ends an episode.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, time
from types import MappingProxyType

from keywatch.config import Config
from keywatch.config.values import OWN
from keywatch.errors import KeywatchError
from keywatch.model import MANUAL, Credential, Episode, Event, Outcome, World
from keywatch.policy import acks
from keywatch.policy.reconcile import Turn, change, noticed_overdue, resolved, said
from keywatch.policy.state import speaks
from keywatch.store import Tx


def resolve(
    row: Credential,
    config: Config,
    world: World,
    tags: Iterable[str] = (),
    kept: Mapping[str, str] = MappingProxyType({}),
) -> Credential:
    """The row with owner, environment, service, lead time and every derived date filled in.

    An environment nobody configured counts as production: a typing mistake must not make a credential quiet.
    `kept` stands in for what no `[[assign]]` rule gives.
    """
    assigned = config.assign(row.source, row.ref, tags) or kept
    try:
        environment = config.environment(said(row, assigned, "env"))
    except KeywatchError:
        environment = ""
    try:
        return resolved(row, assigned, environment, world)
    except KeywatchError as problem:
        # A lead time that cannot be read leaves the default in charge, and says so.
        unread = {**row.labels, "lead": ""}
        quiet = replace(row, labels=unread, overrides={**row.overrides, "lead": ""})
        fallback = resolved(quiet, {**assigned, "lead": ""}, environment, world)
        return replace(fallback, labels=row.labels, overrides=row.overrides, problem=fallback.problem or problem.what)


def record(tx: Tx, row: Credential, now: datetime, by: str) -> int:
    """Save a resolved row and let its episode turn. `by` is a login, a person or `source:NAME`.

    Returns:
        The id of the credential.
    """
    row = noticed_overdue(replace(row, next_at=now), now)
    episode = tx.read.episodes([row.id]).get(row.id) if row.id else None
    row = replace(row, id=tx.save(row))
    turn = change(row, episode, now)
    if turn.turn in (Turn.END, Turn.REPLACE):
        assert episode is not None
        assert turn.outcome is not None
        tx.end_episode(episode.id, turn.outcome, by, now)
        tx.add_event(_ended(row, episode, turn.outcome, by, now))
    if turn.turn in (Turn.OPEN, Turn.REPLACE):
        _open(tx, row, now)
    if turn.turn is Turn.MOVE:
        assert episode is not None
        _move(tx, row, episode, by, now)
    return row.id


def _open(tx: Tx, row: Credential, now: datetime) -> None:
    assert row.expires_at is not None
    before = tx.read.last_episodes(row.id)
    last = before[0] if before else None
    same = last is not None and last.outcome is Outcome.ACCEPTED and last.episode.version == row.version
    resumed = last.episode.rung if last and same else 0
    reached = row.plan_from is not None and row.plan_from <= now
    adopted = row.adopted_at if not before and reached and speaks(row, now) else None
    tx.open_episode(
        row.id,
        row.expires_at,
        row.version,
        now,
        rung=resumed,
        adopted_at=adopted,
        expired_when_seen=adopted is not None and row.expires_at <= now,
    )


def _move(tx: Tx, row: Credential, episode: Episode, by: str, now: datetime) -> None:
    """The deadline came nearer: the episode and its rung stay, and a promise made for the old date is void."""
    tx.change_episode(episode.id, deadline=row.expires_at, moved_at=now)
    held = acks.holding(episode.acks, now)
    if held:
        tx.void_ack(held.id, now)
    text = f"expires {_day(row.expires_at)}, before {_day(episode.deadline)}"
    tx.add_event(Event(now, "moved", key(row), by, text, _dates(row, episode)))


def _ended(row: Credential, episode: Episode, outcome: Outcome, by: str, now: datetime) -> Event:
    old = _day(episode.deadline)
    text = {
        Outcome.RENEWED: f"renewed until {_day(row.expires_at)} (was {old})",
        Outcome.RESCHEDULED: f"now expires {_day(row.expires_at)} (was {old})",
        Outcome.RETIRED: f"retired (expired or would expire {old})",
        Outcome.ACCEPTED: f"risk accepted until {_day(row.accepted_until)} by {row.accepted_by}",
    }[outcome]
    return Event(now, outcome.value, key(row), by, text, _dates(row, episode))


def _dates(row: Credential, episode: Episode) -> dict[str, str]:
    return {"old": episode.deadline.isoformat(), "new": row.expires_at.isoformat() if row.expires_at else ""}


def key(row: Credential) -> str:
    """How the timeline names a credential."""
    return f"{row.source}:{row.ref}"


def _day(moment: datetime | None) -> str:
    """The timeline keeps instants: a date alone would be another day in another zone."""
    if moment is None:
        return "never"
    return f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%d %H:%M} UTC"


def resettle(tx: Tx, config: Config, world: World, now: datetime) -> None:
    """After a change of the config: owners, calendars, lead times and rules are applied to every credential anew."""
    for row in tx.read.credentials(now):
        if row.source not in {source.name for source in config.sources} | {MANUAL, OWN}:
            row = replace(row, stale_since=row.stale_since or now)
        # Tags are not stored: what a rule gave by a tag stays until the source shows the item again.
        kept = row.details if any(rule.tag for rule in config.assigns) else {}
        tx.save(replace(resolve(row, config, world, kept=kept), next_at=now))

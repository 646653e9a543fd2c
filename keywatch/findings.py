"""Tells people, once, what keeps keywatch from knowing: a date nobody can read, a robot that broke its promise."""

import hashlib
import json
from datetime import datetime

from keywatch.config import Config
from keywatch.dispatch import domain
from keywatch.model import Credential, MessageKind, World
from keywatch.policy.audience import audience, starting_rung
from keywatch.policy.calendar import put_off
from keywatch.policy.reconcile import promised_rotation
from keywatch.store import Tx


def tell(tx: Tx, config: Config, world: World, now: datetime) -> None:
    """Enqueue what was not said before: each finding has a key, so it is said once to each route."""
    for row in tx.read.credentials(now):
        if not row.active:
            continue
        if row.problem:
            _enqueue(tx, config, world, now, row, f"its date cannot be read ({row.problem})", "give it one that can")
        promise = promised_rotation(row, now)
        if promise and row.expires_at is None:
            what = f"a new version was promised for {promise:%a %-d %b} and did not come"
            _enqueue(tx, config, world, now, row, what, "look at what rotates it")


def _enqueue(tx: Tx, config: Config, world: World, now: datetime, row: Credential, what: str, todo: str) -> None:
    owner = world.owner_of(row)
    due = put_off(owner.calendar, world.rules.at, now)
    subject = f"{row.name}: {what.partition(' (')[0]}"
    text = f"{row.name} ({row.source}:{row.ref}): {what}.\n{todo[0].upper()}{todo[1:]}: keywatch show {row.name}\n"
    digest = hashlib.sha256(f"{row.id}|{row.version}|{what}".encode()).hexdigest()[:16]
    for planned in audience(owner, world, now, starting_rung(owner, world, now, 0), pages=False):
        tx.enqueue(
            MessageKind.FINDING,
            f"finding|{digest}|{planned.route}",
            planned.route,
            planned.person,
            json.dumps({"subject": subject, "text": text}),
            due,
            domain(config),
        )

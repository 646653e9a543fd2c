"""The classic mistakes of an outbox, planted in the process of a trial: the harness must find each of them.

They are made of the product's own parts in another order or with one part left out, which is how they come about.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import text, update

from keywatch import check
from keywatch.dispatch import Dispatcher
from keywatch.model import MessageState, Verdict, VerdictKind
from keywatch.store.outbox import Outbox
from keywatch.store.planning import Planning
from keywatch.store.tables import MESSAGE
from tests.crash.state import STORE


def plant(name: str) -> None:
    """Change the program in this process, and only here."""
    PLANTS[name]()


def mark_before_send() -> None:
    """It counts as accepted, and then it is sent: what is killed in between is never sent."""
    claim: Any = Outbox.claim

    def hopeful(self: Outbox, now: datetime, lease: Any, owner: str) -> Any:
        claimed = claim(self, now, lease, owner)
        if claimed is not None:
            self.settle(claimed[0].id, claimed[1], owner, Verdict(VerdictKind.ACCEPTED, text="surely"), now)
        return claimed

    _swap(Outbox, "claim", hopeful)


def no_lease() -> None:
    """What somebody holds is free for everybody: two runs at once send the same."""

    def recover(self: Outbox, now: datetime, *_: Any) -> None:
        held = MESSAGE.c.state == MessageState.LEASED
        freed = {"state": MessageState.PENDING, "next_at": now, "lease_owner": "", "lease_until": None}
        self.connection.execute(update(MESSAGE).where(held).values(freed))

    _swap(Outbox, "_recover", recover)


def no_recovery() -> None:
    """What a dead process held is never free again."""
    _swap(Outbox, "_recover", lambda self, *_: None)


def batch_settle() -> None:
    """All are sent, and then all are settled: one kill sends all of them again."""
    settle: Any = Dispatcher._settle
    run: Any = Dispatcher.run
    waiting: list[Any] = []

    def whole(self: Dispatcher, *rest: Any) -> Any:
        sent = run(self, *rest)
        while waiting:
            settle(self, *waiting.pop(0))
        return sent

    def later(self: Dispatcher, *rest: Any) -> Any:
        waiting.append(rest)
        return rest[3]  # the verdict, as it came

    _swap(Dispatcher, "_settle", later)
    _swap(Dispatcher, "run", whole)


def old_facts() -> None:
    """What was called already is looked up when the run starts, and not in the transaction that plans.

    The unique key of a notice makes up for that: alone, this one does no harm.
    """
    with closing(sqlite3.connect(STORE)) as connection:
        called = "SELECT DISTINCT e.credential_id FROM episode e JOIN notice n ON n.episode_id = e.id"
        known = {row[0] for row in connection.execute(called)}
    decide: Any = vars(check)["decide"]

    def late(now: datetime, row: Any, episode: Any, world: Any) -> Any:
        seen = episode if row.id in known else replace(episode, calls=())
        known.add(row.id)
        return decide(now, row, seen, world)

    _swap(check, "decide", late)


def no_unique_key() -> None:
    """The same, and nothing keeps a notice from being written twice."""
    old_facts()
    insert: Any = Planning._insert_notice

    def again(self: Planning, episode: int, stage: str, *rest: Any) -> Any:
        aside = (
            "UPDATE notice SET stage = stage || '.' WHERE episode_id = :episode AND stage = :stage AND route = :route"
        )
        named = {"episode": episode, "stage": stage, "route": rest[0].route}
        self.connection.execute(text(aside), named)
        return insert(self, episode, stage, *rest)

    _swap(Planning, "_insert_notice", again)


def _swap(owner: Any, name: str, part: Any) -> None:
    """Only what is there can be swapped: a part that was renamed must not make a plant harmless."""
    assert hasattr(owner, name)
    setattr(owner, name, part)


PLANTS: dict[str, Callable[[], None]] = {
    made.__name__: made for made in (mark_before_send, no_lease, no_recovery, batch_settle, old_facts, no_unique_key)
}

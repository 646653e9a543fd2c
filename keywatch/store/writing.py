"""What every write shares: one transaction's connection, upserts, touching, and the plain facts."""

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Table, exists, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from keywatch.model import Credential, Deadline, Event, Evidence
from keywatch.read import FeedRow, Reader, text_of
from keywatch.store.lease import is_gone
from keywatch.store.tables import CREDENTIAL, EPISODE, EVENT, EVIDENCE, FEED, META, NOTICE

PLAN_LOCK = 0x6B657977
"""The advisory lock of planning and settling on PostgreSQL ("keyw")."""


AT_ONCE = 10_000
"""How many ids one statement takes; SQLite allows 32 766 values."""


class Writing:
    """One transaction's connection, and a reader inside it."""

    def __init__(self, connection: Connection, read: Reader) -> None:
        self.connection = connection
        self.read = read

    def take_turns(self) -> None:
        """Wait until no other transaction plans or settles. SQLite has one writer anyway."""
        if self.read.dialect == "postgresql":
            self.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({PLAN_LOCK})")

    def insert(self, table: Table) -> sqlite.Insert:
        """An INSERT that knows ON CONFLICT, for this database (both dialects spell it alike)."""
        made = postgresql.insert(table) if self.read.dialect == "postgresql" else sqlite.insert(table)
        return cast("sqlite.Insert", made)

    # ----------------------------------------------------------------- facts

    def set_meta(self, name: str, value: str) -> None:
        """Set one value about the store itself."""
        made = self.insert(META).values(name=name, value=value)
        self.connection.execute(made.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
        if self.read.known is not None:
            self.read.known[name] = value

    def save(self, credential: Credential) -> int:
        """Write the whole row of a credential; id 0 inserts it. Returns its id.

        Raises:
            LookupError: there is no row with that id.
        """
        row = _row_of(credential)
        if credential.id == 0:
            return int(self.connection.execute(self.insert(CREDENTIAL).returning(CREDENTIAL.c.id), row).scalar_one())
        done = self.connection.execute(update(CREDENTIAL).where(CREDENTIAL.c.id == credential.id), row)
        if done.rowcount != 1:
            raise LookupError(f"no credential has the id {credential.id}")
        return credential.id

    def touch(self, now: datetime, credential_ids: Collection[int] | None = None, owner: str | None = None) -> None:
        """An input of these credentials changed (of an owner's; of all): the rules look at them in this run."""
        which: ColumnElement[bool] = true() if owner is None else CREDENTIAL.c.owner == owner
        if credential_ids is None:
            self.connection.execute(update(CREDENTIAL).where(which).values(next_at=now))
            return
        ids = sorted(credential_ids)
        for start in range(0, len(ids), AT_ONCE):
            some = which & CREDENTIAL.c.id.in_(ids[start : start + AT_ONCE])
            self.connection.execute(update(CREDENTIAL).where(some).values(next_at=now))

    def sleep(self, credential_id: int, until: datetime | None) -> None:
        """No rule can speak of this credential before `until`; None: not before an input changes."""
        self.connection.execute(update(CREDENTIAL).where(CREDENTIAL.c.id == credential_id).values(next_at=until))

    def add_evidence(self, evidence: Evidence, address_hash: str) -> None:
        """Append one fact about a route, and look again at every open episode that has a notice on it.

        `evidence.at` is when keywatch learnt it; it must not lie in the future.
        """
        self.take_turns()  # a plan takes the credentials first and `reach_at` last
        row = {name: getattr(evidence, name) for name in _names(Evidence)}
        self.connection.execute(self.insert(EVIDENCE), row | {"address_hash": address_hash})
        on_route = exists().where(NOTICE.c.episode_id == EPISODE.c.id, NOTICE.c.route == evidence.route)
        self.set_meta("reach_at", text_of(evidence.at))
        touched = select(EPISODE.c.credential_id).where(EPISODE.c.ended_at.is_(None), on_route)
        self.connection.execute(update(CREDENTIAL).where(CREDENTIAL.c.id.in_(touched)).values(next_at=evidence.at))

    def add_event(self, event: Event) -> None:
        """Append one row to the timeline. `event.credential` is the `source:ref` of what it is about."""
        row = {name: getattr(event, name) for name in _names(Event)}
        self.connection.execute(self.insert(EVENT), row | {"data": _json(event.data)})

    def put_feed(self, feed: FeedRow) -> None:
        """Write what was fetched, and give the lease back."""
        row = {name: getattr(feed, name) for name in _names(FeedRow)}
        row |= {"answer": _json(feed.answer), "lease_until": None, "lease_owner": ""}
        made = self.insert(FEED).values(row)
        self.connection.execute(made.on_conflict_do_update(index_elements=["kind", "name", "target"], set_=row))

    def claim_feed(
        self, kind: str, name: str, target: str, now: datetime, lease: timedelta, owner: str, *, due: bool = True
    ) -> bool:
        """Whether this run is to fetch it: it is due (or new), and no other run that may be alive holds it.

        With `due=False` it is fetched before its time. What a dead process held is free at once.
        """
        clock = self.read.shared_clock(now)
        key = {"kind": kind, "name": name, "target": target}
        holder = self.holder(**key)
        free = or_(FEED.c.lease_until.is_(None), FEED.c.lease_until <= clock)
        if holder == owner or is_gone(holder):
            free = or_(free, FEED.c.lease_owner == holder)
        ready = or_(FEED.c.next_at.is_(None), FEED.c.next_at <= now) if due else true()
        held = {"lease_until": clock + lease, "lease_owner": owner}
        fresh = {"next_at": now, "tried_at": None, "complete_at": None, "problem": "", "answer": "{}"}
        made = self.insert(FEED).values(**key, **held, **fresh)
        made = made.on_conflict_do_update(index_elements=list(key), set_=held, where=free & ready)
        return self.connection.execute(made.returning(FEED.c.kind)).first() is not None

    def holder(self, kind: str, name: str, target: str) -> str:
        """Who claimed a feed and has not given it back; "" = nobody."""
        where = (FEED.c.kind == kind) & (FEED.c.name == name) & (FEED.c.target == target)
        return self.connection.execute(select(FEED.c.lease_owner).where(where)).scalar_one_or_none() or ""


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    """What JSON has no word for: instants, deadlines, read-only mappings."""
    if isinstance(value, datetime):
        return text_of(value)
    if isinstance(value, Deadline):
        return {"at": text_of(value.at), "basis": value.basis.value, "because": value.because}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


def _row_of(credential: Credential) -> dict[str, Any]:
    """The columns of a credential: everything but its id and the promise, which is its episode's."""
    row = {
        name: getattr(credential, name) for name in _names(Credential) if name not in ("id", "in_hand", "usual_left")
    }
    return row | {
        "deadlines": _json(credential.deadlines),
        "basis": credential.basis or "",
        "labels": _json(credential.labels),
        "overrides": _json(credential.overrides),
        "details": _json(credential.details),
        "pending": _json(credential.pending) if credential.pending else "",
        "usual_left_s": int(credential.usual_left.total_seconds()) if credential.usual_left is not None else None,
    }

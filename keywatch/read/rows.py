"""How rows become values: the columns of each table, the formats of instants and of JSON text, the small row values.

SQLModel stores an instant as UTC text on SQLite (`2026-12-19 05:00:00.000000`, which sorts as it reads) and as
timestamptz on PostgreSQL; `stored` and `instant_of` are the one pair that knows it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, overload

from keywatch.model import (
    Ack,
    AckKind,
    Basis,
    Blame,
    Credential,
    Deadline,
    Episode,
    Event,
    Evidence,
    EvidenceKind,
    InHand,
    Message,
    MessageKind,
    MessageState,
    Outcome,
    Told,
    Verdict,
    VerdictKind,
)

Row = dict[str, Any]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "credential": (
        *("id", "source", "ref", "name", "version", "active", "never", "automatic", "deadlines", "expires_at"),
        *("basis", "because", "issued", "problem", "labels", "overrides", "details", "owner", "env", "service", "lead"),
        *("plan_from", "start_from", "start_by", "late_at", "speaks_from", "next_at", "first_seen", "adopted_at"),
        *("usual_left_s", "overdue_seen", "pending", "pending_since", "never_since", "unconfirmed", "stale_since"),
        *("missing_since", "gone_at", "retired_at", "retired_by", "accepted_until", "accepted_by", "changed_at"),
    ),
    "episode": (
        *("id", "credential_id", "opened_at", "deadline", "version", "rung", "told_at", "adopted_at"),
        *("expired_when_seen", "moved_at", "uncovered_since", "covered", "ended_at", "outcome", "ended_by"),
    ),
    "ack": ("id", "episode_id", "kind", "person", "at", "until", "void_at", "note", "by"),
    "message": (
        *("id", "kind", "route", "person", "state", "token", "message_id", "code", "created_at", "tries"),
        *("next_at", "body", "address_hash"),
    ),
    "notice": (
        *("id", "episode_id", "stage", "route", "rung", "person", "why", "duty", "asks", "at"),
        *("message_id", "superseded_at"),
    ),
    "attempt": ("n", "started_at", "ended_at", "verdict", "blame", "code", "text"),
    "evidence": ("at", "route", "address_hash", "kind", "source", "code", "detail", "person", "until"),
    "event": ("at", "kind", "credential", "who", "text", "data"),
    "feed": ("kind", "name", "target", "next_at", "tried_at", "complete_at", "problem", "answer"),
}
"""What is read of each table; a test holds it against the SQLModel tables."""

_INSTANTS = (
    *("expires_at", "issued", "plan_from", "start_from", "start_by", "late_at", "speaks_from", "next_at"),
    *("first_seen", "adopted_at", "overdue_seen", "pending_since", "never_since", "stale_since", "missing_since"),
    *("gone_at", "retired_at", "accepted_until", "changed_at"),
)
_PLAIN = (
    *("id", "source", "ref", "name", "version", "because", "problem", "owner", "env", "service", "lead"),
    *("unconfirmed", "retired_by", "accepted_by"),
)


def columns(table: str, alias: str) -> str:
    """The select list of a table."""
    return ", ".join(f"{alias}.{name}" for name in COLUMNS[table])


# --------------------------------------------------------------------------- instants


def text_of(instant: datetime) -> str:
    """An instant as fixed-width UTC text: the form of SQLite columns, of `meta` and of JSON texts on both databases.

    Raises:
        ValueError: a naive instant.
    """
    if instant.utcoffset() is None:
        raise ValueError(f"an instant needs its offset from UTC: {instant}")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def stored(instant: datetime, dialect: str = "sqlite") -> str | datetime:
    """An instant as SQLModel stores it.

    Raises:
        ValueError: a naive instant.
    """
    return text_of(instant) if dialect == "sqlite" else datetime.fromisoformat(text_of(instant)).replace(tzinfo=UTC)


@overload
def instant_of(value: str | datetime) -> datetime: ...
@overload
def instant_of(value: None) -> None: ...
def instant_of(value: str | datetime | None) -> datetime | None:
    """An aware UTC instant from a stored one; None stays None."""
    if value is None or isinstance(value, datetime):
        return value.astimezone(UTC) if value and value.tzinfo else value and value.replace(tzinfo=UTC)
    return _parsed(value)


@lru_cache(1 << 14)
def _parsed(text: str) -> datetime:
    """A run reads the same instants several times."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# --------------------------------------------------------------------------- the values only the store has


@dataclass(frozen=True, slots=True)
class FeedRow:
    """Something fetched when it is due: a source, a roster target, an inbox."""

    kind: str
    """`source`, `roster` or `inbox`."""
    name: str
    target: str = ""
    next_at: datetime | None = None
    tried_at: datetime | None = None
    complete_at: datetime | None = None
    problem: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """JSON: covered prefixes and gaps, or rendered duties."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode that is over, and how."""

    episode: Episode
    ended_at: datetime
    outcome: Outcome
    ended_by: str


@dataclass(frozen=True, slots=True)
class Item:
    """One live notice of a message, with all that is needed to put it into words."""

    credential: Credential
    episode: Episode
    stage: str
    asks: bool
    rung: int
    why: str
    at: datetime
    person: str = ""
    ended_at: datetime | None = None
    """Set when the episode is over; an ack of it then answers nothing."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver a message; `verdict` is None while it is open."""

    n: int
    started_at: datetime
    ended_at: datetime | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice of an episode, for "who else was told, and who was not and why"."""

    stage: str
    at: datetime
    asks: bool
    told: Told
    why: str
    message: int | None
    verdict: Verdict | None
    """Of the last finished attempt."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The open episode of something that is no credential."""

    id: int
    subject: str
    """`route:NAME`, `source:NAME`, `roster:REFERENCE`, `inbox`."""
    cause: str
    """What is wrong with it; another cause is said anew."""
    opened_at: datetime
    rung: int
    told_at: datetime | None
    """When it was last said."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The latest message of a kind to one route."""

    message: Message
    accepted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The store in a few numbers."""

    by_env: Mapping[str, int]
    """Credentials that are not retired; no environment counts as production."""
    pending: int
    """Messages not yet accepted, refused or superseded."""
    waiting: int
    """Those of them that were tried at least once."""
    uncovered: int
    """Open episodes whose call reached nobody who counts."""


# --------------------------------------------------------------------------- rows to values


def deadline_of(value: Mapping[str, str]) -> Deadline:
    return Deadline(instant_of(value["at"]), Basis(value["basis"]), value["because"])


def credential_of(row: Row) -> Credential:
    """A credential from its row and the `hand_*` columns of the promise that holds."""
    hand = None
    if row["hand_kind"]:
        hand = InHand(row["hand_person"], instant_of(row["hand_until"]), row["hand_kind"] == AckKind.BEGUN)
    values: Row = {name: row[name] for name in _PLAIN} | {name: instant_of(row[name]) for name in _INSTANTS}
    return Credential(
        **values,
        active=bool(row["active"]),
        never=bool(row["never"]),
        automatic=bool(row["automatic"]),
        deadlines=tuple(deadline_of(value) for value in json.loads(row["deadlines"])),
        basis=Basis(row["basis"]) if row["basis"] else None,
        labels=json.loads(row["labels"]),
        overrides=json.loads(row["overrides"]),
        details=json.loads(row["details"]),
        usual_left=None if row["usual_left_s"] is None else timedelta(seconds=row["usual_left_s"]),
        pending=deadline_of(json.loads(row["pending"])) if row["pending"] else None,
        in_hand=hand,
    )


def ack_of(row: Row) -> Ack:
    return Ack(
        id=row["id"],
        kind=AckKind(row["kind"]),
        person=row["person"],
        at=instant_of(row["at"]),
        until=instant_of(row["until"]),
        void_at=instant_of(row["void_at"]),
        note=row["note"],
        by=row["by"],
    )


def message_of(row: Row) -> Message:
    values = row | {
        "kind": MessageKind(row["kind"]),
        "state": MessageState(row["state"]),
        "created_at": instant_of(row["created_at"]),
        "next_at": instant_of(row["next_at"]),
    }
    return Message(**values)


def verdict_of(kind: str | None, blame: str, code: str, text: str) -> Verdict | None:
    return Verdict(VerdictKind(kind), Blame(blame), code, text) if kind else None


def evidence_of(row: Row) -> Evidence:
    values = row | {
        "at": instant_of(row["at"]),
        "kind": EvidenceKind(row["kind"]),
        "until": instant_of(row["until"]),
    }
    values.pop("address_hash")
    return Evidence(**values)


def event_of(row: Row) -> Event:
    return Event(**row | {"at": instant_of(row["at"]), "data": json.loads(row["data"])})


def feed_of(row: Row) -> FeedRow:
    instants = {name: instant_of(row[name]) for name in ("next_at", "tried_at", "complete_at")}
    return FeedRow(**row | instants | {"answer": json.loads(row["answer"])})

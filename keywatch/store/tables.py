"""The ten tables, as SQLModel declares them: the shape that migrations make and every write goes into.

A plain `datetime` field is SQLModel's UTCDateTime: it stores UTC and refuses naive instants; `sa_type=DateTime(...)`
would silently drop the offset on SQLite. Vocabularies are text with a CHECK, because table models do not validate.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlmodel import CheckConstraint, Field, Index, MetaData, SQLModel, UniqueConstraint, text

from keywatch.model import AckKind, Basis, Blame, EvidenceKind, MessageKind, MessageState, Outcome, VerdictKind

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraint names that both databases and every later migration can rely on."""

metadata = MetaData(naming_convention=NAMES)


def _one_of(column: str, *words: type[StrEnum] | str) -> CheckConstraint:
    """A CHECK that only these words are stored."""
    allowed = [str(w) for word in words for w in ([word] if isinstance(word, str) else word)]
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in dict.fromkeys(allowed))})", name=column)


class Table(SQLModel):
    """What the tables share."""

    metadata: ClassVar[MetaData] = metadata


class MetaTable(Table, table=True):
    """Values about the store itself: store_uuid, rehearsal, min_writer, key, config_hash, high_water, last_run."""

    __tablename__ = "meta"
    name: str = Field(primary_key=True)
    value: str


class FeedTable(Table, table=True):
    """Something fetched when it is due; claimed by a lease like a message."""

    __tablename__ = "feed"
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    target: str = Field(primary_key=True)
    next_at: datetime | None = Field(index=True)
    lease_until: datetime | None
    tried_at: datetime | None
    complete_at: datetime | None
    problem: str
    answer: str
    lease_owner: str = Field(sa_column_kwargs={"server_default": ""})


class CredentialTable(Table, table=True):
    """One column for each field of `model.Credential`; mappings and deadlines are JSON text."""

    __tablename__ = "credential"
    __table_args__: ClassVar[Any] = (UniqueConstraint("source", "ref"), _one_of("basis", "", Basis))
    id: int | None = Field(primary_key=True)
    source: str
    ref: str
    name: str = Field(index=True)
    version: str
    active: bool
    never: bool
    automatic: bool
    deadlines: str
    expires_at: datetime | None
    basis: str
    because: str
    issued: datetime | None
    problem: str
    labels: str
    overrides: str
    details: str
    owner: str
    env: str
    service: str
    lead: str
    plan_from: datetime | None
    start_from: datetime | None
    start_by: datetime | None
    late_at: datetime | None
    speaks_from: datetime | None
    next_at: datetime | None = Field(index=True)
    first_seen: datetime | None
    adopted_at: datetime | None
    usual_left_s: int | None
    overdue_seen: datetime | None
    pending: str
    pending_since: datetime | None
    never_since: datetime | None
    unconfirmed: str
    stale_since: datetime | None
    missing_since: datetime | None
    gone_at: datetime | None
    retired_at: datetime | None
    retired_by: str
    accepted_until: datetime | None
    accepted_by: str
    changed_at: datetime | None


class EpisodeTable(Table, table=True):
    """One run of one subject towards its end; a subject has at most one that is open."""

    __tablename__ = "episode"
    __table_args__: ClassVar[Any] = (
        _one_of("outcome", "", Outcome),
        CheckConstraint("(ended_at IS NULL) = (outcome = '')", name="ended"),
        Index(
            "uq_episode_open",
            "subject",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: int | None = Field(primary_key=True)
    credential_id: int | None = Field(foreign_key="credential.id", index=True)
    """None: the subject is a route, a source or a roster."""
    subject: str
    opened_at: datetime
    deadline: datetime
    version: str
    rung: int
    told_at: datetime | None
    adopted_at: datetime | None
    expired_when_seen: bool
    moved_at: datetime | None
    uncovered_since: datetime | None
    covered: str
    ended_at: datetime | None
    outcome: str
    ended_by: str


class MessageTable(Table, table=True):
    """What goes on the wire to one route. `slot` groups the notices of a day; `key` makes a message unique."""

    __tablename__ = "message"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("token"),
        UniqueConstraint("message_id"),
        UniqueConstraint("key"),
        UniqueConstraint("code"),
        _one_of("kind", MessageKind),
        _one_of("state", MessageState),
        CheckConstraint("(state = 'accepted') = (accepted_at IS NOT NULL)", name="accepted"),
        CheckConstraint("(state IN ('pending', 'leased')) = (next_at IS NOT NULL)", name="next"),
        Index("ix_message_route_slot", "route", "slot"),
        Index(
            "ix_message_due",
            "next_at",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )
    id: int | None = Field(primary_key=True)
    kind: str
    route: str
    person: str
    state: str
    token: str
    message_id: str
    key: str
    slot: str
    code: str
    created_at: datetime
    tries: int
    next_at: datetime | None
    lease_until: datetime | None
    lease_owner: str
    frozen: bool
    body: str
    address_hash: str
    accepted_at: datetime | None


class AckTable(Table, table=True):
    """A promise with a date."""

    __tablename__ = "ack"
    __table_args__: ClassVar[Any] = (_one_of("kind", AckKind),)
    id: int | None = Field(primary_key=True)
    episode_id: int = Field(foreign_key="episode.id", index=True)
    kind: str
    person: str
    at: datetime
    until: datetime
    void_at: datetime | None
    note: str
    by: str
    route: str
    message_id: int | None = Field(foreign_key="message.id")


class NoticeTable(Table, table=True):
    """What one route is owed of a call. Without a route: a stage that was passed over and told nobody."""

    __tablename__ = "notice"
    __table_args__: ClassVar[Any] = (UniqueConstraint("episode_id", "stage", "route"),)
    id: int | None = Field(primary_key=True)
    episode_id: int = Field(foreign_key="episode.id")
    stage: str
    route: str = Field(index=True)
    rung: int
    person: str
    why: str
    duty: bool
    asks: bool
    at: datetime
    message_id: int | None = Field(foreign_key="message.id", index=True)
    superseded_at: datetime | None


class AttemptTable(Table, table=True):
    """One try to deliver a message, written before the send."""

    __tablename__ = "attempt"
    __table_args__: ClassVar[Any] = (
        _one_of("verdict", "", VerdictKind),
        _one_of("blame", Blame),
        CheckConstraint("(ended_at IS NULL) = (verdict = '')", name="ended"),
    )
    message_id: int = Field(foreign_key="message.id", primary_key=True)
    n: int = Field(primary_key=True)
    started_at: datetime
    ended_at: datetime | None
    verdict: str
    blame: str
    code: str
    text: str


class EvidenceTable(Table, table=True):
    """One append-only fact about (route, keyed hash of its address)."""

    __tablename__ = "evidence"
    __table_args__: ClassVar[Any] = (_one_of("kind", EvidenceKind), Index(None, "route", "address_hash"))
    id: int | None = Field(primary_key=True)
    at: datetime
    route: str
    address_hash: str
    kind: str
    source: str
    code: str
    detail: str
    person: str
    until: datetime | None


class EventTable(Table, table=True):
    """A row of the timeline; `credential` is its `source:ref`."""

    __tablename__ = "event"
    id: int | None = Field(primary_key=True)
    at: datetime = Field(index=True)
    kind: str
    credential: str = Field(index=True)
    who: str
    text: str
    data: str


META, FEED = metadata.tables["meta"], metadata.tables["feed"]
CREDENTIAL, EPISODE, ACK = (metadata.tables[name] for name in ("credential", "episode", "ack"))
MESSAGE, NOTICE, ATTEMPT = (metadata.tables[name] for name in ("message", "notice", "attempt"))
EVIDENCE, EVENT = metadata.tables["evidence"], metadata.tables["event"]

"""One run of a credential towards its end: calls, who was told, promises, and what the rules decide."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keywatch.model.people import Evidence


class Outcome(StrEnum):
    """The only ways an episode ends."""

    RENEWED = "renewed"
    RESCHEDULED = "rescheduled"
    RETIRED = "retired"
    ACCEPTED = "risk accepted"


class Standing(StrEnum):
    """How one notice stands, seen through its message."""

    PENDING = "pending"
    """Not tried, or being tried now."""
    WAITING = "waiting"
    """Deferred once, its one retry is due: neither covered nor uncovered."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    """Refused, or deferred more than once (it is still being tried)."""
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Told:
    """One notice as the rules see it."""

    route: str
    person: str
    rung: int
    """The rung at which the route joined."""
    standing: Standing
    accepted_at: datetime | None = None
    duty: bool = False
    """Addressed to somebody on duty, of the fallback or of the last resort when it was planned."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was due: one stage of one episode, with everybody it was addressed to."""

    stage: str
    """The stage with the date it stands for: `7d@2026-12-07`."""
    at: datetime
    asks: bool
    told: tuple[Told, ...] = ()


class AckKind(StrEnum):
    ACK = "ack"
    """I will begin by D."""
    BEGUN = "begun"
    """Work has begun, done by D."""


@dataclass(frozen=True, slots=True)
class Ack:
    """A promise with a date."""

    id: int
    kind: AckKind
    person: str
    at: datetime
    until: datetime
    void_at: datetime | None = None
    note: str = ""
    by: str = ""
    """Who recorded it: a login."""

    @property
    def ends_at(self) -> datetime:
        return min(self.until, self.void_at) if self.void_at else self.until


@dataclass(frozen=True, slots=True)
class Episode:
    """One run of one credential towards its end."""

    id: int
    opened_at: datetime
    deadline: datetime
    version: str
    rung: int = 0
    told_at: datetime | None = None
    """The climb clock: when an asking call was first accepted since the last climb or ack."""
    adopted_at: datetime | None = None
    expired_when_seen: bool = False
    moved_at: datetime | None = None
    """When the deadline came nearer; spoken of once by `moved`."""
    uncovered_since: datetime | None = None
    covered: str = ""
    """The stage of the latest call that was judged covered; undone only by hard evidence."""
    calls: tuple[Call, ...] = ()
    """Oldest first."""
    acks: tuple[Ack, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One notice that the rules want: who is told, by which route, why, and at which rung it joined."""

    route: str
    person: str
    rung: int
    why: str
    duty: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules say of one episode now. Applying it twice changes nothing."""

    stage: str = ""
    """The call that speaks or grows; "" = nothing to say."""
    asks: bool = False
    notices: tuple[Planned, ...] = ()
    superseded: tuple[str, ...] = ()
    """Stages that were due and are not said any more."""
    rung: int = 0
    climbed: bool = False
    """The climb clock restarts now."""
    silent: tuple[Evidence, ...] = ()
    """Silences: the last call asked these people on duty, and nobody answered."""
    void: tuple[int, ...] = ()
    """Acks that end now because their giver is gone."""
    uncovered: bool = False
    covered: str = ""
    """The stage judged covered now; "" leaves what was judged before."""
    next_at: datetime | None = None
    """May be early, never late; None = only a change of an input can make it speak."""

"""People, the routes that reach them, who is on duty, and what is known of each route."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be told: from the config, or from a roster that names an address."""

    key: str
    """The config name, or the address of a person only the roster knows."""
    name: str
    mail: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """A named way to reach somebody. The name is public; where it leads is not."""

    name: str
    person: str = ""
    """Whose it is; "" = nobody's in particular."""
    shared: bool = False
    page: bool = False
    """It wakes somebody: last resort only."""
    mail: str = ""
    """A mail address, or …"""
    url: str = field(default="", repr=False)
    """… an Apprise URL or a reference to one (`env:NAME`, `file:/path`, `cmd:argv`)."""
    transport: str = "mail"
    """What it shares a fate with: `mail` or the Apprise schema."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One person's shift at a level, `[start, until)`; None = without that bound."""

    person: Person
    level: int
    start: datetime | None
    until: datetime | None

    def covers(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.until is None or at < self.until)


class Trust(StrEnum):
    """Where an answer about duty comes from."""

    LIVE = "live"
    PLANNED = "planned"
    """Rendered earlier; the roster does not answer now."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OnCall:
    """What is known of one roster target: its duties over the rendered window, and how far to trust them."""

    target: str
    duties: tuple[Duty, ...] = ()
    trust: Trust = Trust.UNKNOWN
    as_of: datetime | None = None
    known_until: datetime | None = None
    """The end of the rendered window; beyond it nobody knows."""
    members: tuple[Person, ...] = ()
    problem: str = ""
    """Why it is not live: a sentence. Empty when live."""

    def at(self, moment: datetime) -> tuple[Duty, ...]:
        return tuple(duty for duty in self.duties if duty.covers(moment))


class EvidenceKind(StrEnum):
    """One fact about a route. Only human acts prove; machines never do."""

    ACK = "ack"
    ATTESTED = "attested"
    REPLY = "reply"
    REFUSED = "refused"
    """A hard refusal that blames the route: 5.1.1, 410, unknown user."""
    EXONERATED = "exonerated"
    """The refusals before it were the transport's fault: too many routes at once."""
    UNRESOLVED = "unresolved"
    """The address's domain does not exist or takes no mail (NXDOMAIN, null MX) …"""
    RESOLVED = "resolved"
    """… and it does again. That proves nothing about readers."""
    FULL = "full"
    LEFT = "left"
    """An automatic answer says that the person has left."""
    AWAY = "away"
    PARTIAL = "partial"
    """Some member of a shared address bounced; others may read it."""
    UNANSWERED = "unanswered"
    """"Still read here?" was asked of a shared route, and nobody said so for two weeks."""
    SILENCE = "silence"
    """One call that asked this person on duty and that nobody answered."""


PROOFS = frozenset({EvidenceKind.ACK, EvidenceKind.ATTESTED, EvidenceKind.REPLY})


@dataclass(frozen=True, slots=True)
class Evidence:
    """One append-only row about (route, keyed hash of its address)."""

    at: datetime
    route: str
    kind: EvidenceKind
    source: str
    """Where it comes from: `smtp`, `ack`, `cli`, `inbox`."""
    code: str = ""
    detail: str = ""
    person: str = ""
    until: datetime | None = None
    """For AWAY."""


class HealthState(StrEnum):
    PROVEN = "proven"
    UNPROVEN = "unproven"
    SUSPECT = "suspect"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on a route, and the one row that explains it."""

    state: HealthState = HealthState.UNPROVEN
    because: Evidence | None = None
    proven_at: datetime | None = None
    away: bool = False
    partial: bool = False
    """Some members of a shared route are dead."""

    @property
    def counts(self) -> bool:
        """Whether an acceptance on this route can count for cover."""
        return self.state in (HealthState.PROVEN, HealthState.UNPROVEN) and not self.away

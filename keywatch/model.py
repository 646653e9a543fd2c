"""The words everybody shares: frozen values, no behaviour beyond what a value needs to say what it is.

Every instant is an aware UTC datetime; every span is a timedelta or names its unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from keywatch.dates import Lead, Step, Unit

MANUAL = "manual"
"""The reserved source of `add` and `import`: never scanned, so never missing."""
PRODUCTION = "production"
"""No environment counts as this one everywhere."""

# --------------------------------------------------------------------------- what a source can say


class Basis(StrEnum):
    """Why we believe a date; it decides what the date may do."""

    ENFORCED = "enforced"
    """The verifier refuses the credential afterwards."""
    DECLARED = "declared"
    """A person wrote it down."""
    DELETION = "deletion"
    """The store will delete or hide it."""
    ROTATION = "rotation"
    """A robot promises a new one by then: it speaks only when overdue."""
    AGE = "age"
    """Our own maximum age; nothing breaks at that instant."""


EFFECTIVE = (Basis.ENFORCED, Basis.DECLARED, Basis.DELETION)
"""The bases that can end a credential."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """One date a source or a person gives."""

    at: datetime
    """Aware UTC: the first instant at which it is too late."""
    basis: Basis
    because: str
    """The quotable text it was read from: `custom_metadata.expires = 2026-12-31`."""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a deadline needs an aware instant")


LABELS = (
    "owner",
    "service",
    "env",
    "lead",
    "runbook",
    "approver",
    "impact",
    "emergency",
    "issuer_writes_to",
    "renewable_by",
    "deputy",
)
"""The labels a credential may carry. Whatever else a source holds is not stored."""


@dataclass(frozen=True, slots=True)
class Found:
    """One version of one credential as its source shows it now. Never a secret value."""

    ref: str
    """Stable path inside the source: `secret/payments/paygate`."""
    version: str
    """Changes exactly when the credential is renewed: KV version, AWSCURRENT id, serial."""
    name: str
    """What people call it."""
    deadlines: tuple[Deadline, ...] = ()
    issued: datetime | None = None
    """When this version was made, only if the source says so."""
    active: bool = True
    """False: disabled, revoked, deleted but recoverable. Kept, never spoken of."""
    never: bool = False
    """The source itself says that it does not expire."""
    automatic: bool = False
    """A robot renews it: silent until overdue."""
    problem: str = ""
    """A date is there and cannot be read: why. Empty otherwise."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Only keys of LABELS; values are untrusted text of at most 256 characters."""
    tags: tuple[str, ...] = ()
    """Allow-listed `key=value` texts that `[[assign]] tag = …` may match; used while collecting, not stored."""
    url: str = ""
    """Where a person looks at it or renews it."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Everything below this prefix was listed to the end: what was not Found there is missing. Ends in `/` or is ""."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing is known below this prefix today: the last known dates go on, *stale since*."""

    prefix: str
    reason: str
    """No secrets, no tokens: it is shown and stored."""
    transient: bool = False


Scanned = Found | Covered | Gap

# --------------------------------------------------------------------------- credentials


class State(StrEnum):
    """What a credential needs from people now; the same words in every output."""

    OK = "OK"
    PLAN = "PLAN"
    START = "START"
    IN_HAND = "IN HAND"
    LATE = "LATE"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    UNDATED = "UNDATED"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True)
class InHand:
    """The promise that holds now."""

    person: str
    until: datetime
    """The instant at which the promise ends (the end of its day in the owner's zone)."""
    begun: bool


@dataclass(frozen=True, slots=True)
class Credential:
    """What is known of one credential: one row, with labels, overrides and rules already resolved."""

    id: int
    source: str
    ref: str
    name: str
    version: str = ""
    active: bool = True
    never: bool = False
    automatic: bool = False
    deadlines: tuple[Deadline, ...] = ()
    expires_at: datetime | None = None
    """The effective deadline: the earliest ENFORCED, DECLARED or DELETION date."""
    basis: Basis | None = None
    because: str = ""
    issued: datetime | None = None
    problem: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the source (or `add`) said."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What `edit` said; it survives collecting. `expires` = a replaced DECLARED date, with `expires_version`."""
    details: Mapping[str, str] = field(default_factory=dict)
    """LABELS resolved: override, then label, then `[[assign]]`; plus `url`."""
    owner: str = ""
    """The owner's name as resolved; "" = none. It may be unknown to the config."""
    env: str = ""
    """Canonical environment; "" counts as production."""
    service: str = ""
    lead: str = ""
    """The lead time as text; "" = the default is assumed."""
    plan_from: datetime | None = None
    """The first stage before start by; from here PLAN."""
    start_from: datetime | None = None
    """The 7d stage; from here START."""
    start_by: datetime | None = None
    late_at: datetime | None = None
    """From here LATE unless in hand: the midnight after the start-by day, or start by itself when in hours."""
    speaks_from: datetime | None = None
    """Automatic ones are silent and OK before this instant; None for the others."""
    next_at: datetime | None = None
    """The next instant at which a rule could speak; never late."""
    first_seen: datetime | None = None
    adopted_at: datetime | None = None
    """When it came with a source's first run or an import; None for what appeared later."""
    usual_left: timedelta | None = None
    """Learnt: how much life is normally left when a robot renews it."""
    overdue_seen: datetime | None = None
    """The first check that saw an automatic renewal overdue."""
    pending: Deadline | None = None
    """A later date with the old version, from a source: rules after 24 h unchanged."""
    pending_since: datetime | None = None
    never_since: datetime | None = None
    """A source says never where a date was known: counts after 24 h."""
    unconfirmed: str = ""
    """The version of "renewed, date not updated"; "" = none."""
    stale_since: datetime | None = None
    missing_since: datetime | None = None
    gone_at: datetime | None = None
    retired_at: datetime | None = None
    retired_by: str = ""
    accepted_until: datetime | None = None
    """The risk is accepted until then."""
    accepted_by: str = ""
    changed_at: datetime | None = None
    """When its version or its date last changed, for `suspects`."""
    in_hand: InHand | None = None
    """The promise of its open episode, if one holds."""

    @property
    def production(self) -> bool:
        return self.env in ("", PRODUCTION)


# --------------------------------------------------------------------------- people and routes


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
    FULL = "full"
    LEFT = "left"
    AWAY = "away"
    PARTIAL = "partial"
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

    @property
    def counts(self) -> bool:
        """Whether an acceptance on this route can count for cover."""
        return self.state in (HealthState.PROVEN, HealthState.UNPROVEN) and not self.away


# --------------------------------------------------------------------------- owners, calendars, rules


@dataclass(frozen=True, slots=True)
class Calendar:
    """When an owner works. Freezes stop work, not messages; both of their dates are frozen."""

    zone: ZoneInfo
    weekend: frozenset[int] = frozenset({5, 6})
    """Weekdays off, Monday = 0."""
    holidays: frozenset[date] = frozenset()
    freezes: tuple[tuple[date, date], ...] = ()


@dataclass(frozen=True, slots=True)
class Owner:
    """A team or a list of people, and who hears of what it owns."""

    name: str
    roster: str = ""
    """`NAME` or `NAME:TARGET` of a configured roster; "" = the people below are always on duty."""
    people: tuple[str, ...] = ()
    head: str = ""
    members: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    digest: tuple[str, ...] = ()
    calendar: Calendar = Calendar(ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which stages one environment has."""

    before: tuple[int, ...] = (30, 14, 7, 2)
    """Days before start by."""
    late: bool = True
    last: bool = True
    repeats: bool = True
    """EXPIRED goes on after its first call."""
    climbs: bool = True


PRODUCTION_LADDER = Ladder()
OTHER_LADDER = Ladder(before=(7,), late=False, last=False, repeats=False, climbs=False)
FIVE_WORKING_DAYS = Lead((Step("", 5, Unit.WORKING_DAYS),))


@dataclass(frozen=True, slots=True)
class Rules:
    """The `[policy]` of an installation."""

    at: time = time(9)
    default_lead: Lead = FIVE_WORKING_DAYS
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    """By canonical environment; production's is always there."""
    personal_proof: timedelta = timedelta(days=90)
    shared_proof: timedelta = timedelta(days=45)
    silences: int = 3

    def ladder(self, env: str) -> Ladder:
        """The stages of an environment; none counts as production."""
        return self.ladders.get(env or PRODUCTION) or (PRODUCTION_LADDER if env in ("", PRODUCTION) else OTHER_LADDER)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the rules may ask besides one credential: who is who, who is on duty, which routes live."""

    owners: Mapping[str, Owner]
    people: Mapping[str, Person]
    routes: Mapping[str, Route]
    """Config routes, and the mail routes of people only a roster knows."""
    last_resort: tuple[str, ...]
    keeper: str
    """`[keywatch] owner`: told of what has no known owner."""
    rules: Rules
    on_call: Mapping[str, OnCall] = field(default_factory=dict)
    """By roster reference as owners write it."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By route; absent = unproven."""

    def owner_of(self, credential: Credential) -> Owner:
        return self.owners.get(credential.owner) or self.owners[self.keeper]

    def health_of(self, route: str) -> Health:
        return self.health.get(route, Health())


# --------------------------------------------------------------------------- episodes, calls, notices, acks


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


# --------------------------------------------------------------------------- messages


class Blame(StrEnum):
    NOBODY = ""
    ROUTE = "route"
    TRANSPORT = "transport"
    SENDER = "sender"


class VerdictKind(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    """It may have arrived: killed or timed out after the data went out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one attempt, and whom to blame."""

    kind: VerdictKind
    blame: Blame = Blame.NOBODY
    code: str = ""
    """`550 5.1.1`, `410`."""
    text: str = ""
    """One line of the other side's own words; never a secret."""


class MessageKind(StrEnum):
    NOTICE = "notice"
    DIGEST = "digest"
    FINDING = "finding"
    TEST = "test"


class MessageState(StrEnum):
    PENDING = "pending"
    LEASED = "leased"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes on the wire to one route; the unit that is claimed, attempted and settled."""

    id: int
    kind: MessageKind
    route: str
    person: str
    state: MessageState
    token: str
    """Random; stands in the envelope sender where `[mail] bounces` is set."""
    message_id: str
    """`<…@domain>`, fixed when the row is written."""
    code: str
    """What a person types or reads out on the phone to take what stands in it."""
    created_at: datetime
    tries: int = 0
    next_at: datetime | None = None
    body: str = ""
    """JSON of a digest, finding or test; notices are rendered from their rows."""
    address_hash: str = ""
    """Keyed hash of where it was last sent: its code proves that address, and no other."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in words."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """All a notifier needs for one attempt."""

    rendered: Rendered
    message_id: str
    token: str
    to: str
    """The mail address or the resolved Apprise URL. A secret: never logged, never stored."""
    thread: str = ""
    """A stable `<…@domain>` for References, so that mail programs thread an episode."""
    at: datetime | None = None
    """What the mail's Date says; None: the machine's clock."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the timeline."""

    at: datetime
    kind: str
    credential: str = ""
    who: str = ""
    text: str = ""
    data: Mapping[str, str] = field(default_factory=dict)

"""What is known of one credential, and the one word for its state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from keywatch.model.sources import Basis, Deadline

MANUAL = "manual"
"""The reserved source of `add` and `import`: never scanned, so never missing."""
PRODUCTION = "production"
"""No environment counts as this one everywhere."""


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

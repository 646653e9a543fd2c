"""What a source can say: dates with a basis, what was found, covered, or not seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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

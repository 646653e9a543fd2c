"""What goes on the wire, what became of it, and the timeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
    QUESTION = "question"
    """Asks whether somebody reads here; answered by its code or a reply."""
    REMINDER = "reminder"
    """A quiet word to one person: what they promised, or what they inherit with their duty."""


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

"""What a credential needs from people now, and what is said beside it."""

from datetime import datetime

from keywatch.model import Credential, State

ORDER = tuple(State(s) for s in ("EXPIRED", "LATE", "START", "IN HAND", "UNKNOWN", "PLAN", "UNDATED", "OK", "NEVER"))
"""Worst first."""


def state(credential: Credential, now: datetime) -> State:
    """The one word for a credential at `now`."""
    if credential.expires_at is None:
        return _without_date(credential)
    if credential.expires_at <= now:
        return State.EXPIRED if credential.active else State.OK
    if credential.in_hand and now < credential.in_hand.until:
        return State.IN_HAND
    if not credential.active or not speaks(credential, now):
        return State.OK
    if credential.late_at and credential.late_at <= now:
        return State.LATE
    if credential.start_from and credential.start_from <= now:
        return State.START
    if credential.plan_from and credential.plan_from <= now:
        return State.PLAN
    return State.OK


def _without_date(credential: Credential) -> State:
    if credential.problem:
        return State.UNKNOWN
    return State.NEVER if credential.never else State.UNDATED


def speaks(credential: Credential, now: datetime) -> bool:
    """Whether the ladder may speak of it: an automatic renewal is silent until two checks saw it overdue."""
    if not credential.automatic:
        return True
    overdue = credential.overdue_seen
    due = credential.speaks_from
    return overdue is not None and overdue < now and due is not None and due <= now


def marks(credential: Credential, now: datetime) -> tuple[str, ...]:
    """The marks that stand beside the state."""
    said = {
        "automatic": credential.automatic,
        "renewed, date not updated": bool(credential.unconfirmed),
        "stale since": credential.stale_since is not None,
        "missing": credential.missing_since is not None,
        "inactive": not credential.active,
        "unreadable date": bool(credential.problem) and credential.expires_at is not None,
        "risk accepted": credential.accepted_until is not None and credential.accepted_until > now,
    }
    return tuple(mark for mark, holds in said.items() if holds)


def worst_first(credential: Credential, now: datetime) -> tuple[int, datetime | None, str]:
    """A sort key: state, then the date that matters, then the name."""
    far = datetime.max.replace(tzinfo=now.tzinfo)
    return ORDER.index(state(credential, now)), credential.start_by or far, credential.name

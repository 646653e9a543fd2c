"""What a sighting means: renewed, rescheduled, moved, missing, gone, or only a source that cannot see today.

Absence proves nothing by itself, and losing a date ends nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from keywatch.model import LABELS, Basis, Credential, Deadline, Episode, Found, Outcome, World
from keywatch.policy.deadlines import dated, effective, rotation

UNCHANGED = timedelta(hours=24)
"""A later date with the old version, or a "never", rules when it stood this long."""
TWICE = timedelta(minutes=10)
"""Two complete listings at least this far apart make a missing credential gone."""
FUSE_COUNT, FUSE_SHARE = 5, 0.2


# --------------------------------------------------------------------------- one credential was found


def observe(now: datetime, known: Credential | None, found: Found, source: str, *, first_run: bool) -> Credential:
    """The row of a credential after its source showed `found`. Nothing is derived yet: see `resolved`."""
    before = known or Credential(
        0, source, found.ref, found.name, first_seen=now, adopted_at=now if first_run else None
    )
    renewed = known is not None and bool(known.version) and known.version != found.version
    row = replace(
        before,
        name=found.name,
        version=found.version,
        active=found.active,
        automatic=found.automatic,
        deadlines=found.deadlines,
        issued=found.issued or (None if renewed else before.issued),
        problem=found.problem,
        labels=dict(found.labels) | ({"url": found.url} if found.url else {}),
        stale_since=None,
        missing_since=None,
        gone_at=None,
        changed_at=now if renewed else before.changed_at,
        usual_left=_learnt(now, before, found) if renewed else before.usual_left,
        overdue_seen=None if renewed else before.overdue_seen,
        accepted_until=None if renewed else before.accepted_until,
    )
    if before.gone_at:
        row = replace(row, retired_at=None, retired_by="")
    return _with_date(now, before, row, found, renewed=renewed, first=known is None)


def _learnt(now: datetime, before: Credential, found: Found) -> timedelta | None:
    """How much life was left when a robot renewed it."""
    if not before.automatic or before.expires_at is None:
        return before.usual_left
    left = before.expires_at - (found.issued or now)
    return left if left > timedelta(0) else before.usual_left


def _with_date(
    now: datetime, before: Credential, row: Credential, found: Found, *, renewed: bool, first: bool
) -> Credential:
    seen = effective(deadlines_of(row))
    said_never = found.never or row.overrides.get("never") == "true"
    if seen is None:
        return _without_date(now, before, row, said_never=said_never, first=first, renewed=renewed)
    row = replace(row, never=False, never_since=None)
    if before.expires_at is None or first or seen.at < before.expires_at:
        return _ruled_by(row, seen, now, changed=not first)
    if seen.at == before.expires_at:
        unconfirmed = row.version if renewed else before.unconfirmed
        return replace(_ruled_by(row, seen, now, changed=False), unconfirmed=unconfirmed)
    if renewed or before.unconfirmed or _by_person(row, seen):
        return _ruled_by(row, seen, now, changed=True)
    if before.pending and before.pending.at == seen.at and before.pending_since:
        if now - before.pending_since >= UNCHANGED:
            return _ruled_by(row, seen, now, changed=True)
        return replace(row, pending=seen, pending_since=before.pending_since)
    return replace(row, pending=seen, pending_since=now)


def _without_date(
    now: datetime, before: Credential, row: Credential, *, said_never: bool, first: bool, renewed: bool
) -> Credential:
    """No date any more: the last known one goes on, until a person or the source, for 24 h, says never."""
    if before.expires_at is None or first:
        return replace(row, never=said_never, never_since=None)
    if said_never:
        since = before.never_since or now
        if now - since >= UNCHANGED or row.overrides.get("never") == "true":
            return without_end(row)
        return replace(row, never_since=since, stale_since=before.stale_since or now)
    return replace(
        row,
        stale_since=before.stale_since or now,
        never_since=None,
        pending=None,
        pending_since=None,
        unconfirmed=row.version if renewed else row.unconfirmed,
    )


def without_end(row: Credential) -> Credential:
    """The credential after somebody said that it never expires."""
    return replace(
        row, never=True, never_since=None, expires_at=None, basis=None, because="", pending=None, pending_since=None,
        unconfirmed="", stale_since=None,
    )  # fmt: skip


def _ruled_by(row: Credential, seen: Deadline, now: datetime, *, changed: bool) -> Credential:
    return replace(
        row,
        expires_at=seen.at,
        basis=seen.basis,
        because=seen.because,
        pending=None,
        pending_since=None,
        unconfirmed="",
        changed_at=now if changed else row.changed_at,
    )


def _by_person(row: Credential, seen: Deadline) -> bool:
    return bool(row.overrides.get("expires")) and seen.because.startswith("edit")


def deadlines_of(row: Credential) -> tuple[Deadline, ...]:
    """The dates that count: `edit --expires` replaces the DECLARED one of its version, never a harder one."""
    said = row.overrides.get("expires")
    if not said or row.overrides.get("expires_version", row.version) != row.version:
        return row.deadlines
    at = datetime.fromisoformat(said).astimezone(UTC)
    by = row.overrides.get("expires_by", "a person")
    kept = tuple(d for d in row.deadlines if d.basis is not Basis.DECLARED)
    return (*kept, Deadline(at, Basis.DECLARED, f"edit by {by}"))


# --------------------------------------------------------------------------- who owns it, when to begin


def resolved(row: Credential, assigned: Mapping[str, str], environment: str, world: World) -> Credential:
    """Owner, environment, service, lead and so on (override, then label, then `[[assign]]`), and every derived date.

    `environment` is the canonical name of what `said_environment` returns.
    """
    details = {key: value for key in LABELS if (value := said(row, assigned, key))}
    if row.labels.get("url"):
        details["url"] = row.labels["url"]
    row = replace(
        row,
        details=details,
        owner=details.get("owner", ""),
        env=environment,
        service=details.get("service", ""),
        lead=details.get("lead", ""),
        automatic=row.automatic or said(row, assigned, "renewal") == "automatic",
    )
    owner = world.owner_of(row)
    return dated(row, owner.calendar, world.rules)


def said(row: Credential, assigned: Mapping[str, str], key: str) -> str:
    """What holds for one label: `edit` over the item's own over the rule's."""
    return row.overrides.get(key) or row.labels.get(key) or assigned.get(key, "")


# --------------------------------------------------------------------------- what that does to its episode


class Turn(StrEnum):
    """What becomes of the open episode."""

    NOTHING = "nothing"
    OPEN = "open"
    END = "end"
    REPLACE = "replace"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Change:
    """One turn of an episode, and the outcome where it ends."""

    turn: Turn
    outcome: Outcome | None = None


def change(row: Credential, episode: Episode | None, now: datetime) -> Change:
    """What the open episode of `row` must do: the only place where an episode can end."""
    ended = Turn.END if episode else Turn.NOTHING
    if row.retired_at:
        return Change(ended, Outcome.RETIRED)
    if row.accepted_until and now < row.accepted_until:
        return Change(ended, Outcome.ACCEPTED)
    if row.expires_at is None:
        return Change(ended, Outcome.RESCHEDULED)
    if episode is None:
        return Change(Turn.OPEN)
    if row.expires_at > episode.deadline:
        renewed = row.version != episode.version
        return Change(Turn.REPLACE, Outcome.RENEWED if renewed else Outcome.RESCHEDULED)
    return Change(Turn.MOVE if row.expires_at < episode.deadline else Turn.NOTHING)


def noticed_overdue(row: Credential, now: datetime) -> Credential:
    """Remember the first check that saw an automatic renewal overdue; the second one speaks."""
    overdue = row.automatic and row.speaks_from is not None and row.speaks_from <= now
    if overdue and row.overdue_seen is None:
        return replace(row, overdue_seen=now, next_at=now)
    if row.overdue_seen and not overdue:
        return replace(row, overdue_seen=None)
    return row


def promised_rotation(row: Credential, now: datetime) -> datetime | None:
    """When a robot's promise was broken, else None."""
    promise = rotation(row.deadlines)
    return promise.at if promise and promise.at <= now else None


# --------------------------------------------------------------------------- what was not found


@dataclass(frozen=True, slots=True)
class Listing:
    """One finished scan of a source: what it saw, how far, and where it could not look."""

    refs: frozenset[str]
    covered: tuple[str, ...]
    gaps: tuple[str, ...]

    def missing(self, ref: str) -> bool:
        """Not Found, under a Covered prefix and under no Gap: only then it is missing."""
        if ref in self.refs:
            return False
        return any(ref.startswith(p) for p in self.covered) and not any(ref.startswith(g) for g in self.gaps)

    @property
    def complete(self) -> bool:
        return bool(self.covered) and not self.gaps


@dataclass(frozen=True, slots=True)
class Absence:
    """What a listing says of the credentials it did not show."""

    missing: tuple[Credential, ...] = ()
    unseen: tuple[Credential, ...] = ()
    """Under a gap, never covered, or in a listing that is not believed: their last known dates go on, stale."""
    held: str = ""
    """Why the listing is not believed: so much at once is an outage of the source. Nothing is missing then."""


def absence(known: Sequence[Credential], listing: Listing) -> Absence:
    """Which of a source's credentials are missing, or that the listing is not believed (the fuse)."""
    lost = tuple(c for c in known if listing.missing(c.ref))
    lost_ids = {c.id for c in lost}
    unseen = tuple(c for c in known if c.ref not in listing.refs and c.id not in lost_ids)
    if held := _fuse(known, lost, listing.covered):
        return Absence((), tuple(c for c in known if c.ref not in listing.refs), held)
    return Absence(lost, unseen)


def _fuse(known: Sequence[Credential], lost: Collection[Credential], prefixes: Iterable[str]) -> str:
    if len(known) > 1 and len(lost) == len(known):
        return f"all {len(known)} credentials disappeared at once"
    for prefix in prefixes:
        below = sum(c.ref.startswith(prefix) for c in known)
        gone = sum(c.ref.startswith(prefix) for c in lost)
        if gone > FUSE_COUNT and gone > FUSE_SHARE * below:
            return f"{gone} of {below} credentials under '{prefix}' disappeared at once"
    return ""


def unfound(row: Credential, now: datetime, source: str, *, missing: bool) -> Credential:
    """The row of a credential that a listing did not show: stale, missing, or after the second time gone."""
    if not missing:
        return replace(row, stale_since=row.stale_since or now)
    if row.missing_since is None:
        return replace(row, missing_since=now)
    if now - row.missing_since >= TWICE:
        return replace(row, gone_at=now, retired_at=now, retired_by=f"source:{source}")
    return row

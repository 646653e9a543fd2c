"""In an outage: did a credential of this service die? A plain yes, a plain no, or "that cannot be known"; never a
false all-clear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.errors import Exit
from keywatch.model import Credential, State, World
from keywatch.policy.audience import on_duty
from keywatch.policy.state import speaks, state, worst_first
from keywatch.report import distance, fields, in_zone, record, shown, utc

SOON = timedelta(hours=48)
"""What expires within this time may already fail where a clock or a cache differs."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One credential that may be the cause, and why."""

    credential: Credential
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one service (or of all)."""

    at: datetime
    service: str
    since: datetime
    judged: int
    suspects: tuple[Suspect, ...] = ()
    next: Credential | None = None
    """The next of the others to expire."""
    undated: int = 0
    inactive: int = 0
    stale: int = 0
    problems: tuple[str, ...] = ()
    """Why a no cannot be trusted."""

    @property
    def exit_code(self) -> Exit:
        if self.suspects:
            return Exit.BAD
        return Exit.UNKNOWN if self.problems else Exit.WELL


def answer(
    rows: Iterable[Credential],
    now: datetime,
    *,
    service: str,
    since: timedelta,
    max_age: timedelta,
    last_run: datetime | None,
) -> Answer:
    """Judge. `rows` are all credentials, retired ones too: what was taken away just now is a suspect."""
    start = now - since
    rows = list(rows)
    asked = [row for row in rows if service.casefold() in ("", row.service.casefold())]
    gone = [row for row in asked if row.retired_at and row.retired_at >= start]
    live = [row for row in asked if not row.retired_at]
    found = [Suspect(row, reasons) for row in (*live, *gone) if (reasons := tuple(_reasons(row, start, now)))]
    named = {one.credential.id for one in found}
    ahead = [row for row in live if row.id not in named and row.active and row.expires_at]
    return Answer(
        at=now,
        service=service,
        since=start,
        judged=len(live),
        suspects=tuple(sorted(found, key=lambda one: worst_first(one.credential, now))),
        next=min(ahead, key=lambda row: (row.expires_at or now, row.name), default=None),
        undated=sum(state(row, now) is State.UNDATED for row in live),
        inactive=sum(not row.active for row in live),
        stale=len(_unseen(live)),
        problems=tuple(_problems(rows, live, service, now, max_age, last_run)),
    )


def _reasons(row: Credential, start: datetime, now: datetime) -> Iterable[str]:
    if row.retired_at:
        yield f"retired {distance(now, row.retired_at)} by {row.retired_by or 'somebody'}"
        return
    if row.expires_at and row.active:
        if row.expires_at <= now:
            yield f"expired {distance(now, row.expires_at)}"
        elif row.expires_at <= now + SOON and speaks(row, now):
            yield f"expires {distance(now, row.expires_at)}"
    registered = row.first_seen == row.changed_at  # to be seen for the first time is no change
    if row.changed_at and row.changed_at >= start and not registered:
        yield f"its version or date changed {distance(now, row.changed_at)}"
    if row.missing_since and row.missing_since >= start:
        yield f"its source stopped listing it {distance(now, row.missing_since)}"


def _unseen(rows: Iterable[Credential]) -> list[Credential]:
    return [row for row in rows if row.stale_since or row.missing_since]


def _problems(
    rows: Sequence[Credential],
    live: Sequence[Credential],
    service: str,
    now: datetime,
    max_age: timedelta,
    last_run: datetime | None,
) -> Iterable[str]:
    """Everything that keeps a no from being an all-clear."""
    if not live:
        known = sorted({row.service for row in rows if row.service and not row.retired_at}, key=str.casefold)
        there = f"there are: {shown(', '.join(known))}" if known else "no credential says which service it is of"
        yield (
            f"no credential is of a service '{shown(service)}'; {there}" if service else "there is no credential at all"
        )
    if last_run is None:
        yield "no check has run yet"
    elif now - last_run > max_age:
        yield f"the last check was {distance(now, last_run)}, longer than --max-age allows"
    if unseen := _unseen(live):
        names = ", ".join(shown(row.name) for row in unseen[:5]) + (", …" if len(unseen) > 5 else "")
        yield f"their source does not show them now, only the last known dates are here: {names}"
    if unread := [row for row in live if state(row, now) is State.UNKNOWN]:
        yield f"their date cannot be read: {', '.join(shown(row.name) for row in unread[:5])}"


# --------------------------------------------------------------------------- words


def text(found: Answer, world: World, zone: ZoneInfo) -> str:
    """For the incident call: the suspects with whom to ask, or the plain no."""
    blocks = [_block(one, found.at, world, zone) for one in found.suspects]
    blocks.append("\n".join([summary(found, zone), *(f"cannot be sure: {problem}" for problem in found.problems)]))
    return "\n\n".join(blocks)


def summary(found: Answer, zone: ZoneInfo) -> str:
    """`none of 37 expired or changed since 10:00; next paygate-api in 12 d; 3 without a date, 1 stale`."""
    local = found.since.astimezone(zone)
    since = f"{local:%H:%M}" if local.date() == found.at.astimezone(zone).date() else f"{local:%a %-d %b %H:%M}"
    many = f"{len(found.suspects)} of {found.judged}"
    said = [f"{many if found.suspects else f'none of {found.judged}'} expired or changed since {since}"]
    if found.suspects:
        said = [f"{many} may be the cause (expired, changed since {since}, or expires within 48 h)"]
    if found.next and found.next.expires_at:
        said.append(f"next {shown(found.next.name)} {distance(found.at, found.next.expires_at)}")
    counts = {"without a date": found.undated, "stale": found.stale, "inactive": found.inactive}
    rest = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return "; ".join([*said, *([rest] if rest else [])])


def _block(one: Suspect, now: datetime, world: World, zone: ZoneInfo) -> str:
    row = one.credential
    get = row.details.get
    names = ", ".join(_on_call(row, world, now)) or "nobody is known to be"
    return fields(
        (
            ("SUSPECT", f"{row.name} ({row.env or 'production'}): {', '.join(one.reasons)}"),
            ("expires", in_zone(row.expires_at, zone)),
            ("state", str(state(row, now)) if not row.retired_at else ""),
            ("service", row.service),
            ("impact", get("impact", "")),
            ("owner", row.owner or "nobody"),
            ("on call", names),
            ("approver", get("approver", "")),
            ("emergency", get("emergency", "")),
            ("runbook", get("runbook", "")),
            ("where", get("url", "") or f"{row.source}:{row.ref}"),
        )
    )


def _on_call(row: Credential, world: World, now: datetime) -> list[str]:
    owner = world.owner_of(row)
    people = dict.fromkeys(duty.person for duty in on_duty(owner, world, now))
    return [f"{one.name} <{one.mail}>" if one.mail else one.name for one in people]


def payload(found: Answer, world: World, zone: ZoneInfo) -> dict[str, Any]:
    """For programs."""

    def one(suspect: Suspect) -> dict[str, Any]:
        row = record(suspect.credential, found.at, zone, world.rules)
        owner = world.owner_of(suspect.credential)
        people = dict.fromkeys(duty.person for duty in on_duty(owner, world, found.at))
        on_call = [{"person": person.key, "name": person.name, "mail": person.mail} for person in people]
        return {**row, "reasons": list(suspect.reasons), "on_call": on_call}

    ahead = found.next
    return {
        "service": found.service or None,
        "at": utc(found.at),
        "since": utc(found.since),
        "judged": found.judged,
        "suspects": [one(suspect) for suspect in found.suspects],
        "next": {"name": ahead.name, "expires_at": utc(ahead.expires_at)} if ahead else None,
        "undated": found.undated,
        "stale": found.stale,
        "inactive": found.inactive,
        "problems": list(found.problems),
        "summary": summary(found, zone),
        "exit_code": int(found.exit_code),
    }

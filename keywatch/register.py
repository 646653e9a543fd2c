"""What people say of credentials: there is one, a date was wrong, a new version is there.

Each function takes the transaction of its caller and refuses before it writes. What sources say is `collect`'s affair,
the end of a credential `ending`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from keywatch import dates, ledger
from keywatch.config import Config
from keywatch.errors import DateError, KeywatchError
from keywatch.model import MANUAL, Basis, Credential, Deadline, Event, Found, World
from keywatch.policy.deadlines import dates_of, done_steps, effective
from keywatch.policy.reconcile import deadlines_of, observe, without_end
from keywatch.store import Tx
from keywatch.text import clean

MARGIN = "margin"
"""The part of a lead time that is nobody's work, so nobody can be done with it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says it, and at whose keyboard."""

    name: str
    login: str

    def event(self, now: datetime, kind: str, row: Credential, text: str) -> Event:
        """The row of the timeline that records it."""
        data = {"login": self.login} if self.login != self.name else {}
        return Event(now, kind, ledger.key(row), self.name, text, data)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one credential; what is left at its default was not said."""

    expires: datetime | None = None
    never: bool = False
    issued: datetime | None = None
    automatic: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Ready to be stored: see `label`."""


# --------------------------------------------------------------------------- add


def add(
    tx: Tx, config: Config, world: World, title: str, said: Said, who: Speaker, now: datetime, *, adopted: bool = False
) -> Credential:
    """Register a credential of the source `manual`; one that was retired under that name begins anew.

    Raises:
        KeywatchError: there is one of that name.
    """
    if live := tx.read.credentials(now, names=[title]):
        raise taken(live[0])
    old = tx.read.credentials(now, include_retired=True, source=MANUAL, names=[title])
    version = _next_version(old[0].version) if old else "1"
    found = Found(title, version, title, issued=said.issued, never=said.never, automatic=bool(said.automatic))
    row = observe(now, None, found, MANUAL, first_run=adopted)
    row = replace(row, id=old[0].id if old else 0, labels=dict(said.labels))
    if said.expires:
        row = dated(row, said.expires, f"{'import' if adopted else 'add'} by {who.name}", now)
    return keep(tx, config, world, row, who, now, "added", f"{title}, {row.because or 'no date'}")


def taken(row: Credential) -> KeywatchError:
    """The refusal of a name that is in use."""
    where = "" if row.source == MANUAL else f" (from {row.source}:{row.ref})"
    return KeywatchError(
        f"there is a credential '{row.name}' already{where}",
        f"`keywatch renew {row.name} --expires DATE` for a new version, `keywatch edit {row.name}` to correct it",
    )


def _next_version(version: str) -> str:
    return str(int(version) + 1) if version.isdecimal() else "2"


def keep(
    tx: Tx, config: Config, world: World, row: Credential, who: Speaker, now: datetime, kind: str, text: str
) -> Credential:
    """Derive, save and record a row; returns it as it now stands.

    Raises:
        DateError: the lead time of a manual row reaches beyond the calendar.
    """
    row = _resolved(config, world, row)
    if row.source == MANUAL and row.problem:
        raise DateError(row.problem, dates.LEADS)
    tx.add_event(who.event(now, kind, row, text))
    row_id = ledger.record(tx, row, now, who.name)
    return tx.read.credentials_by_id([row_id], now)[row_id]


def _resolved(config: Config, world: World, row: Credential) -> Credential:
    """Tags are not stored, so what a rule once gave by a tag stays; what an earlier `edit` gave does not."""
    by_tag = any(rule.tag for rule in config.assigns)
    said = {*row.overrides.values(), *row.labels.values()}
    return ledger.resolve(
        row, config, world, kept={key: text for key, text in row.details.items() if by_tag and text not in said}
    )


# --------------------------------------------------------------------------- dates by a person's word


def dated(row: Credential, at: datetime, because: str, now: datetime) -> Credential:
    """A manual row with a date that rules at once."""
    said = Deadline(at, Basis.DECLARED, because)
    return _ruled(replace(row, deadlines=(said,), problem=""), said, now)


def overridden(row: Credential, at: datetime, by: str, now: datetime) -> Credential:
    """A source's row after `edit --expires`: it replaces the DECLARED date of this version, never a harder one."""
    kept = {key: value for key, value in row.overrides.items() if key != "never"}
    said = {"expires": at.isoformat(), "expires_version": row.version, "expires_by": by}
    row = replace(row, overrides={**kept, **said}, stale_since=row.stale_since if effective(row.deadlines) else None)
    rules = effective(deadlines_of(row))
    assert rules is not None
    return _ruled(row, rules, now)


def _ruled(row: Credential, by: Deadline, now: datetime) -> Credential:
    return replace(
        row,
        expires_at=by.at,
        basis=by.basis,
        because=by.because,
        never=False,
        never_since=None,
        pending=None,
        pending_since=None,
        unconfirmed="",
        changed_at=now if by.at != row.expires_at else row.changed_at,
    )


def endless(row: Credential, now: datetime) -> Credential:
    """The row after somebody said that it never expires.

    Raises:
        KeywatchError: its source gives a date; that one cannot be talked away.
    """
    if row.source == MANUAL:
        return replace(without_end(row), deadlines=(), problem="", changed_at=now)
    said = effective(row.deadlines)
    if said:
        raise KeywatchError(
            f"{row.source} gives {row.name} a date ({said.because or said.basis.value})",
            "change it at the source; `never` cannot hide it",
        )
    return replace(without_end(row), overrides={**row.overrides, "never": "true"}, changed_at=now)


# --------------------------------------------------------------------------- edit and renew


def edit(
    tx: Tx, config: Config, world: World, row: Credential, said: Said, who: Speaker, now: datetime, *, same_date: bool
) -> Credential:
    """Correct what is known of a credential. A date that moves is *rescheduled*: the version stays.

    Raises:
        KeywatchError: it is retired, or what was said does not fit this credential.
    """
    must_live(row)
    changed = row
    if same_date:
        changed = _confirmed(changed)
    if said.expires:
        manual = row.source == MANUAL
        because = f"edit by {who.name}"
        changed = (
            dated(changed, said.expires, because, now) if manual else overridden(changed, said.expires, who.name, now)
        )
    if said.never:
        changed = endless(changed, now)
    changed = _relabelled(changed, said)
    told = "; ".join(
        f"{what}: {old} → {new}" for what, old, new in changes(row, _resolved(config, world, changed), config.zone)
    )
    return keep(tx, config, world, changed, who, now, "edited", told or "confirmed as it is")


def must_live(row: Credential) -> None:
    """Refuse to change what is retired.

    Raises:
        KeywatchError: it is.
    """
    if row.retired_at:
        raise KeywatchError(
            f"{row.name} was retired on {row.retired_at:%Y-%m-%d} by {row.retired_by}",
            f"`keywatch add {row.name} …` registers it anew",
        )


def _confirmed(row: Credential) -> Credential:
    if not row.unconfirmed:
        raise KeywatchError(f"nobody asked for the date of {row.name}", "--same-date answers that question only")
    return replace(row, unconfirmed="")


def _relabelled(row: Credential, said: Said) -> Credential:
    """Labels of a manual row are people's own; on a source's row they are overrides, and "" takes one back."""
    manual = row.source == MANUAL
    given = {**(row.labels if manual else row.overrides), **said.labels}
    if said.automatic is not None and not manual:
        given["renewal"] = "automatic" if said.automatic else "by hand"
    given = {key: text for key, text in given.items() if text}
    row = replace(row, labels=given) if manual else replace(row, overrides=given)
    if said.issued:
        if not manual:
            raise KeywatchError(f"{row.source} says when {row.name} was issued", "--issued is for what people register")
        row = replace(row, issued=said.issued)
    return row if said.automatic is None else replace(row, automatic=said.automatic, overdue_seen=None)


def changes(old: Credential, new: Credential, zone: ZoneInfo) -> list[tuple[str, str, str]]:
    """(what, before, now) of everything that differs and that people care for; dates as `zone` reads them."""
    pairs = {
        "expires": (_day(old, zone), _day(new, zone)),
        "issued": tuple(f"{one.issued:%Y-%m-%d}" if one.issued else "unknown" for one in (old, new)),
        "automatic": tuple("yes" if one.automatic else "no" for one in (old, new)),
        "confirmed": tuple("no" if one.unconfirmed else "yes" for one in (old, new)),
    }
    keys = dict.fromkeys([*old.details, *new.details])
    pairs |= {key: (old.details.get(key, "none"), new.details.get(key, "none")) for key in keys}
    return [(what, before, now) for what, (before, now) in pairs.items() if before != now]


def _day(row: Credential, zone: ZoneInfo) -> str:
    if row.expires_at is None:
        return "never" if row.never else "undated"
    at = row.expires_at.astimezone(zone)
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute) == (0, 0) else f"{at:%Y-%m-%d %H:%M}"


def renew(
    tx: Tx,
    config: Config,
    world: World,
    row: Credential,
    expires: datetime | None,
    issued: datetime | None,
    who: Speaker,
    now: datetime,
) -> Credential:
    """A new version of a manual row; `expires` None = it never expires. Its old episode ends as *renewed*.

    Raises:
        KeywatchError: a source shows its versions, it is retired, or the date lies in the past.
    """
    must_live(row)
    if row.source != MANUAL:
        raise KeywatchError(
            f"{row.name} comes from {row.source}: its next version is seen there",
            f"renew it at the source; `keywatch edit {row.name} --expires DATE` corrects a date",
        )
    if expires and expires <= now:
        day = f"{expires.astimezone(config.zone):%Y-%m-%d}"
        raise KeywatchError(
            f"{day} is in the past: a new version of {row.name} cannot have expired already",
            "look at the date; `keywatch edit --expires` corrects the date of the version that there is",
        )
    version = _next_version(row.version)
    fresh = replace(
        row,
        version=version,
        issued=issued or now,
        overdue_seen=None,
        accepted_until=None,
        accepted_by="",
        changed_at=now,
    )
    fresh = dated(fresh, expires, f"renew by {who.name}", now) if expires else endless(fresh, now)
    text = f"version {row.version} → {version}, expires {_day(fresh, config.zone)} (was {_day(row, config.zone)})"
    return keep(tx, config, world, replace(fresh, changed_at=now), who, now, "version", text)


def done(
    tx: Tx, config: Config, world: World, row: Credential, step: str, who: Speaker, now: datetime
) -> tuple[Credential, bool]:
    """Record that a step of this version's renewal is done; dates count only what is still to go.

    Returns:
        The row as it stands now, and whether that is news.

    Raises:
        KeywatchError: it is retired or has no date, or its lead time has no such step.
    """
    must_live(row)
    if row.expires_at is None:
        raise KeywatchError(f"{row.name} has no date, so nothing of a renewal can be done", f"keywatch show {row.name}")
    when = dates_of(row, world.owner_of(row).calendar, world.rules)
    names = [one.name for one in when.lead.steps if one.name and one.name != MARGIN]
    if step not in names:
        raise _no_such_step(row, step, names, str(when.lead))
    before = done_steps(row)
    if step in before:
        return row, False
    said = ",".join(name for name in names if name in (*before, step))
    overrides = {**row.overrides, "done": said, "done_version": row.version, "done_at": now.isoformat()}
    left = ", ".join(one.name for one in when.left if one.name != step) or "the new version"
    kept = keep(tx, config, world, replace(row, overrides=overrides), who, now, "step", f"{step} done; to go: {left}")
    episode = tx.read.episodes([row.id]).get(row.id)
    if episode and now < when.last_at:
        tx.change_episode(episode.id, told_at=None)  # somebody spoke up: silence counts anew
    return kept, True


def progress(row: Credential, world: World) -> list[str]:
    """What is done of a renewal and what is left, a line each. The credential must have a date."""
    when = dates_of(row, world.owner_of(row).calendar, world.rules)
    left = ", ".join(f"{one.name} {one}".strip() for one in when.left)
    return [f"done: {', '.join(when.done) or 'nothing yet'}", f"still to go: {left or 'only the new version'}"]


def _no_such_step(row: Credential, step: str, names: list[str], lead: str) -> KeywatchError:
    if names:
        return KeywatchError(
            f"the renewal of {row.name} has no step '{clean(step, 40)}'", f"it has: {', '.join(names)}"
        )
    return KeywatchError(
        f"the lead time of {row.name} has no steps: {lead}",
        f"`keywatch edit {row.name} --lead approval=15bd,issue=1bd,deploy=3bd` gives it some; "
        f"`keywatch renew {row.name} --expires DATE` when the new version is there",
    )

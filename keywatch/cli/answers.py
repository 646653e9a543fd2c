"""How the writing commands answer: how a date was read, by when to start, and who hears of it first.

Also the options they share.
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from keywatch import dates
from keywatch.cli.app import App, say, show_json
from keywatch.forecast import Next, next_message
from keywatch.labels import label
from keywatch.model import LABELS, Basis, Credential, World
from keywatch.outlook import world
from keywatch.policy.deadlines import Dates, dates_of
from keywatch.policy.state import state
from keywatch.register import Said, Speaker
from keywatch.report import shown

F = TypeVar("F", bound=Callable[..., Any])
HELP = {
    "owner": "Who owns it: a name of [owners].",
    "service": "The service that fails without it.",
    "env": "Its environment; none counts as production.",
    "lead": "What a renewal takes: 21bd, 3w, or approval=15bd,issue=1bd,deploy=3bd.",
    "runbook": "Where the way to renew it is written.",
    "approver": "Who approves a renewal.",
    "impact": "What stops when it expires.",
    "emergency": "Whom to call when it has expired.",
    "issuer_writes_to": "The address the issuer sends its own mails to.",
    "renewable_by": "The only person who can renew it.",
    "deputy": "Who can when that person cannot.",
}
WORDS = {Basis.ENFORCED: "enforces", Basis.DELETION: "deletes it on"}


def label_options(function: F) -> F:
    """An option for each label."""
    for key in reversed(LABELS):
        metavar = "ADDRESS" if key == "issuer_writes_to" else "PERSON" if key in ("renewable_by", "deputy") else "TEXT"
        option = click.option(f"--{key.replace('_', '-')}", key, metavar=metavar, help=HELP[key])
        function = option(function)
    return function


def speaker(app: App, by: str | None) -> Speaker:
    """Who says it: `--by`, else the login."""
    person = app.person(by)
    return Speaker(person.key if person else app.login, app.login)


def said(
    app: App,
    now: datetime,
    labels: dict[str, str | None],
    *,
    expires: str | None = None,
    never: bool = False,
    issued: str | None = None,
    automatic: bool | None = None,
) -> Said:
    """What was typed, read strictly.

    Raises:
        KeywatchError: a date, a lead time or a name that cannot be used; or both a date and `--never`.
    """
    if expires is not None and never:
        raise click.UsageError("--expires and --never exclude each other")
    zone, seen = app.config.zone, world(app.config, app.reader, now)
    at = dates.instant(expires, zone) if expires is not None else None
    born = dates.instant(issued, zone) if issued is not None else None
    ready = {key: label(app.config, seen, key, text) for key, text in labels.items() if text is not None}
    return Said(at, never or (expires is not None and at is None), born, automatic, ready)


# --------------------------------------------------------------------------- the answer


def answer(app: App, row: Credential, now: datetime, output: str, verb: str, changed: list[str] | None = None) -> None:
    """Print how a credential stands after a write."""
    seen = world(app.config, app.reader, now)
    ahead = next_message(app.config, app.reader, row, now)
    notes = list(_notes(row, seen, app.config.zone, now))
    if output == "json":
        show_json(
            {"credential": fields(row, now), "first_message": _ahead(ahead), "notes": notes, "changed": changed or []}
        )
        return
    click.echo(f"{verb} {shown(row.name)}")
    for line in [*(changed or ()), *_lines(row, seen, app.config.zone, ahead, now)]:
        click.echo(f"  {shown(line)}")
    for note in notes:
        say(f"note: {shown(note)}")


def fields(row: Credential, now: datetime) -> dict[str, Any]:
    """The credential for programs, under the names that `list` uses."""
    names = ("name", "source", "ref", "env", "owner", "service")
    return {name: getattr(row, name) for name in names} | {
        "state": state(row, now).value,
        "expires_at": row.expires_at,
        "start_by": row.start_by,
        "lead_time": row.lead or None,
        "version": row.version,
        "accepted_until": row.accepted_until,
    }


def _ahead(ahead: Next | None) -> dict[str, Any] | None:
    return {"at": ahead.at, "people": list(ahead.people), "also": list(ahead.also)} if ahead else None


def _lines(row: Credential, seen: World, zone: ZoneInfo, ahead: Next | None, now: datetime) -> list[str]:
    if row.expires_at is None:
        return ["never expires" if row.never else "no date: it is listed and stands in the digest, and nobody is told"]
    owner = seen.owner_of(row)
    when = dates_of(row, owner.calendar, seen.rules)
    lines = [expiry(row.expires_at, zone), start(when, owner.calendar.zone, now)]
    if ahead:
        lines.append(message(ahead, owner.calendar.zone, now))
    return lines


def expiry(at: datetime, zone: ZoneInfo) -> str:
    """`expires Sat 19 Dec 2026 00:00 Europe/Madrid; last good day Fri 18 Dec`."""
    local = at.astimezone(zone)
    good = dates.last_good_day(at, zone)
    tail = f"; last good day {day(good)}" if good != local.date() else ""
    return f"expires {day(local.date())} {local:%Y %H:%M} {zone.key}{tail}"


def start(when: Dates, zone: ZoneInfo, now: datetime) -> str:
    """By when to begin, and what was counted back."""
    local = when.start_by.astimezone(zone)
    clock = f" {local:%H:%M}" if when.exact else ""
    left = ",".join(f"{one.name}={one}" if one.name else str(one) for one in when.left) or "nothing"
    took = f"{left if when.done else when.lead} before" + (
        ", assumed: nobody said how long it takes" if when.assumed else ""
    )
    if when.too_long:
        took = f"a third of its life: {when.lead} is half of it or more"
    late = " and is past" if when.late_at <= now else ""
    return f"start by {day(local.date())} {local:%Y}{clock}{late} ({took})"


def message(ahead: Next, zone: ZoneInfo, now: datetime) -> str:
    """`first message Wed 21 Oct 09:00 to Ana Ruiz`."""
    local = ahead.at.astimezone(zone)
    at = f"{day(local.date(), now)} {local:%H:%M}" if ahead.at > now else "with the next `keywatch check`"
    also = f"; also {', '.join(ahead.also)}" if ahead.also else ""
    who = " and ".join(ahead.people) or "whoever is on call"
    return f"{'first' if ahead.first else 'next'} message {at} to {who}{also}"


def day(one: date, now: datetime | None = None) -> str:
    """`Fri 18 Dec`, with the year where `now` is in another one."""
    year = f" {one.year}" if now and one.year != now.year else ""
    return f"{one:%a} {one.day} {one:%b}{year}"


def _notes(row: Credential, seen: World, zone: ZoneInfo, now: datetime) -> Any:
    """What is unusual and should not go unseen."""
    if row.expires_at and row.expires_at <= now:
        local = row.expires_at.astimezone(zone)
        yield f"it has expired already, {day(local.date())} {local:%Y}"
    if not row.owner:
        yield f"nobody owns it, so {seen.keeper} is told: `keywatch edit {row.name} --owner NAME`"
    if row.expires_at is None and not row.never:
        yield f"give it a date with `keywatch edit {row.name} --expires DATE`, or say --never"
    if row.automatic and row.expires_at:
        yield "it renews itself: silent until that is overdue"
    if row.expires_at and row.overrides.get("expires"):
        yield _override(row)
    if row.accepted_until and row.accepted_until > now:
        yield f"{row.accepted_by} accepted the risk until {row.accepted_until:%Y-%m-%d}: nobody is told before"


def _override(row: Credential) -> str:
    """What became of a date that somebody said of a source's credential."""
    if row.basis is None or row.basis is Basis.DECLARED:
        return f"that date holds for version {row.version} only; the next one brings its own"
    return f"{row.source} {WORDS[row.basis]} that date ({row.because}); a date somebody says cannot hide it"

"""Everything known of one credential."""

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from keywatch import outlook, report
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.cli.completion import names
from keywatch.cli.looks import zone_of
from keywatch.model import LABELS, Credential, Event
from keywatch.policy.audience import on_duty
from keywatch.policy.deadlines import dates_of

EVENTS = 10


@click.command("show")
@click.argument("name", shell_complete=names)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, name: str, output: str) -> int:
    """State, dates and where they come from, owner and who is on call, labels, the promise that holds, the timeline."""
    now, row = app.now, app.credential(name)
    zone, events = zone_of(app, row), app.reader.events(row, limit=EVENTS)
    if output == "json":
        timeline = [{"at": one.at, "kind": one.kind, "who": one.who, "text": one.text} for one in events]
        show_json({"credential": report.record(row, now, zone, app.config.rules), "events": timeline})
        return 0
    world = outlook.world(app.config, app.reader, now)
    duty = ", ".join(dict.fromkeys(one.person.name for one in on_duty(world.owner_of(row), world, now)))
    told = report.last_told(app.reader.episodes([row.id]).get(row.id), world.people, now, zone)
    pairs = [*_what(app, row, now, zone), ("on call", duty or "nobody is known to be"), ("last told", told)]
    pairs += [(label.replace("_", " "), row.details.get(label, "")) for label in (*LABELS[4:], "url")]
    click.echo(report.fields([*pairs, *_timeline(events, zone)]))
    say(f"`keywatch why {report.quoted(row)}` says who was told; `keywatch ack {report.quoted(row)}` takes it")
    return 0


def _what(app: App, row: Credential, now: datetime, zone: ZoneInfo) -> list[tuple[str, str]]:
    hand = row.in_hand
    seen = [f"{date.at:%Y-%m-%dT%H:%M:%SZ} {date.basis} ({date.because})" for date in row.deadlines]
    return [
        ("name", row.name),
        ("where", f"{row.source}:{row.ref}"),
        ("state", report.word(row, now)),
        ("expires", report.ending(row, now, zone)),
        ("because", f"{row.because} ({row.basis})" if row.basis else row.problem),
        ("dates", "; ".join(seen) if len(seen) > 1 else ""),
        ("start by", report.in_zone(row.start_by, zone)),
        ("lead time", report.lead_of(row, app.config.rules)),
        ("steps", _steps(app, row)),
        ("in hand", f"{hand.person} until {report.promised_day(hand.until, zone)}" if hand else ""),
        ("problem", row.problem if row.basis else ""),
        ("issued", report.in_zone(row.issued, zone)),
        ("version", row.version),
        ("changed", report.in_zone(row.changed_at, zone)),
        ("environment", row.env or "none said: counts as production"),
        ("service", row.service),
        ("owner", row.owner or f"nobody: {app.config.keeper} is told"),
    ]


def _steps(app: App, row: Credential) -> str:
    """What is done of a renewal in steps, and what is left."""
    if row.expires_at is None:
        return ""
    owner = app.config.owners.get(row.owner) or app.config.owners[app.config.keeper]
    when = dates_of(row, owner.calendar, app.config.rules)
    if len(when.lead.steps) < 2:
        return ""
    left = ", ".join(f"{one.name} {one}".strip() for one in when.left)
    return f"done: {', '.join(when.done) or 'nothing yet'}; still to go: {left or 'only the new version'}"


def _timeline(events: list[Event], zone: ZoneInfo) -> list[tuple[str, str]]:
    lines = [f"{report.in_zone(one.at, zone)} {one.kind} by {one.who or '?'}: {one.text}" for one in events]
    return [("timeline" if n == 0 else "", line) for n, line in enumerate(lines)]

"""The run that the timer starts."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from keywatch.cli.app import App, as_json, pass_app, say
from keywatch.errors import Exit
from keywatch.read import instant_of

if TYPE_CHECKING:
    from keywatch.check import Report


@click.command("check")
@click.option("--dry-run", is_flag=True, help="Read the sources and name every recipient, but send and keep nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what is new, so that cron mails mean something.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, dry_run: bool, quiet: bool, output: str) -> int:
    """Collect, decide, tell: everything that is due now.

    Exit 1: a due notice reached nobody who counts. 3: a source or a roster could not be read. An idle run answers
    with the standing result.
    """
    config, now = app.config, app.now
    if not dry_run and _idle(app):
        app.reader.mark_run(now, now)
        standing = int(app.reader.meta("standing", "0"))
        if output == "json":
            as_json(_idle_payload(app, standing))
        elif not quiet:
            say(f"nothing is due (exit {standing}: the standing result)" if standing else "nothing is due")
        return standing
    from keywatch.check import check

    app.reader.close()
    report = check(config, app.store, app.clock, rehearsal=app.rehearsal, dry_run=dry_run, wait=_wait)
    if output == "json":
        as_json(_payload(app, report))
    elif dry_run:
        _print_dry(report)
    else:
        _print(report, quiet)
    return int(report.exit_code) if not dry_run else Exit.WELL


def _idle(app: App) -> bool:
    digest_at = instant_of(app.reader.meta("digest_at") or None)
    return app.reader.idle(app.now, app.config.digest_hash) and digest_at is not None and app.now < digest_at


def _wait(pause: timedelta) -> None:
    time.sleep(pause.total_seconds())


def _idle_payload(app: App, standing: int) -> dict[str, Any]:
    return {
        "idle": True,
        "sources": [],
        "rosters": [],
        "messages": [],
        "uncovered": app.reader.uncovered(),
        "exit_code": standing,
    }


def _payload(app: App, report: "Report") -> dict[str, Any]:
    """The run for programs. Codes are shown in a rehearsal only: a cron log must not be able to prove a route."""
    feeds = {kind: [feed for feed in report.feeds if feed.kind == kind] for kind in ("source", "roster")}
    return {
        "idle": False,
        "sources": [
            {
                "name": feed.name,
                "found": feed.answer.get("found", 0),
                "gaps": feed.answer.get("gaps", []),
                "problem": feed.problem,
                "read": feed.name in report.asked,
            }
            for feed in feeds["source"]
        ],
        "rosters": [
            {"name": feed.name, "target": feed.target, "problem": feed.problem, "as_of": feed.complete_at}
            for feed in feeds["roster"]
        ],
        "messages": [
            {
                "route": sent.message.route,
                "person": sent.message.person or None,
                "kind": sent.message.kind.value,
                "code": sent.message.code if app.rehearsal else None,
                "message_id": sent.message.message_id,
                "verdict": sent.verdict.kind.value,
                "smtp": sent.verdict.code or None,
                "notices": [
                    {"credential": item.credential.name, "stage": item.stage, "rung": item.rung} for item in sent.items
                ],
            }
            for sent in report.sent
        ],
        "uncovered": report.uncovered,
        "exit_code": int(report.exit_code),
    }


def _print(report: "Report", quiet: bool) -> None:
    for line in report.news:
        say(line)
    if quiet:
        return
    for feed in report.feeds:
        if feed.kind == "source" and feed.name in report.asked and not feed.problem:
            click.echo(f"{feed.name}: {feed.answer.get('found', 0)} found")
    for sent in report.sent:
        what = ", ".join(f"{item.credential.name} {item.stage}" for item in sent.items) or sent.message.kind.value
        said = f"{sent.verdict.kind.value} {sent.verdict.code}".strip()
        click.echo(f"{said}: {what} → {sent.message.person or 'everybody'} by {sent.message.route}")
    if not report.sent:
        click.echo("nobody had to be told")
    if report.exit_code is Exit.BAD:
        say(f"uncovered: {', '.join(report.uncovered)}: nobody who counts has accepted it; `keywatch why NAME`")


def _print_dry(report: "Report") -> None:
    from keywatch.check import would_tell

    told = would_tell(report)
    for row, decision in report.planned:
        for one in decision.notices:
            who = one.person or "whoever reads it"
            click.echo(f"{row.name} {decision.stage} → {who} by {one.route} (rung {one.rung}: {one.why})")
    routes = {one.route for one in told}
    people = {one.person for one in told if one.person}
    pages = {one.route for one in told if report.world and report.world.routes[one.route].page}
    click.echo(f"would send {len(routes)} messages to {len(people)} people, {len(pages)} pages")

"""The run that the timer starts."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.errors import Exit, KeywatchError, StoreAwayError, StoreError
from keywatch.pulse import Pulse
from keywatch.read import instant_of, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keywatch.check import Report
    from keywatch.model import Message
    from keywatch.read import Item


LONGEST = 40
"""Lines of news; a mail server that is down must not fill a mail."""


PATIENCE_S = 30
"""Seconds for a database server that restarts."""
SNAPSHOT = timedelta(hours=6)
"""An idle run leaves no snapshot, so after this time a run is not idle: a gate may read nothing else."""


@click.command("check")
@click.option("--dry-run", is_flag=True, help="Read the sources and name every recipient, but send and keep nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what is new, so that cron mails mean something.")
@click.option(
    "--ping-url",
    metavar="URL",
    envvar="KEYWATCH_PING_URL",
    help="Tell a monitoring service of each run: GET URL/start, then URL or URL/fail. A reference is better: env:NAME.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, dry_run: bool, quiet: bool, ping_url: str | None, output: str) -> int:
    """Collect, decide, tell: everything that is due now.

    Exit 1: a due notice reached nobody who counts, or nothing could be decided and nobody was told so. 3: a source or a
    roster could not be read. An idle run answers with the standing result. A store that cannot be used is exit 3 too;
    then the last resort and whoever is on duty are told so, from the last snapshot, once in six hours.
    """
    reference = "" if dry_run else ping_url or ""
    with Pulse(reference, _base(app) if reference else Path(), say) as pulse:
        try:
            code = _run(app, dry_run, quiet, output)
        except StoreError as problem:
            if not dry_run and problem.exit_code is Exit.UNKNOWN and not _answers_again(app, problem):
                _emergency(app, problem)
            raise
        pulse.ended(code)
    return code


def _base(app: App) -> Path:
    """The folder of relative references, before the config is read: the first ping comes before anything can fail."""
    from keywatch.config import find

    try:
        return find(app.config_flag, os.environ, Path.cwd()).absolute().parent
    except KeywatchError:
        return Path.cwd()


def _answers_again(app: App, problem: StoreError) -> bool:
    """Whether a database server that was lost is back within moments: a restart of it is no emergency."""
    if not isinstance(problem, StoreAwayError):
        return False
    time.sleep(1 if app.pretended() else PATIENCE_S)
    try:
        open_reader(app.config.store).close()
    except KeywatchError:
        return False
    return True


def _emergency(app: App, problem: StoreError) -> None:
    """Tell people. Where that reaches nobody the exit code says so, because then only a monitor is left to notice."""
    from keywatch import emergency

    lines, reached = emergency.tell(app.config, problem, datetime.now(UTC), app.pretended())
    for line in lines:
        say(line)
    if not reached:
        problem.exit_code = Exit.BAD


def _run(app: App, dry_run: bool, quiet: bool, output: str) -> int:
    config = app.config
    if not dry_run and _idle(app):
        return _rest(app, app.now, quiet, output)
    from keywatch.check import check

    rehearsal, app.dry = app.rehearsal, dry_run
    clock = app.clock if rehearsal or app.pretended() else app.host_clock  # the run itself sees to a real one
    app.reader.close()
    report = check(config, app.store, clock, rehearsal=rehearsal, dry_run=dry_run, wait=_wait)
    if output == "json":
        show_json(_payload(app, report))
    elif dry_run:
        _print_dry(app, report)
    else:
        _print(app, report, quiet)
    return int(report.exit_code)


def _rest(app: App, now: datetime, quiet: bool, output: str) -> int:
    """An idle run: it notes that it was here, and answers as the last one did."""
    app.reader.mark_run(now, now)
    standing = int(app.reader.meta("standing", "0"))
    if output == "json":
        show_json(_idle_payload(app, standing))
    elif not quiet:
        say(f"nothing is due (exit {standing}: the standing result)" if standing else "nothing is due")
    return standing


def _idle(app: App) -> bool:
    now = app.now if app.pretended() else app.host_clock()  # a clock that went back is no rest
    digest_at, left = (instant_of(app.reader.meta(name) or None) for name in ("digest_at", "snapshot_at"))
    if digest_at is None or now >= digest_at or (left is not None and now - left >= SNAPSHOT):
        return False
    return app.reader.idle(now, app.config.digest_hash)


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
            _message(sent.message, sent.items)
            | {
                "code": sent.message.code if app.rehearsal else None,
                "message_id": sent.message.message_id,
                "verdict": sent.verdict.kind.value,
                "smtp": sent.verdict.code or None,
            }
            for sent in report.sent
        ]
        + [_message(one.message, one.items) | {"verdict": None} for one in report.foreseen],
        "uncovered": report.uncovered,
        "exit_code": int(report.exit_code),
    }


def _message(message: "Message", items: "Iterable[Item]") -> dict[str, Any]:
    notices = [{"credential": item.credential.name, "stage": item.stage, "rung": item.rung} for item in items]
    return {
        "route": message.route,
        "person": message.person or None,
        "kind": message.kind.value,
        "notices": notices,
    }


def _next(app: App, report: "Report") -> str:
    at = report.next_look
    return f"; the rules look again {at.astimezone(app.config.zone):%a %-d %b %H:%M}" if at else ""


def _print(app: App, report: "Report", quiet: bool) -> None:
    for line in report.news[:LONGEST]:
        say(line)
    if len(report.news) > LONGEST:
        say(f"and {len(report.news) - LONGEST} lines more; `keywatch status` has the whole")
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
        click.echo(f"nobody had to be told{_next(app, report)}")
    if report.exit_code is Exit.BAD:
        say(f"uncovered: {_some(report.uncovered)}: nobody who counts has accepted it; `keywatch why NAME`")


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _print_dry(app: App, report: "Report") -> None:
    for line in report.news[:LONGEST]:
        say(line)
    if len(report.news) > LONGEST:
        say(f"and {len(report.news) - LONGEST} lines more; `keywatch status` has the whole")
    for one in report.foreseen:
        who = one.message.person or "whoever reads it"
        for item in one.items:
            what = f"{item.credential.name} {item.stage}"
            click.echo(f"{what} → {who} by {one.route.name} (rung {item.rung}: {item.why})")
        if not one.items:
            click.echo(f"{one.message.kind} → {who} by {one.route.name}")
    people = {one.message.person for one in report.foreseen if one.message.person}
    pages = sum(one.route.page for one in report.foreseen)
    if not report.foreseen:
        click.echo(f"nobody would be told now{_next(app, report)}")
    click.echo(f"would send {len(report.foreseen)} messages to {len(people)} people, {pages} pages")

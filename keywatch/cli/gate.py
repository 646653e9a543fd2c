"""Fail a release that would ship a dying credential."""

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from keywatch import dates, gate, snapshot
from keywatch.cli.app import App, pass_app, say
from keywatch.errors import KeywatchError
from keywatch.model import Event
from keywatch.read import place_of

FORMS = {"text": gate.text, "json": gate.payload, "github": gate.annotations}


@click.command("gate")
@click.option("--env", default="production", show_default=True, help="No environment counts as production.")
@click.option("--within", default="14d", show_default=True, help="Block what expires within this time.")
@click.option("--owner", default="", help="Judge only what this owner has.")
@click.option("--service", default="", help="Judge only what this service uses.")
@click.option(
    "--in-hand",
    type=click.Choice(["warn", "block"]),
    default="block",
    show_default=True,
    help="Whether KW002 blocks where somebody has promised a date.",
)
@click.option("--except", "excepted", multiple=True, metavar="NAME", help="Let this one pass, in this run only.")
@click.option("--reason", default="", metavar="TEXT", help="Why; --except needs it.")
@click.option("--max-age", default="26h", show_default=True, help="Older data are never a yes.")
@click.option("--allow-empty", is_flag=True, help="Pass where no credential fits.")
@click.option("--from", "source", metavar="FILE|URL", help="Judge a snapshot: needs no store, config or secret.")
@click.option("-o", "--output", type=click.Choice(list(FORMS)), help="Default: github inside GitHub Actions.")
@pass_app
def command(
    app: App,
    env: str,
    within: str,
    owner: str,
    service: str,
    in_hand: str,
    excepted: tuple[str, ...],
    reason: str,
    max_age: str,
    allow_empty: bool,
    source: str | None,
    output: str | None,
) -> int:
    """Exit 1 if a credential has expired, will expire within the window, is late, unreadable or nobody's."""
    if excepted and not reason.strip():
        raise KeywatchError("--except needs --reason", 'say why it may pass: --reason "PAY-431 carries the new key"')
    span, age = dates.elapsed(within), dates.elapsed(max_age)
    question = gate.Question(env, span, owner, service, in_hand == "warn", excepted, age, allow_empty)
    if source:
        taken = snapshot.fetch(source)
        answer = gate.judge(gate.of_snapshot(taken), question, _now(app, taken))
    else:
        answer = gate.judge(gate.of_store(app.reader, app.config, app.now), question, app.now)
        if answer.excepted:
            _record(app, answer, reason)
    form = output or ("github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text")
    click.echo(FORMS[form](answer, reason))
    if answer.problems and form == "json":
        say("; ".join(answer.problems))
    return int(answer.exit_code)


def _now(app: App, taken: snapshot.Snapshot) -> datetime:
    """The time; another one only for the snapshot of a rehearsal, without asking any config or store."""
    text = app.now_flag or os.environ.get("KEYWATCH_NOW")
    if not text:
        return app.host_clock()
    if not taken.rehearsal:
        raise KeywatchError("--now works only with the snapshot of a rehearsal", "this one is of a real store")
    return dates.instant(text, ZoneInfo("UTC")) or app.host_clock()


def _record(app: App, answer: gate.Answer, reason: str) -> None:
    """Write down who let what pass, and why."""
    place = place_of(app.config.store)
    with app.store.write() as tx:
        for one in answer.excepted:
            key = f"{one.credential.source}:{one.credential.ref}"
            tx.add_event(Event(answer.at, "gate-except", key, app.login, reason, {"rule": str(one.rule)}))
    say(f"recorded in {place}: {app.login} let {len(answer.excepted)} finding(s) pass")

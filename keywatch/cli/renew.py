"""A new version of a credential is there, or a step towards it is done."""

from typing import TYPE_CHECKING

import click

from keywatch import dates
from keywatch.cli.answers import answer, speaker
from keywatch.cli.app import App, pass_app, say
from keywatch.cli.looks import zone_of

if TYPE_CHECKING:
    from keywatch.model import Credential
    from keywatch.register import Speaker


@click.command("renew")
@click.argument("name")
@click.option("--expires", metavar="DATE", help="When the new version expires.")
@click.option("--done", metavar="STEP", help="This step of its lead time is done; the new version is not there yet.")
@click.option("--issued", metavar="DATE", help="When it was issued; default: now.")
@click.option("--by", metavar="PERSON", help="Who renewed it; default: the login.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(
    app: App, name: str, expires: str | None, done: str | None, issued: str | None, by: str | None, output: str
) -> None:
    """Record that a credential was renewed: its reminders end, and those of the new version begin.

    For what people registered; a source shows its new versions itself. `edit --expires` corrects a wrong date.
    With --done a step of it is done, such as the approval: start by then counts only what is still to go.
    """
    if (expires is None) == (done is None):
        raise click.UsageError("give --expires DATE, or --done STEP" + (", not both" if done else ""))
    if done is not None and issued:
        raise click.UsageError("--issued is about a new version, and --done is not")
    old, who = app.credential(name), speaker(app, by)
    if done is not None:
        _step(app, old, done, who, output)
    else:
        assert expires is not None
        _renew(app, old, expires, issued, who, output)


def _renew(app: App, old: "Credential", expires: str, issued: str | None, who: "Speaker", output: str) -> None:
    from keywatch import register
    from keywatch.outlook import world

    now = app.now
    at = dates.instant(expires, app.config.zone)
    born = dates.instant(issued, app.config.zone) if issued else None
    with app.store.write(plan=True) as tx:
        seen = world(app.config, tx.read, now)
        known = tx.read.credentials_by_id([old.id], now)[old.id]
        row = register.renew(tx, app.config, seen, known, at, born, who, now)
    if at and known.expires_at and at <= known.expires_at:
        say(f"note: that is no later than before ({known.expires_at.astimezone(app.config.zone):%Y-%m-%d})")
    lines = [f"{field}: {before} → {after}" for field, before, after in register.changes(known, row, zone_of(app, row))]
    answer(app, row, now, output, "renewed", lines)


def _step(app: App, old: "Credential", step: str, who: "Speaker", output: str) -> None:
    from keywatch import register
    from keywatch.outlook import world

    now, step = app.now, step.strip()
    with app.store.write(plan=True) as tx:
        seen = world(app.config, tx.read, now)
        known = tx.read.credentials_by_id([old.id], now)[old.id]
        row, news = register.done(tx, app.config, seen, known, step, who, now)
    if not news:
        say(f"note: {step} was done already")
    lines = register.progress(row, seen)
    answer(app, row, now, output, "noted for", lines)

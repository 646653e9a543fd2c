"""A new version of a credential is there: give its date."""

import click

from keywatch import dates
from keywatch.cli.answers import answer, speaker
from keywatch.cli.app import App, pass_app, say
from keywatch.cli.looks import zone_of


@click.command("renew")
@click.argument("name")
@click.option("--expires", metavar="DATE", required=True, help="When the new version expires.")
@click.option("--issued", metavar="DATE", help="When it was issued; default: now.")
@click.option("--by", metavar="PERSON", help="Who renewed it; default: the login.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, name: str, expires: str, issued: str | None, by: str | None, output: str) -> None:
    """Record that a credential was renewed: its reminders end, and those of the new version begin.

    For what people registered; a source shows its new versions itself. `edit --expires` corrects a wrong date.
    """
    from keywatch import register
    from keywatch.outlook import world

    now, old = app.now, app.credential(name)
    at = dates.instant(expires, app.config.zone)
    born = dates.instant(issued, app.config.zone) if issued else None
    who = speaker(app, by)
    with app.store.write() as tx:
        seen = world(app.config, tx.read, now)
        known = tx.read.credentials_by_id([old.id], now)[old.id]
        row = register.renew(tx, app.config, seen, known, at, born, who, now)
    if at and known.expires_at and at <= known.expires_at:
        say(f"note: that is no later than before ({known.expires_at.astimezone(app.config.zone):%Y-%m-%d})")
    lines = [f"{field}: {before} → {after}" for field, before, after in register.changes(known, row, zone_of(app, row))]
    answer(app, row, now, output, "renewed", lines)

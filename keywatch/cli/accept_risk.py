"""Let it expire, until a date, in somebody's name."""

import click

from keywatch import dates
from keywatch.cli.answers import expiry, fields
from keywatch.cli.app import App, pass_app, show_json
from keywatch.report import shown


@click.command("accept-risk")
@click.argument("name")
@click.option("--until", metavar="DATE", required=True, help="When the reminders begin again.")
@click.option("--by", metavar="PERSON", required=True, help="In whose name.")
@click.option("--reason", metavar="TEXT", required=True, help="Why it may expire.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, name: str, until: str, by: str, reason: str, output: str) -> None:
    """Accept that a credential expires: nobody is told until that date, then its reminders go on where they were."""
    from keywatch import ending
    from keywatch.register import Speaker

    now, old = app.now, app.credential(name)
    end = dates.instant(until, app.config.zone)
    person = app.person(by)
    assert person is not None
    who = Speaker(person.key, app.login)
    with app.store.write(plan=True) as tx:
        known = tx.read.credentials_by_id([old.id], now)[old.id]
        row = ending.accept_risk(tx, known, end, reason, who, now)
    if output == "json":
        show_json({"credential": fields(row, now)})
        return
    assert end is not None
    line = expiry(end, app.config.zone).removeprefix("expires ").replace("last good day", "last quiet day")
    click.echo(f"{shown(row.name)}: {person.name} accepts the risk until {line}")
    click.echo("  nobody is told before; then its reminders go on where they were")

"""Correct what is known of a credential."""

import click

from keywatch.cli.answers import answer, label_options, said, speaker
from keywatch.cli.app import App, pass_app
from keywatch.cli.looks import zone_of
from keywatch.errors import KeywatchError


@click.command("edit")
@click.argument("name")
@click.option("--expires", metavar="DATE", help="The date was wrong: this is the right one.")
@click.option("--same-date", is_flag=True, help="It was renewed and really keeps its date.")
@click.option("--never", is_flag=True, help="It does not expire.")
@click.option("--issued", metavar="DATE", help="When it was issued.")
@click.option("--automatic/--by-hand", default=None, help="Whether a robot renews it.")
@label_options
@click.option("--by", metavar="PERSON", help="Who says so; default: the login.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(
    app: App,
    /,
    name: str,
    expires: str | None,
    same_date: bool,
    never: bool,
    issued: str | None,
    automatic: bool | None,
    by: str | None,
    output: str,
    **labels: str | None,
) -> None:
    """Correct a date or a label; `renew` is for a new version. A label "" goes back to what the source says.

    On a credential of a source, --expires replaces the date that somebody wrote there, for this version only.
    """
    from keywatch import register
    from keywatch.outlook import world

    now, old = app.now, app.credential(name)
    what = said(app, now, labels, expires=expires, never=never, issued=issued, automatic=automatic)
    if what == register.Said() and not same_date:
        raise KeywatchError("nothing was said that could be changed", "`keywatch edit --help` lists the options")
    who = speaker(app, by)
    with app.store.write(plan=True) as tx:
        seen = world(app.config, tx.read, now)
        known = tx.read.credentials_by_id([old.id], now)[old.id]
        row = register.edit(tx, app.config, seen, known, what, who, now, same_date=same_date)
    lines = [f"{field}: {before} → {after}" for field, before, after in register.changes(known, row, zone_of(app, row))]
    answer(app, row, now, output, "edited", lines or ["nothing changed by that"])

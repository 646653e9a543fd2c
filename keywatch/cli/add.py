"""Register one credential in ten seconds."""

import click

from keywatch.cli.answers import answer, label_options, said, speaker
from keywatch.cli.app import App, pass_app


@click.command("add")
@click.argument("name")
@click.option("--expires", metavar="DATE", help="2026-12-19 is the start of that day; or an instant with its offset.")
@click.option("--never", is_flag=True, help="It does not expire.")
@click.option("--issued", metavar="DATE", help="When it was issued, where that is known.")
@click.option("--automatic", is_flag=True, help="A robot renews it: silent until that is overdue.")
@label_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(
    app: App,
    /,
    name: str,
    expires: str | None,
    never: bool,
    issued: str | None,
    automatic: bool,
    output: str,
    **labels: str | None,
) -> None:
    """Register a credential: what expires when, how long a renewal takes, and whose it is.

    Answers how it read the date, by when the renewal must start, and who gets the first message.
    """
    from keywatch import labels as reading
    from keywatch import register
    from keywatch.outlook import world

    now = app.now
    title = reading.name(name)
    what = said(app, now, labels, expires=expires, never=never, issued=issued, automatic=automatic)
    who = speaker(app, None)
    with app.store.write(plan=True) as tx:
        row = register.add(tx, app.config, world(app.config, tx.read, now), title, what, who, now)
    answer(app, row, now, output, "added")

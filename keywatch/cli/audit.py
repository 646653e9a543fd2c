"""The history of one credential as the draft of an incident report."""

import click

from keywatch import audit, dates, history, outlook
from keywatch.cli.app import App, pass_app, show_json
from keywatch.cli.completion import names
from keywatch.errors import KeywatchError


@click.command("audit")
@click.argument("name", shell_complete=names)
@click.option("--since", metavar="DATE", help="Begin the timeline here; the head tells the whole story all the same.")
@click.option("-o", "--output", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, name: str, since: str | None, output: str) -> int:
    """Who was told what, when, by which route, which routes were dead or unproven then, promises, and how it ended.

    `-o md` is a document to go on writing. Times are those of the owner's zone; in JSON they are UTC.
    """
    row, now = app.credential(name), app.now
    world = outlook.world(app.config, app.reader, now)
    zone = world.owner_of(row).calendar.zone
    start = dates.instant(since, zone) if since else None
    if since and start is None:
        raise KeywatchError(f"'{since}' is no day to begin with", dates.ACCEPTED)
    found = history.read(row, app.reader, world, now)
    if output == "json":
        show_json(audit.payload(found, start))
    elif output == "md":
        click.echo(audit.document(found, start))
    else:
        click.echo(audit.text(found, start))
    return 0

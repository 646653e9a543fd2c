"""What was said about a credential, to whom, and what comes next."""

import click

from keywatch import outlook, why
from keywatch.cli.app import App, pass_app, show_json
from keywatch.cli.completion import names


@click.command("why")
@click.argument("name", shell_complete=names)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, name: str, output: str) -> int:
    """Each call with its stage, when it was said, to whom and what became of it; the promises; what comes next."""
    row, now = app.credential(name), app.now
    found = why.answer(row, app.config, app.reader, outlook.world(app.config, app.reader, now), now)
    if output == "json":
        show_json(why.payload(found))
    else:
        click.echo(why.text(found))
    return 0

"""Whether keywatch itself is alive and well."""

import click

from keywatch import dates, report
from keywatch.cli.app import App, pass_app, show_json
from keywatch.errors import KeywatchError


@click.command("status")
@click.option("--max-age", default="26h", show_default=True, help="How long ago the last run may be.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "nagios"]), default="text", show_default=True)
@pass_app
def command(app: App, max_age: str, output: str) -> int:
    """The last run and what it left: who was not reached, what waits, which sources and rosters are in trouble.

    Exit 1: a call reached nobody who counts. 3: the last run is too old, or something could not be read. With
    `-o nagios`: 0 ok, 1 a source or roster in trouble, 2 nobody reached or no run, 3 unknown.
    """
    age = dates.elapsed(max_age)
    try:
        from keywatch import standing

        found = standing.of(app.config, app.reader, app.now, age)
    except KeywatchError as problem:
        if output != "nagios":
            raise
        click.echo(f"KEYWATCH UNKNOWN - {report.shown(problem.what).replace('|', '¦')}")
        return 3
    if output == "nagios":
        click.echo(standing.nagios(found))
        return found.nagios
    if output == "json":
        show_json(standing.payload(found))
    else:
        click.echo(standing.text(found))
    return int(found.exit_code)

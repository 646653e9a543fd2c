"""In an outage: did a credential of this service die?"""

import click

from keywatch import dates, suspects
from keywatch.cli.app import App, pass_app, show_json
from keywatch.read import instant_of


@click.command("suspects")
@click.option("--service", default="", metavar="SERVICE", help="Default: every service.")
@click.option("--since", default="2h", show_default=True, help="How long ago the trouble may have begun.")
@click.option("--max-age", default="26h", show_default=True, help="Older data are never an all-clear.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, service: str, since: str, max_age: str, output: str) -> int:
    """What expired, changed, or expires within 48 h, with whom to ask; otherwise a plain no.

    Exit 0: nothing. 1: there are suspects. 3: the service is unknown or the data are stale, so a no is no all-clear.
    """
    from keywatch import outlook

    now = app.now
    found = suspects.answer(
        app.reader.credentials(now, include_retired=True),
        now,
        service=service.strip(),
        since=dates.elapsed(since),
        max_age=dates.elapsed(max_age),
        last_run=instant_of(app.reader.meta("last_run") or None),
    )
    world = outlook.world(app.config, app.reader, now)
    if output == "json":
        show_json(suspects.payload(found, world, app.config.zone))
    else:
        click.echo(suspects.text(found, world, app.config.zone))
    return int(found.exit_code)

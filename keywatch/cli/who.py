"""Who would be told for an owner, by which route, and why."""

from dataclasses import replace
from datetime import datetime

import click

from keywatch import dates, outlook, routes, who
from keywatch.cli.app import App, pass_app, show_json
from keywatch.cli.completion import owners
from keywatch.errors import KeywatchError
from keywatch.model import Owner, Trust, World


@click.command("who")
@click.argument("owner", shell_complete=owners)
@click.option("--at", metavar="INSTANT", help="Then instead of now: 2026-12-24, 2026-12-24T22:00:00Z.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, owner: str, at: str | None, output: str) -> int:
    """Rung by rung: the people, their routes, how alive each is, and the row of evidence that says so.

    At another instant the roster answers for that instant; routes are judged by what is known now.
    """
    config = app.config
    if owner not in config.owners:
        raise KeywatchError(f"no owner is called '{owner}'", f"there are: {', '.join(config.owners)}")
    team = config.owners[owner]
    now = app.now
    moment = dates.instant(at, team.calendar.zone) if at else now
    if moment is None:
        raise KeywatchError(f"'{at}' is no instant", dates.ACCEPTED)
    world = _world(app, team, moment, now)
    found = who.answer(team, world, moment, now, routes.away(config, app.reader, world, now))
    if output == "json":
        show_json(who.payload(found))
    else:
        click.echo(who.text(found, world))
    return 0


def _world(app: App, owner: Owner, at: datetime, now: datetime) -> World:
    """As the runs left it; a roster that was not rendered for that instant is asked now."""
    config = app.config
    world = outlook.world(config, app.reader, now)
    known = world.on_call.get(owner.roster)
    if not owner.roster or (known and at == now and known.trust is not Trust.UNKNOWN):
        return world
    from keywatch.oncall import world_at  # brings the store with it

    return replace(world_at(config, world, owner, at, now), unheard=world.unheard)

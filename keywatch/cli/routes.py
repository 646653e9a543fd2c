"""Every route: whether a living human reads it, which row says so, and what depends on it."""

import difflib
from collections.abc import Sequence

import click

from keywatch import outlook, report, routes
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.cli.completion import routes as completed
from keywatch.cli.looks import show_table
from keywatch.errors import KeywatchError
from keywatch.model import HealthState, World


@click.command("routes")
@click.argument("name", required=False, shell_complete=completed)
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@pass_app
def command(app: App, name: str | None, output: str) -> int:
    """All routes, worst first; with NAME one of them, with its whole history and every credential that hangs on it.

    Each verdict is explained by one row of evidence. Only what a person did proves a route: a mail server that
    accepted a message does not. `keywatch doctor` judges; this exits 0.
    """
    now, config = app.now, app.config
    world = outlook.world(config, app.reader, now)
    found = routes.read(config, app.reader, world, now)
    if name is not None:
        found = [_one(found, name)]
    if output == "json":
        rows = [routes.entry(one) for one in found]
        if name is not None:
            rows[0]["history"] = [
                {**(routes.evidence(row) or {}), "present_address": address == found[0].address}
                for address, row in found[0].past
            ]
        show_json({"routes": rows, "unheard": world.unheard})
    elif output == "csv":
        click.echo(report.as_csv(routes.CSV, [routes.plain_row(one) for one in found]))
    elif name is not None:
        click.echo(routes.text(found[0], world, config.zone, now))
    else:
        show_table(app, routes.HEAD, [routes.row(one, world, config.zone) for one in found])
        say(_next_step(found, world))
    return 0


def _one(found: Sequence[routes.Facts], name: str) -> routes.Facts:
    by_name = {one.route.name: one for one in found}
    if name in by_name:
        return by_name[name]
    theirs = [one.route.name for one in found if name.casefold() in (one.route.person.casefold(), one.route.mail)]
    if len(theirs) == 1:
        return by_name[theirs[0]]
    near = theirs or difflib.get_close_matches(name, by_name, 3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(sorted(by_name))}"
    raise KeywatchError(f"no route is called '{name}'", hint)


def _next_step(found: Sequence[routes.Facts], world: World) -> str:
    """One sentence below the table: what to do about the worst of them."""
    if world.unheard:
        return f"the inbox has not been read for a day ({world.unheard}): mail routes count as unproven"
    sick = [one for one in found if one.health.state is HealthState.DEAD or one.health.partial]
    count = f"{len(found)} route{'s' * (len(found) != 1)}"
    if sick:
        dead = f"{len(sick)} {'is' if len(sick) == 1 else 'are'} dead or partly so"
        return f"{count}, {dead}; first: `keywatch routes {sick[0].route.name}`"
    unproven = [one.route.name for one in found if one.health.state is HealthState.UNPROVEN]
    if unproven:
        return f"{count}, {len(unproven)} unproven; `keywatch test {unproven[0]}` sends a code that proves it"
    return count

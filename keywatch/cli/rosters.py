"""Every roster: who is on call now and next, where nobody is, and who of it cannot be reached."""

import difflib
from collections.abc import Sequence

import click

from keywatch import duties, outlook, report
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.cli.completion import rosters as completed
from keywatch.cli.looks import show_table
from keywatch.errors import KeywatchError


@click.command("rosters")
@click.argument("reference", required=False, shell_complete=completed)
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@pass_app
def command(app: App, reference: str | None, output: str) -> int:
    """All rosters that owners use, those with trouble first; with REFERENCE (NAME or NAME:TARGET) one of them.

    It shows what `keywatch check` knows, and asks nobody: live is what the roster answered last, planned what it had
    answered before it fell silent, unknown is neither. Hand-overs are in the owner's time zone.
    """
    now, config = app.now, app.config
    found = duties.read(config, outlook.world(config, app.reader, now), now)
    if reference is not None:
        found = [_one(found, reference)]
    if output == "json":
        show_json({"rosters": [duties.entry(one) for one in found]})
    elif output == "csv":
        click.echo(report.as_csv(duties.CSV, [duties.plain_row(one) for one in found]))
    elif reference is not None:
        click.echo(duties.text(found[0], now))
    elif not found:
        say("no owner uses a roster: the people of each owner are always on duty; `keywatch who OWNER` shows them")
    else:
        show_table(app, duties.HEAD, [duties.row(one, now) for one in found])
        wrong = [one.reference for one in found if one.wrong or one.gaps]
        say(f"look at {wrong[0]}: `keywatch rosters {wrong[0]}`" if wrong else "somebody is on call by each of them")
    return 0


def _one(found: Sequence[duties.Facts], reference: str) -> duties.Facts:
    by_name = {one.reference: one for one in found}
    if reference in by_name:
        return by_name[reference]
    near = difflib.get_close_matches(reference, by_name, 3)
    hint = f"did you mean {', '.join(near)}?" if near else f"owners use: {', '.join(by_name) or 'none'}"
    raise KeywatchError(f"no owner uses a roster '{reference}'", hint)

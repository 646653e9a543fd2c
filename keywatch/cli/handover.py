"""Give what somebody has in hand to somebody else."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from keywatch.cli.answers import day, speaker
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.cli.completion import names as known_names
from keywatch.report import shown

if TYPE_CHECKING:
    from keywatch.handing import Handed


@click.command("handover")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=known_names)
@click.option("--from", "giver", metavar="PERSON", help="Who has it in hand; without a NAME everything they hold.")
@click.option("--to", metavar="PERSON", required=True, help="Who takes it over; they are told at once.")
@click.option("--by", metavar="PERSON", help="Who decides it; default: the login.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, names: tuple[str, ...], giver: str | None, to: str, by: str | None, output: str) -> None:
    """Give a promise to somebody else: the same kind, until the same day, in their name.

    They must have a living route and are told with the next `check`, and so is who had it. It proves no route.
    """
    from keywatch import handing
    from keywatch.outlook import world

    if not names and not giver:
        raise click.UsageError("name credentials, or --from PERSON for all that they hold")
    now, receiver, holder, who = app.now, app.person(to), app.person(giver), speaker(app, by)
    assert receiver is not None
    rows = [app.credential(name) for name in names]
    with app.store.write(plan=True) as tx:
        seen = world(app.config, tx.read, now)
        handed = handing.hand_over(tx, app.config, seen, rows, holder, receiver, who, now)
    _print(handed, now, output)


def _print(handed: "list[Handed]", now: datetime, output: str) -> None:
    if output == "json":
        show_json({"handed": [_fields(one) for one in handed]})
        return
    for one in handed:
        what = "has begun, done by" if one.kind.value == "begun" else "begins by"
        click.echo(shown(f"{one.credential.name}: in hand, {one.person.name} {what} {day(one.day, now)}"))
        click.echo(f"  until now {shown(one.giver)} had it")
        if one.shortened:
            click.echo(f"  {day(one.day, now)} is the last day that it allows now")
    say(f"{shown(handed[0].person.name)} is told with the next `keywatch check`; this proves no route")


def _fields(one: "Handed") -> dict[str, Any]:
    return {
        "credential": one.credential.name,
        "from": one.giver,
        "person": one.person.key,
        "kind": one.kind.value,
        "day": one.day.isoformat(),
        "until": one.until,
        "shortened": one.shortened,
    }

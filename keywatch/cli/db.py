"""Look after the store itself."""

import click

from keywatch.cli.app import App, pass_app, show_json
from keywatch.errors import Exit, KeywatchError
from keywatch.read import open_reader, place_of, text_of


@click.group("db")
def command() -> None:
    """Look after the store itself; `init` makes one."""


@command.command("upgrade")
@pass_app
def upgrade(app: App) -> None:
    """Bring the store to the form this keywatch writes. A copy of an SQLite store is kept beside it."""
    from keywatch import schema

    copy = schema.upgrade(app.config.store)
    click.echo(f"{place_of(app.config.store)} is at {schema.current(app.config.store)}")
    if copy:
        click.echo(f"  the store as it was: {copy}")


@command.command("clock")
@pass_app
def clock(app: App) -> None:
    """Take the present time for right, after a clock that was wrong: the next run decides by it.

    What was said, asked and promised at times that have not come is taken back, and said again when it is due.
    """
    if app.rehearsal:
        raise KeywatchError("a rehearsal's clock is the one it is given", "--now INSTANT")
    with app.store.write(plan=True) as tx:
        now = tx.read.shared_clock(app.host_clock())
        tx.believe(now)
        tx.set_meta("high_water", text_of(now))
        if tx.read.meta("last_run") > text_of(now):
            tx.set_meta("last_run", text_of(now))
        tx.set_meta("clock_ahead", "")
    click.echo(f"it is {now:%Y-%m-%d %H:%M} UTC; the next run decides by that")


@command.command("status")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def status(app: App, output: str) -> int:
    """Say which form the store has; exit 3 where this keywatch cannot use it as it is."""
    from keywatch import schema

    found, head, place = schema.current(app.config.store), schema.head(), place_of(app.config.store)
    current = found == head
    rehearsal = app.rehearsal if current else None
    if output == "json":
        show_json({"place": place, "revision": found, "newest": head, "current": current, "rehearsal": rehearsal})
    else:
        click.echo(f"{place}{', a rehearsal' if rehearsal else ''}")
        click.echo(f"  at {found or 'nothing'}" + ("" if current else f"; this keywatch writes {head}"))
    if not current:
        open_reader(app.config.store).close()  # raises, and says which of the two is the newer one
    return Exit.WELL

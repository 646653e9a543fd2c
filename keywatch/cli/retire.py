"""It is not used any more: its reminders end."""

import click

from keywatch.cli.answers import speaker
from keywatch.cli.app import App, pass_app
from keywatch.errors import Exit, KeywatchError
from keywatch.model import Credential
from keywatch.report import shown


@click.command("retire")
@click.argument("name", required=False)
@click.option("--source", metavar="SOURCE", help="Everything of a source that is no longer configured.")
@click.option("--missing", is_flag=True, help="With --source: everything it does not list any more.")
@click.option("--reason", metavar="TEXT", default="", help="Why, for the timeline.")
@click.option("--by", metavar="PERSON", help="Who says so; default: the login.")
@pass_app
def command(app: App, name: str | None, source: str | None, missing: bool, reason: str, by: str | None) -> int:
    """End the reminders of a credential that is not used any more.

    `--missing --source NAME` asks the source again, and retires what it does not show: also where so much
    disappeared at once that `check` did not believe it.
    """
    if (name is None) == (source is None) or (missing and source is None):
        raise click.UsageError("say either NAME, --source SOURCE or --missing --source SOURCE")
    now, who = app.now, speaker(app, by)
    if missing:
        return _missing(app, str(source), reason, by)
    from keywatch import ending

    meant = app.credential(str(name)).id if name else 0
    with app.store.write(plan=True) as tx:
        if source:
            rows = ending.of_source(tx.read, app.config, source, now)
        else:
            rows = [tx.read.credentials_by_id([meant], now)[meant]]
        for row in rows:
            if not row.retired_at:
                ending.retire(tx, row, reason, who, now)
    return _print(rows)


def _missing(app: App, name: str, reason: str, by: str | None) -> int:
    from dataclasses import replace

    from keywatch import collect, ending

    source = next((one for one in app.config.sources if one.name == name), None)
    if source is None:
        known = ", ".join(one.name for one in app.config.sources) or "none"
        raise KeywatchError(
            f"no source '{name}' is configured", f"there are: {known}; without --missing it may be gone"
        )
    now, who = app.now, speaker(app, by)
    seen = collect.scan(app.config, source, now)
    with app.store.write(plan=True) as tx:
        rows = ending.lost(tx.read, name, seen.listing, now)
        for row in rows:
            ending.retire(tx, row, reason or f"{name} does not list it any more", who, now)
        if rows and (feed := tx.read.feed(collect.SOURCE, name)):
            tx.put_feed(replace(feed, next_at=now))  # what was held is listed again by the next check
    if seen.gaps:
        raise KeywatchError(
            f"{name} could not be listed to the end: {seen.gaps[0].reason}",
            f"{len(rows)} were retired; try again when it answers",
            Exit.UNKNOWN,
        )
    return _print(rows)


def _print(rows: list[Credential]) -> int:
    for row in rows:
        already = f" (was already, on {row.retired_at:%Y-%m-%d} by {row.retired_by})" if row.retired_at else ""
        click.echo(f"retired {shown(row.name)}{already}")
    if not rows:
        click.echo("nothing is missing")
    return Exit.WELL

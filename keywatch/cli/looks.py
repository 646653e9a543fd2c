"""What the reading commands share: the zone a credential is shown in, and how a table gets to the screen."""

import shutil
from zoneinfo import ZoneInfo

import click

from keywatch import report
from keywatch.cli.app import App
from keywatch.model import Credential


def zone_of(app: App, credential: Credential) -> ZoneInfo:
    """The zone of its owner; without a known owner, that of `[keywatch] owner`."""
    owners = app.config.owners
    return owners.get(credential.owner, owners[app.config.keeper]).calendar.zone


def show_table(app: App, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Folded to the width of a terminal; in a pipe every line is whole and plain."""
    width = shutil.get_terminal_size().columns if app.terminal else None
    colour = app.coloured if app.coloured is not None else app.terminal
    click.echo(report.table(head, rows, width, colour), color=colour)

"""The providers, rosters and notifiers that are installed."""

from typing import Any

import click

from keywatch import plugins, report
from keywatch.errors import KeywatchError


@click.command("plugins")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(output: str) -> int:
    """Every plugin with the package it comes from and the keys its config table takes."""
    found = [_record(group, name) for group in plugins.GROUPS for name in plugins.installed(group)]
    if output == "json":
        click.echo(report.as_json({"plugins": found}))
    else:
        rows = [(one["kind"], one["name"], one["package"], one["problem"] or ", ".join(one["keys"])) for one in found]
        click.echo(report.table(("KIND", "NAME", "PACKAGE", "KEYS"), rows))
    return 1 if any(one["problem"] for one in found) else 0


def _record(group: str, name: str) -> dict[str, Any]:
    entry = plugins.installed(group)[name]
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
    record = {"kind": group[:-1], "name": name, "package": package, "module": entry.value}
    try:
        keys = list(getattr(plugins.load(group, name).Settings, "__dataclass_fields__", {}))
    except KeywatchError as problem:
        return {**record, "keys": [], "problem": f"{problem.what}; {problem.hint}"}
    return {**record, "keys": [key.rstrip("_") for key in keys], "problem": ""}

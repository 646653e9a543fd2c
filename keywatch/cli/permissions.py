"""The least rights that the configured sources need, ready to be given to them."""

import click

from keywatch.cli.app import App, pass_app
from keywatch.errors import KeywatchError


@click.command("permissions")
@click.argument("source", required=False)
@pass_app
def command(app: App, source: str | None) -> int:
    """Print the policy of each source (of SOURCE): enough to list metadata, and nothing that reads a value."""
    from keywatch import plugins
    from keywatch.config import build

    chosen = [one for one in app.config.sources if source in (None, one.name)]
    if source and not chosen:
        known = ", ".join(one.name for one in app.config.sources) or "none"
        raise KeywatchError(f"no source is called '{source}'", f"there are: {known}")
    for one in chosen:
        kind = plugins.load("providers", one.kind)
        settings = build(kind.Settings, one.settings, f"source.{one.name}", str(app.config.path))
        needs = getattr(kind(settings), "permissions", None)
        click.echo(f"# {one.name} ({one.kind})\n{needs() if needs else 'nothing to grant'}\n")
    return 0

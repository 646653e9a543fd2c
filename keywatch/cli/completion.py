"""Shell completion. `eval "$(keywatch completion bash)"` in a shell's start file switches it on."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

if TYPE_CHECKING:
    from keywatch.config import Config

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the completion script of a shell: eval "$(keywatch completion bash)"."""
    from keywatch.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(group, {}, "keywatch", "_KEYWATCH_COMPLETE").source())
    return 0


def names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of credentials, for `shell_complete=` of an argument. Reads only; any trouble completes nothing."""
    from keywatch.cli.app import App

    try:
        app = App(ctx.find_root().params.get("config_path"))
        try:
            found = {one.name for one in app.reader.credentials(app.now)}
        finally:
            app.close()
    except Exception:  # noqa: BLE001  # a traceback in the middle of a command line helps nobody
        return []
    return sorted(name for name in found if name.startswith(incomplete) and name.isprintable())


def owners(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of owners, likewise."""
    return _of_config(ctx, incomplete, lambda config: config.owners)


def routes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of the routes of the config, likewise."""
    return _of_config(ctx, incomplete, lambda config: config.routes)


def rosters(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The references of owners to rosters, likewise."""
    return _of_config(ctx, incomplete, lambda config: {owner.roster for owner in config.owners.values()})


def _of_config(ctx: click.Context, incomplete: str, pick: "Callable[[Config], Iterable[str]]") -> list[str]:
    from keywatch.cli.app import App

    try:
        known = pick(App(ctx.find_root().params.get("config_path")).config)
    except Exception:  # noqa: BLE001  # the same
        return []
    return sorted(name for name in known if name and name.startswith(incomplete))

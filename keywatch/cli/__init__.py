"""The command line: parses and prints. The only place that asks the clock and picks the exit code.

Each command is one file of this package, imported only when it is called: `keywatch --help` needs click alone.
"""

import os
import sys
import time
from importlib import import_module

import click

from keywatch import __version__
from keywatch.errors import Exit, KeywatchError

COMMANDS = {
    "init": "Make keywatch.toml and an empty store in this folder.",
    "demo": "Play the incident with the real program, in seconds.",
    "doctor": "Say what would keep keywatch from doing its work.",
    "test": "Send a test message to a route; its code proves that somebody reads it.",
    "add": "Register a credential.",
    "edit": "Correct what is known of a credential.",
    "renew": "A new version is there, or a step towards it is done.",
    "show": "Everything known of one credential.",
    "list": "All credentials, worst first.",
    "import": "Register many credentials from a CSV or TOML file.",
    "check": "Collect, decide, tell. This is what the timer runs.",
    "inbox": "Read the bounces and answers that came by mail.",
    "ack": "Take what a message says, until a date.",
    "handover": "Give what somebody has in hand to somebody else.",
    "retire": "It is not used any more: its reminders end.",
    "accept-risk": "Let it expire, until a date, in somebody's name.",
    "gate": "Fail a release that would ship a dying credential.",
    "suspects": "In an outage: did a credential of this service die?",
    "digest": "Preview or send the weekly digest.",
    "status": "Whether keywatch itself is alive and well.",
    "who": "Who would be told for an owner, by which route, and why.",
    "why": "What was said about a credential, to whom, and what comes next.",
    "routes": "Every route: does a living human read it, and what hangs on it.",
    "rosters": "Who is on call now and next, and where nobody is.",
    "audit": "The history of a credential, as the draft of an incident report.",
    "db": "Make or upgrade the store.",
    "permissions": "The least rights that the configured sources need.",
    "plugins": "The providers, rosters and notifiers that are installed.",
    "completion": "Shell completion for bash, zsh and fish.",
}
"""Every command with its one line; the module is the name with `-` as `_`, with `_` behind a Python word."""

_EXITS = """\b
Exit codes, the same everywhere:
  0  well
  1  the answer is bad (a due notice reached nobody who counts; gate: blocked; doctor: problems; suspects: some)
  2  usage or configuration
  3  could not find out (source, roster or store down, or data too old)"""


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"keywatch.cli.{name}_" if name == "import" else f"keywatch.cli.{name}")
        command: click.Command = module.command
        return _everywhere(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(
                f"there is no command '{args[0]}'" + (f": did you mean '{near[0]}'?" if near else ""), ctx
            )
        name, command, rest = super().resolve_command(ctx, args)
        return (command.name if command else name), command, rest


def _everywhere(command: click.Command) -> click.Command:
    """The command with the options of the group, so that they may also stand behind its name."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _everywhere(below)
    known = {option for parameter in command.params for option in parameter.opts}
    for name, takes in (("config", None), ("now", None), ("color", click.Choice(["auto", "always", "never"]))):
        if f"--{name}" not in known:
            option = click.Option([f"--{name}"], type=takes, expose_value=False, hidden=True, callback=_said_here)
            command.params.append(option)
    return command


def _said_here(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    """What stands behind the command outranks what stands before it."""
    if value is None:
        return
    flag = {"config": "config_flag", "now": "now_flag", "color": "color"}[str(option.name)]
    setattr(ctx.obj, flag, value)
    ctx.color = ctx.obj.coloured


@click.group(cls=LazyGroup, epilog=_EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", metavar="FILE", help="keywatch.toml to use (KEYWATCH_CONFIG).")
@click.option("--now", metavar="INSTANT", help="Pretend that it is then; only on a rehearsal store (KEYWATCH_NOW).")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.version_option(__version__, prog_name="keywatch")
@click.pass_context
def group(ctx: click.Context, config_path: str | None, now: str | None, color: str) -> None:
    """keywatch knows when credentials expire, and sees to it that a living person hears of it in time to renew them.

    These options may stand behind the command too.
    """
    from keywatch.cli.app import App

    if os.environ.get("KEYWATCH_TRACE"):
        sys.addaudithook(_trace)
    ctx.obj = App(config_path, now, color)
    ctx.color = ctx.obj.coloured
    ctx.call_on_close(ctx.obj.close)


def _trace(event: str, values: tuple[object, ...]) -> None:
    """One line on stderr for each step keywatch takes; SQL is cut short."""
    if event.startswith("keywatch."):
        said = " ".join(" ".join(str(value).split())[:80] for value in values)
        sys.stderr.write(f"{time.monotonic():.3f} {event.removeprefix('keywatch.')} {said}\n")


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code; a person's mistake is two lines, never a traceback."""
    try:
        code = group.main(args, prog_name="keywatch", standalone_mode=False)
    except KeywatchError as problem:
        sys.exit(fail(problem))
    except click.exceptions.NoArgsIsHelpError as problem:
        click.echo(problem.format_message(), err=True)
        sys.exit(Exit.USAGE)
    except click.UsageError as problem:
        sys.exit(fail(KeywatchError(problem.format_message(), _usage_hint(problem))))
    except click.ClickException as problem:
        sys.exit(fail(KeywatchError(problem.format_message())))
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing that was committed is lost", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.WELL)
    sys.exit(code if isinstance(code, int) else Exit.WELL)


def _usage_hint(problem: click.UsageError) -> str:
    return f"`{problem.ctx.command_path} --help` shows what it takes" if problem.ctx else "`keywatch --help`"


def fail(problem: KeywatchError) -> int:
    """Print an error as people read it: what happened, what to do."""
    click.echo(f"Error: {problem.what}", err=True)
    if problem.hint:
        click.echo(f"  hint: {problem.hint}", err=True)
    return int(problem.exit_code)

"""Make keywatch.toml and an empty store in this folder."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from keywatch import starter
from keywatch.cli.app import App, pass_app
from keywatch.errors import Exit, KeywatchError


@click.command("init")
@click.option("--rehearsal", is_flag=True, help="A store to play with: only such a one accepts --now.")
@click.option("--no-input", is_flag=True, help="Ask nothing; also where there is no terminal.")
@pass_app
def command(app: App, rehearsal: bool, no_input: bool) -> None:
    """Make keywatch.toml and an empty store in this folder. Where keywatch.toml is there already: just its store.

    Nothing that exists is overwritten.
    """
    now = app.pretended()
    if now and not rehearsal:
        raise KeywatchError("--now works only on a rehearsal store, and this one would be real", "add --rehearsal")
    named = app.config_flag or os.environ.get("KEYWATCH_CONFIG")
    path = Path.cwd() / (named or "keywatch.toml")
    fresh = not path.exists()
    if fresh:
        _write(path, starter.text(app.login, _ask(app.login, quiet=no_input or not sys.stdin.isatty())))
    try:
        _store(path, rehearsal, now or datetime.now(UTC), fresh)
    except BaseException:
        if fresh:
            path.unlink()
        raise
    if fresh:
        click.echo(f"wrote {path}: look through it, it names you and your mail server")
    person = starter.person_key(app.login)
    click.echo("next:")
    click.echo(f"  keywatch test {person}" if fresh else "  keywatch doctor")
    click.echo(
        f"  keywatch add paygate-api --expires {(now or datetime.now(UTC)).year + 1}-06-30 --lead 21bd"
        + (" --owner me --env production" if fresh else " --owner OWNER --env production")
    )


def _write(path: Path, text: str) -> None:
    try:
        starter.write(path, text)
    except OSError as problem:
        raise KeywatchError(f"cannot write {path}: {problem.strerror}", "choose a folder you may write") from None


def _store(path: Path, rehearsal: bool, now: datetime, fresh: bool) -> None:
    from keywatch import schema
    from keywatch.config import load
    from keywatch.read import place_of

    config = load(path, os.environ)
    if not fresh and Path(place_of(config.store)).exists():
        raise KeywatchError(
            f"{path.name} and its store {place_of(config.store)} are there already",
            "nothing was done; `keywatch db upgrade` brings a store up to date",
            Exit.USAGE,
        )
    schema.create(config.store, rehearsal=rehearsal, now=now)
    click.echo(f"made {place_of(config.store)}{', a rehearsal' if rehearsal else ''}")


def _ask(login: str, *, quiet: bool) -> starter.Answers:
    """Four questions, or what can be guessed without them."""
    given = starter.Answers(login, f"{starter.person_key(login)}@localhost")
    if quiet:
        return given
    return starter.Answers(
        click.prompt("Your name", default=given.name),
        click.prompt("Your mail address", default=given.mail),
        click.prompt("Time zone", default=starter.local_zone(dict(os.environ))),
        click.prompt("Mail server", default=given.smtp),
    )

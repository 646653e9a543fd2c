"""`docs/commands.md` holds the `--help` of every command, word for word. `make docs` writes it anew."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from keywatch.cli import COMMANDS, group

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
INTRO = """\
# Commands

What `keywatch --help` and `keywatch COMMAND --help` say. Written by `make docs` and compared by `tests/test_help.py`,
so change the command, not this page. The exit codes at the end of the first help are those of every command.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """The group, each command, and what stands below a command that is a group itself."""
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.list_commands(click.Context(command)))


def help_of(words: tuple[str, ...]) -> str:
    """What `keywatch WORDS --help` prints on a terminal of 80 columns."""
    said = CliRunner().invoke(group, [*words, "--help"], prog_name="keywatch").output if words else _as_typed("--help")
    return "\n".join(line.rstrip() for line in said.rstrip().splitlines())


def _as_typed(*args: str) -> str:
    """One command in a process of its own, where no other command was imported before."""
    argv = [sys.executable, "-m", "keywatch", *args]
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "80"}).stdout


def page() -> str:
    """The whole page as it should stand there."""
    parts = [INTRO]
    for words in commands():
        title = " ".join(["keywatch", *words])
        parts.append(f"## {title}\n\n```text\n{help_of(words)}\n```\n")
    return "\n".join(parts)


def test_the_page_says_what_the_commands_say() -> None:
    """A help text that changes is a page that changes: both are reviewed together."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize("words", list(commands()), ids=lambda words: " ".join(words) or "keywatch")
def test_every_option_says_what_it_does(words: tuple[str, ...]) -> None:
    """An option is explained, by a sentence or by its choices: else people have to read the source."""
    command: click.Command = group
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    plain = {"--owner", "--service"}
    silent = [o.opts[0] for o in options if not (o.help or isinstance(o.type, click.Choice) or plain & set(o.opts))]
    assert silent == []
    assert command.help, "a command says what it is for"

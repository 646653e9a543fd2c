"""What README and docs/ show is what keywatch does: its consoles are played, its files loaded, its words looked up.

A ```console block is played: every line behind `$` runs, in one folder from the first block to the last, and what
stands below it is compared. A ```sh block needs rights or programs that a test has not: its syntax is checked, and
that every command, option and file in it exists. `make docs` writes the compared answers anew.
"""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click
import pytest

from keywatch import plugins
from keywatch.cli import group, main
from keywatch.cli.demo import CONFIG
from keywatch.config import load
from keywatch_aws import AwsProvider
from keywatch_vault import VaultProvider
from tests.servers.smtp import SmtpServer
from tests.story.story import telling

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOME = "/home/ana/keywatch"
"""The folder that the README plays in, as it is shown."""
CODE = "7KQF2"
"""Stands for the code of a message, which is another one each time."""


def blocks(page: Path, kind: str) -> list[str]:
    """The content of the page's blocks of one kind."""
    return [body for found, body in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


# --------------------------------------------------------------------------- the consoles of the README, played


@dataclass
class Player:
    """Somebody who types what the README shows: Ana, at home, with a mail server on her machine."""

    folder: Path
    port: int
    env: dict[str, str] = field(default_factory=dict)
    code: str = CODE
    status: int = 0

    def play(self, block: str) -> str:
        """The block as it should stand there: each command with what it answers now."""
        lines: list[str] = []
        for command in _typed(block):
            lines.append(f"$ {command}")
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                self.env[name] = value
                continue
            answer = self._run(command)
            if found := re.search(r"keywatch ack ([2-9A-Z]{5})\b", answer):
                self.code = found[1]
            lines += answer.replace(self.code, CODE).replace(str(self.folder), HOME).rstrip("\n").splitlines()
        return "\n".join(lines) + "\n"

    def _run(self, command: str) -> str:
        words = shlex.split(command.replace(CODE, self.code).replace("\\\n", " "))
        if words == ["echo", "$?"]:
            return f"{self.status}\n"
        assert words[0] == "keywatch", f"a console shows keywatch only: {command}"
        told = io.StringIO()
        with (
            as_ana(self.folder, self.env),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(told),
            pytest.raises(SystemExit) as left,
        ):
            main(words[1:])
        self.status = int(left.value.code or 0)
        self._mail_here()
        return told.getvalue()

    def _mail_here(self) -> None:
        """The mail server that `init` expects on port 25 listens on another one here."""
        config = self.folder / "keywatch.toml"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace("smtp://localhost:25", f"smtp://127.0.0.1:{self.port}"), encoding="utf-8")


@contextlib.contextmanager
def as_ana(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """In this process, but in a folder and with variables of one's own."""
    before, where = dict(os.environ), Path.cwd()
    mine = {key: value for key, value in before.items() if not key.startswith(("KEYWATCH_", "GITHUB_", "TZ", "SUDO_"))}
    try:
        os.environ.clear()
        os.environ.update({**mine, "LOGNAME": "ana", **env})
        os.chdir(folder)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(where)


def _typed(block: str) -> list[str]:
    """The commands of a console, without the answers below them."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)


def test_the_consoles_of_the_readme(tmp_path: Path) -> None:
    """Each command of the README runs, in their order, and answers what the README shows."""
    page = README.read_text(encoding="utf-8")
    with SmtpServer({}) as server:
        player = Player(tmp_path, server.port)
        played = [(block, player.play(block)) for block in blocks(README, "console")]
    if os.environ.get("UPDATE_DOCS"):
        for shown, answered in played:
            page = page.replace(f"```console\n{shown}```", f"```console\n{answered}```")
        README.write_text(page, encoding="utf-8")
    assert played, "the README shows nothing"
    for shown, answered in played:
        assert answered in page, f"run `make docs`; the README shows\n{shown}"


def test_the_first_minute_in_earnest(tmp_path: Path) -> None:
    """What is played on a rehearsal works on a real store and the real clock, too."""
    player = Player(tmp_path, 9)
    for command in (
        "init --no-input",
        "add paygate-api --expires 2099-12-19 --lead 21bd --owner me --env production",
        "check --dry-run",
        "check",
        "list",
        "gate",
        "status",
    ):
        said = player.play(f"$ keywatch {command}\n")
        assert player.status == 0, said


def test_the_message_of_the_readme(tmp_path: Path) -> None:
    """The mail that the README prints is the one that the demo shows: it arrives as it stands there, word for word."""
    steps = "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"
    labels = (
        "--service",
        "checkout",
        "--impact",
        "card payments stop",
        "--runbook",
        "https://wiki.example.com/paygate",
    )
    with telling(tmp_path, "2026-10-19 10:00", config=CONFIG) as story:
        whose = ("--owner", "payments", "--env", "production", "--approver", "PayGate merchant support")
        story.add("paygate-api", "2026-12-19", steps, *whose, *labels)
        story.at("2026-10-21 07:00").check()
        story.at("2026-11-13 08:00").check()
        mail = next(mail for mail in reversed(story.inbox("ana")) if mail.message["References"])
    arrived = f"Subject: {mail.message['Subject']}\n\n{mail.text.strip()}\n"
    assert re.sub(r"(?<=keywatch ack )[2-9A-Z]{5}", CODE, arrived) in blocks(README, "text")


# --------------------------------------------------------------------------- every word that names something


def _script(page: Path) -> Iterator[str]:
    """Every piece of the page that a person may type: commands of blocks, and what stands between backticks."""
    text = page.read_text(encoding="utf-8")
    for kind, body in BLOCK.findall(text):
        if kind in ("sh", "yaml"):
            yield from (line.partition(" #")[0] for line in body.replace("\\\n", " ").splitlines())
        if kind == "console":
            yield from (command.replace("\\\n", " ") for command in _typed(body))
    inline = (found.replace("\n", " ") for found in re.findall(r"`([^`]+)`", BLOCK.sub("", text)))
    # What keywatch itself says is quoted with `…` for what varies; it is no command.
    yield from (found for found in inline if found.startswith("keywatch") or "…" not in found)


def _calls(line: str) -> Iterator[list[str]]:
    """The words behind each `keywatch` of a line, up to what ends a command of the shell."""
    if re.match(r"\s*sudo (?:useradd|install)\b", line):
        return  # there it is a user and a group
    for found in re.finditer(r"(?:^|(?<=[\s/\"'(]))(?<!-u )keywatch +([^|&;)]*)", line):
        try:
            words = shlex.split(found[1])
        except ValueError:
            words = found[1].split()
        yield words


def _unknown(words: list[str]) -> list[str]:
    """The commands and options among the words of one call that keywatch does not have."""
    here: click.Command = group
    known = {option for one in group.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    wrong: list[str] = []
    for word in words:
        if isinstance(here, click.Group) and not word.startswith("-"):
            below = here.get_command(click.Context(here), word)
            if below is None:
                if word.isupper() or word == "…" or "=" in word or "/" in word or word.endswith(".toml"):
                    continue  # a placeholder, or the value of an option of the group
                return [*wrong, word]
            here = below
            known |= {option for one in here.params for option in (*one.opts, *one.secondary_opts)}
        elif word.startswith("-") and not word[1:2].isdigit() and word.partition("=")[0] not in known:
            wrong.append(f"{here.name} {word}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    """A page that names a command or an option that is not there costs its reader an evening."""
    assert [wrong for line in _script(page) for words in _calls(line) for wrong in _unknown(words)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_blocks_are_shell(page: Path) -> None:
    """What cannot be run here can at least be read by a shell."""
    for body in blocks(page, "sh"):
        done = subprocess.run(["bash", "-n"], input=body, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_links_are_there(page: Path) -> None:
    """Every link inside the tree leads somewhere, and so does every file of it that a block or a sentence names."""
    text = page.read_text(encoding="utf-8")
    links = [one for one in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in one]
    assert [one for one in links if not (page.parent / one).exists()] == []
    folders = "contrib|tests|docs|keywatch|providers|rosters|notifiers|migrations"
    named = re.findall(rf"(?<![\w/])(?:{folders})/[\w./-]*\w", text)
    assert [one for one in dict.fromkeys(named) if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_and_json_can_be_read(page: Path, tmp_path: Path) -> None:
    """Every TOML block is TOML, and one that has a [keywatch] is a whole config that loads."""
    for body in blocks(page, "toml"):
        tomllib.loads(body)
        if "[keywatch]" in body and "[owners" in body:
            (tmp_path / "keywatch.toml").write_text(body, encoding="utf-8")
            load(tmp_path / "keywatch.toml", {})
    for body in blocks(page, "json"):
        json.loads(body)


def test_the_provider_of_the_developers_page(tmp_path: Path) -> None:
    """Whoever copies the example provider and its test has a provider that keeps the contract."""
    provider, contract = blocks(ROOT / "docs" / "developing.md", "python")
    (tmp_path / "keywatch_shelf.py").write_text(provider, encoding="utf-8")
    (tmp_path / "test_shelf.py").write_text(contract, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_shelf.py"]
    done = subprocess.run(
        argv, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# --------------------------------------------------------------------------- the tables of docs/


def _keys(page: str, heading: str) -> set[str]:
    """The first column of the tables below a heading, up to the next one."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading '{heading}'"
    return {
        key for cell in re.findall(r"^\| (.*?) \|", found[1], re.MULTILINE) for key in re.findall(r"`([^`]+)`", cell)
    }


def _documented(example: Mapping[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """The headings of configuration.md, each with the keys that the example has there."""
    for section, content in example.items():
        if section in ("source", "assign"):
            yield f"`[[{section}]]`", set().union(*content)
        elif section in ("people", "routes", "rosters", "owners", "calendars"):
            yield f"`[{section}.NAME]`", set().union(*content.values())
        elif section == "policy":
            ladders = {name: value for name, value in content.items() if isinstance(value, dict)}
            yield "`[policy]`", set(content) - set(ladders)
            yield "`[policy.ENVIRONMENT]`", set().union(*ladders.values())
        else:
            yield f"`[{section}]`", {key for key, value in content.items() if not isinstance(value, dict)}


OTHERS_OF = {"`[[source]]`": {"address", "token", "mounts", "path"}}
"""Keys of plugins, which stand on pages of their own."""


def test_configuration_and_example_name_the_same_keys() -> None:
    """What the page explains, the example shows, and the other way round."""
    example = tomllib.loads((ROOT / "keywatch.example.toml").read_text(encoding="utf-8"))
    for heading, keys in _documented(example):
        theirs = OTHERS_OF.get(heading, set())
        if heading == "`[rosters.NAME]`":
            keys, theirs = {"kind"}, set()
        assert keys - theirs - _keys("configuration.md", heading) == set(), heading
        more = _keys("configuration.md", heading) - keys
        assert more <= _labels(heading), heading


def _labels(heading: str) -> set[str]:
    """Keys that the example names in a comment only."""
    from keywatch.model import LABELS

    return set(LABELS) | {"renewal"} if heading == "`[[assign]]`" else set()


@pytest.mark.parametrize(
    ("page", "kind", "name"),
    [
        *(("sources.md", "providers", name) for name in ("vault", "aws", "file")),
        *(("rosters.md", "rosters", name) for name in ("rotation", "ical")),
    ],
)
def test_every_setting_of_a_plugin_is_explained(page: str, kind: str, name: str) -> None:
    """The table of a plugin has its keys, all of them and no others."""
    settings = plugins.load(kind, name).Settings
    assert _keys(page, f"`{name}`") == {one.name.rstrip("_") for one in fields(settings)}


def test_policies_are_what_the_providers_print() -> None:
    """The least privilege that the page promises is what the provider's own tests run with."""
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    for provider, settings in ((VaultProvider, {"address": "https://x"}), (AwsProvider, {"regions": ("eu-west-1",)})):
        assert provider(provider.Settings(**settings)).permissions().strip() in page  # type: ignore[arg-type]

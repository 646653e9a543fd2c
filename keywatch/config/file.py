"""Finds keywatch.toml and reads it: one file in, one Config out, or every problem at once. No plugin is imported."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from keywatch.config import sections
from keywatch.config.holidays import stamped
from keywatch.config.outgoing import inbox_settings, is_reference, mail_settings
from keywatch.config.table import Table, unknown
from keywatch.config.values import OWN, Config, store_url
from keywatch.errors import ConfigError, KeywatchError
from keywatch.model import Calendar

NAME = "keywatch.toml"
SYSTEM = Path("/etc/keywatch/keywatch.toml")
LARGEST_BYTES = 1024 * 1024
DEFAULT_STORE = "sqlite:///keywatch.db"
SECTIONS = (
    ("keywatch", "mail", "inbox", "policy", "digest"),
    ("source", "assign"),
    ("people", "routes", "rosters", "owners", "calendars"),
)
"""`[X]`, `[[X]]` and `[X.NAME]`."""


def find(flag: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Where the config is: the flag, KEYWATCH_CONFIG, the current folder, XDG, /etc; what is asked for must be there.

    Raises:
        KeywatchError: nothing is there (exit 2).
    """
    for given, by in ((flag, "--config"), (environ.get("KEYWATCH_CONFIG"), "KEYWATCH_CONFIG")):
        if given:
            if not _there(path := cwd / given):
                raise KeywatchError(f"no such file: {path}", f"{by} names it; `keywatch init` writes a new one")
            return path
    home = (
        Path(environ["XDG_CONFIG_HOME"])
        if environ.get("XDG_CONFIG_HOME")
        else Path(environ.get("HOME", "")) / ".config"
    )
    usual = [cwd / NAME, home / "keywatch" / NAME, SYSTEM]
    # The XDG specification wants a relative folder ignored; it would change with the current folder.
    for path in usual:
        if path.is_absolute() and _there(path):
            return path
    raise KeywatchError(f"there is no {NAME}", "write one with `keywatch init`, or name it with --config")


def _there(path: Path) -> bool:
    """Whether something has that name. A dead link counts: passing over it would quietly pick another config."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file; relative paths in it are relative to its folder.

    Raises:
        ConfigError: everything that is wrong with its content, at once.
        KeywatchError: it cannot be read at all.
    """
    raw, digest_hash = _parsed(path)
    problems: list[str] = []
    config = config_of(raw, path.absolute(), digest_hash, environ, problems)
    if problems:
        raise ConfigError(str(path), problems)
    return config


def _parsed(path: Path) -> tuple[dict[str, Any], str]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as problem:
        raise KeywatchError(f"cannot read {path}: {problem.strerror}", "see `keywatch init --help`") from None
    if len(data) > LARGEST_BYTES:
        raise ConfigError(str(path), ["is larger than 1 MiB"])
    try:
        raw = tomllib.loads(data.decode("utf-8-sig"))
        canonical = json.dumps(raw, sort_keys=True, default=_typed)
    except UnicodeDecodeError as problem:
        raise ConfigError(str(path), [f"is not UTF-8 (byte {problem.start})"]) from None
    except RecursionError:
        raise ConfigError(str(path), ["is nested too deeply"]) from None
    except ValueError as problem:
        raise ConfigError(str(path), [f"is not TOML: {problem}"]) from None
    return raw, hashlib.sha256(canonical.encode()).hexdigest()


def _typed(value: date | datetime | time) -> str:
    return f"{type(value).__name__} {value.isoformat()}"


def config_of(
    raw: dict[str, Any], path: Path, digest_hash: str, environ: Mapping[str, str], problems: list[str]
) -> Config:
    """The Config that parsed content stands for; where `problems` grew, it is not to be used."""
    root = Table(raw, "", problems)
    _check_sections(root)
    core, mail, inbox, policy, digest = (root.table(name) for name in SECTIONS[0])
    zone = core.zone("timezone", sections.UTC)
    environments = sections.environments(core)
    canary = sections.canary(core, [word for name, also in environments.items() for word in (name, *also)])
    own = {OWN: ()} if canary else {}
    questions = policy.take("questions", bool, True)
    rules = sections.rules(policy, environments)
    people = sections.people(root)
    routes = sections.routes(root, people)
    calendars = sections.calendars(root, zone)
    config = Config(
        path=path,
        digest_hash=stamped(digest_hash, calendars.values()),
        zone=zone,
        keeper=core.one_of("owner", "owner", sections.names(raw, "owners"), needed=True),
        mail=mail_settings(mail, path.parent),
        inbox=inbox_settings(inbox, path.parent),
        sources=sections.sources(root, zone),
        assigns=sections.assigns(root, environments),
        rosters=sections.rosters(root),
        people=people,
        routes=routes,
        owners=sections.owners(root, routes, calendars, Calendar(zone)),
        questions=questions,
        rules=replace(rules, ladders={**rules.ladders, **dict.fromkeys(own, sections.OWN_LADDER)}),
        last_resort=sections.last_resort(core, people, routes),
        environments={**environments, **own},
        digest=sections.digest(digest, people, routes),
        store_text=_store_text(core, path.parent),
        environ=dict(environ),
        canary=canary,
    )
    core.done()
    return config


def _check_sections(root: Table) -> None:
    known = [name for kind in SECTIONS for name in kind]
    for name in root.raw:
        if name not in known:
            root.problems.append(unknown("section", name, known))


def _store_text(core: Table, base: Path) -> str:
    """The store as written. A reference is resolved by who opens the store: not every command does."""
    text = core.text("store", DEFAULT_STORE)
    if not is_reference(text):
        try:
            store_url(text, base)
        except KeywatchError as problem:
            core.wrong("store", problem.hint)
    return text

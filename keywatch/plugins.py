"""What a plugin is: a class named by an entry point that satisfies one of three small protocols.

A plugin is built from its own `Settings`, a frozen dataclass whose fields are the keys of its config table (the
annotations are the types, defaults make a key optional). Heavy imports stand inside its functions, so that naming a
plugin costs nothing. Plugins import only `keywatch.plugins`, `keywatch.declared`, `keywatch.model`,
`keywatch.dates`, `keywatch.text` and `keywatch.errors`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo

from keywatch.errors import KeywatchError
from keywatch.model import Duty, Outgoing, Person, Route, Scanned, Verdict

GROUPS = ("providers", "rosters", "notifiers")
T = TypeVar("T")
R = TypeVar("R")


class Run(Protocol):
    """What keywatch lends a provider for one scan."""

    @property
    def now(self) -> datetime: ...

    @property
    def zone(self) -> ZoneInfo:
        """The zone of bare dates in this source."""

    def secret(self, reference: str) -> str:
        """Resolve `env:NAME`, `file:/path` or `cmd:argv`; the config's folder is the base of relative paths."""

    def path(self, text: str) -> Path:
        """A path of the config, relative to the config file."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Run `work` over `items` on a few threads, results in order; the first exception is raised."""


class Provider(Protocol):
    """Looks into one source. Built as `Provider(settings)`."""

    Settings: ClassVar[type[Any]]

    def scan(self, run: Run) -> Iterator[Scanned]:
        """Say what is Found, what was Covered and where there is a Gap. An exception counts as Gap("")."""

    def preflight(self, run: Run) -> Iterator[str]:
        """For `doctor`: one sentence for each thing that would keep a scan from being complete."""


class Roster(Protocol):
    """Knows who is on call. Dumb on purpose: it raises RosterError and never answers "nobody" instead."""

    Settings: ClassVar[type[Any]]

    def shifts(self, run: Run, target: str, start: datetime, until: datetime) -> Sequence[Duty]:
        """Every duty that touches `[start, until)`."""

    def members(self, run: Run, target: str) -> Sequence[Person]:
        """Everybody of the rota, on duty or not; may be empty where the roster does not know."""


class Notifier(Protocol):
    """Delivers messages over one kind of transport. Built once per dispatch as `Notifier(settings)`."""

    Settings: ClassVar[type[Any]]

    def send(self, route: Route, outgoing: Outgoing) -> Verdict:
        """Try once. Never raises for what the other side did: that is what verdicts are for."""

    def close(self) -> None:
        """Let go of connections."""


def installed(group: str) -> dict[str, EntryPoint]:
    """The plugins of a group by name.

    Raises:
        KeywatchError: two distributions provide the same name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in _entries(f"keywatch.{group}", entry_points, tuple(sys.path)):
        if entry.name in found and found[entry.name].value != entry.value:
            raise KeywatchError(
                f"two packages provide the {group[:-1]} '{entry.name}': {found[entry.name].value} and {entry.value}",
                "uninstall one of them",
            )
        found[entry.name] = entry
    return found


@lru_cache(16)
def _entries(group: str, ask: Callable[..., Iterable[EntryPoint]], path: tuple[str, ...]) -> list[EntryPoint]:
    """Asked once for a path: every distribution on it is read, which takes longer than a query of the store."""
    del path
    return sorted(ask(group=group), key=lambda entry: entry.name)


def load(group: str, name: str) -> Any:
    """The plugin class.

    Raises:
        KeywatchError: unknown, or it cannot be imported.
    """
    found = installed(group)
    if name not in found:
        raise KeywatchError(f"no {group[:-1]} '{name}' is installed", f"there are: {', '.join(found) or 'none'}")
    try:
        return found[name].load()
    except ImportError as problem:
        raise KeywatchError(f"{group[:-1]} '{name}' cannot be loaded: {problem}", _extra(name)) from problem


def _extra(name: str) -> str:
    extras = {"ical": "calendar"}
    return f"pip install 'keywatch[{extras[name]}]'" if name in extras else "update or remove the package it comes from"


def resolve(reference: str, base: Path) -> str:
    """The secret behind `env:NAME`, `file:/path` or `cmd:argv …` (no shell); any other text is itself.

    Raises:
        KeywatchError: it is not there. The message names the reference, never a value.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if not os.environ.get(rest):
            raise KeywatchError(f"the environment variable {rest} is not set", f"set it; '{reference}' refers to it")
        return os.environ[rest]
    if scheme == "file":
        try:
            return (base / rest).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            reason = getattr(problem, "strerror", None) or "not text"
            raise KeywatchError(f"cannot read {rest}: {reason}", f"'{reference}' refers to it") from None
    if scheme == "cmd":
        return _output(reference, rest.split())
    return reference


def _output(reference: str, argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as problem:
        raise KeywatchError(f"'{reference}' failed: {type(problem).__name__}", "run that command by hand") from None
    return done.stdout.strip()


__all__ = ["GROUPS", "Notifier", "Provider", "Roster", "Run", "installed", "load", "resolve"]

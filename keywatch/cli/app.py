"""What commands share: the config, the store, the clock, and who is asking. Everything is opened when first needed."""

import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from keywatch import dates
from keywatch.clock import Steady, resumed
from keywatch.errors import KeywatchError
from keywatch.model import Credential, Person
from keywatch.read import Reader, instant_of, open_reader, text_of

if TYPE_CHECKING:
    from keywatch.config import Config
    from keywatch.store import Store


AN_HOUR = timedelta(hours=1)
SAME = timedelta(minutes=1)
"""A run takes moments: a command at the instant of the last run is not before it."""


@dataclass
class App:
    """One invocation."""

    config_flag: str | None = None
    now_flag: str | None = None
    color: str = "auto"
    dry: bool = False
    """Nothing is to be kept, not even how far a rehearsal's clock came."""
    _started: float = field(default_factory=time.monotonic)
    _open: list[Any] = field(default_factory=list)

    # ------------------------------------------------------------- config and store

    @cached_property
    def config(self) -> "Config":
        from keywatch.config import find, load

        return load(find(self.config_flag, os.environ, Path.cwd()), os.environ)

    @cached_property
    def reader(self) -> Reader:
        """The store, for reading. Opens nothing that does not exist."""
        reader = open_reader(self.config.store)
        self._open.append(reader)
        return reader

    @cached_property
    def store(self) -> "Store":
        """The store, for writing: only commands that write import SQLModel."""
        from keywatch.store import Store

        store = Store(self.config.store)
        self._open.append(store)
        return store

    def close(self) -> None:
        """Close whatever was opened. A rehearsal remembers how far its clock came."""
        if (
            not self.dry
            and "store" in self.__dict__
            and "clock" in self.__dict__
            and self.rehearsal
            and sys.exc_info()[0] is None
        ):
            with self.store.write() as tx:
                tx.set_meta("high_water", text_of(self.clock()))
        for one in reversed(self._open):
            one.close()

    # ------------------------------------------------------------- time and people

    @cached_property
    def clock(self) -> Callable[[], datetime]:
        """The time; in a rehearsal, the instant that was given plus what passed since the start.

        Raises:
            KeywatchError: `--now` on a store that is no rehearsal, unreadable, or before its last run.
        """
        base = self.pretended()
        if base is None:
            return self._steady()
        last = instant_of(self.reader.meta("last_run") or None) if self.rehearsal else None
        if not self.rehearsal:
            raise KeywatchError(
                "--now works only on a rehearsal store, and this one is real", "`keywatch init --rehearsal` makes one"
            )
        said, forward = f"{base:%Y-%m-%dT%H:%M:%SZ}", "time only goes forward: give a later KEYWATCH_NOW"
        if last and base < last - SAME:
            raise KeywatchError(f"{said} is before the last run at {last:%Y-%m-%dT%H:%M:%SZ}", forward)
        # Commands at one pretended instant follow each other: the later one starts where the earlier one ended.
        came = instant_of(self.reader.meta("high_water") or None) or base
        if base < came - AN_HOUR:
            raise KeywatchError(f"{said} is before {came:%Y-%m-%dT%H:%M:%SZ}, to which this rehearsal came", forward)
        base = max(base, came)
        return lambda: base + timedelta(seconds=time.monotonic() - self._started)

    def host_clock(self) -> datetime:
        """What this machine's clock shows."""
        return datetime.now(UTC)

    def _steady(self) -> Callable[[], datetime]:
        """The clock that `check` decides by: answers must not lie before the questions. Without a store, the host's."""
        try:
            apart = self.reader.shared_clock(self.host_clock()) - self.host_clock()
            before, high_water = self.reader.clock_marks()
            return resumed(Steady(self.host_clock, apart), high_water, before)[0]
        except KeywatchError:
            return self.host_clock

    def pretended(self) -> datetime | None:
        """The instant that `--now` or KEYWATCH_NOW gives, whether or not this store accepts one; None: none is given.

        Raises:
            KeywatchError: it cannot be read as an instant.
        """
        text = self.now_flag or os.environ.get("KEYWATCH_NOW")
        if not text:
            return None
        base = dates.instant(text, ZoneInfo("UTC"))
        if base is None:
            raise KeywatchError(f"'{text}' is no instant a clock shows", dates.ACCEPTED)
        return base

    @property
    def now(self) -> datetime:
        """The time now."""
        return self.clock()

    @cached_property
    def rehearsal(self) -> bool:
        """Whether the store is marked as a rehearsal."""
        return self.reader.meta("rehearsal") == "1"

    @property
    def login(self) -> str:
        """Who is at the keyboard, as every write records it."""
        try:
            return os.environ.get("SUDO_USER") or getpass.getuser()
        except (KeyError, OSError):
            return "unknown"

    def person(self, name: str | None) -> Person | None:
        """The person somebody means by `--by`: a name of [people], or an address a roster knows. None: not said.

        Raises:
            KeywatchError: nobody of that name.
        """
        if not name:
            return None
        people = self.config.people
        wanted = name.casefold()
        for person in people.values():
            if wanted in (person.key.casefold(), person.name.casefold(), person.mail.casefold()):
                return person
        from keywatch.outlook import world

        for person in world(self.config, self.reader, self.now).people.values():
            if wanted in (person.key.casefold(), person.name.casefold(), person.mail.casefold()):
                return person
        raise KeywatchError(f"nobody is called '{name}'", f"[people] has: {', '.join(people)}")

    # ------------------------------------------------------------- credentials

    def credential(self, name: str) -> Credential:
        """The one credential NAME means.

        Raises:
            KeywatchError: none, or several; then they are listed.
        """
        found = self.reader.find(name, self.now)
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(f"{one.source}:{one.ref}" for one in found[:8])
            raise KeywatchError(f"'{name}' could be {len(found)} credentials", f"say which: {choices}")
        import difflib

        names = [one.name for one in self.reader.credentials(self.now)]
        near = difflib.get_close_matches(name, names, 3)
        raise KeywatchError(
            f"no credential is called '{name}'", f"did you mean {', '.join(near)}?" if near else "`keywatch list`"
        )

    # ------------------------------------------------------------- output

    @property
    def coloured(self) -> bool | None:
        """True or False where the user or the environment said so; None: click looks whether it is a terminal."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return None if os.environ.get("TERM") != "dumb" else False

    @property
    def terminal(self) -> bool:
        """Whether a person sees the output as it is written."""
        return sys.stdout.isatty()


def say(text: str) -> None:
    """Talk goes to stderr; results go to stdout."""
    click.echo(text, err=True)


def show_json(payload: Mapping[str, Any]) -> None:
    """A result for programs, on stdout: `schema` first, instants in UTC."""
    from keywatch import report

    click.echo(report.as_json(dict(payload)))


pass_app = click.make_pass_decorator(App)

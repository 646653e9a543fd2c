"""The edges of the simulated world: a post office in memory and a rotation that may not answer, plugged in as plugins.

Everything between them is the real program on a real SQLite file. A message is in the log before its sender hears that
it was taken, as with a real server, and a process can be made to die at exactly that moment.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from keywatch import plugins
from keywatch.errors import RosterError
from keywatch.model import Blame, Duty, Outgoing, Person, Route, Verdict, VerdictKind
from keywatch.plugins import Run
from keywatch_mail import MailNotifier
from keywatch_rotation import RotationRoster

KILLED = 9
"""The exit code of a process that died in the middle of dispatch."""
ENTRY = re.compile(r"^(c\d+) \(.*\): ([A-Z ]+)$", re.MULTILINE)
"""The head of one credential's entry in a notice: its name and its state."""
CODE = re.compile(r"keywatch ack ([0-9A-Z]{5})")


@dataclass(frozen=True)
class Mail:
    """One try to deliver one message, as the post office saw it."""

    at: datetime
    to: str
    person: str
    """The key of whose route it is; "" = the shared alias."""
    message_id: str
    notice: bool
    names: dict[str, str]
    """What a notice speaks of, each with the state it says."""
    code: str
    verdict: VerdictKind

    @property
    def accepted(self) -> bool:
        return self.verdict is VerdictKind.ACCEPTED

    def line(self) -> str:
        """As the journal of a process keeps it that may die."""
        return json.dumps({name: str(value) for name, value in vars(self).items()} | {"names": self.names})

    @classmethod
    def read(cls, line: str) -> "Mail":
        row = json.loads(line)
        known = {"at": datetime.fromisoformat(row["at"]), "notice": row["notice"] == "True"}
        return cls(**row | known | {"verdict": VerdictKind(row["verdict"])})


@dataclass
class Post:
    """Every mailbox there is, and the roster's line. What is not said otherwise is accepted."""

    gone: set[str] = field(default_factory=set)
    """Addresses that are refused with 550 5.1.1."""
    down: set[str] = field(default_factory=set)
    """Addresses that are deferred with 451; "*" = the server cannot be reached at all."""
    silent_roster: bool = False
    log: list[Mail] = field(default_factory=list)
    journal: Path | None = None
    """Where a process that is to die writes its log."""
    dies_after: int | None = None
    """Sends after which the process dies, before it hears the answer."""

    def deliver(self, route: Route, outgoing: Outgoing) -> Verdict:
        """Take, refuse or put off one message."""
        verdict = self._verdict(outgoing.to)
        code, text = CODE.search(outgoing.rendered.text), outgoing.rendered.text
        names = dict(ENTRY.findall(text)) if outgoing.thread else {}
        assert outgoing.at is not None
        said = code[1] if code else ""
        mail = Mail(
            outgoing.at,
            outgoing.to,
            route.person,
            outgoing.message_id,
            bool(outgoing.thread),
            names,
            said,
            verdict.kind,
        )
        self.log.append(mail)
        if self.journal:
            with self.journal.open("a", encoding="utf-8") as journal:
                journal.write(mail.line() + "\n")
            if self.dies_after is not None and len(self.log) >= self.dies_after:
                os._exit(KILLED)
        return verdict

    def _verdict(self, address: str) -> Verdict:
        if "*" in self.down:
            return Verdict(VerdictKind.UNREACHABLE, Blame.TRANSPORT, "", "connection refused")
        if address in self.gone:
            return Verdict(VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.1", "no such user here")
        if address in self.down:
            return Verdict(VerdictKind.DEFERRED, Blame.NOBODY, "451 4.2.1", "try again later")
        return Verdict(VerdictKind.ACCEPTED, Blame.NOBODY, "250 2.0.0")


@dataclass(frozen=True)
class Plugged:
    """An entry point of a package that is installed only here."""

    name: str
    plugin: type
    value: str = "the simulated world"

    def load(self) -> type:
        return self.plugin


@contextlib.contextmanager
def plugged(post: Post) -> Iterator[None]:
    """An installation whose mail plugin is the post office, and which has a roster `model` that may be silent."""

    class Mailbox:
        Settings: ClassVar[type[Any]] = MailNotifier.Settings

        def __init__(self, settings: Any) -> None:
            del settings

        def send(self, route: Route, outgoing: Outgoing) -> Verdict:
            return post.deliver(route, outgoing)

        def close(self) -> None:
            """Nothing is open."""

    class ModelRoster(RotationRoster):
        def shifts(self, run: Run, target: str, start: datetime, until: datetime) -> Sequence[Duty]:
            if post.silent_roster:
                raise RosterError("unreachable", "the roster does not answer")
            return super().shifts(run, target, start, until)

        def members(self, run: Run, target: str) -> Sequence[Person]:
            return super().members(run, target)

    found = {group: list(entry_points(group=group)) for group in plugins_of()}
    found["keywatch.notifiers"] = [Plugged("mail", Mailbox)]  # type: ignore[list-item]
    found["keywatch.rosters"] += [Plugged("model", ModelRoster)]  # type: ignore[list-item]
    before = vars(plugins)["entry_points"]
    vars(plugins)["entry_points"] = lambda *, group: found[group]
    try:
        yield
    finally:
        vars(plugins)["entry_points"] = before


def plugins_of() -> tuple[str, ...]:
    """The groups of entry points that keywatch asks for."""
    return tuple(f"keywatch.{group}" for group in plugins.GROUPS)

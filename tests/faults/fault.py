"""What a row of the table is: a fault, what keywatch makes of it, and how both are brought about and judged."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import Bench, plain
from tests.story.story import Answer

Undo = Callable[[], object]
"""Mends what was broken, as the people who run it would."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A sentence of the page and what must hold for it to be true."""

    sentence: str
    holds: Callable[[Bench], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    what: str
    """What happened, as the page says it."""
    exit: Exit
    says: str
    """Word for word on stderr; `…` stands for anything within a line, "" for silence about it."""
    state: Truth
    """What the run with the fault leaves behind."""
    next: Truth
    """What the run after it does. Nobody is told twice."""
    arrange: Callable[[Bench], Undo]
    run: Callable[[Bench], Answer] = Bench.check
    setting: Callable[[Path], AbstractContextManager[Bench]] = plain
    after: Exit = Exit.WELL
    """How the runs after it exit: not well only while the clock is not what it was."""
    copies: int = 0
    """How many mails may come again, each with the Message-ID it had."""
    server: bool = False
    """Needs a server that `make servers` brings."""
    broken: str = ""
    """Why keywatch does not do this yet."""

    def said(self, stderr: str) -> bool:
        """Whether stderr holds the words of the row."""
        pattern = "[^\n]*".join(re.escape(part) for part in self.says.split("…"))
        return re.search(pattern, stderr) is not None

    @property
    def refused(self) -> bool:
        """The run did nothing: two lines, what happened and what to do."""
        return self.says.startswith("Error: ")


# --------------------------------------------------------------------------- sentences that several rows share


def _untouched(bench: Bench) -> None:
    assert not bench.heard
    assert bench.story.dump() == bench.before


def _due_was_told(bench: Bench) -> None:
    assert set(bench.heard) == bench.due


def _waits(bench: Bench) -> None:
    assert not bench.heard
    ((waiting,),) = bench.story.ask("SELECT count(*) FROM message WHERE state = 'pending'")
    assert waiting == len(bench.due)


def _each_once(bench: Bench) -> None:
    assert bench.heard == dict.fromkeys(bench.due, 1)


UNTOUCHED = Truth("nobody is told, nothing is written", _untouched)
TOLD = Truth("who is due is told all the same", _due_was_told)
WAITS = Truth("the messages wait, nobody else is told", _waits)
DELIVERS = Truth("tells everybody who was due, once", _each_once)
QUIET = Truth("goes on; nobody is told twice", _each_once)


def only(sentence: str, *names: str) -> Truth:
    """By now exactly these have heard, once each."""

    def holds(bench: Bench) -> None:
        assert bench.heard == dict.fromkeys(names, 1)

    return Truth(sentence, holds)

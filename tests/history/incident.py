"""The founding incident, played: a dead alias, a refusal, a wider audience, a broken promise, a late renewal."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.story.story import ALIAS, Story

REFUSES = {ALIAS: "550 5.1.1 no such user here", "mia@example.com": "greylist"}
"""The old alias is gone; the server of the head puts off whoever writes for the first time."""
EXPIRES, LEAD = "2026-12-19", "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"


@dataclass
class Played:
    """The founding incident, a day after it was over, with what was seen on the way."""

    story: Story
    seen: list[dict[str, set[tuple[Any, ...]]]] = field(default_factory=list)
    """After each step the rows that must never change again, by table."""
    statements: list[str] = field(default_factory=list)
    """Everything that was sent to the database; nothing where the commands are processes of their own."""

    def look(self) -> None:
        """Note what must stay as it is: events, evidence and attempts that are over."""
        rows = {
            table: set(found) for table, found in self.story.dump().items() if re.fullmatch("event|evidence", table)
        }
        closed = self.story.ask("SELECT * FROM attempt WHERE ended_at IS NOT NULL")
        self.seen.append(rows | {"attempt": set(closed)})


@contextmanager
def at_the_keyboard(login: str) -> Iterator[None]:
    """Commands are recorded as that person's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SUDO_USER", raising=False)
        patch.setenv("LOGNAME", login)
        yield


def play(story: Story, after: Callable[[], object] = lambda: None) -> None:
    """From the day somebody registers the credential to the hours after it expired. `after` is called at each step."""
    story.at("2026-10-20 08:00")
    story.add("paygate-api", EXPIRES, LEAD)
    for step in (_refused, _promised, _broken, _begun, _renewed):
        step(story)
        after()


def _refused(story: Story) -> None:
    """Only the alias and Ana are due; the alias refuses, so the head hears of it in the same run, at the second try."""
    story.at("2026-10-20 08:05").check()
    story.at("2026-10-21 07:00").check()


def _promised(story: Story) -> None:
    story.at("2026-11-13 08:00")
    week = story.check()
    code = next(message["code"] for message in week if message["person"] == "ana")
    story.at("2026-11-13 09:30").run("ack", code, "--until", "2026-11-17", "--note", "asked PayGate for the approval")


def _broken(story: Story) -> None:
    """The date of the promise passes; two days later still nobody has it in hand."""
    for day in ("16", "17", "18", "19", "20", "23"):
        story.at(f"2026-11-{day} 08:00").check()


def _begun(story: Story) -> None:
    notices = [message for message in reversed(story.sent) if message["kind"] == "notice"]
    code = next(message["code"] for message in notices if message["person"] == "bo")
    story.at("2026-11-23 10:00").run("ack", code, "--begun", "--until", "2026-12-11")
    for day in ("2026-12-01", "2026-12-11", "2026-12-14", "2026-12-18", "2026-12-19"):
        story.at(f"{day} 08:00").check()


def _renewed(story: Story) -> None:
    """Ten hours after it expired the new credentials are there."""
    story.at("2026-12-19 09:30")
    story.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    story.at("2026-12-19 10:00").check()

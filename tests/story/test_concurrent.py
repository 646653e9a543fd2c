"""Nothing lost: several runs at once send each message once, and a kill at any instant costs at most one duplicate."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope, Session

from tests.servers.smtp import SmtpServer
from tests.story.story import ALIAS, CONFIG, Story, telling

TEAMS = 12
"""Enough messages that ten killed runs cannot have sent them all."""
GONE = {ALIAS: "550 5.1.1 no such user here"}


class SlowServer(SmtpServer):
    """Takes its time before it keeps a message and again before it says so."""

    before_s = after_s = 0.02

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.before_s)
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(self.after_s)
        return answer


def teams() -> str:
    """The story's config with more teams of two, so that one run has many messages to send."""
    more = []
    for n in range(TEAMS):
        more += [f'[people.p{n}]\nmail = "p{n}@example.com"', f'[people.q{n}]\nmail = "q{n}@example.com"']
        more += [f'[owners.team{n}]\npeople = ["p{n}"]\nhead = "q{n}"\ncalendar = "madrid"']
    return CONFIG + "\n".join(more).replace("{", "{{").replace("}", "}}") + "\n"


@contextmanager
def busy(folder: Path, **server: Any) -> Iterator[Story]:
    """A run is due in which about forty people are told of something, by a slow server."""
    folder.mkdir(exist_ok=True)
    with telling(folder, config=teams()) as story:
        story.at("2026-11-13 07:30")
        for n in range(TEAMS):
            story.add(f"key-{n}", "2026-12-19", "21bd", "--owner", f"team{n}", "--env", "production")
        story.add()
        slow = SlowServer(GONE, port=story.server.port)
        story.serve(slow)
        story.at("2026-11-13 08:00")
        try:
            yield story
        finally:
            slow.stop()


def letters(story: Story) -> set[tuple[str, str]]:
    """Who got which letter."""
    return {(mail.to, str(mail.message["Subject"])) for mail in story.server.received}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What one undisturbed run sends."""
    with busy(tmp_path_factory.mktemp("undisturbed")) as story:
        story.check()
        assert len(story.server.received) == len(letters(story)) > 2 * TEAMS
        return letters(story)


@pytest.mark.parametrize("runs", [2, 4])
def test_runs_at_once_send_each_message_once(tmp_path: Path, wanted: set[tuple[str, str]], runs: int) -> None:
    """They plan once, share the sending, and all of them end well."""
    with busy(tmp_path) as story:
        processes = [story.spawn("check", "-o", "json") for _ in range(runs)]
        ended = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0] * runs, ended
        assert letters(story) == wanted
        identities = Counter(mail.message["Message-ID"] for mail in story.server.received)
        assert set(identities.values()) == {1}
        shares = [json.loads(out)["messages"] for out, _ in ended]
        sent = [message["message_id"] for share in shares for message in share if message["verdict"] == "accepted"]
        assert sorted(sent) == sorted(identities)
        assert story.check() == []


def _wait_until(story: Story, received: int, process: Any) -> None:
    end = time.monotonic() + 30
    while len(story.server.received) < received and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)


def _wait_for_a_connection(story: Story, before: int, process: Any) -> None:
    end = time.monotonic() + 30
    while story.server.connections == before and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.slow
def test_ten_kills_lose_nothing(tmp_path: Path, wanted: set[tuple[str, str]]) -> None:
    """SIGKILL in the middle of dispatch, five times just after the server took a message and five at any moment.

    The next run delivers whatever is left; each kill costs one copy at most, under the same Message-ID.
    """
    chance = random.Random(20261113)
    with busy(tmp_path) as story:
        for kill in range(10):
            received, connections = len(story.server.received), story.server.connections
            story.now += timedelta(minutes=1)  # a killed run cannot say how far its rehearsed clock came
            process = story.spawn("check")
            try:
                if kill % 2:
                    _wait_until(story, received + 1, process)
                else:
                    _wait_for_a_connection(story, connections, process)
                    time.sleep(chance.uniform(0, 0.1))
                assert process.poll() is None, f"kill {kill} after {received} messages must hit a run that is at work"
            finally:
                process.kill()
                process.communicate()
        story.now += timedelta(minutes=1)
        last = story.spawn("check")
        out, err = last.communicate(timeout=60)
        assert last.returncode == 0, (out, err)
        assert wanted <= letters(story), "lost"
        identities = Counter(mail.message["Message-ID"] for mail in story.server.received)
        copies = sum(identities.values()) - len(identities)
        assert 0 < copies <= 10
        by_letter = Counter((mail.to, mail.message["Message-ID"]) for mail in story.server.received)
        assert len(by_letter) == len(identities)
        assert story.ask("PRAGMA integrity_check") == [("ok",)]
        assert story.ask("SELECT count(*) FROM message WHERE state IN ('pending', 'leased')") == [(0,)]
        assert story.check() == []

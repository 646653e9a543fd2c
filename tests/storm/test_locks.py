"""A command and a check on one PostgreSQL wait for each other in one order only: the database throws no one out."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from keywatch.model import Outcome
from keywatch.store import Store, Tx
from tests.servers.postgres import PostgresServer
from tests.story.story import CONFIG, Story, telling

pytestmark = pytest.mark.server
WAIT_S = 20.0
Step = Callable[[Tx, Story], None]


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database()


@pytest.fixture
def story(tmp_path: Path, url: str) -> Iterator[Story]:
    """One credential, of which Ana and the alias were told."""
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG.replace("sqlite:///keywatch.db", url)) as told:
        told.at("2026-11-13 07:30").add()
        told.at("2026-11-13 08:00").check()
        told.now += timedelta(minutes=15)
        yield told


def somebody_waits(server: PostgresServer, process: "subprocess.Popen[str]") -> None:
    """Until the command stands before a lock of the check's."""
    until = monotonic() + WAIT_S
    while server.sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] == 0:
        assert process.poll() is None, process.communicate()
        assert monotonic() < until, "nobody waits for anybody"
        sleep(0.02)


def credential(tx: Tx, story: Story) -> None:
    """A fact about it changed: the rules are to look at it."""
    tx.touch(story.now, [row.id for row in tx.read.credentials(story.now)])


def evidence_time(tx: Tx, story: Story) -> None:
    """The last thing that a plan writes."""
    tx.set_meta("reach_at", f"{story.now:%Y-%m-%d %H:%M:%S.%f}")


def climb(tx: Tx, story: Story) -> None:
    """The plan makes an episode rise."""
    for episode in tx.read.episodes([row.id for row in tx.read.credentials(story.now)]).values():
        tx.change_episode(episode.id, rung=1)


def end(tx: Tx, story: Story) -> None:
    """The source shows it renewed."""
    for episode in tx.read.episodes([row.id for row in tx.read.credentials(story.now)]).values():
        tx.end_episode(episode.id, Outcome.RENEWED, "keywatch", story.now)


def code(story: Story) -> tuple[str, ...]:
    return "ack", next(one["code"] for one in story.sent if one["route"] == "ana:mail")


def name(story: Story) -> tuple[str, ...]:
    return "ack", "paygate-api", "--by", "ana"


def renewal(story: Story) -> tuple[str, ...]:
    return "renew", "paygate-api", "--expires", "2027-12-19"


@pytest.mark.parametrize(
    ("command", "first", "then"),
    [
        (code, credential, evidence_time),
        (code, credential, climb),
        (name, credential, end),
        (renewal, climb, credential),
    ],
)
def test_a_command_while_a_check_plans(
    story: Story, server: PostgresServer, url: str, command: Callable[[Story], tuple[str, ...]], first: Step, then: Step
) -> None:
    """Whatever a check has in hand when somebody types, both come to their end: one waits for the other."""
    with Store(url) as store:
        with store.write(plan=True) as tx:
            first(tx, story)
            process = story.spawn(*command(story))
            somebody_waits(server, process)
            then(tx, story)
        _, err = process.communicate(timeout=WAIT_S)
    assert "deadlock" not in err
    assert process.returncode in (0, 2), err  # what ended meanwhile is nobody's to take

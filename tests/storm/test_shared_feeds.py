"""Several hosts, one PostgreSQL: each source is read once when it is due, planned once, and told of once.

The runs are the real command in processes of their own. How often a source was really read is counted where it is
opened, so that no word of ours has to be believed.
"""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.servers.postgres import PostgresServer
from tests.storm.field import planted, wait_stopped
from tests.story.story import CONFIG, Story, telling

pytestmark = pytest.mark.server
SOURCES = 5
SOURCE = """
[[source]]
name = "list{n}"
kind = "file"
path = "list{n}.toml"
every = "1h"
"""
ITEM = '[[credential]]\nname = "key-{n}"\nexpires = {day}\nowner = "payments"\nenv = "production"\nlead = "21bd"\n'
COUNTING = """
import sys, time
def _count(event, given):
    if event == "open" and str(given[0]).rpartition("/")[2].startswith("list") and str(given[0]).endswith(".toml"):
        print("READ", str(given[0]).rpartition("/")[2], file=sys.stderr, flush=True)
        time.sleep(0.2)  # a slow source: the others come while it is being read
sys.addaudithook(_count)
"""
SLEEPING = """
import os, signal, sys
import keywatch.check
from datetime import timedelta
keywatch.check.FEED_LEASE = timedelta(seconds=30)
state = []
def _sleep(event, given):
    if event == "keywatch.feed.read":
        state.append(event)
    if len(state) >= {after} and event == "keywatch.{where}" and "slept" not in state:
        state.append("slept")
        os.kill(os.getpid(), signal.SIGSTOP)
sys.addaudithook(_sleep)
"""


def installation(folder: Path, url: str, sources: int) -> Iterator[Story]:
    """A rehearsal whose store is at `url`, with that many sources, each with one credential that is due."""
    folder.mkdir(exist_ok=True)
    for n in range(sources):
        (folder / f"list{n}.toml").write_text(ITEM.format(n=n, day="2026-12-19"))
    text = CONFIG.replace("sqlite:///keywatch.db", url) + "".join(SOURCE.format(n=n) for n in range(sources))
    with telling(folder, config=text) as told:
        told.at("2026-11-24 08:30")
        yield told


@pytest.fixture
def story(tmp_path: Path, server: PostgresServer) -> Iterator[Story]:
    yield from installation(tmp_path / "shared", server.database(), SOURCES)


def ended(processes: list["subprocess.Popen[str]"]) -> tuple[list[int], Counter[str], str]:
    """The exit codes, how often each source was read, and everything that was said."""
    said = [process.communicate(timeout=90) for process in processes]
    errors = "".join(err for _, err in said)
    reads = Counter(line.split()[1] for line in errors.splitlines() if line.startswith("READ "))
    return [process.returncode for process in processes], reads, f"{said}"


def test_three_hosts_share_everything(story: Story, tmp_path: Path, server: PostgresServer) -> None:
    """Three runs at once, whenever the sources are due: each source is read once, and each letter comes once."""
    once = dict.fromkeys((f"list{n}.toml" for n in range(SOURCES)), 1)
    letters, identities = "", Counter[str]()
    for at in ("2026-11-24 08:30", "2026-11-25 08:05", "2026-11-25 09:10"):
        story.at(at)
        codes, reads, said = ended([story.spawn("check", "-o", "json", before=COUNTING) for _ in range(3)])
        assert codes == [0, 0, 0], said
        assert reads == once, said
        for mail in story.inbox():
            letters += mail.text
            identities[str(mail.message["Message-ID"])] += 1
    assert set(identities.values()) == {1}
    told = server.sql("SELECT episode_id, stage, route FROM notice", story_database(story))
    assert len(told) == len(set(told)) > SOURCES
    assert all(f"key-{n}" in letters for n in range(SOURCES))


def story_database(story: Story) -> str:
    """The name of the story's database."""
    text = (story.folder / "keywatch.toml").read_text()
    return text.partition("postgresql://kw@/")[2].partition("?")[0]


@pytest.fixture
def one(tmp_path: Path, server: PostgresServer) -> Iterator[Story]:
    """An installation with one source."""
    yield from installation(tmp_path / "one", server.database(), 1)


def expiry(story: Story) -> str:
    """Until when the credential is good, as the store has it."""
    rows = story.run("list", "-o", "json").json["credentials"]
    return str(next(row["expires_at"] for row in rows if row["name"] == "key-0"))[:10]


def test_who_slept_past_its_lease_overwrites_nothing(one: Story) -> None:
    """A run stopped after it read a source wakes when another has read a newer state: what it has is thrown away."""
    sleeper = one.spawn("check", "-o", "json", before=SLEEPING.format(after=1, where="feed.read"))
    wait_stopped(sleeper.pid)
    (one.folder / "list0.toml").write_text(ITEM.format(n=0, day="2027-06-30"))
    one.now += timedelta(seconds=45)
    codes, reads, said = ended([one.spawn("check", before=COUNTING)])
    assert (codes, reads) == ([0], {"list0.toml": 1}), said
    assert expiry(one) == "2027-06-29", "in Madrid that night is over two hours before the day in UTC"
    os.kill(sleeper.pid, signal.SIGCONT)
    out, err = sleeper.communicate(timeout=60)
    assert sleeper.returncode == 0, err
    assert [source["read"] for source in json.loads(out)["sources"]] == [False]
    assert expiry(one) == "2027-06-29"
    assert one.inbox() == []


def test_a_lease_that_lives_is_left_alone(one: Story) -> None:
    """A source that another run is reading is not read a second time, and what is known of it goes on."""
    one.check()
    one.now += timedelta(hours=1, minutes=1)
    sleeper = one.spawn("check", before=SLEEPING.format(after=1, where="feed.read"))
    wait_stopped(sleeper.pid)
    codes, reads, said = ended([one.spawn("check", before=COUNTING)])
    assert (codes, reads) == ([0], {}), said
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.communicate(timeout=60)
    assert sleeper.returncode == 0


def test_who_looked_while_another_wrote_does_not_read_again(one: Story, server: PostgresServer) -> None:
    """A run that asks what is due while another writes down what it read waits, and finds that nothing is."""
    writer = one.spawn("check", before=SLEEPING.format(after=1, where="store.committing"))
    wait_stopped(writer.pid)
    late = one.spawn("check", before=COUNTING)
    waits = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{story_database(one)}' AND wait_event_type = 'Lock'"
    until = monotonic() + 30
    while not server.sql(waits):
        assert monotonic() < until
        sleep(0.05)
    os.kill(writer.pid, signal.SIGCONT)
    codes, reads, said = ended([late])
    assert (codes, reads) == ([0], {}), said
    writer.communicate(timeout=60)
    assert writer.returncode == 0


def test_leases_go_by_the_servers_clock(tmp_path: Path, server: PostgresServer) -> None:
    """A host whose clock is an hour fast neither takes what another holds nor keeps its own for an hour."""
    with planted(tmp_path, server.database(), 10, lease_s=60) as made:
        right = made.start(1, stop_at="message.sending")
        wait_stopped(right.pid or 0)
        fast = made.start(3, stop_at="message.sending", skew_s=3600)
        wait_stopped(fast.pid or 0)
        held = made.ask("SELECT tries, lease_until BETWEEN now() AND now() + interval '61 seconds' FROM message "
                        "WHERE state = 'leased'")  # fmt: skip
        for process in (right, fast):
            process.kill()
            process.join()
        assert held == [(1, True), (1, True)]

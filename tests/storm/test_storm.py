"""Many processes, one store, and a storm of kills and stops: nothing is lost, and hardly anything comes twice.

`STORM=full` gives the whole of it: 10 000 messages, 8 processes, 100 SIGKILL and 20 SIGSTOP. `STORM=dense` has as many
faults on 1 000 messages. `-s` prints the figures.
"""

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.servers.postgres import PostgresServer
from tests.storm.field import Field, balance, planted, wait_stopped


@dataclass(frozen=True)
class Size:
    """How big a storm is."""

    messages: int
    workers: int
    kills: int
    stops: int
    lease_s: float


SMALL, FULL = Size(600, 4, 15, 4, 4.0), Size(10_000, 8, 100, 20, 6.0)
ON_A_FILE = Size(400, 4, 15, 4, 4.0)
SIZE = {"full": FULL, "dense": Size(1000, 8, 100, 20, 15.0)}.get(os.environ.get("STORM", ""), SMALL)
PATIENCE_S = 1200
LEFT = 3
"""How many messages for each worker are still to send when the last fault comes."""


@dataclass
class Storm:
    """Processes that are killed, stopped and continued while they work; whoever dies is replaced at once."""

    tried: Field
    size: Size
    chance: random.Random
    workers: list[BaseProcess] = field(default_factory=list)
    asleep: dict[int, float] = field(default_factory=dict)
    """By place, when to continue the one that was stopped there."""
    last_fault: float = 0.0
    gave_up: int = 0

    def __enter__(self) -> "Storm":
        self.workers = [self.tried.start(number) for number in range(self.size.workers)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()

    def rage(self) -> None:
        """Every fault in its turn, spread over the work: the n-th when its share of the messages is through."""
        faults = ["kill"] * self.size.kills + ["stop"] * self.size.stops
        self.chance.shuffle(faults)
        until = monotonic() + PATIENCE_S
        for turn, fault in enumerate(faults, start=1):
            share = (self.size.messages - LEFT * self.size.workers) * turn // len(faults)
            while self.tried.count("accepted") < share:
                assert monotonic() < until, f"no way on after {turn} faults"
                self._tend()
                sleep(0.01)
            self._strike(fault)

    def _strike(self, fault: str) -> None:
        awake = [n for n, one in enumerate(self.workers) if n not in self.asleep and one.is_alive()]
        sleep(self.chance.uniform(0, 0.05))
        place = self.chance.choice(awake)
        victim = self.workers[place]
        if fault == "kill":
            victim.kill()
            victim.join()
            assert victim.exitcode == -signal.SIGKILL, "a kill must hit somebody who is at work"
            self.workers[place] = self.tried.start(place)
        else:
            assert victim.pid
            os.kill(victim.pid, signal.SIGSTOP)
            self.asleep[place] = monotonic() + self.tried.lease_s + 0.5
        self.last_fault = monotonic()

    def _tend(self) -> None:
        """Continue whose lease is over, replace who gave up because its server had given it up."""
        for place in [place for place, when in self.asleep.items() if when <= monotonic()]:
            pid = self.workers[place].pid
            assert pid
            os.kill(pid, signal.SIGCONT)
            del self.asleep[place]
        for place, worker in enumerate(self.workers):
            if not worker.is_alive() and worker.exitcode:
                self.gave_up += 1
                self.workers[place] = self.tried.start(place)

    def settle(self) -> float:
        """Wait until nothing is owed, then for everybody to end. Seconds from the last fault to the last message."""
        until = monotonic() + PATIENCE_S
        while self.tried.count("pending", "leased"):
            assert monotonic() < until
            self._tend()
            sleep(0.02)
        took = monotonic() - self.last_fault
        while self.asleep or any(worker.is_alive() for worker in self.workers):
            assert monotonic() < until
            self._tend()
            sleep(0.02)
        return took


def weather(planted_field: Field, size: Size) -> None:
    """Let a storm rage over a field, and hold what is left against what the promises say."""
    started = monotonic()
    with Storm(planted_field, size, random.Random(20261121)) as storm:
        storm.rage()
        took = storm.settle()
    rate = size.messages / (storm.last_fault - started)
    found = balance(planted_field)
    said = f"{size}: {rate:.0f} messages/s, {found}, settled {took:.1f} s after the last fault, {storm.gave_up} gave up"
    print(f"\n{said}")
    assert (found.lost, found.falsely_accepted, found.strangers) == (0, 0, 0), said
    assert found.untidy == [], said
    assert found.copies <= size.kills + size.stops, said
    assert took <= 2 * size.lease_s, said


@pytest.fixture
def field_on_postgres(server: PostgresServer, tmp_path: Path) -> Iterator[Field]:
    """As many messages on a PostgreSQL as the storm is big."""
    with planted(tmp_path, server.database(), SIZE.messages, SIZE.lease_s) as made:
        yield made


@pytest.mark.server
@pytest.mark.slow
def test_a_storm_on_postgresql_loses_nothing(field_on_postgres: Field) -> None:
    """Every message arrives, each fault costs one copy at most, and two leases after the last one all is settled."""
    weather(field_on_postgres, SIZE)


@pytest.mark.slow
def test_a_storm_on_a_file_loses_nothing(tmp_path: Path) -> None:
    """The same on one machine with an SQLite store, whose writers take turns."""
    size = ON_A_FILE
    with planted(tmp_path, f"sqlite:///{tmp_path}/keywatch.db", size.messages, size.lease_s) as made:
        weather(made, size)
        assert made.ask("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.server
@pytest.mark.slow
def test_undisturbed_workers_send_each_message_once(field_on_postgres: Field) -> None:
    """Without faults nothing comes twice, however many work at it."""
    started = monotonic()
    workers = [field_on_postgres.start(number) for number in range(SIZE.workers)]
    for worker in workers:
        worker.join(PATIENCE_S)
    found = balance(field_on_postgres)
    print(f"\nundisturbed: {SIZE.messages / (monotonic() - started):.0f} messages/s with {SIZE.workers} workers")
    assert [worker.exitcode for worker in workers] == [0] * SIZE.workers
    assert (found.lost, found.copies, found.untidy) == (0, 0, [])


@pytest.mark.server
@pytest.mark.parametrize("where", ["message.sending", "message.sent"])
def test_who_slept_past_its_lease_cannot_settle(server: PostgresServer, tmp_path: Path, where: str) -> None:
    """A worker stopped past its lease wakes to find that another has the message: it writes nothing about it."""
    with planted(tmp_path, server.database(), 10, lease_s=1.0) as made:
        sleeper = made.start(1, stop_at=where)
        wait_stopped(sleeper.pid or 0)
        made.connection.execute("UPDATE message SET next_at = next_at + interval '1 day' WHERE state = 'pending'")
        taker = made.start(3, stop_at="message.sent", lease_s=60)
        wait_stopped(taker.pid or 0)
        held = "SELECT state, tries, lease_owner FROM message WHERE state = 'leased'"
        before = made.ask(held)
        assert [row[:2] for row in before] == [("leased", 2)]
        assert sleeper.pid
        assert taker.pid
        os.kill(sleeper.pid, signal.SIGCONT)
        sleep(0.5)
        assert made.ask(held) == before, "it is still the other's"
        open_ones = made.ask("SELECT n FROM attempt WHERE ended_at IS NULL")
        assert open_ones == [(2,)]
        made.connection.execute("UPDATE message SET next_at = now() WHERE state = 'pending'")
        os.kill(taker.pid, signal.SIGCONT)
        for worker in (sleeper, taker):
            worker.join(30)
            assert worker.exitcode == 0
        found = balance(made)
        assert (found.lost, found.untidy) == (0, [])
        assert found.copies <= 1

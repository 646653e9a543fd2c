"""A store with many messages due, the processes that send them, and what is to be true of both when all is quiet.

Every process runs the real dispatch on a real store and speaks to a real mail server; half of them pretend to be on
another host, whose death nobody here can know of, so that their leases must run out.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from keywatch import dispatch, outlook, schema
from keywatch.config import load
from keywatch.model import Credential, Decision, Planned
from keywatch.read import connect
from keywatch.store import Store, owner_name
from tests.crash.sink import Letter, Sink

PEOPLE = 10
PRELOADED = ["tests.storm.field", "psycopg", "keywatch_mail.letter", "keywatch_mail.kwmail", "keywatch_mail.post"]
CONFIG = """\
[keywatch]
store = "{store}"
owner = "everybody"
last_resort = ["p0:mail", "p1:mail"]

[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:{port}"

[owners.everybody]
people = [{people}]

[policy]
questions = false

[people]
"""


@dataclass
class Field:
    """One store full of messages, and the mail server that they go to."""

    url: str
    config: Path
    sink: Sink
    lease_s: float
    connection: Any = field(init=False)

    def __post_init__(self) -> None:
        self.connection = connect(self.url)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Look into the store behind the program's back."""
        rows: list[tuple[Any, ...]] = self.connection.execute(question).fetchall()
        return rows

    def count(self, *states: str) -> int:
        """How many messages are in these states."""
        words = ", ".join(f"'{state}'" for state in states)
        return int(self.ask(f"SELECT count(*) FROM message WHERE state IN ({words})")[0][0])

    def start(self, number: int = 0, stop_at: str = "", lease_s: float = 0, skew_s: float = 0) -> BaseProcess:
        """A process that sends until nothing is owed; odd numbers are on another host, whose clock may be fast."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=send_all, args=(self.config, lease_s or self.lease_s, number, stop_at, skew_s))
        process.start()
        return process


@contextmanager
def planted(folder: Path, url: str, messages: int, lease_s: float) -> Iterator[Field]:
    """Make a real store at `url` in which that many messages are due (a multiple of ten)."""
    schema.create(url, rehearsal=False, now=datetime.now(UTC))
    with Sink(folder / "mails.log") as sink:
        people = [f"p{n}" for n in range(PEOPLE)]
        listed = ", ".join(f'"{name}"' for name in people)
        text = CONFIG.format(store=url, port=sink.port, people=listed)
        text += "".join(f'{name} = {{ name = "{name.title()}", mail = "{name}@example.com" }}\n' for name in people)
        path = folder / "keywatch.toml"
        path.write_text(text)
        with Store(url) as store:
            for number in range(messages // PEOPLE):
                _plant(store, number, people)
        made = Field(url, path, sink, lease_s)
        try:
            yield made
        finally:
            made.connection.close()


def _plant(store: Store, number: int, people: list[str]) -> None:
    """One credential, and a message about it to each person: nothing that could be put together with another one."""
    now = datetime.now(UTC)
    expires, name = now + timedelta(days=12), f"key-{number}"
    notices = tuple(Planned(f"{person}:mail", person, 0, "an owner", True) for person in people)
    decision = Decision(stage="7d@today", asks=True, notices=notices, next_at=expires)
    with store.write(plan=True) as tx:
        row = Credential(id=0, name=name, source="manual", ref=name, version="1", expires_at=expires, owner="everybody")
        episode = tx.open_episode(tx.save(row), expires, "1", now)
        tx.apply(episode, decision, now, name, "example.com")


def send_all(config_path: Path, lease_s: float, number: int, stop_at: str, skew_s: float) -> None:
    """What a process does: send until nothing is owed. At the failpoint `stop_at`, once, it stops as if suspended."""
    if stop_at:
        _stop_once(stop_at)
    dispatch.LEASE = timedelta(seconds=lease_s)
    config = load(config_path, {})
    host, _, rest = owner_name().partition(":")
    owner = f"{host}-other{number}:{rest}" if number % 2 else owner_name()

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=skew_s)

    with Store(config.store) as store:
        sender = dispatch.Dispatcher(store, config, clock, timedelta(seconds=1), owner)
        with store.write() as tx:
            world = outlook.world(config, tx.read, datetime.now(UTC))
        with sender:
            owed = True
            while owed:
                sender.run(world)
                with store.write() as tx:
                    owed = tx.read.counts().pending > 0
                sleep(0.05)


def _stop_once(name: str) -> None:
    import sys

    reached: list[str] = []

    def seen(event: str, _: object) -> None:
        if event == f"keywatch.{name}" and not reached:
            reached.append(event)
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(seen)


def wait_stopped(pid: int, patience_s: float = 60) -> None:
    """Wait until a process was stopped."""
    until = monotonic() + patience_s
    while (state := Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "T":
        assert state not in "ZX", "it ended before it came there"
        assert monotonic() < until
        sleep(0.01)


# --------------------------------------------------------------------------- what is to be true


@dataclass(frozen=True)
class Balance:
    """What the mail server has, held against what the store says."""

    lost: int
    copies: int
    falsely_accepted: int
    strangers: int
    untidy: list[tuple[Any, ...]]
    """Messages without exactly one accepted attempt, which is the last; or with an open one."""


UNTIDY = """
SELECT m.id, m.state, m.tries, count(*), sum(CASE WHEN a.verdict = 'accepted' THEN 1 ELSE 0 END),
  max(CASE WHEN a.verdict = 'accepted' THEN a.n ELSE 0 END), sum(CASE WHEN a.ended_at IS NULL THEN 1 ELSE 0 END)
FROM message m LEFT JOIN attempt a ON a.message_id = m.id GROUP BY m.id, m.state, m.tries
HAVING m.state <> 'accepted' OR count(*) <> m.tries OR sum(CASE WHEN a.verdict = 'accepted' THEN 1 ELSE 0 END) <> 1
  OR max(CASE WHEN a.verdict = 'accepted' THEN a.n ELSE 0 END) <> m.tries
  OR sum(CASE WHEN a.ended_at IS NULL THEN 1 ELSE 0 END) <> 0
"""


def balance(tried: Field) -> Balance:
    """Count what was lost, and what came twice: the same letter to the same person under the same Message-ID."""
    letters: list[Letter] = tried.sink.letters(0)
    came = Counter((letter.message_id, letter.to) for letter in letters)
    rows = tried.ask("SELECT message_id, route, state FROM message")
    wanted = {(name, route.replace(":mail", "@example.com")): state for name, route, state in rows}
    return Balance(
        lost=len(set(wanted) - set(came)),
        copies=len(letters) - len(came),
        falsely_accepted=sum(state == "accepted" and name not in came for name, state in wanted.items()),
        strangers=len(set(came) - set(wanted)),
        untidy=tried.ask(UNTIDY),
    )

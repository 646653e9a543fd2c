"""The real program on a real store, as the timer and the people of the simulated company use it."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from keywatch import acking, importing, register, schema, trial
from keywatch.acking import Answer, Promise, Taken
from keywatch.check import Report, check
from keywatch.cli.check import SNAPSHOT
from keywatch.config import Config, load
from keywatch.dispatch import Dispatcher
from keywatch.errors import KeywatchError
from keywatch.model import AckKind, Credential, Person, World
from keywatch.outlook import world
from keywatch.read import Reader, instant_of, open_reader
from keywatch.store import Store, Tx
from keywatch_file import rows
from tests.story.company import Item


@dataclass
class Program:
    """One installation. `now` is the company's clock; waiting moves it."""

    folder: Path
    now: Callable[[], datetime]
    wait: Callable[[timedelta], None]
    refused: list[str] = field(default_factory=list)
    """What people wanted and the program did not allow, in its words."""
    config: Config = field(init=False)
    store: Store = field(init=False)
    reader: Reader = field(init=False)

    def begin(self, text: str) -> None:
        """`init`, with this config."""
        self.configure(text)
        schema.create(self.config.store, rehearsal=True, now=self.now())
        self.store, self.reader = Store(self.config.store), open_reader(self.config.store)

    def close(self) -> None:
        self.reader.close()
        self.store.close()

    def configure(self, text: str) -> None:
        """Somebody edits the config."""
        path = self.folder / "keywatch.toml"
        path.write_text(text, encoding="utf-8")
        self.config = load(path, {})

    # ------------------------------------------------------------- the timer

    def run(self) -> tuple[int, Report | None]:
        """One run as the command does it: an idle one answers with the standing result."""
        now = self.now()
        if self._idle(now):
            self.reader.mark_run(now, now)
            return int(self.reader.meta("standing", "0")), None
        report = check(self.config, self.store, self.now, rehearsal=True, wait=self.wait)
        return int(report.exit_code), report

    def _idle(self, now: datetime) -> bool:
        """The question that the command asks first, in its order."""
        digest_at, left = (instant_of(self.reader.meta(name) or None) for name in ("digest_at", "snapshot_at"))
        if digest_at is None or now >= digest_at or (left is not None and now - left >= SNAPSHOT):
            return False
        return self.reader.idle(now, self.config.digest_hash)

    # ------------------------------------------------------------- people

    @contextmanager
    def _writing(self) -> Iterator[tuple[Tx, World]]:
        with self.store.write() as tx:
            yield tx, world(self.config, tx.read, self.now())

    def imports(self, items: list[Item]) -> None:
        """`keywatch import` of a table."""
        said = rows(_csv(items), "csv", self.config.zone)
        who = register.Speaker("p00", "p00")
        with self._writing() as (tx, seen):
            plan = importing.plan(self.config, seen, tx.read, said, self.now(), update=False)
            importing.carry_out(tx, self.config, seen, plan, who, self.now())

    def write_file(self, items: list[Item]) -> None:
        """The source as it is now."""
        (self.folder / "credentials.toml").write_text("\n".join(map(_toml, items)), encoding="utf-8")

    def ack_code(self, code: str, person: str) -> Answer | None:
        """`keywatch ack CODE --by PERSON`; None: refused."""
        try:
            with self._writing() as (tx, seen):
                message = tx.read.message_by_code(code)
                assert message is not None
                promise = Promise(AckKind.ACK, login=person)
                return acking.by_code(tx, self.config, seen, message, self._person(person), promise, self.now())
        except KeywatchError as problem:
            self.refused.append(f"{self.now():%Y-%m-%d %H:%M} ack {person}: {problem.what}")
            return None

    def ack(self, name: str, person: str, *, begun: bool) -> Taken | None:
        """`keywatch ack NAME --by PERSON`; None: refused."""
        kind = AckKind.BEGUN if begun else AckKind.ACK
        try:
            with self._writing() as (tx, seen):
                row, promise = self._row(tx, name), Promise(kind, login=person)
                answer = acking.by_name(tx, seen, row, self.config.people[person], promise, self.now())
                return answer.taken[0]
        except KeywatchError as problem:
            self.refused.append(f"{self.now():%Y-%m-%d %H:%M} ack {name} by {person}: {problem.what}")
            return None

    def renew(self, name: str, person: str, expires: date) -> None:
        """`keywatch renew NAME --expires DATE`."""
        with self._writing() as (tx, seen):
            at = datetime(expires.year, expires.month, expires.day, tzinfo=self.config.zone)
            who = register.Speaker(person, person)
            register.renew(tx, self.config, seen, self._row(tx, name), at, None, who, self.now())

    def done(self, name: str, step: str, person: str) -> None:
        """`keywatch renew NAME --done STEP`."""
        with self._writing() as (tx, seen):
            who = register.Speaker(person, person)
            register.done(tx, self.config, seen, self._row(tx, name), step, who, self.now())

    def test(self, route: str) -> str:
        """`keywatch test ROUTE`: the code of the message that went out."""
        seen = world(self.config, self.reader, self.now())
        with Dispatcher(self.store, self.config, self.now) as dispatcher:
            sent = trial.send(self.store, self.config, seen, dispatcher, trial.routes_of(seen, route))
        return sent[0].message.code

    def _row(self, tx: Tx, name: str) -> Credential:
        return tx.read.find(name, self.now())[0]

    def _person(self, key: str) -> Person:
        return self.config.people[key]


def _csv(items: list[Item]) -> str:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["name", "expires", "issued", "owner", "env", "lead"])
    for one in items:
        table.writerow([one.name, one.expires, one.issued or "", one.team, "production", one.lead])
    return out.getvalue()


def _toml(item: Item) -> str:
    issued = f"issued = {item.issued}\n" if item.issued else ""
    robot = "automatic = true\n" if item.robot else ""
    return (
        f'[[credential]]\nname = "{item.name}"\nexpires = {item.expires}\n{issued}{robot}'
        f'owner = "{item.team}"\nlead = "{item.lead}"\nenv = "production"\n'
    )

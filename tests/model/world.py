"""One installation in a simulated world: real config, real store, real runs; its people, mailboxes and clock are ours.

The state machine and the simulated years drive it. Every run is judged by the oracle, and a broken invariant says what
was expected of which credential.
"""

import contextlib
import os
import shutil
import traceback
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from keywatch import acking, ending, register
from keywatch.check import Report, check
from keywatch.config import Config, load
from keywatch.errors import KeywatchError
from keywatch.model import AckKind, Credential
from keywatch.outlook import world
from keywatch.store import Store, Tx
from tests.model.books import Books, Known, Promise, Row
from tests.model.days import HOUR
from tests.model.edges import KILLED, Mail, Post, plugged
from tests.model.installation import CONFIG, PEOPLE
from tests.model.judge import ALIAS, Judge, Run

NOTHING = timedelta(0)
FRESH = timedelta(minutes=15)
NEVER = 1_000_000
"""Sends after which nobody dies."""
START = datetime(2026, 10, 5, 8, tzinfo=UTC)


@dataclass
class World:
    """The installation, and everything outside of it."""

    folder: Path
    now: datetime = START
    post: Post = field(default_factory=Post)
    books: Books = field(default_factory=Books)
    rows: dict[str, Row] = field(default_factory=dict)
    """What the file holds now."""
    rotation: tuple[str, ...] = ("ana", "bo", "cy")
    address: dict[str, str] = field(default_factory=lambda: {one: f"{one}@example.com" for one in PEOPLE})
    source: str = "fine"
    """`broken`: no TOML; `away`: no file; `blank`: it holds nothing any more, and is not believed."""
    decided: datetime | None = None
    """The time by which the last run decided."""
    source_bad: bool = False
    roster_at: datetime | None = None
    """When the roster was last asked; its answer serves for a quarter of an hour."""
    roster_bad: bool = False
    ran_at: datetime | None = None
    asked_at: datetime | None = None
    _number: int = 0
    _ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    def made(cls, folder: Path, template: Path) -> "World":
        """A new installation; `template` is a store that was just made."""
        made = cls(folder)
        shutil.copy(template, folder / "keywatch.db")
        made._ends.enter_context(plugged(made.post))
        made.configure()
        made.store = made._ends.enter_context(Store(made.config.store))
        return made

    def close(self) -> None:
        self._ends.close()

    store: Store = field(init=False)
    config: Config = field(init=False)

    def configure(self) -> None:
        """Write the config anew, as an editor does, and read it."""
        people = "\n".join(
            f'{key} = {{ name = "{key.title()}", mail = "{mail}" }}' for key, mail in self.address.items()
        )
        text = CONFIG.format(people=people, rotation=str(list(self.rotation)).replace("'", '"'))
        path = self.folder / "keywatch.toml"
        path.write_text(text, encoding="utf-8")
        self.config = load(path, {})

    # ------------------------------------------------------------- credentials

    def name(self) -> str:
        self._number += 1
        return f"c{self._number}"

    def create(self, owner: str, expires: datetime, lead: int) -> str:
        """A new row of the file."""
        name = self.name()
        self.rows[name] = Row(name, owner, lead, expires)
        return name

    def rotate(self, name: str, expires: datetime) -> None:
        """A new version, with whatever date its source then shows."""
        self.change(name, expires=expires, issued=self.now)

    def change(self, name: str, **what: Any) -> None:
        self.rows[name] = replace(self.rows[name], **what)

    def write_file(self) -> None:
        """The source as it is now."""
        path = self.folder / "credentials.toml"
        path.unlink(missing_ok=True)
        if self.source != "away":
            anchor = '[[credential]]\nname = "anchor"\nnever = true\nowner = "platform"\n'
            text = anchor + "".join(_toml(row) for row in self.rows.values())
            path.write_text({"broken": "[[", "blank": ""}.get(self.source, text), encoding="utf-8")

    def add(self, owner: str, expires: datetime, lead: int) -> str:
        """Somebody registers a credential by hand."""
        row = Row(self.name(), owner, lead, expires)
        said = register.Said(expires, labels={"owner": owner, "lead": f"{lead}bd", "env": "production"})
        with self.store.write() as tx:
            register.add(tx, self.config, world(self.config, tx.read, self.now), row.name, said, _WHO, self.now)
        self.books.known[row.name] = Known(row, self.now)
        return row.name

    def renew(self, name: str, expires: datetime) -> None:
        """The next version of a row that is kept by hand."""
        known = self.books.known[name]
        with self.store.write() as tx:
            place = world(self.config, tx.read, self.now)
            register.renew(tx, self.config, place, self._row(tx, name), expires, None, _WHO, self.now)
        self.books.known[name] = known.seen(self.now, replace(known.row, expires=expires, issued=self.now))

    def edit(self, name: str, expires: datetime) -> None:
        """The same version has another date: a person's word rules at once."""
        known = self.books.known[name]
        with self.store.write() as tx:
            said, place = register.Said(expires), world(self.config, tx.read, self.now)
            register.edit(tx, self.config, place, self._row(tx, name), said, _WHO, self.now, same_date=False)
        row = replace(known.row, expires=expires)
        later = expires > known.row.expires
        self.books.known[name] = Known(row, self.now) if later else known.seen(self.now, row)

    def retire(self, name: str) -> None:
        with self.store.write() as tx:
            ending.retire(tx, self._row(tx, name), "not used", _WHO, self.now)
        del self.books.known[name]

    def _row(self, tx: Tx, name: str) -> Credential:
        return tx.read.find(name, self.now)[0]

    # ------------------------------------------------------------- people

    def ack(self, mail: Mail, *, begun: bool, until: date | None = None) -> bool:
        """Somebody answers a message by its code; False if the program refuses it."""
        promise = acking.Promise(AckKind.BEGUN if begun else AckKind.ACK, until, login="somebody")
        by = None if mail.person else self.config.people["cy"]
        try:
            with self.store.write() as tx:
                message, place = tx.read.message_by_code(mail.code), world(self.config, tx.read, self.now)
                assert message is not None
                answer = acking.by_code(tx, self.config, place, message, by, promise, self.now)
        except KeywatchError:
            return False
        if mail.to not in self.books.dead and mail.to in {*self.address.values(), ALIAS}:
            self.books.proofs.setdefault(mail.to, []).append(self.now)
        for taken in answer.taken:
            self._promised(taken, mail.person or "cy", begun=begun, dated=until is not None)
        return True

    def _promised(self, taken: acking.Taken, giver: str, *, begun: bool, dated: bool) -> None:
        """What was printed is what is promised, and no further than the rules allow."""
        known = self.books.known[taken.credential.name]
        held = known.holding(self.now)
        again = held is not None and (held.person == giver or not dated)  # without a date nothing is shortened
        limit = known.furthest(self.now, begun=begun)
        assert taken.until <= limit or (again and held and taken.until <= held.until), (
            f"I4 {known.row.name} is promised until {taken.until}, and {limit} is the furthest [{known}]"
        )
        known.promises.append(Promise(self.now, taken.until, giver))

    # ------------------------------------------------------------- runs

    def run(self, skew: timedelta = NOTHING, killed: Sequence[Mail] = ()) -> Run:
        """One run of the timer, judged; its clock is wrong by `skew`. `killed`: what a run sent that it takes over."""
        first, wall = len(self.post.log) - len(killed), self.now + skew
        self.write_file()
        report = check(self.config, self.store, lambda: self.now + skew, wait=self._wait)
        self._time(wall, report.now)
        done = replace(self._done(report, first), killed=bool(killed))
        self._judge(done)
        return done

    def _wait(self, pause: timedelta) -> None:
        self.now += pause

    def _time(self, wall: datetime, decided: datetime) -> None:
        """The time that runs decide by never goes back, and is the clock's where that has caught up."""
        before = self.decided or wall
        assert decided >= max(wall, before), f"decided as if it were {decided} at {wall} after {before}"
        assert decided == wall or wall < before, f"{decided} is later than {wall}, and no run was"
        self.decided = decided

    def _done(self, report: Report, first: int) -> Run:
        """Enter into the books what this run saw and did."""
        mails = self.post.log[first:]
        at, asked = report.now, "file" in report.asked
        assert asked or (self.asked_at and at - self.asked_at < timedelta(minutes=10)), "the source was not asked"
        self._fetched(at, asked=asked)
        self._answers(mails)
        far = self.ran_at is None or at - self.ran_at > HOUR
        self.ran_at = at
        trouble = self.source_bad or self.roster_bad or bool(report.clock)
        return Run(at, first, mails, int(report.exit_code), frozenset(report.uncovered), far, trouble)

    def _fetched(self, at: datetime, *, asked: bool) -> None:
        """What a run that asked the source, and the roster where its last answer is too old, must know now."""
        if asked:
            self.asked_at, blank = at, self.source == "blank"
            if self.source in ("fine", "blank"):
                self.books.listing(at, {} if blank else self.rows, blank=blank)
            self.source_bad = self.source != "fine" or self.books.held
        if asked and (self.roster_at is None or at - self.roster_at > FRESH):
            self.roster_at, self.roster_bad = at, self.post.silent_roster
            if not self.roster_bad:
                self.books.roster(at, self.rotation)

    def _answers(self, mails: list[Mail]) -> None:
        """Refusals, and the promises of people who cannot be reached any more."""
        for mail in mails:
            if mail.to in self.post.gone:
                self.books.refused(mail.to, mail.at)
        for known in self.books.known.values():
            held = known.holding(self.now)
            if held and self.address[held.person] in self.books.dead:
                held.void_at = self.decided

    def _judge(self, run: Run) -> None:
        broken = Judge(self.books, self.post.log, self.address).broken(run)
        assert not broken, "\n".join(broken)

    # ------------------------------------------------------------- deaths

    def run_killed_everywhere(self) -> None:
        """A run that dies after its k-th send, for every k, each on a copy; then this world runs undisturbed."""
        wanted, undisturbed = self.run_killed(NEVER)
        told = _told(wanted)
        for after in range(1, len(wanted) + 1):
            before, copy = self.run_killed(after)
            copy.recover(before, told)
        shutil.rmtree(undisturbed.folder)
        self.run()

    def recover(self, before: list[Mail], told: set[tuple[Any, ...]]) -> None:
        """The run after a kill: nothing is lost, and at most what was on the wire comes twice, as the same message."""
        self._fetched(self.now, asked=True)
        self.now += timedelta(minutes=5)
        self.post.log += before
        with plugged(self.post), Store(self.config.store) as self.store:
            done = self.run(killed=before)
        accepted = [m for m in done.mails if m.accepted]
        lost = told - _told(accepted)
        assert not lost, f"lost by a kill after {len(before)} sends: {lost}"
        copies = Counter(m.message_id for m in accepted)
        assert sum(copies.values()) - len(copies) <= 1, f"a kill after {len(before)} sends cost {copies}"
        shutil.rmtree(self.folder)

    def run_killed(self, after: int) -> tuple[list[Mail], "World"]:
        """A copy of this world whose run dies after `after` sends; what got out, and the copy, ready to go on."""
        self.write_file()
        copy = self._copy(self.folder.parent / f"{self.folder.name}-{after}")
        child = os.fork()
        if child == 0:
            copy._die(after)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, KILLED), (copy.folder / "error").read_text()
        journal = copy.folder / "journal"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [Mail.read(line) for line in lines], copy

    def _copy(self, folder: Path) -> "World":
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        # What the copy goes through is not this world's affair, so it has its own books.
        post, books = deepcopy(self.post), deepcopy(self.books)
        copy = World(folder, self.now, post, books, dict(self.rows), self.rotation, dict(self.address), self.source)
        copy.decided, copy.ran_at, copy.asked_at = self.decided, self.ran_at, self.asked_at
        copy.source_bad, copy.roster_at, copy.roster_bad = self.source_bad, self.roster_at, self.roster_bad
        copy.configure()
        return copy

    def _die(self, after: int) -> None:
        """In a process of its own: a run that is killed."""
        try:
            self.post.journal, self.post.dies_after = self.folder / "journal", len(self.post.log) + after
            with plugged(self.post):
                self.config = load(self.folder / "keywatch.toml", {})
                check(self.config, Store(self.config.store), lambda: self.now, wait=self._wait)
            os._exit(0)
        except BaseException:
            (self.folder / "error").write_text(traceback.format_exc())
            os._exit(70)


def _told(mails: Sequence[Mail]) -> set[tuple[str, str]]:
    """Which mailbox was told of which credential."""
    return {(mail.to, name) for mail in mails if mail.accepted for name in mail.names}


_WHO = register.Speaker("ana", "ana")


def _toml(row: Row) -> str:
    issued = f"issued = {row.issued:%Y-%m-%dT%H:%M:%SZ}\n" if row.issued else ""
    return (
        f'\n[[credential]]\nname = "{row.name}"\nexpires = {row.expires:%Y-%m-%dT%H:%M:%SZ}\n{issued}'
        f'owner = "{row.owner}"\nlead = "{row.lead}bd"\nenv = "production"\n'
    )

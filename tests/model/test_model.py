"""A model of the whole program: hypothesis invents lives of installations, the oracle's books say what must hold.

`MODEL_EXAMPLES=2000` is the long run (with 40 steps each); CI runs fewer.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.model.days import DAY, HOUR, local, midnight, nine
from tests.model.edges import Mail
from tests.model.installation import PEOPLE, template
from tests.model.judge import ALIAS
from tests.model.world import START, World

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
STEPS = 40 if EXAMPLES > 100 else 30
PARTS = 4
SEED = int(os.environ.get("MODEL_SEED", "1"))
LIMIT = 4
"""Credentials at a time."""
OWNERS = st.sampled_from(["payments", "payments", "web", "platform"])
LEADS = st.sampled_from([1, 2, 5, 21])
NEAR = st.integers(-3, 12) | st.integers(12, 80)
"""Days until the end: mostly near enough to be spoken of."""
_FOLDERS = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
"""Where a commit costs no disk; a power cut is not this test's matter."""


@contextlib.contextmanager
def playground() -> Iterator[Path]:
    """A folder for one session, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(prefix="kw-model-", dir=_FOLDERS) as folder:
        yield Path(folder)


class Lives(RuleBasedStateMachine):
    """One installation whose credentials, people, mailboxes, source and clock do whatever they like."""

    home: Path
    """A folder with a store that was just made."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.home))
        (self.folder / "w").mkdir()
        self.world = World.made(self.folder / "w", self.home / "template.db")

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(adopted=st.lists(st.tuples(OWNERS, NEAR, LEADS), min_size=1, max_size=3), runs=st.booleans())
    def begin(self, adopted: list[tuple[str, int, int]], runs: bool) -> None:
        """What is there when keywatch is installed comes as one question each."""
        for owner, days, lead in adopted:
            self.world.create(owner, self.end(days), lead)
        if runs:
            self.world.run()

    def end(self, days: int) -> datetime:
        return midnight(local(self.world.now) + days * DAY)

    # ------------------------------------------------------------- credentials

    def file_row(self, pick: int) -> str | None:
        names = sorted(self.world.rows)
        return names[pick % len(names)] if names else None

    def hand_row(self, pick: int) -> str | None:
        names = sorted(set(self.world.books.known) - self.world.books.listed)
        return names[pick % len(names)] if names else None

    @property
    def room(self) -> bool:
        return len({*self.world.rows, *self.world.books.known}) < LIMIT

    @precondition(lambda self: self.room)
    @rule(owner=OWNERS, days=NEAR, lead=LEADS, by_hand=st.booleans())
    def create(self, owner: str, days: int, lead: int, by_hand: bool) -> None:
        make = self.world.add if by_hand else self.world.create
        make(owner, self.end(days), lead)

    @precondition(lambda self: self.world.rows)
    @rule(what=st.sampled_from(["rotate", "same date", "redate", "delete"]), pick=st.integers(0, 9), days=NEAR)
    def source_changes(self, what: str, pick: int, days: int) -> None:
        """A new version, usually with a later date; another date; or it is gone."""
        name = self.file_row(pick) or ""
        row = self.world.rows[name]
        if what == "delete":
            del self.world.rows[name]
        elif what == "rotate":
            self.world.rotate(name, self.end(max(days, 10)))
        elif what == "same date" and row.expires - self.world.now >= 10 * DAY:
            self.world.rotate(name, row.expires)
        elif what == "redate" and (row.issued is None or self.fits(row.issued, days)):
            self.world.change(name, expires=self.end(days))

    @precondition(lambda self: self.hand_row(0))
    @rule(pick=st.integers(0, 9), days=st.integers(10, 90), how=st.sampled_from(["renew", "edit", "retire"]))
    def by_hand(self, pick: int, days: int, how: str) -> None:
        name = self.hand_row(pick) or ""
        if how == "retire":
            self.world.retire(name)
            return
        known = self.world.books.known[name].row
        if self.end(days) != known.expires and (how == "renew" or not known.issued or self.fits(known.issued, days)):
            (self.world.renew if how == "renew" else self.world.edit)(name, self.end(days))

    def fits(self, issued: datetime, days: int) -> bool:
        return self.end(days) - issued >= 10 * DAY

    # ------------------------------------------------------------- the outside world

    @rule(person=st.sampled_from([*PEOPLE, "alias"]))
    def route_dies(self, person: str) -> None:
        """Its mailbox answers 550 5.1.1 from now on."""
        self.world.post.gone.add(self.world.address.get(person, ALIAS))

    @precondition(lambda self: self.world.post.gone - {ALIAS})
    @rule(pick=st.integers(0, 9))
    def route_returns(self, pick: int) -> None:
        """Somebody gives a person whose mailbox is gone another one."""
        gone = [one for one in PEOPLE if self.world.address[one] in self.world.post.gone]
        person = gone[pick % len(gone)] if gone else "ana"
        self.world.address[person] = f"{person}{len(self.world.post.log)}x@example.com"
        self.world.now += timedelta(minutes=20)
        self.world.configure()

    @rule(what=st.sampled_from(["broken", "away", "blank", "roster", "*", "ana li", "mia cy bo", "", "", ""]))
    def outage(self, what: str) -> None:
        """The source, the roster or the mail server fails, wholly or for some; or all of them are well again.

        A blank file is one that lost everything; without rows there is nothing to lose.
        """
        self.world.source = what if what in ("broken", "away", "blank") and self.world.books.listed else "fine"
        self.world.post.silent_roster = what == "roster"
        down = {self.world.address[one] for one in what.split() if one in PEOPLE}
        self.world.post.down = {"*"} if what == "*" else down

    @rule(order=st.permutations(["ana", "bo", "cy"]), size=st.integers(1, 3))
    def rotation(self, order: list[str], size: int) -> None:
        """Somebody rewrites the rotation in the config."""
        self.world.rotation = tuple(order[:size])
        self.world.now += timedelta(minutes=20)
        self.world.configure()

    # ------------------------------------------------------------- answers

    def codes(self) -> list[Mail]:
        return [mail for mail in self.world.post.log if mail.accepted and mail.code and mail.names]

    @precondition(lambda self: self.codes())
    @rule(pick=st.integers(1, 6), begun=st.booleans(), days=st.none() | st.integers(0, 30))
    def ack(self, pick: int, begun: bool, days: int | None) -> None:
        """Somebody answers one of the last messages."""
        mails = self.codes()
        until: date | None = None if days is None else local(self.world.now) + days * DAY
        self.world.ack(mails[-min(pick, len(mails))], begun=begun, until=until)

    @precondition(lambda self: self.codes())
    @rule(pick=st.integers(1, 6), begun=st.booleans(), runs=st.booleans())
    def promise_lapses(self, pick: int, begun: bool, runs: bool) -> None:
        """Somebody answers, and nothing happens until the second morning after the promise ended."""
        mails = self.codes()
        mail = mails[-min(pick, len(mails))]
        if not self.world.ack(mail, begun=begun):
            return
        ends = [known.promises[-1].until for known in self.world.books.known.values() if known.promises]
        last = max([end for end in ends if end > self.world.now], default=self.world.now)
        while self.world.now < last:
            self.world.now = nine(local(self.world.now) + DAY)
            if runs or self.world.now >= last:
                self.world.run()
        self.days_pass(2, 9)

    # ------------------------------------------------------------- time and runs

    @rule()
    def run_twice(self) -> None:
        """A second run at the same instant has nothing to say."""
        self.world.run()
        assert not self.world.run().mails

    @rule(minutes=st.sampled_from([1, 7, 20, 55, 60, 61]))
    def a_moment_passes(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        self.world.run()

    @rule(days=st.integers(1, 4), at=st.sampled_from([9, 2, 13]))
    def days_pass(self, days: int, at: int) -> None:
        """A run each day, at one hour."""
        for _ in range(days):
            day = local(self.world.now) + DAY
            self.world.now = nine(day) + (at - 9) * HOUR
            self.world.run()

    @rule(hours=st.integers(1, 72))
    def no_run_for(self, hours: int) -> None:
        self.world.now += hours * HOUR

    @rule()
    def three_weeks_without_a_run(self) -> None:
        self.world.now += 21 * DAY
        self.world.run()

    @rule(skew=st.sampled_from([-600, -48, -1, 1, 72, 24 * 30]), fixed=st.booleans())
    def clock_is_wrong(self, skew: int, fixed: bool) -> None:
        """A run with a clock that is hours off; then NTP mends it, or time catches up."""
        self.world.now += timedelta(minutes=15)
        self.world.run(skew=skew * HOUR)
        if fixed:
            self.world.now += timedelta(minutes=15)
            self.world.run()

    @rule()
    def killed_after_every_send(self) -> None:
        """Whatever the k-th send is, the run after the kill leaves everybody told and nobody told twice."""
        self.world.run_killed_everywhere()


PROFILE: dict[str, Any] = {
    # Shrinking a life takes minutes; MODEL_SHRINK=1 asks for the shortest one.
    "phases": (Phase.explicit, Phase.generate, *([Phase.shrink] if os.environ.get("MODEL_SHRINK") else [])),
    "max_examples": max(EXAMPLES // PARTS, 1),
    "stateful_step_count": STEPS,
    "deadline": None,
    "database": None,
    "print_blob": True,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.parametrize("part", range(PARTS))
def test_every_life_keeps_the_promises(part: int) -> None:
    """I1 to I6, cover and quiet hold after every run of every life, whatever happens in it and wherever it is killed.

    Each part has its own seed, so that every run of the suite lives the same lives.
    """
    with playground() as home:
        template(home, START)
        machine = type("LivesHere", (Lives,), {"home": home})
        run_state_machine_as_test(seed(SEED + part)(machine), settings=settings(**PROFILE))

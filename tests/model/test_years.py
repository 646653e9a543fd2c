"""Whole simulated years: 50 credentials, a check each day, seeded faults. The same oracle as the state machine judges.

`YEARS=200` is the long run; the seed of a year that breaks a promise stands in its message.
"""

import os
import random
from datetime import timedelta
from pathlib import Path

import pytest

from tests.model.days import DAY, Dates, local, midnight, nine
from tests.model.edges import Mail
from tests.model.installation import PEOPLE, template
from tests.model.judge import ALIAS
from tests.model.test_model import playground
from tests.model.world import START, World

YEARS = int(os.environ.get("YEARS", "10"))
DAYS = int(os.environ.get("YEAR_DAYS", "365"))
CREDENTIALS = 50
OWNERS = ("payments", "payments", "web", "platform")
ANSWERED = 0.5
"""How likely somebody answers one of a day's messages."""


class Year:
    """One installation over a year; whatever happens to it is drawn from its seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        (folder / "w").mkdir()
        self.world = World.made(folder / "w", template(folder, START))
        self.draw = random.Random(seed)
        self.gap = START + self.draw.randint(60, 300) * DAY
        """Three weeks without a run begin here."""
        self.source_until = self.roster_until = self.mail_until = START

    def live(self, days: int) -> None:
        for n in range(CREDENTIALS):
            self.create() if n % 5 else self.add()
        end = START + days * DAY
        while self.world.now < end:
            self.faults()
            self.work()
            self.world.run()
            self.answers()
            self.tomorrow()

    def tomorrow(self) -> None:
        """Mostly at nine; now and then at two in the night, and once not for three weeks."""
        days = 21 if self.world.now <= self.gap < self.world.now + DAY else 1
        hour = self.draw.choice([0, 0, 0, 1, -7])
        self.world.now = nine(local(self.world.now) + days * DAY) + timedelta(hours=hour)

    # ------------------------------------------------------------- what goes wrong

    def faults(self) -> None:
        """Outages come and go by themselves, mailboxes die and are replaced."""
        now, post = self.world.now, self.world.post
        if now >= self.source_until:
            broken = self.chance(0.02) and self.world.books.complete
            self.world.source = self.draw.choice(["broken", "away", "blank"]) if broken else "fine"
            self.source_until = now + self.draw.randint(1, 5) * DAY if broken else now
        if now >= self.roster_until:
            post.silent_roster = self.chance(0.015)
            self.roster_until = now + self.draw.randint(1, 20) * DAY if post.silent_roster else now
        if now >= self.mail_until:
            down = self.draw.choice([{"*"}, {"ana@example.com", ALIAS}, {"li@example.com"}])
            post.down = down if self.chance(0.02) else set()
            self.mail_until = now + self.draw.randint(1, 3) * DAY if post.down else now
        if self.chance(0.01):
            post.gone.add(self.draw.choice([ALIAS, self.world.address[self.draw.choice(PEOPLE)]]))
        self.mend()

    def mend(self) -> None:
        """New mailboxes for people whose old one is gone, and a new order of the rotation."""
        gone = [one for one in PEOPLE if self.world.address[one] in self.world.post.gone]
        if gone and self.chance(0.2):
            self.world.address[gone[0]] = f"{gone[0]}-{len(self.world.post.log)}@example.com"
            self.world.configure()
        if self.chance(0.01):
            self.world.rotation = tuple(self.draw.sample(["ana", "bo", "cy"], self.draw.randint(1, 3)))
            self.world.configure()

    def chance(self, of: float) -> bool:
        return self.draw.random() < of

    # ------------------------------------------------------------- what people do

    def end(self, least: int = 15, most: int = 200) -> "tuple[str, object, int]":
        expires = midnight(local(self.world.now) + self.draw.randint(least, most) * DAY)
        return self.draw.choice(OWNERS), expires, self.draw.choice([1, 2, 5, 10, 21])

    def create(self) -> None:
        owner, expires, lead = self.end(-3)
        self.world.create(owner, expires, lead)  # type: ignore[arg-type]

    def add(self) -> None:
        owner, expires, lead = self.end()
        self.world.add(owner, expires, lead)  # type: ignore[arg-type]

    def work(self) -> None:
        """Renewals: mostly in time, some late, some without a date; a few deletions and new ones."""
        for name, known in list(self.world.books.known.items()):
            left = (known.row.expires - self.world.now) / DAY
            if not self.chance(0.15 if left < known.row.lead + 3 else 0.002):
                continue
            expires = midnight(local(self.world.now) + self.draw.randint(30, 200) * DAY)
            if name not in self.world.books.listed:
                self.world.renew(name, expires)
            elif name in self.world.rows:
                self.renew_at_source(name, expires)
        if self.chance(0.05):
            if len(self.world.rows) > 20:
                del self.world.rows[self.draw.choice(sorted(self.world.rows))]
            self.create()

    def renew_at_source(self, name: str, expires: object) -> None:
        row = self.world.rows[name]
        if self.chance(0.1) and row.expires - self.world.now > 12 * DAY:
            self.world.rotate(name, row.expires)
        elif self.chance(0.1):
            self.world.change(name, expires=expires)
        else:
            self.world.rotate(name, expires)  # type: ignore[arg-type]

    def answers(self) -> None:
        """Some of today's messages are answered; not everybody keeps what they promise."""
        today = self.world.ran_at
        recent: list[Mail] = [
            m for m in self.world.post.log[-20:] if m.at == today and m.accepted and m.code and m.names
        ]
        for mail in recent:
            if self.chance(ANSWERED):
                self.world.ack(mail, begun=self.chance(0.5))


def lived(seed: int, days: int = DAYS) -> World:
    """One year, judged after every run."""
    with playground() as folder:
        year = Year(folder, seed)
        try:
            year.live(days)
        except AssertionError as broken:
            raise AssertionError(f"YEAR_SEED={seed}, on {year.world.now:%Y-%m-%d %H:%M}:\n{broken}") from None
        finally:
            year.world.close()
        return year.world


def test_two_months_keep_the_promises() -> None:
    """The first sixty days of the first year, which is what every run of the suite can afford."""
    assert len(lived(0, days=60).post.log) > CREDENTIALS


@pytest.mark.slow
@pytest.mark.parametrize("seed", [int(os.environ["YEAR_SEED"])] if "YEAR_SEED" in os.environ else range(YEARS))
def test_a_year_keeps_the_promises(seed: int) -> None:
    """After each of a year's runs everybody who must know was told, or the run said by its exit code who was not."""
    assert len(lived(seed).post.log) > CREDENTIALS


def test_the_oracle_counts_as_the_design_does() -> None:
    """21 working days before 19 December are 20 November, counted by hand in DESIGN without a freeze."""
    assert local(Dates(midnight(local(START) + 75 * DAY), 21).start_by) == local(START) + 46 * DAY

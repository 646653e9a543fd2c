"""What the people of the simulated company do: read or not, answer or not, begin, renew, forget, mend.

Chance is drawn from what happens (who, what, when), not from the order in which the simulation meets it.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.story.company import Company, Human, Item
from tests.story.company_days import DAY, HOUR
from tests.story.company_post import Letter
from tests.story.company_program import Program

READS, READS_ALIAS, OVERLOOKS_AFTER_LEAVE = 0.95, 0.15, 0.2
ANSWERS, ANSWERS_TOO = 0.75, 0.2
"""Of those whose affair it is, and of those who are only told as well."""
EAGER = 0.15
"""More of them where it is late."""
STILL_READ = 0.92
"""Of the questions to an alias that somebody reads, so many get an answer."""
LAPSES = 0.05
ROBOT_FAILS = 0.1
MENDS = 0.8
MINE = ("on call for", "responsible for", "you promised")


@dataclass(slots=True)
class Work:
    """A renewal that somebody is at."""

    item: Item
    version: int
    person: Human
    done_at: datetime


@dataclass
class Crowd:
    """Everybody, and what they are about to do."""

    company: Company
    program: Program
    now: Callable[[], datetime]
    on_read: Callable[[Letter, Human], None]
    on_proof: Callable[[Letter, Human], None]
    on_promise: Callable[[str, str, datetime], None]
    """Credential, who, until when: as the program printed it."""
    on_renewed: Callable[[Item], None]
    log: list[Letter]
    version: dict[str, int] = field(default_factory=dict)
    work: dict[str, Work] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    _ahead: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _mending: set[str] = field(default_factory=set)

    def rng(self, *what: object) -> Random:
        return Random("|".join(map(str, (self.company.seed, *what))))

    def plan(self, at: datetime, act: Callable[[], None]) -> None:
        """Something that happens at `at`, or now if that has passed."""
        self._count += 1
        heapq.heappush(self._ahead, (at, self._count, act))

    def next_before(self, until: datetime) -> tuple[datetime, Callable[[], None]] | None:
        """The next thing anybody does up to `until`."""
        if not self._ahead or self._ahead[0][0] > until:
            return None
        at, _, act = heapq.heappop(self._ahead)
        return at, act

    # ------------------------------------------------------------- reading

    def arrived(self, letter: Letter) -> None:
        """A message that somebody may read, each in their own time."""
        if letter.kind == "question" and not letter.person:
            self._asked(letter)
            return
        paged = letter.to == "phone"
        readers = [self.company.humans[letter.person]] if paged else self.company.readers(letter.to, letter.at)
        for human in readers:
            rng = self.rng(human.key, letter.to, f"{letter.at:%Y-%m-%d %H}", sorted(letter.names), letter.kind)
            if rng.random() < (READS if letter.person else READS_ALIAS):
                at = letter.at + rng.uniform(0.1, 0.5) * HOUR if paged else self.sees(human, letter.at, rng)
                self.plan(at, lambda human=human, rng=rng: self._read(letter, human, rng))  # type: ignore[misc]

    def sees(self, human: Human, at: datetime, rng: Random) -> datetime:
        """When somebody looks into their mail: some hours later, at work."""
        at = human.back(at + rng.expovariate(0.5) * HOUR)
        office, local = human.office, at.astimezone(human.office.zone)
        if office.is_open(local.date()) and 9 <= local.hour < 18:
            return at
        day = local.date() if local.hour < 9 else local.date() + DAY
        while not office.is_open(day):
            day += DAY
        return human.back(office.at(day, 9 + rng.expovariate(1)))

    def _asked(self, letter: Letter) -> None:
        """ "Still read here?": somebody who does says so within days."""
        rng = self.rng("asked", letter.to, f"{letter.at:%Y-%m-%d}")
        readers = self.company.readers(letter.to, letter.at)
        if readers and rng.random() < STILL_READ:
            human = rng.choice(readers)
            self.plan(self.sees(human, letter.at + rng.uniform(0, 4) * DAY, rng), lambda: self._says(letter, human))

    def _says(self, letter: Letter, human: Human) -> None:
        if human in self.company.readers(letter.to, self.now()):
            self.on_read(letter, human)
            self._prove(letter, human)

    def _read(self, letter: Letter, human: Human, rng: Random) -> None:
        """One person looks at one message, if they still can."""
        here = human.here(self.now()) if letter.to == "phone" else human in self.company.readers(letter.to, self.now())
        if not here or (human.back(letter.at) != letter.at and rng.random() < OVERLOOKS_AFTER_LEAVE):
            return
        self.on_read(letter, human)
        late = bool({"LATE", "EXPIRED"} & set(letter.names.values()))
        mine = letter.kind == "question" or any(word in letter.greeting for word in MINE)
        willing = (ANSWERS if mine else ANSWERS_TOO) + (EAGER if late else 0)
        if letter.kind == "finding":
            self._mends(letter, human)
        elif letter.code and rng.random() < willing:
            self._prove(letter, human)

    def _prove(self, letter: Letter, human: Human) -> None:
        """Answer by the code of a message."""
        if (answer := self.program.ack_code(letter.code, human.key)) is None:
            return
        self.on_proof(letter, human)
        for taken in answer.taken:
            self._takes(taken.credential.name, human, taken.until)

    # ------------------------------------------------------------- renewing

    def _takes(self, name: str, human: Human, until: datetime) -> None:
        """Promised: most begin in time; who has work on it already goes on; some forget."""
        self.on_promise(name, human.key, until)
        busy, item, version = self.work.get(name), self.company.items[name], self.version.get(name, 0)
        if busy and self._current(busy):
            return
        rng = self.rng("takes", name, version, human.key, f"{self.now():%Y-%m-%d}")
        if rng.random() < LAPSES:
            return
        first = self.sees(human, self.now() + 2 * HOUR, rng)
        done = self._finished(item, human, first, rng)
        work = self.work[name] = Work(item, version, human, done)
        self.plan(min(first, until - HOUR), lambda: self._goes_on(work))
        self.plan(done, lambda: self._done(work))
        if item.lead.startswith("approval="):
            self.plan(first + (done - first) * 0.6, lambda: self._approved(work))

    def _finished(self, item: Item, human: Human, first: datetime, rng: Random) -> datetime:
        """When the work is done: after a part of the lead, or before they go on the holiday that they know of."""
        office = human.office
        today, begins = (at.astimezone(office.zone).date() for at in (self.now(), first))
        ahead = max((item.expires - today).days * 5 // 7, 2)
        days = max(1, round(min(item.lead_days, ahead) * rng.uniform(0.3, 0.8)))
        done = office.at(office.later(begins, days), rng.uniform(10, 17))
        leaving = min((one.start for one in human.away if first < one.start <= done), default=done)
        return human.back(max(first + HOUR, min(done, leaving - 4 * HOUR)))

    def _current(self, work: Work) -> bool:
        same = self.work.get(work.item.name) is work and self.version.get(work.item.name, 0) == work.version
        return same and work.person.here(self.now())

    def _goes_on(self, work: Work) -> None:
        """Say that work has begun; again before each promise ends, but not from a holiday."""
        if not self._current(work) or work.person.back(self.now()) != self.now():
            return
        taken = self.program.ack(work.item.name, work.person.key, begun=True)
        if taken is None:
            return
        self.on_promise(work.item.name, work.person.key, taken.until)
        again = max(taken.until - 12 * HOUR, self.now() + 2 * HOUR)
        if again < work.done_at:
            self.plan(again, lambda: self._goes_on(work))

    def _approved(self, work: Work) -> None:
        if self._current(work):
            self.program.done(work.item.name, "approval", work.person.key)

    def _done(self, work: Work) -> None:
        if self._current(work):
            self.renewed(work.item, work.person)

    def renewed(self, item: Item, human: Human | None) -> None:
        """A new version is there; yearly ones that were late at first end when their contracts do."""
        today = self.now().astimezone(self.company.teams[item.team].office.zone).date()
        first = self.version.get(item.name, 0) == 0 and item.issued is None and item.life_days > 90
        life = self.rng("life", item.name).randrange(120, 400) if first else item.life_days
        item.expires, item.issued = today + life * DAY, today
        self.version[item.name] = self.version.get(item.name, 0) + 1
        self.work.pop(item.name, None)
        if item.by_hand and human:
            self.program.renew(item.name, human.key, item.expires)
        self.on_renewed(item)

    def robots(self, item: Item) -> None:
        """What renews itself on day 60 of 90, most of the time."""
        assert item.issued is not None
        version = self.version.get(item.name, 0)
        due = max(item.issued + 60 * DAY, self.now().date())
        if self.rng("robot", item.name, version).random() >= ROBOT_FAILS:
            act = lambda: self.renewed(item, None) if self.version.get(item.name, 0) == version else None  # noqa: E731
            self.plan(self.company.teams[item.team].office.at(due, 3), act)

    # ------------------------------------------------------------- mending

    def _mends(self, letter: Letter, human: Human) -> None:
        """Who is told of a dead route mends it, most of the time: readers for an alias, leavers off the config."""
        rng = self.rng("mends", letter.text, human.key)
        at = self.sees(human, self.now() + timedelta(days=rng.uniform(1, 8)), rng)
        if rng.random() >= MENDS:
            return
        for alias in self.company.aliases.values():
            if alias.name in letter.text and alias.name not in self._mending:
                self._mending.add(alias.name)
                self.plan(at, lambda name=alias.name: self._mend(name))  # type: ignore[misc]
        for gone in self.company.humans.values():
            if gone.listed(at) and not gone.here(self.now()) and f"{gone.key}:mail" in letter.text:
                gone.unlisted = at

    def _mend(self, name: str) -> None:
        """A dead alias gets readers, a living one has them; either way a test proves it."""
        alias, team = self.company.aliases[name], next(t for t in self.company.teams.values() if t.alias == name)
        living = [key for key in team.people if self.company.humans[key].here(self.now())]
        self._mending.discard(name)
        if alias.dead(self.now()) and living:
            alias.members, alias.mended = tuple(living), self.now()
        if readers := self.company.readers(alias.mail, self.now()):
            code = self.program.test(name)
            sent = next(letter for letter in reversed(self.log) if letter.code == code)
            if sent.accepted:
                self._prove(sent, readers[0])

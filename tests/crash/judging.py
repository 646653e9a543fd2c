"""Recovers a killed installation as a timer would, and says what of the promises is broken.

Nothing lost: every wanted letter is delivered, at most one copy of one of them per kill and under the same Message-ID,
nothing counts as accepted that the mail server has not, nothing stays open, and the store is whole.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.forkserver import Ended
from tests.crash.scenes import Kitchen, Scene
from tests.crash.sink import Letter
from tests.crash.state import STORE, aside, canonical, facts, rows

Record = Callable[[str, object], None]
"""pytest's `record_property`; what is recorded as `crash` stands in the summary."""
RECOVERY = 2
"""Undisturbed runs after which everything must be done."""


@dataclass
class Tally:
    """What a mode has found."""

    mode: str
    kills: int = 0
    stops: int = 0
    cuts: int = 0
    missed: int = 0
    """Marks that a run did not come by this time, so that it ended in peace."""
    lost: int = 0
    copies: int = 0
    false: int = 0
    """Accepted in the store, and the mail server does not have it."""
    states: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    """Each broken promise, with where the kill was."""

    def line(self) -> str:
        """The summary."""
        counts = {
            "kills": self.kills,
            "stops": self.stops,
            "power cuts": self.cuts,
            "missed": self.missed,
            "states": len(self.states),
            "lost": self.lost,
            "extra copies": self.copies,
            "falsely accepted": self.false,
            "broken promises": len(self.broken),
        }
        return f"{self.mode}: " + ", ".join(f"{count} {what}" for what, count in counts.items())


class Judge:
    """One scene, whose killed runs are judged one after the other; a state that was judged is not judged again."""

    def __init__(self, kitchen: Kitchen, scene: Scene, mode: str, plant: str = "") -> None:
        self.kitchen, self.scene, self.plant = kitchen, scene, plant
        self.tally = Tally(mode)
        self._copies: dict[str, int] = {}

    def trial(self, **order: object) -> None:
        """Run the scene's command until it reaches the mark, and judge what is left."""
        start, folder = self.kitchen.sink.end, self.kitchen.fresh(self.scene)
        ended = self.kitchen.forks.run(folder, self.scene.now(), *self.scene.args, plant=self.plant, **order)
        self.judge(ended, start, json.dumps(order))

    def judge(self, ended: Ended, start: int, where: str) -> None:
        """Judge what a run left that began when the mail server's log was `start` bytes long."""
        if not ended.killed:
            self.tally.missed += 1
            if ended.code:
                self.tally.broken.append(f"{where}: exit {ended.code}: {ended.err[-300:]}")
            return
        self.tally.kills += 1
        state = canonical(self.kitchen.place, self.kitchen.sink.letters(start))
        if state not in self.tally.states:
            self.tally.states.add(state)
            problems, self._copies[state] = self.recovered(start)
            self.tally.broken += [f"{self.scene.name} {where}: {problem}" for problem in problems]
        self.tally.copies += self._copies[state]

    def recovered(self, start: int, kills: int = 1, earlier: Sequence[Letter] = ()) -> tuple[list[str], int]:
        """Let undisturbed runs follow. Returns the broken promises, and how many extra copies were delivered.

        `earlier` was delivered before the mail server's log was `start` bytes long.
        """
        if self.scene.name == "ack":
            return self._acked(), 0
        if self.scene.name == "upgrade":
            return self._upgraded(), 0
        if self.scene.name == "init":
            return self._made(), 0
        return self._checked(start, kills, earlier)

    # ----------------------------------------------------------------- runs that send

    def _checked(self, start: int, kills: int, earlier: Sequence[Letter]) -> tuple[list[str], int]:
        place, sink = self.kitchen.place, self.kitchen.sink
        problems = self._falsely_accepted([*earlier, *sink.letters(start)], aside(place))
        for n in range(RECOVERY):
            problems += _exits(self._again(n + 1), 0)
        letters = [*earlier, *sink.letters(start)]
        problems += (
            self._falsely_accepted(letters, place) + self._delivered(letters, kills) + whole(place) + settled(place)
        )
        problems += self._same()
        problems += _exits(self._again(RECOVERY + 1), 0)
        if len(earlier) + len(sink.letters(start)) > len(letters):
            problems.append("a third run still says something")
        return problems, max(0, len(letters) - len({letter.message_id for letter in letters}))

    def _again(self, runs: int, *args: str) -> Ended:
        """The same command (or another) a while later; a planted mistake stays planted."""
        command = args or self.scene.args
        return self.kitchen.forks.run(self.kitchen.place, self.scene.now(runs), *command, plant=self.plant)

    def _delivered(self, letters: list[Letter], kills: int) -> list[str]:
        got = {(letter.to, letter.subject) for letter in letters}
        identities = {letter.message_id for letter in letters}
        lost, strange = self.scene.wanted.keys() - got, got - self.scene.wanted.keys()
        self.tally.lost += len(lost)
        problems = [f"lost: {one}" for one in lost] + [f"nobody wanted: {one}" for one in strange]
        if len(letters) - len(identities) > kills:
            problems.append(f"{len(letters) - len(identities)} extra copies after {kills} kill")
        if len(identities) > len(got):
            problems.append(f"one letter under several Message-IDs: {len(identities)} for {len(got)} letters")
        known = {name for (name,) in rows(self.kitchen.place / STORE, "SELECT message_id FROM message")}
        return problems + [f"the store does not know {name}" for name in identities - known]

    def _falsely_accepted(self, letters: list[Letter], folder: Path) -> list[str]:
        taken = {letter.message_id for letter in letters}
        claimed = rows(folder / STORE, "SELECT message_id FROM message WHERE state = 'accepted'")
        wrong = {name for (name,) in claimed} - taken
        self.tally.false += len(wrong)
        return [f"falsely accepted: {name}" for name in sorted(wrong)]

    def _same(self) -> list[str]:
        """The store says what it says after an undisturbed run."""
        return difference(facts(self.kitchen.place), self.scene.after)

    # ----------------------------------------------------------------- other commands

    def _acked(self) -> list[str]:
        """Whole or not there; saying it again works, and there is one promise."""
        place = self.kitchen.place
        left = aside(place)
        problems, found = whole(left), facts(left)
        if found not in (self.scene.before, self.scene.after):
            problems += ["half an ack", *difference(found, self.scene.after)]
        problems += _exits(self._again(1), 0)
        held = rows(place / STORE, "SELECT count(*) FROM ack WHERE void_at IS NULL")
        if held != [(1,)]:
            problems.append(f"{held} promises")
        if found == self.scene.before:
            problems += self._same()
        return problems + _exits(self._again(2, "check"), 0)

    def _upgraded(self) -> list[str]:
        """The old schema or the new one; what it held is there; the next upgrade works, and one more does nothing."""
        place = self.kitchen.place
        left = aside(place)
        problems = whole(left) + difference(facts(left), self.scene.before)
        old = rows(self.scene.template / STORE, "SELECT version_num FROM alembic_version")
        revision = rows(left / STORE, "SELECT version_num FROM alembic_version")
        tables = rows(
            left / STORE, "SELECT count(*) FROM sqlite_master WHERE name IN ('extra', 'ix_credential_colour')"
        )
        if (revision, tables) not in ((old, [(0,)]), ([("next",)], [(2,)])):
            problems.append(f"half an upgrade: {revision}, {tables}")
        for n in (1, 2):
            problems += _exits(self._again(n), 0)
        if rows(place / STORE, "SELECT version_num FROM alembic_version") != [("next",)]:
            problems.append("the next upgrade did nothing")
        coloured = rows(place / STORE, "SELECT count(*) FROM credential WHERE colour = 'green'")
        if coloured != rows(place / STORE, "SELECT count(*) FROM extra"):
            problems.append("the new column is not filled")
        return problems + whole(place) + difference(facts(place), self.scene.before)

    def _made(self) -> list[str]:
        """Either no store or a whole one; the next `init` makes it or says that it is there; then a check works."""
        place = self.kitchen.place
        there = (place / STORE).exists()
        problems = whole(aside(place)) if there else []
        problems += _exits(self._again(1), 2 if there else 0)
        return problems + _exits(self._again(2, "check"), 0) + whole(place)


def whole(folder: Path) -> list[str]:
    """The database itself."""
    found = rows(folder / STORE, "PRAGMA integrity_check") + rows(folder / STORE, "PRAGMA foreign_key_check")
    return [] if found == [("ok",)] else [f"damaged: {found}"]


def settled(folder: Path) -> list[str]:
    """Nothing waits, nothing is held, no attempt is open."""
    waiting = rows(
        folder / STORE, "SELECT state, count(*) FROM message WHERE state IN ('pending', 'leased') GROUP BY 1"
    )
    held = rows(folder / STORE, "SELECT count(*) FROM attempt WHERE ended_at IS NULL")
    feeds = rows(folder / STORE, "SELECT count(*) FROM feed WHERE lease_until IS NOT NULL")
    problems = [f"still {state}: {count}" for state, count in waiting]
    problems += ["an attempt is still open"] if held != [(0,)] else []
    return problems + (["a feed is still held"] if feeds != [(0,)] else [])


def difference(
    found: dict[str, Counter[tuple[object, ...]]], wanted: dict[str, Counter[tuple[object, ...]]]
) -> list[str]:
    """Which facts are too many (+) or too few (-)."""
    problems = []
    for table in found.keys() | wanted.keys():
        here, there = found.get(table, Counter()), wanted.get(table, Counter())
        problems += [f"+ {table}: {row}" for row in (here - there).elements()]
        problems += [f"- {table}: {row}" for row in (there - here).elements()]
    return problems


def _exits(ended: Ended, code: int) -> list[str]:
    return [] if ended.code == code else [f"exit {ended.code} instead of {code}: {ended.err[-300:]}"]

"""A power cut at any moment of a run leaves a store that is whole, and keeps what was said to be done."""

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import power, straces
from tests.crash.judging import Judge, Record
from tests.crash.scenes import Kitchen, Scene
from tests.crash.sink import Letter
from tests.crash.state import STORE, Row, rows

pytestmark = [pytest.mark.strace, pytest.mark.slow]
SEED = int(os.environ.get("CRASH_SEED", "20261121"))
CHUNKS = {"send": 4, "ack": 2, "collect": 2}
CUTS = {"send": 6000, "ack": 2000, "collect": 2000}
"""How many power cuts of each scene: 10 000 in all."""


@pytest.mark.parametrize(("name", "chunk"), [(name, n) for name in CHUNKS for n in range(CHUNKS[name])])
def test_a_power_cut_at_any_moment(kitchen: Kitchen, name: str, chunk: int, record_property: Record) -> None:
    """Whole, accepted only what the mail server had by then, what it had is known; an answered ack is there."""
    scene = kitchen.scene(name)
    log, sent = recorded(kitchen, scene)
    judge = Judge(kitchen, scene, f"power {name}")
    times = -(-CUTS[name] // sum(1 for _ in power.moments(log, scene.template)))
    acks = 0
    for moment, disk in enumerate(power.moments(log, scene.template)):
        for again in range((chunk - moment * times) % CHUNKS[name], times, CHUNKS[name]):
            judge.tally.cuts += 1
            acks += b"in hand" in disk.said
            cut(judge, disk, f"{SEED} {name} {moment} {again}", sent)
    record_property("crash", judge.tally.line())
    assert judge.tally.broken == []
    assert len(sent) == len(scene.wanted)
    assert (acks > 0) == (name == "ack")


def recorded(kitchen: Kitchen, scene: Scene) -> tuple[Path, list[Letter]]:
    """The trace of one undisturbed run, and what it sent."""
    straces.needed()
    log, start = kitchen.base / f"trace-{scene.name}", kitchen.sink.end
    ended = straces.traced(kitchen.forks, kitchen.fresh(scene), scene.now(), scene.args, log, *power.OPTIONS)
    assert ended.code == 0, ended.err
    kitchen.fresh(scene)
    return log, kitchen.sink.letters(start)


def cut(judge: Judge, disk: power.Disk, seed: str, sent: list[Letter]) -> None:
    """One power cut, judged; a state of the store that was not seen before has to recover as well."""
    kitchen, scene = judge.kitchen, judge.scene
    disk.cut(random.Random(seed), kitchen.place)
    problems, state = look(kitchen.place, disk, scene)
    if state not in judge.tally.states and not problems:
        judge.tally.states.add(state)
        disk.cut(random.Random(seed), kitchen.fresh(scene))
        earlier = [letter for letter in sent if letter.message_id in disk.taken]
        problems, copies = judge.recovered(kitchen.sink.end, 1, earlier)
        judge.tally.copies += copies
        kitchen.fresh(scene)
    judge.tally.broken += [f"power cut, seed '{seed}': {problem}" for problem in problems]


def look(folder: Path, disk: power.Disk, scene: Scene) -> tuple[list[str], str]:
    """What is wrong with a store after a power cut, and in which state it is."""
    with closing(sqlite3.connect(folder / STORE)) as connection:

        def ask(question: str) -> list[Row]:
            return connection.execute(question).fetchall()

        try:
            problems = [] if ask("PRAGMA integrity_check") == [("ok",)] else ["damaged"]
            messages = ask("SELECT message_id, state, tries FROM message ORDER BY id")
            acks = ask("SELECT count(*) FROM ack")
            state = repr([[row[1:] for row in messages], acks, ask("SELECT count(*), max(id) FROM event")])
        except sqlite3.DatabaseError as problem:
            return [f"damaged: {problem}"], ""
    before = rows(scene.template / STORE, "SELECT message_id FROM message WHERE state = 'accepted'")
    taken = set(disk.taken) | {name for (name,) in before}
    problems += [f"falsely accepted: {name}" for name, how, _ in messages if how == "accepted" and name not in taken]
    problems += [f"the store does not know {name}" for name in taken - {name for name, _, _ in messages}]
    if b"in hand" in disk.said and acks == [(0,)]:
        problems.append("an ack that was answered is lost")
    return problems, state


def test_a_disk_that_lies_is_noticed(kitchen: Kitchen) -> None:
    """The control: if nothing of what was synced were kept, an answered ack would be lost, and it says so."""
    scene = kitchen.scene("ack")
    log, _ = recorded(kitchen, scene)
    for disk in power.moments(log, scene.template):
        last = disk
    assert "an ack that was answered is lost" in look(kitchen.place, last, scene)[0]
    last.cut(random.Random(SEED), kitchen.place)
    assert look(kitchen.place, last, scene)[0] == []

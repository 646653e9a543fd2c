"""A run that is stopped in its tracks while another one does its work: nobody sends what somebody else holds."""

import pytest

from tests.crash.judging import Judge, Record
from tests.crash.scenes import Kitchen

BETWEEN = ("keywatch.run.", "keywatch.feed.", "keywatch.message.", "keywatch.mail.")
"""Failpoints at which no transaction is open: elsewhere the other run would wait for it, and then give up."""


def stop(judge: Judge, k: int) -> None:
    """Stop a run at its k-th point, let another one do all it can, let the first go on, and judge."""
    kitchen, scene = judge.kitchen, judge.scene
    start, folder = kitchen.sink.end, kitchen.fresh(scene)
    order = {"do": "stop", "at": "point", "k": k}
    halted = kitchen.forks.run(folder, scene.now(), *scene.args, plant=judge.plant, **order)
    other = kitchen.forks.run(folder, scene.now(), *scene.args, plant=judge.plant)
    ended = kitchen.forks.go(halted.stopped)
    problems, copies = judge.recovered(start, kills=0)
    judge.tally.stops += 1
    judge.tally.copies += copies
    point = scene.marks["point"][k]
    exits = [f"exit {one.code}: {one.err[-300:]}" for one in (other, ended) if one.code]
    judge.tally.broken += [f"stopped at {k} {point}: {problem}" for problem in problems + exits]


def between(kitchen: Kitchen, name: str) -> list[int]:
    """The points of a scene that lie outside of transactions."""
    found, inside = [], False
    for k, point in enumerate(kitchen.scene(name).marks["point"]):
        inside = {"keywatch.store.begun": True, "keywatch.store.committed": False}.get(str(point), inside)
        if not inside and str(point).startswith(BETWEEN):
            found.append(k)
    return found


@pytest.mark.parametrize("name", ["brief", "collect"])
def test_two_runs_share_the_work(kitchen: Kitchen, name: str, record_property: Record) -> None:
    """SIGSTOP at each point between transactions, another run, SIGCONT: each letter once, both runs end well."""
    judge = Judge(kitchen, kitchen.scene(name), f"stop {name}")
    for k in between(kitchen, name):
        stop(judge, k)
    record_property("crash", judge.tally.line())
    assert judge.tally.broken == []
    assert judge.tally.copies == 0

"""A run killed at any of its failpoints loses nothing."""

import pytest

from tests.crash.judging import Judge, Record
from tests.crash.scenes import SCENES, Kitchen

CHUNKS = {"send": 4}


@pytest.mark.parametrize(
    ("name", "chunk"), [(name, n) for name in SCENES if name != "brief" for n in range(CHUNKS.get(name, 1))]
)
def test_killed_at_every_point(kitchen: Kitchen, name: str, chunk: int, record_property: Record) -> None:
    """SIGKILL at each `keywatch.…` audit event of a run, one trial for each."""
    scene = kitchen.scene(name)
    judge = Judge(kitchen, scene, f"point {name}")
    chunks = CHUNKS.get(name, 1)
    points = range(len(scene.marks["point"]))
    for k in points[len(points) * chunk // chunks : len(points) * (chunk + 1) // chunks]:
        judge.trial(do="kill", at="point", k=k)
    record_property("crash", judge.tally.line())
    assert judge.tally.broken == []
    assert judge.tally.missed <= judge.tally.kills * 0.05, "the points of two runs should be the same"

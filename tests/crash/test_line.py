"""A run killed at any line of the program loses nothing.

In the everyday set: every line of the modules that write, send or decide how a run goes on, at its first execution,
and the lines of the dispatcher at the last one too. In the slow set: every line, and each execution of those.
"""

import pytest

from tests.crash.judging import Judge, Record
from tests.crash.scenes import EFFECTS, Kitchen, Scene

Mark = tuple[str, int, int, int]
"""File, line, the points passed before it, and the how manyth execution after them."""
CHUNKS = {"brief": 6, "collect": 2}
OFTEN = ("keywatch/dispatch.py", "keywatch/store/outbox.py", "keywatch_mail/post.py")
OWN = {
    "collect": ("keywatch/collect.py", "keywatch/ledger.py", "keywatch_file/"),
    "ack": ("keywatch/acking.py", "keywatch/cli/ack.py", "keywatch/cli/app.py", "keywatch/store/store.py"),
    "digest": ("keywatch/digest.py", "keywatch/store/mint.py"),
    "upgrade": ("keywatch/schema.py", "keywatch_migrations/", "keywatch/store/store.py"),
    "init": ("keywatch/schema.py", "keywatch/starter.py", "keywatch/cli/init.py"),
}
"""What a scene has that the brief check has not."""
EVERY_DAY = [(name, n) for name in ("brief", *OWN) for n in range(CHUNKS.get(name, 1))]
SLOW = [(name, n) for name in ("send", *OWN) for n in range(6)]


def marks(scene: Scene) -> list[Mark]:
    """Every execution of a line, in their order."""
    return [(file, line, point, hit) for file, line, point, hit in scene.marks["line"]]


def firsts(found: list[Mark]) -> list[Mark]:
    """Each line once, when it is first executed."""
    return list({mark[:2]: mark for mark in reversed(found)}.values())[::-1]


def everyday(scene: Scene) -> list[Mark]:
    """First executions in modules with effects, and the last ones of the dispatcher."""
    own = OWN.get(scene.name, EFFECTS)
    found = [mark for mark in marks(scene) if mark[0].startswith(own)]
    lasts = {mark[:2]: mark for mark in found if mark[0] == OFTEN[0]}.values() if scene.name == "brief" else ()
    return sorted({*firsts(found), *lasts}, key=lambda mark: (mark[2], found.index(mark)))


def everything(scene: Scene) -> list[Mark]:
    """What the everyday set leaves out: all other lines, and all other executions of sending and settling."""
    found = marks(scene)
    often = [mark for mark in found if mark[0] in OFTEN]
    known = set(everyday(scene)) if scene.name in OWN else set()
    return sorted({*firsts(found), *often} - known, key=lambda mark: mark[2])


def kill(kitchen: Kitchen, scene: Scene, found: list[Mark], chunk: int, chunks: int) -> str:
    """One trial for each of a chunk of the marks."""
    judge = Judge(kitchen, scene, f"line {scene.name}")
    for file, line, point, hit in found[len(found) * chunk // chunks : len(found) * (chunk + 1) // chunks]:
        judge.trial(do="kill", at="line", file=file, line=line, point=point, hit=hit)
    assert judge.tally.broken == [], judge.tally.line()
    assert judge.tally.missed <= judge.tally.kills * 0.05, "the lines of two runs should be the same"
    return judge.tally.line()


@pytest.mark.parametrize(("name", "chunk"), EVERY_DAY)
def test_killed_at_every_line_with_effects(kitchen: Kitchen, name: str, chunk: int, record_property: Record) -> None:
    """SIGKILL before each line that can change something, one trial for each."""
    scene = kitchen.scene(name)
    record_property("crash", kill(kitchen, scene, everyday(scene), chunk, CHUNKS.get(name, 1)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chunk"), SLOW)
def test_killed_at_every_line_of_all(kitchen: Kitchen, name: str, chunk: int, record_property: Record) -> None:
    """The same at all other lines of our packages, and at each execution of those that send and settle."""
    scene = kitchen.scene(name)
    record_property("crash", kill(kitchen, scene, everything(scene), chunk, 6))

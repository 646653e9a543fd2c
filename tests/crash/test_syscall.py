"""A run killed at any system call that changes a file or speaks with the mail server loses nothing."""

import pytest

from tests.crash import straces
from tests.crash.forkserver import Ended
from tests.crash.judging import Judge, Record
from tests.crash.scenes import Kitchen

pytestmark = [pytest.mark.strace, pytest.mark.slow]
CHUNKS = {"brief": 6, "collect": 4, "ack": 2, "digest": 4, "upgrade": 4, "init": 6}


@pytest.mark.parametrize(("name", "chunk"), [(name, n) for name in CHUNKS for n in range(CHUNKS[name])])
def test_killed_at_every_system_call(kitchen: Kitchen, name: str, chunk: int, record_property: Record) -> None:
    """SIGKILL as the n-th call of a name is made, for every name and every n."""
    straces.needed()
    scene, log = kitchen.scene(name), kitchen.base / "trace"
    option = ("-e", f"trace={','.join(straces.CALLS)}")
    straces.traced(kitchen.forks, kitchen.fresh(scene), scene.now(), scene.args, log, *option)
    marks = [(call, n + 1) for call, count in straces.counted(log).items() for n in range(count)]
    judge = Judge(kitchen, scene, f"syscall {name}")
    for call, n in marks[chunk :: CHUNKS[name]]:
        start, folder = kitchen.sink.end, kitchen.fresh(scene)
        ended = straces.killed(kitchen.forks, folder, scene.now(), scene.args, call, n)
        judge.judge(ended, start, f"{call} {n}")
    record_property("crash", judge.tally.line())
    assert judge.tally.broken == []
    assert judge.tally.missed <= judge.tally.kills * 0.1 + 2, "the calls of two runs should nearly be the same"


def test_the_installed_command_dies_no_otherwise(kitchen: Kitchen, record_property: Record) -> None:
    """The same to the command as users start it, at its first syncs."""
    straces.needed()
    scene = kitchen.scene("brief")
    judge = Judge(kitchen, scene, "syscall installed")
    for n in range(1, 9):
        start, folder = kitchen.sink.end, kitchen.fresh(scene)
        code = straces.installed(folder, scene.now(), scene.args, "fdatasync", n)
        judge.judge(Ended(-9 if code in (-9, 137) else code), start, f"fdatasync {n}")
    record_property("crash", judge.tally.line())
    assert judge.tally.kills == 8
    assert judge.tally.broken == []

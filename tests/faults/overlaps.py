"""Runs that meet: two at once, one while somebody answers, one while the store is upgraded, one that is killed."""

import time
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import Bench
from tests.faults.fault import DELIVERS, QUIET, TOLD, Fault, Truth, Undo
from tests.faults.schema import older
from tests.story.story import Answer

PAUSE = """import pathlib, sys, time
def _stop(event, values):
    if event == "keywatch.{event}" and not pathlib.Path("{mark}").exists():
        pathlib.Path("{mark}").touch()
        {what}
sys.addaudithook(_stop)
"""
WAIT = (
    "end = time.monotonic() + 20\n"
    '        while time.monotonic() < end and not pathlib.Path("go").exists(): time.sleep(0.01)'
)
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def _nothing(bench: Bench) -> Undo:
    return lambda: None


def _until(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def _meets(bench: Bench, event: str, *held: str) -> Answer:
    """A run that meets another command, which is held at a step of its work until the run has ended."""
    other = bench.story.spawn(*held, before=PAUSE.format(event=event, mark="held", what=WAIT))
    try:
        _until(bench.folder / "held")
        answer = bench.check()
    finally:
        (bench.folder / "go").touch()
        said = other.communicate(timeout=30)
    assert other.returncode == 0, said
    return answer


def _two_checks(bench: Bench) -> Answer:
    return _meets(bench, "message.sending", "check")


def _while_acking(bench: Bench) -> Answer:
    """The one who answers is held before the commit, so the run waits for the store."""
    bench.story.check()
    ((code,),) = bench.story.ask("SELECT code FROM message WHERE route = 'ana:mail'")
    other = bench.story.spawn(
        "ack", code, before=PAUSE.format(event="store.committing", mark="held", what="time.sleep(1)")
    )
    _until(bench.folder / "held")
    answer = bench.check()
    said = other.communicate(timeout=30)
    assert other.returncode == 0, said
    assert bench.story.state()["in_hand"]["person"] == "ana"
    return answer


def _while_upgrading(bench: Bench) -> Answer:
    return _meets(bench, "schema.statement", "db", "upgrade")


def _killed(event: str) -> object:
    def run(bench: Bench) -> Answer:
        first = bench.story.spawn("check", before=PAUSE.format(event=event, mark="killed", what=KILL))
        first.communicate(timeout=30)
        assert first.returncode == -9
        bench.story.now = bench.story.now.replace(minute=5)
        return bench.check()

    return run


SHARED = TOLD
SILENT = Truth("nobody is told until the upgrade is done", lambda bench: bench.heard.total() == 0)

ROWS = [
    Fault(
        "two runs at once",
        Exit.WELL,
        "",
        Truth("they share the work; each message is sent once", TOLD.holds),
        QUIET,
        _nothing,
        _two_checks,
    ),
    Fault(
        "a run while somebody answers",
        Exit.WELL,
        "",
        Truth("both are kept", TOLD.holds),
        QUIET,
        _nothing,
        _while_acking,
    ),
    Fault(
        "a run while the store is upgraded",
        Exit.UNKNOWN,
        "Error: … is of an older keywatch (revision …)",
        SILENT,
        DELIVERS,
        older,
        _while_upgrading,
    ),
    Fault(
        "a run was killed while it sent",
        Exit.WELL,
        "",
        Truth("the next run takes over at once what it had begun", TOLD.holds),
        QUIET,
        _nothing,
        _killed("message.sent"),
        copies=1,
    ),
    Fault(
        "a run was killed before it sent",
        Exit.WELL,
        "",
        Truth("the next run takes over at once what it had begun", TOLD.holds),
        QUIET,
        _nothing,
        _killed("message.sending"),
    ),
]

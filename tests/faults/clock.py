"""Faults of the machine's clock, on a store that is no rehearsal: time never goes back, and a leap is not believed."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import Bench, plain
from tests.faults.fault import DELIVERS, QUIET, TOLD, UNTOUCHED, Fault, Truth, Undo

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@contextmanager
def real(folder: Path) -> Iterator[Bench]:
    """A store that is no rehearsal, last used a quarter of an hour before something is due."""
    with plain(folder) as bench:
        with sqlite3.connect(bench.store) as connection:
            connection.execute("UPDATE meta SET value = '0' WHERE name = 'rehearsal'")
        connection.close()
        bench.clocked = {"TZ": "UTC"}
        yield bench.begin()


def _moved(by: timedelta, *, mended: bool = True, told: bool = True) -> Callable[[Bench], Undo]:
    """The clock moves after a run in which everybody was told (`told`), or just before it."""

    def arrange(bench: Bench) -> Undo:
        if told:
            assert bench.check().code == 0
        right = bench.story.now
        bench.story.now += by
        bench.wait += MINUTE  # on a busy machine one process may start seconds later after its clock than the next one
        return (lambda: setattr(bench.story, "now", right)) if mended else (lambda: None)

    return arrange


def _elsewhere(bench: Bench) -> Undo:
    bench.clocked = {"TZ": "America/New_York"}
    return lambda: setattr(bench, "clocked", {"TZ": "UTC"})


def _all_once(bench: Bench) -> None:
    assert {"ana", "mia"} <= set(bench.heard)
    assert set(bench.heard.values()) == {1}


AHEAD = Truth("what is due by that time is said, one message for each reader", _all_once)
BACK = "the clock went back to … UTC: keywatch goes on … ahead of it, from its last run"

ROWS = [
    Fault("the clock goes back a minute", Exit.WELL, "", TOLD, QUIET, _moved(-MINUTE), setting=real),
    Fault("the clock goes back a day and is set right", Exit.UNKNOWN, BACK, TOLD, QUIET, _moved(-DAY), setting=real),
    Fault(
        "the clock goes back a day for ever, just before something is due",
        Exit.UNKNOWN,
        BACK,
        Truth("nobody is told early", lambda bench: bench.heard.total() == 0),
        Truth("tells everybody who is due by the time that goes on, once; exit 3 until `keywatch db clock`", _all_once),
        _moved(-DAY - 15 * MINUTE, mended=False, told=False),
        setting=real,
        after=Exit.UNKNOWN,
    ),
    Fault(
        "the clock goes forward 30 days",
        Exit.WELL,
        "",
        AHEAD,
        Truth("goes on; nobody is told twice", _all_once),
        _moved(30 * DAY, mended=False, told=False),
        setting=real,
    ),
    Fault(
        "the clock goes forward 30 days and is set right",
        Exit.WELL,
        "",
        AHEAD,
        Truth("goes on from the time it had reached; exit 3 until `keywatch db clock`", _all_once),
        _moved(30 * DAY, told=False),
        setting=real,
        after=Exit.UNKNOWN,
    ),
    Fault(
        "the clock goes forward more than 400 days",
        Exit.BAD,
        "Error: the clock says … UTC, … days after the last run (…); nothing was decided",
        UNTOUCHED,
        DELIVERS,
        _moved(500 * DAY, told=False),
        setting=real,
    ),
    Fault(
        "the clocks of two hosts differ by some minutes",
        Exit.WELL,
        "",
        TOLD,
        QUIET,
        _moved(-5 * MINUTE),
        setting=real,
    ),
    Fault(
        "the machine's local time is another, or daylight saving begins",
        Exit.WELL,
        "",
        TOLD,
        QUIET,
        _elsewhere,
        setting=real,
    ),
]

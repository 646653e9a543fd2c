"""The crash harness: real processes that die at a mark, and what the next runs make of it."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.forkserver import Forks
from tests.crash.scenes import Kitchen
from tests.crash.sink import Sink

MEMORY = Path("/dev/shm")
"""A kill does not care whether the disk is one, and there it costs less."""


@pytest.fixture(scope="session")
def kitchen() -> Iterator[Kitchen]:
    """A fork server, a mail server and a place for the trials of this process."""
    where = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="keywatch-crash-", dir=where) as folder,
        Sink(Path(folder) / "letters") as sink,
        Forks() as forks,
    ):
        yield Kitchen(forks, sink, Path(folder))


def pytest_configure(config: pytest.Config) -> None:
    """The marker of what needs strace."""
    config.addinivalue_line("markers", "strace: traces or kills a process with strace")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each mode has found, added up over its chunks."""
    found: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, line in getattr(report, "user_properties", ()):
                if name == "crash" and report.when == "call":
                    mode, _, counts = str(line).partition(": ")
                    pairs = (count.split(" ", 1) for count in counts.split(", "))
                    found.setdefault(mode, Counter()).update({what: int(number) for number, what in pairs})
    for mode, counter in found.items():
        terminalreporter.write_line(
            f"crash {mode}: {', '.join(f'{number} {what}' for what, number in counter.items())}"
        )

"""Runs judges in a copy of the tree, so that a planted mistake never touches the tree people work in."""

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
SHELVES = ("providers", "rosters", "notifiers", "migrations")
PARTS = ("keywatch", *SHELVES, "tests", "docs", "contrib", "pyproject.toml", "README.md", "keywatch.example.toml")
LONGEST = 180
"""Seconds after which judges are ended. That decides nothing: a mutant that hangs is a badly chosen one."""
QUICK = "not slow and not server"
THE_COPY = "mutants/test_catalogue.py::test_the_tree_beside_this_file_is_the_one_that_is_tested"
"""Fails where something else than the copy would be imported."""


class Fate(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"
    """The judges said nothing: a test that is not there, a file that does not compile, no end in sight."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of judges."""

    fate: Fate
    seconds: float
    by: str
    """The test that noticed; where it is broken, the end of what pytest said."""


def copied(folder: Path) -> Path:
    """A copy of the tree, compiled once for all the copies of it."""
    base = folder / "base"
    base.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, base / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy2(source, base / part)
    compileall.compile_dir(base, quiet=2)
    return base


def tried(base: Path, mutant: Mutant) -> Trial:
    """Plant `mutant` in a copy of `base` and ask its judges."""
    with tempfile.TemporaryDirectory(prefix=f"{mutant.name}-", dir=base.parent) as folder:
        tree = shutil.copytree(base, Path(folder) / "tree")
        mutant.plant(tree)
        return asked(tree, [THE_COPY, *mutant.judges])


def asked(tree: Path, judges: Iterable[str]) -> Trial:
    """Run `judges` against `tree`."""
    written = tempfile.mkdtemp(prefix="written-", dir=tree.parent)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", QUICK, "--hypothesis-seed=1", "--basetemp", written]
    command = [sys.executable, "-m", "pytest", *options, *(f"tests/{judge}" for judge in dict.fromkeys(judges))]
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=tree,
        env=_environment(tree),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Trial(Fate.BROKEN, time.monotonic() - began, f"still running after {LONGEST} s")
    return _judged(process.returncode, said, time.monotonic() - began)


def _environment(tree: Path) -> dict[str, str]:
    """The copy and its shelves come before what is installed, in this process and in those that tests start."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
    paths = os.pathsep.join(str(tree / shelf) for shelf in (".", *SHELVES))
    return {name: value for name, value in kept.items() if name not in left_out} | {"PYTHONPATH": paths}


def _judged(code: int, said: str, seconds: float) -> Trial:
    """pytest says 0 for all passed, 1 for a failure; anything else means that nothing was judged."""
    if code == 0:
        return Trial(Fate.SURVIVED, seconds, "")
    failures = (line.partition(" ") for line in said.splitlines() if line.startswith(("FAILED ", "ERROR ")))
    named = [test.partition(" - ")[0] for _, _, test in failures]
    if code == 1 and named and THE_COPY not in named[0]:
        return Trial(Fate.CAUGHT, seconds, named[0].removeprefix("tests/"))
    return Trial(Fate.BROKEN, seconds, said.strip()[-2000:])

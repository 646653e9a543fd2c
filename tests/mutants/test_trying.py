"""The judge of judges: what it calls caught was caught by a test, and what breaks no rule is not."""

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.trying import ROOT, Fate, copied, tried

RETRY, OLD = "keywatch/policy/retry.py", "min(waits)"
JUDGE = ("policy/test_retry.py::test_the_next_stage_is_not_slept_through",)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree."""
    return copied(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize(
    ("old", "new", "judges", "fate"),
    [
        (OLD, "max(waits)", JUDGE, Fate.CAUGHT),
        (OLD, "(min(waits))", JUDGE, Fate.SURVIVED),
        (OLD, "min(waits", JUDGE, Fate.BROKEN),
        (OLD, "max(waits)", ("policy/test_nothing.py",), Fate.BROKEN),
    ],
)
def test_a_fate(base: Path, old: str, new: str, judges: tuple[str, ...], fate: Fate) -> None:
    """Only a failing test is a catch: a program that does not compile and a judge that is not there decide nothing.

    The tree that people work in stays as it is.
    """
    before = (ROOT / RETRY).read_text(encoding="utf-8")
    trial = tried(base, Mutant("m", "a rule", RETRY, old, new, judges))
    assert trial.fate is fate, trial.by
    assert (ROOT / RETRY).read_text(encoding="utf-8") == before
    assert (base / RETRY).read_text(encoding="utf-8") == before

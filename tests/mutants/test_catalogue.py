"""The catalogue of planted mistakes stays as old as the program: `python -m tests.mutants` plants them."""

import ast
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
EVERY = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@pytest.mark.parametrize("module", ["keywatch", "keywatch.store.outbox", "keywatch_mail", "keywatch_migrations"])
def test_the_tree_beside_this_file_is_the_one_that_is_tested(module: str) -> None:
    """In a copy of the tree the copy is imported and not what is installed; else no planted mistake would matter."""
    assert Path(str(import_module(module).__file__)).is_relative_to(ROOT)


@EVERY
def test_a_mistake_can_be_planted(mutant: Mutant) -> None:
    """The old text stands exactly once in its file, and what comes of the edit is another program that compiles."""
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    planted = mutant.planted(text)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))


@EVERY
def test_every_judge_is_there(mutant: Mutant) -> None:
    """A judge is a test file, or a function of one."""
    assert mutant.judges
    for judge in mutant.judges:
        file, _, function = judge.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not function or f"def {function.partition('[')[0]}(" in text, judge


def test_names_are_unique() -> None:
    """A mutant is asked for by its name."""
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


def test_an_old_catalogue_is_an_error() -> None:
    """A text that is gone, or that stands twice, is refused rather than planted somewhere."""
    mutant = Mutant("m", "a rule", "f.py", "a", "b", ("x.py",))
    assert mutant.planted("xax") == "xbx"
    for text in ("xx", "xaxa"):
        with pytest.raises(ValueError, match="not once"):
            mutant.planted(text)

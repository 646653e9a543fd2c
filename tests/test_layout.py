"""The house keeps its shape: shelves, entry points, small files, words of the glossary, no trace of a machine."""

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from keywatch.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHELVES = ("providers", "rosters", "notifiers", "migrations")
CODE = sorted(path for top in ("keywatch", *SHELVES) for path in (ROOT / top).rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 400, 40
BANNED = frozenset({"alert", "alarm", "job", "contact", "channel", "manager", "helper", "util"})
"""Words that mean something else to everybody; the glossary has others."""
MACHINE = re.compile(r"(?<![\w/.])/(?:work|root|farm|mnt/data|tmp/\w+\.\w+|home/(?!ana/))(?:/|\b)")
"""Absolute paths of somebody's machine. `/home/ana` is the reader of the README."""


def here(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def packages(shelf: str) -> list[Path]:
    return sorted(one for one in (ROOT / shelf).iterdir() if one.is_dir() and one.name != "__pycache__")


# --------------------------------------------------------------------------- shelves and commands


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_shelf_is_no_package(shelf: str) -> None:
    """It has no `__init__.py`, and holds packages called `keywatch_NAME` that are typed."""
    assert not (ROOT / shelf / "__init__.py").exists()
    assert packages(shelf)
    for package in packages(shelf):
        assert package.name.startswith("keywatch_"), here(package)
        assert (package / "__init__.py").is_file(), here(package)
        assert (package / "py.typed").is_file(), here(package)


@pytest.mark.parametrize("shelf", SHELVES[:3])
def test_every_plugin_has_its_entry_point(shelf: str) -> None:
    """`providers/keywatch_x` is the entry point `x`, which names a class that is there."""
    entries = PROJECT["project"]["entry-points"][f"keywatch.{shelf}"]
    assert sorted(f"keywatch_{name}" for name in entries) == [one.name for one in packages(shelf)]
    for name, value in entries.items():
        module, _, attribute = value.partition(":")
        assert module == f"keywatch_{name}"
        assert hasattr(import_module(module), attribute)


def test_import_linter_knows_every_package() -> None:
    """A package that is no root of import-linter escapes every contract."""
    roots = set(PROJECT["tool"]["importlinter"]["root_packages"])
    assert roots == {"keywatch", *(package.name for shelf in SHELVES for package in packages(shelf))}
    contracts = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    plugins = contracts["plugins know the words and the protocols, nothing else"]["source_modules"]
    assert set(plugins) == {package.name for shelf in SHELVES[:3] for package in packages(shelf)}


def test_every_command_has_a_module() -> None:
    """A line of COMMANDS is a file with a `command` of that name, and a file that is a command stands in COMMANDS."""
    modules = {f"{name.replace('-', '_')}_" if name == "import" else name.replace("-", "_"): name for name in COMMANDS}
    for module, name in modules.items():
        command = import_module(f"keywatch.cli.{module}").command
        assert isinstance(command, click.Command)
        assert command.name == name
    files = {path.stem for path in (ROOT / "keywatch" / "cli").glob("*.py")}
    made = {
        stem for stem in files if re.search(r"^def command\(", _text(ROOT / "keywatch" / "cli" / f"{stem}.py"), re.M)
    }
    assert made == set(modules)


# --------------------------------------------------------------------------- sizes and words


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def lines_of_code(text: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    held: set[int] = set()
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            held.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def test_lines_of_code_are_counted_as_meant() -> None:
    """The measure itself: a docstring, a comment and a blank line are free, every line of a call counts."""
    assert lines_of_code('"""For what."""\n\nx = f(\n    1,\n)  # why\n# why not\ny = """\na\n"""\n') == 6


def test_no_file_is_long() -> None:
    """A file of more than 400 lines of code is two files."""
    assert {here(path): count for path in CODE if (count := lines_of_code(_text(path))) > FILE_LINES} == {}


def test_no_function_is_long() -> None:
    """A function of more than 40 lines, its docstring aside, is two functions. Migrations are history, not code."""
    living = [path for path in CODE if path.parent.name != "versions"]
    assert {name: count for path in living for name, count in functions(path) if count > FUNCTION_LINES} == {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its lines from `def` to its end, without its docstring."""
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if said else 0
            yield f"{here(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_every_module_says_what_it_is_for() -> None:
    """A module starts with a docstring; the template of the migrations gives theirs."""
    assert [here(path) for path in CODE if _text(path).strip() and not ast.get_docstring(ast.parse(_text(path)))] == []


def named(path: Path) -> Iterator[str]:
    """The names that a file gives: of itself, of functions, classes, arguments, variables and attributes."""
    yield path.stem
    for node in ast.walk(ast.parse(_text(path))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def test_banned_words_name_nothing() -> None:
    """One thing has one word. Its synonyms name no file, function, class, argument, variable or attribute."""
    found = {f"{here(path)}: {name}" for path in CODE for name in named(path) if set(words(name)) & BANNED}
    assert found == set()


def words(name: str) -> list[str]:
    """The words of a name, in the singular: `jobManagers` is job and manager."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return [part.lower().removesuffix("s") for part in parts]


def test_words_are_taken_apart_as_meant() -> None:
    """The measure itself: both ways of joining words, and the plural."""
    assert words("_jobManagers") == ["job", "manager"]
    assert words("contextmanager") == ["contextmanager"]
    assert words("SMTPChannel") == ["smtp", "channel"]


# --------------------------------------------------------------------------- no trace of a machine


def tracked() -> list[Path]:
    """Every text file that belongs to the tree, whether or not it is committed yet."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so what belongs to the tree cannot be told")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_nothing_mentions_a_machine() -> None:
    """A path of somebody's machine in the tree works nowhere else, and tells strangers about it."""
    found = {}
    for path in tracked():
        if path != Path(__file__) and (hit := MACHINE.search(path.read_text(encoding="utf-8", errors="replace"))):
            found[here(path)] = hit[0]
    assert found == {}


def test_generated_files_stay_out() -> None:
    """What running or building leaves behind is ignored by git."""
    left = re.compile(r"(^|/)(dist|build|__pycache__|\.venv|\.hypothesis)/|\.(pyc|db|db-wal|snapshot\.json)$")
    assert [here(path) for path in tracked() if left.search(here(path))] == []

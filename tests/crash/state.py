"""What a store holds, read behind the program's back: to compare two runs, and to know a state one has seen before."""

import hashlib
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.crash.sink import Letter

Facts = dict[str, Counter[tuple[Any, ...]]]
Row = tuple[Any, ...]
STORE = "keywatch.db"
_FACTS = {
    "credential": "source, ref, name, version, expires_at, missing_since IS NULL, gone_at, retired_by, problem",
    "episode": "subject, deadline, version, rung, outcome",
    "message": "kind, route, person, slot, state",
    "notice": "episode_id, stage, route, rung, person, asks, superseded_at IS NULL",
    "ack": "episode_id, kind, person, until, by, route, void_at IS NULL",
    "evidence": "route, kind, source, code, person",
    "event": "kind, credential, who, text",
}
"""What must come out the same, however often a run was killed on the way: all but instants and random names."""
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d)(:\d\d(\.\d+)?)?")
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}|[0-9a-f]{32,}|(?<=\.)\d+$")


def rows(store: Path, question: str) -> list[Row]:
    """The answer to one question."""
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(question).fetchall()


def facts(folder: Path) -> Facts:
    """What the store says, apart from when and under which random name."""
    if not (folder / STORE).exists():
        return {}
    with closing(sqlite3.connect(folder / STORE)) as connection:
        return {
            table: Counter(connection.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table, columns in _FACTS.items()
        }


def canonical(folder: Path, letters: Iterable[Letter]) -> str:
    """A fingerprint of all that a killed run left: every row of every table, the files, and what was delivered.

    Two runs get the same one if they differ in process ids, random names and parts of a minute only.
    """
    content: list[Any] = sorted(_RANDOM.sub("#", path.name) for path in folder.iterdir() if _telling(path.name))
    names: dict[str, str] = {}
    if (folder / STORE).exists():
        tables = _dump(aside(folder))
        columns = {column: at for at, column in enumerate(tables["message"][0])} if "message" in tables else {}
        for row in tables["message"][1:] if columns else []:
            for column in ("token", "message_id", "code"):
                names[str(row[columns[column]])] = f"{column} {row[columns['id']]}"
        content += [tables[name] for name in sorted(tables)]
    content += [(letter.message_id, letter.to, letter.subject) for letter in letters]
    text = _INSTANT.sub(r"\1", repr(content))
    for random, name in names.items():
        text = text.replace(random, name)
    return hashlib.sha256(re.sub(_RANDOM, "#", text).encode()).hexdigest()


def _telling(name: str) -> bool:
    return name.removeprefix(STORE) not in ("-wal", "-shm")


def aside(folder: Path) -> Path:
    """A copy of a store to look at: opening the store itself would tidy up what a killed run left for the next one."""
    copy = folder.with_name("looked-at")
    copy.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        target = copy / f"{STORE}{suffix}"
        target.unlink(missing_ok=True)
        if (folder / target.name).exists():
            shutil.copyfile(folder / target.name, target)
    (copy / f"{STORE}-shm").unlink(missing_ok=True)
    return copy


def _dump(copy: Path) -> dict[str, list[Row]]:
    """Each table: its columns, then its rows; a lease is held or not, by whatever process."""
    with closing(sqlite3.connect(copy / STORE)) as connection:
        found = {}
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            titles = tuple(column for column, *_ in cursor.description)
            held = [at for at, title in enumerate(titles) if title == "lease_owner"]
            found[name] = [titles, *(_without(row, held) for row in cursor.fetchall())]
    return found


def _without(row: Row, held: list[int]) -> Row:
    return tuple(bool(value) if at in held else value for at, value in enumerate(row))

"""Migrations lose nothing: killed anywhere they leave the old schema or the new one, on both databases, rows and all.

Every revision that was ever released is a starting point here, with rows in every table that it had.
"""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, DateTime, Engine, MetaData, Table, event, inspect, select

from keywatch import schema
from keywatch.read import REVISIONS, SCHEMA, connect
from keywatch.read.opening import path_of
from keywatch.store import engine_for, metadata
from tests.servers.postgres import PostgresServer
from tests.story.story import CONFIG, Story, telling

NOW = datetime(2026, 12, 7, 9, tzinfo=UTC)
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
WORDS = {
    "credential.basis": "declared",
    "ack.kind": "ack",
    "attempt.verdict": "accepted",
    "attempt.blame": "",
    "episode.outcome": "renewed",
    "evidence.kind": "ack",
    "message.kind": "notice",
    "message.state": "pending",
}
"""What a CHECK asks of a column. Everything else takes any value of its type."""
EMPTY = ("message.accepted_at", "message.lease_until")
META = {"store_uuid": "made-long-ago", "rehearsal": "1", "key": "00" * 32, "min_writer": "1"}
Rows = dict[str, list[tuple[Any, ...]]]
Make = Callable[[str], str]


@pytest.fixture(params=DATABASES)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes databases without a table: their URLs."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("server")
        return server.database
    return lambda: _empty_file(tmp_path)


@pytest.fixture
def old(request: pytest.FixtureRequest, blank: Callable[[], str]) -> Make:
    """Makes stores as they were at a revision, with rows in every table; the first is kept as the pattern."""
    patterns: dict[str, str] = {}

    def _old(revision: str) -> str:
        if revision not in patterns:
            patterns[revision] = blank()
            _move(patterns[revision], revision)
            _fill(patterns[revision])
        return _copy_of(patterns[revision], request)

    return _old


def _empty_file(folder: Path) -> str:
    path = folder / f"kw-{len(list(folder.glob('kw-*.db')))}.db"
    schema._empty_database(path)
    return f"sqlite:///{path}"


def _copy_of(url: str, request: pytest.FixtureRequest) -> str:
    path = path_of(url)
    if path:
        fresh = path_of(_empty_file(path.parent))
        assert fresh
        return f"sqlite:///{shutil.copy(path, fresh)}"
    server: PostgresServer = request.getfixturevalue("server")
    return server.database(template=url.partition("@/")[2].partition("?")[0])


def _move(url: str, revision: str, *, down: bool = False) -> None:
    """Up or down to a revision, by alembic itself: the program only ever goes to the newest one."""
    config = schema._config(None)
    config.attributes["url"] = url
    (command.downgrade if down else command.upgrade)(config, revision)


# --------------------------------------------------------------------------- what a store holds


def _tables(url: str, work: Callable[[Connection, list[Table]], Any], *, writing: bool = False) -> Any:
    """Do something with the tables as the database itself describes them, those first that others refer to."""
    engine = engine_for(url)
    try:
        with engine.begin() if writing else engine.connect() as connection:
            found = MetaData()
            found.reflect(connection)
            return work(connection, [table for table in found.sorted_tables if table.name != "alembic_version"])
    finally:
        engine.dispose()


def _fill(url: str, count: int = 3) -> None:
    """Rows in every table, whatever the tables are."""

    def fill(connection: Connection, tables: list[Table]) -> None:
        for table in tables:
            rows = [_row(table, n) for n in range(1, count + 1)]
            if table.name == "meta":
                rows = [{"name": name, "value": value} for name, value in META.items()]
            connection.execute(table.insert(), rows)

    _tables(url, fill, writing=True)


def _row(table: Table, n: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        full, kind = f"{table.name}.{column.name}", column.type.python_type
        if full in EMPTY:
            row[column.name] = None
        elif isinstance(column.type, DateTime):
            row[column.name] = NOW + timedelta(minutes=n)
        elif kind is str:
            row[column.name] = WORDS.get(full, f"{column.name}, naïve row {n}")
        else:
            row[column.name] = kind(n)
    return row


def rows(url: str, columns: dict[str, list[str]] | None = None) -> Rows:
    """Every row of every table, of these columns only where they are given.

    Which programs may write a store is a matter of its shape, so those two values are no rows.
    """

    def read(connection: Connection, tables: list[Table]) -> Rows:
        wanted = columns or {table.name: sorted(table.columns.keys()) for table in tables}
        by_name = {table.name: table for table in tables}
        return {
            name: sorted(
                (
                    tuple(row)
                    for row in connection.execute(select(*(by_name[name].c[one] for one in names)))
                    if row[0] not in ("min_writer", "min_version")
                ),
                key=repr,
            )
            for name, names in wanted.items()
        }

    found: Rows = _tables(url, read)
    return found


def columns(url: str) -> dict[str, list[str]]:
    """The columns of each table."""
    found: dict[str, list[str]] = _tables(
        url, lambda _, tables: {table.name: sorted(table.columns.keys()) for table in tables}
    )
    return found


def shape(url: str) -> dict[str, Any]:
    """The revision, and each table's columns, keys, CHECKs and indexes, as the database describes them."""
    engine = engine_for(url)
    try:
        with engine.connect() as connection:
            seen = inspect(connection)
            found: dict[str, Any] = {name: _described(seen, name) for name in seen.get_table_names()}
            return found | {"revision": MigrationContext.configure(connection).get_current_revision()}
    finally:
        engine.dispose()


def _described(seen: Any, table: str) -> list[str]:
    parts = [
        f"column {one['name']} {one['type']!r} {one['nullable']} {one['default']}" for one in seen.get_columns(table)
    ]
    parts += [f"primary {seen.get_pk_constraint(table)}"]
    for kind in ("foreign_keys", "unique_constraints", "check_constraints", "indexes"):
        for one in getattr(seen, f"get_{kind}")(table):
            more = {name: str(value) for name, value in one.pop("dialect_options", {}).items()}
            parts.append(f"{kind} {one} {more}")
    return sorted(parts)


def sound(url: str) -> None:
    """No page is torn, no row lacks the one that it refers to. PostgreSQL sees to both by itself."""
    path = path_of(url)
    if path:
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()


# --------------------------------------------------------------------------- killed


def _upgrade_until(url: str, kill_at: int, trace: Path, making: bool) -> None:
    """In a process of its own: make or upgrade a store, dead by SIGKILL at the step of that number."""
    steps = 0

    def step(name: str) -> None:
        nonlocal steps
        steps += 1
        with trace.open("a") as file:
            print(name.partition("\n")[0], file=file)
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(name: str, arguments: tuple[Any, ...]) -> None:
        if name.startswith("keywatch.schema.") and not "".join(arguments).startswith(("SELECT", "PRAGMA")):
            step(" ".join([name, *arguments]))

    sys.addaudithook(audited)
    event.listen(Engine, "commit", lambda _: step("committing"))
    if making:
        schema.create(url, rehearsal=True, now=NOW)
    else:
        schema.upgrade(url)
    step("ended")


def _killed(url: str, kill_at: int, trace: Path, *, making: bool = False) -> tuple[int, list[str]]:
    """The exit code of that process, and the steps that it came to."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keywatch.schema", "psycopg"])
    process = context.Process(target=_upgrade_until, args=(url, kill_at, trace, making))
    process.start()
    process.join(60)
    steps = trace.read_text().splitlines() if trace.exists() else []
    trace.unlink(missing_ok=True)
    assert process.exitcode in (0, -signal.SIGKILL), f"step {kill_at}: {process.exitcode} after {steps}"
    return process.exitcode, steps


def _every_kill(make: Callable[[], str], trace: Path, *, making: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A store for each step at which the process can die, with the steps that it came to."""
    for kill_at in range(1, 2000):
        url = make()
        code, steps = _killed(url, kill_at, trace, making=making)
        if code == 0:
            return
        assert len(steps) == kill_at
        yield url, steps
    raise AssertionError("it never came to its end")


@pytest.mark.slow
@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_killed_upgrade_is_old_or_new(old: Make, tmp_path: Path, revision: str) -> None:
    """Killed before every statement that writes and around every commit: one schema or the other is whole.

    No row is lost, the copy that was made first opens with all of it, and the next upgrade comes to its end.
    """
    first = old(revision)
    before, kept, held = shape(first), columns(first), rows(first)
    schema.upgrade(first)
    after, seen = shape(first), set()
    for url, steps in _every_kill(lambda: old(revision), tmp_path / "trace"):
        now = shape(url)
        assert now in (before, after), steps[-1]
        seen.add(now["revision"])
        assert rows(url, kept) == held, steps[-1]
        sound(url)
        _check_copy(url, revision, held, made="keywatch.schema.copied" in steps)
        schema.upgrade(url)
        assert (shape(url), rows(url, kept)) == (after, held), steps[-1]
        sound(url)
    assert seen == {revision, REVISIONS[-1]}, "kills must fall on both sides of the commit"


def _check_copy(url: str, revision: str, held: Rows, *, made: bool) -> None:
    path = path_of(url)
    if path is None:
        return
    copy = path.with_name(f"{path.name}.{revision}.bak")
    assert copy.exists() or not made
    if copy.exists():
        sound(f"sqlite:///{copy}")
        assert copy.stat().st_mode & 0o777 == 0o600
        assert rows(f"sqlite:///{copy}") == held


@pytest.fixture
def nowhere(blank: Callable[[], str]) -> Callable[[], str]:
    """Gives places where a store can be made."""

    def _nowhere() -> str:
        url = blank()
        if path := path_of(url):
            path.unlink()
        return url

    return _nowhere


@pytest.mark.slow
def test_a_killed_init_can_be_done_again(nowhere: Callable[[], str], tmp_path: Path) -> None:
    """Killed at any step, a store is either whole or the next `init` makes it; never a half one that nobody can use."""
    whole = nowhere()
    schema.create(whole, rehearsal=True, now=NOW)
    wanted = shape(whole)
    for url, steps in _every_kill(nowhere, tmp_path / "trace", making=True):
        path = path_of(url)
        made = path.exists() if path else bool(schema.current(url))
        if not made:
            schema.create(url, rehearsal=True, now=NOW)
        assert shape(url) == wanted, steps[-1]
        assert {name for name, _ in rows(url)["meta"]} >= set(META) - {"min_writer", "min_version"}, steps[-1]


# --------------------------------------------------------------------------- up, down, up


@pytest.mark.parametrize("revision", REVISIONS)
def test_up_down_up_gives_the_same(old: Make, revision: str) -> None:
    """From every revision to the newest, back and up again: the same schema each time, and every row is kept."""
    url = old(revision)
    before, kept, held = shape(url), columns(url), rows(url)
    _move(url, "head")
    up, more = shape(url), rows(url)
    assert rows(url, kept) == held
    if revision != REVISIONS[-1]:
        _move(url, revision, down=True)
    assert (shape(url), rows(url)) == (before, held)
    _move(url, "head")
    assert (shape(url), rows(url)) == (up, more)
    sound(url)


def test_the_first_revision_can_be_undone(blank: Callable[[], str]) -> None:
    """Down to nothing leaves no table but alembic's own, and up from there is the same as up from an empty database."""
    url = blank()
    _move(url, "head")
    up = shape(url)
    _move(url, "base", down=True)
    assert set(shape(url)) == {"alembic_version", "revision"}
    _move(url, "head")
    assert shape(url) == up


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgraded_store_is_what_the_models_say(old: Make, revision: str) -> None:
    """`alembic check` finds nothing to do, from whatever revision a store came."""
    url = old(revision)
    schema.upgrade(url)
    engine = engine_for(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    assert found == []


# --------------------------------------------------------------------------- older programs, newer stores


@pytest.fixture
def story(nowhere: Callable[[], str], tmp_path: Path) -> Iterator[Story]:
    """An installation on either database, with something due."""
    url, folder = nowhere(), tmp_path / "installed"
    folder.mkdir()
    with telling(folder, config=CONFIG.replace("sqlite:///keywatch.db", url)) as told:
        told.add()
        told.at("2026-11-13 08:00")
        yield told


def _change(story: Story, *statements: str) -> None:
    """Do to the store what a newer program would have done."""
    url = next(
        line.split('"')[1] for line in (story.folder / "keywatch.toml").read_text().splitlines() if "store =" in line
    )
    connection = connect(url)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_store_that_needs_a_newer_program_refuses_this_one(story: Story) -> None:
    """Whatever an older program is asked, it stops with exit 3 and says which version the store needs."""
    _change(
        story,
        f"UPDATE meta SET value = '{SCHEMA + 1}' WHERE name = 'min_writer'",
        "DELETE FROM meta WHERE name = 'min_version'",
        "INSERT INTO meta (name, value) VALUES ('min_version', '7.8.9')",
        "UPDATE alembic_version SET version_num = '20991231_rewritten'",
    )
    for asked in (["check"], ["check", "--dry-run"], ["list"], ["ack", "paygate-api"], ["db", "upgrade"], ["gate"]):
        answer = story.run(*asked, expect=3)
        assert "needs keywatch 7.8.9 or newer" in answer.err, asked
        assert "update keywatch" in answer.err
    told = {mail.to for mail in story.inbox()}
    assert told <= {"li@example.com", "mia@example.com"}, "only the last resort hears, of keywatch itself"


def test_a_store_that_only_grew_lets_older_programs_work(story: Story) -> None:
    """A newer host added columns and a table: this one goes on to check, tell, take an ack, and tell the rest later."""
    _change(
        story,
        "ALTER TABLE credential ADD COLUMN colour VARCHAR",
        "ALTER TABLE message ADD COLUMN weight INTEGER DEFAULT 7 NOT NULL",
        "ALTER TABLE feed ADD COLUMN shade VARCHAR DEFAULT '' NOT NULL",
        "CREATE TABLE palette (id INTEGER PRIMARY KEY)",
        "UPDATE alembic_version SET version_num = '20991231_grown'",
    )
    sent = story.check()
    assert sent
    assert {message["verdict"] for message in sent} <= {"accepted", "refused"}
    assert {mail.to for mail in story.inbox()} & {"ana@example.com", "bo@example.com"}
    codes = [message["code"] for message in sent if message["verdict"] == "accepted" and message["person"]]
    story.run("list")
    story.run("ack", codes[0], expect=None)
    story.advance(days=2, every=timedelta(hours=12))
    assert story.run("db", "upgrade").code == 0

"""Opening a store: only a finished one of the right age is opened, and nothing is ever created by looking."""

import os
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keywatch import schema
from keywatch.errors import Exit, StoreError
from keywatch.read import connect, judge, open_reader, place_of
from keywatch.store import Store

OPENERS = [
    pytest.param(open_reader, id="reader"),
    pytest.param(Store, id="store"),
    pytest.param(schema.upgrade, id="up"),
]


def refused(opener: object, path: Path) -> StoreError:
    before = sorted(p.name for p in path.parent.iterdir())
    with pytest.raises(StoreError) as caught:
        opener(f"sqlite:///{path}")  # type: ignore[operator]
    assert caught.value.exit_code is Exit.UNKNOWN
    assert caught.value.hint
    assert "\n" not in caught.value.what
    assert sorted(p.name for p in path.parent.iterdir()) == before, "looking created something"
    return caught.value


@pytest.mark.parametrize("opener", OPENERS)
def test_a_missing_store_is_refused(tmp_path: Path, opener: object) -> None:
    """A store that is not there stops the run; a fresh one in its place would send everything again."""
    assert "no store" in refused(opener, tmp_path / "keywatch.db").what


@pytest.mark.parametrize("opener", OPENERS)
def test_an_empty_file_is_refused(tmp_path: Path, opener: object) -> None:
    """A file of zero bytes is a lost store, not a new one."""
    (tmp_path / "keywatch.db").touch()
    assert "empty" in refused(opener, tmp_path / "keywatch.db").what
    assert (tmp_path / "keywatch.db").stat().st_size == 0


@pytest.mark.parametrize("opener", OPENERS)
def test_garbage_is_refused(tmp_path: Path, opener: object) -> None:
    """What is not a database is said to be none."""
    (tmp_path / "keywatch.db").write_bytes(b"not a database at all" * 400)
    assert "not a keywatch store" in refused(opener, tmp_path / "keywatch.db").what


@pytest.mark.parametrize("opener", OPENERS)
def test_a_database_of_something_else_is_refused(tmp_path: Path, opener: object) -> None:
    """Another program's database is not a store."""
    other = sqlite3.connect(tmp_path / "keywatch.db")
    other.execute("CREATE TABLE things (id INTEGER)")
    other.close()
    assert "no keywatch tables" in refused(opener, tmp_path / "keywatch.db").what


@pytest.mark.parametrize("opener", OPENERS)
def test_a_newer_schema_is_refused(file: Path, opener: object) -> None:
    """A store whose newer program changed what older ones write is left alone by them, and names what it needs."""
    _set(file, "UPDATE alembic_version SET version_num = '20991231_future'")
    _set(file, "UPDATE meta SET value = '7' WHERE name = 'min_writer'")
    _set(file, "UPDATE meta SET value = '4.2' WHERE name = 'min_version'")
    assert "needs keywatch 4.2 or newer" in refused(opener, file).what


def test_a_newer_schema_that_only_added_is_used(file: Path) -> None:
    """A revision this program does not know, and a min_writer that it reaches: old and new hosts share the store."""
    _set(file, "UPDATE alembic_version SET version_num = '20991231_future'")
    url = f"sqlite:///{file}"
    with open_reader(url) as reader, Store(url) as store, store.write() as tx:
        tx.set_meta("x", "y")
        assert tx.read.meta("x") == "y"
        assert reader.meta("store_uuid")
    assert schema.upgrade(url) is None
    assert schema.current(url) == "20991231_future"


@pytest.mark.parametrize("opener", OPENERS[:2])
def test_a_store_that_needs_a_newer_writer_is_refused(file: Path, opener: object) -> None:
    """min_writer above this program's schema number: refused, naming the number where no version is known."""
    _set(file, "UPDATE meta SET value = '7' WHERE name = 'min_writer'")
    _set(file, "DELETE FROM meta WHERE name = 'min_version'")
    assert "schema 7" in refused(opener, file).what


@pytest.mark.parametrize("opener", OPENERS[:2])
def test_a_store_without_identity_is_refused(file: Path, opener: object) -> None:
    """Tables without a store_uuid are a store that was never finished."""
    _set(file, "DELETE FROM meta WHERE name = 'store_uuid'")
    assert "not a finished" in refused(opener, file).what


def _set(file: Path, sql: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(sql)
    connection.close()


def test_an_older_schema_names_the_command() -> None:
    """An older store is refused with the command that upgrades it."""
    with pytest.raises(StoreError) as caught:
        judge("kw.db", revision="a", min_writer="1", store_uuid="u", known=("a", "b"), schema=2)
    assert caught.value.hint == "run `keywatch db upgrade`"
    assert judge("kw.db", revision="b", min_writer="1", store_uuid="u", known=("a", "b"), schema=2) is None


def test_a_foreign_url_is_a_usage_error() -> None:
    """Only SQLite and PostgreSQL URLs name a store."""
    with pytest.raises(StoreError) as caught:
        open_reader("mysql://user:secret@host/kw")
    assert caught.value.exit_code is Exit.USAGE
    assert "secret" not in caught.value.what + caught.value.hint


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    """Nothing that is shown of a PostgreSQL URL contains its password."""
    pytest.importorskip("psycopg")
    url = "postgresql://kw:hunter2@127.0.0.1:1/keywatch"
    assert place_of(url) == "PostgreSQL at 127.0.0.1/keywatch"
    for opener in (open_reader, Store):
        with pytest.raises(StoreError, match="does not answer") as caught:
            opener(url)
        assert caught.value.exit_code is Exit.UNKNOWN
        assert "hunter2" not in caught.value.what + caught.value.hint
        assert caught.value.__cause__ is None


def test_create_refuses_what_is_there(file: Path, now: datetime) -> None:
    """`init` never touches an existing file."""
    before = file.read_bytes()
    with pytest.raises(StoreError) as caught:
        schema.create(f"sqlite:///{file}", rehearsal=True, now=now)
    assert caught.value.exit_code is Exit.USAGE
    assert file.read_bytes() == before


def test_create_makes_a_private_marked_store(tmp_path: Path, now: datetime) -> None:
    """A new store is readable by its owner only, whatever the umask, and knows whether it is a rehearsal."""
    path = tmp_path / "deep" / "a%b?c#d.db"
    mask = os.umask(0)
    try:
        schema.create(f"sqlite:///{path}", rehearsal=True, now=now)
        with Store(f"sqlite:///{path}") as store, store.write() as tx:
            tx.set_meta("x", "y")
            files = sorted(path.parent.iterdir())
            assert [oct(f.stat().st_mode & 0o777) for f in files] == ["0o600"] * 3, "with -wal and -shm"
    finally:
        os.umask(mask)
    with open_reader(f"sqlite:///{path}") as reader:
        assert reader.meta("rehearsal") == "1"
        assert len(bytes.fromhex(reader.meta("key"))) == 32
        assert len(reader.meta("store_uuid")) == 36
        assert reader.meta("nothing", "default") == "default"
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no draft is left"


def test_create_on_postgresql_refuses_twice(url: str, now: datetime) -> None:
    """A second `init` on the same database does nothing either."""
    with pytest.raises(StoreError) as caught:
        schema.create(url, rehearsal=True, now=now)
    assert caught.value.exit_code is Exit.USAGE
    with open_reader(url) as reader:
        assert reader.meta("rehearsal") == "0"


def test_pragmas(file: Path) -> None:
    """SQLite writes with WAL, full sync, foreign keys and five seconds of patience."""
    with Store(f"sqlite:///{file}") as store, store.write() as tx:
        values = [
            tx.read.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert values == ["wal", 2, 1, 5000]


def _pooled(store: Store, pragma: str) -> None:
    """Set a pragma on the connection the next write will use."""
    raw = store.engine.raw_connection()
    raw.cursor().execute(pragma)
    raw.close()


def test_a_busy_store_says_so(file: Path) -> None:
    """Somebody else writes for longer than our patience: exit 3, and nothing is written."""
    other = connect(f"sqlite:///{file}")
    other.execute("BEGIN IMMEDIATE")
    with Store(f"sqlite:///{file}") as store:
        _pooled(store, "PRAGMA busy_timeout=50")
        with pytest.raises(StoreError, match="busy") as caught, store.write() as tx:
            tx.set_meta("x", "y")
    assert caught.value.exit_code is Exit.UNKNOWN
    other.close()


def test_a_newer_writer_stops_an_open_store(store: Store) -> None:
    """The writer's number is looked at in every transaction: a rolling upgrade stops old programs at once."""
    with store.write() as tx:
        tx.set_meta("min_writer", "9")
        tx.set_meta("min_version", "4.2")
    with pytest.raises(StoreError, match=r"needs keywatch 4\.2"), store.write() as tx:
        tx.set_meta("x", "y")
    assert store.place


def test_a_read_only_store_says_so(file: Path) -> None:
    """A store that cannot be written to is two lines, not a traceback."""
    with Store(f"sqlite:///{file}") as store:
        _pooled(store, "PRAGMA query_only=ON")
        with pytest.raises(StoreError, match="cannot be written"), store.write() as tx:
            tx.set_meta("x", "y")


def test_a_full_disk_says_so(file: Path) -> None:
    """No space left: two lines, and the transaction is as if it had never been."""
    with Store(f"sqlite:///{file}") as store:
        _pooled(store, "PRAGMA max_page_count=1")
        with pytest.raises(StoreError, match="no space"), store.write() as tx:
            tx.set_meta("x", "y" * 100_000)
        with store.write() as tx:
            assert tx.read.meta("x") == ""


def test_a_damaged_store_says_so(file: Path, now: datetime) -> None:
    """A page that was overwritten is found when it is read, and said."""
    data = bytearray(file.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 200] = b"\xff" * 200
    file.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="damaged") as caught, open_reader(f"sqlite:///{file}") as reader:
        reader.credentials(now)
    assert caught.value.exit_code is Exit.UNKNOWN


def test_a_naive_instant_is_refused(store: Store, add: object, now: datetime) -> None:
    """An instant without offset never reaches the store, on any way in."""
    _, episode = add()  # type: ignore[operator]
    naive = datetime(2026, 12, 7)
    with pytest.raises(ValueError, match="timezone"), store.write() as tx:
        tx.change_episode(episode, moved_at=naive)
    with pytest.raises(ValueError, match="offset"), store.write() as tx:
        tx.read.due(naive)
    with pytest.raises(ValueError), store.write() as tx:
        tx.claim(naive, timedelta(minutes=1), "me")


def test_reading_needs_the_standard_library_only() -> None:
    """`list`, `gate`, `suspects`, `status` and an idle check never import SQLModel."""
    code = "import sys, keywatch.read; print(*[m for m in sys.modules if m.split('.')[0] in " + repr(
        ["sqlmodel", "sqlalchemy", "alembic", "pydantic", "psycopg", "click", "jinja2", "requests"]
    )
    done = subprocess.run([sys.executable, "-c", code + "])"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

"""Making and upgrading a store: alembic, driven from inside so that nobody needs an alembic.ini.

A store is either whole or not there: a new SQLite file appears under its name only when it is finished, an upgrade is
one transaction, and before it the file is copied.
"""

import os
import secrets
import sqlite3
import sys
import uuid
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from keywatch import __version__
from keywatch.errors import Exit, StoreError
from keywatch.read import REVISIONS, SCHEMA, connect, open_reader, place_of, refusal, text_of
from keywatch.read.opening import path_of
from keywatch.store import Store, engine_for
from keywatch.store.store import translated


def create(url: str, *, rehearsal: bool, now: datetime) -> None:
    """Make a new store, only readable by its owner. Only such a `rehearsal` store accepts another clock.

    Raises:
        StoreError: there is one already (exit 2), or the place cannot be written to.
    """
    path = path_of(url)
    if path is None:
        if current(url):
            raise StoreError(
                f"there is a store already: {place_of(url)}", "`keywatch db upgrade` upgrades it", Exit.USAGE
            )
        _fill(url, rehearsal, now)
        return
    if path.exists():
        raise StoreError(f"there is a file already: {path}", "nothing was done; move it away first", Exit.USAGE)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _empty_database(draft)
        _fill(f"sqlite:///{draft}", rehearsal, now)
        sys.audit("keywatch.schema.filled")
        os.link(draft, path)
        sys.audit("keywatch.schema.linked")
    except FileExistsError:
        raise StoreError(f"there is a file already: {path}", "nothing was done", Exit.USAGE) from None
    except OSError as problem:
        raise StoreError(
            f"cannot make a store at {path}: {problem.strerror}", "choose a folder you may write"
        ) from None
    finally:
        for rest in path.parent.glob(f"{draft.name}*"):
            rest.unlink()


def _empty_database(path: Path) -> None:
    """A database file without tables that only its owner can read; its companion files inherit that."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    made = sqlite3.connect(path)
    made.execute("PRAGMA journal_mode=WAL")
    made.close()


def _fill(url: str, rehearsal: bool, now: datetime) -> None:
    values = {
        "store_uuid": str(uuid.uuid4()),
        "rehearsal": "1" if rehearsal else "0",
        "key": secrets.token_hex(32),
        "min_writer": str(SCHEMA),
        "min_version": __version__,
        "created_at": text_of(now),
    }
    _migrate(url, values=values)
    Store(url).close()


def upgrade(url: str, scripts: Path | None = None) -> Path | None:
    """Bring a store to the newest revision, in one transaction. Returns the copy made before, if one was needed.

    `scripts` is another folder of migrations, for tests.

    Raises:
        StoreError: missing, not a store, or newer than this program.
    """
    found = current(url)
    if not found:
        raise StoreError(f"{place_of(url)} holds no keywatch tables", "`keywatch init` makes a store")
    if found == _scripts(scripts).get_current_head():
        return None
    if scripts is None and found not in REVISIONS:
        open_reader(url).close()  # raises where the newer program changed more than it added
        return None
    path = path_of(url)
    copy = _copy(path, found) if path else None
    sys.audit("keywatch.schema.copied")
    _migrate(url, scripts)
    return copy


def head() -> str:
    """The newest revision this program has."""
    return _scripts(None).get_current_head() or ""


def current(url: str) -> str:
    """The revision of a store; "" = it holds none.

    Raises:
        StoreError: it is missing or cannot be read.
    """
    engine = engine_for(url)
    try:
        with translated(place_of(url)), engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()


def _config(scripts: Path | None) -> Config:
    config = Config()
    folder = scripts or Path(str(resources.files("keywatch_migrations")))
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts(scripts: Path | None) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(scripts))


def _migrate(url: str, scripts: Path | None = None, values: Mapping[str, str] | None = None) -> None:
    """Run the migrations and write the first `values` of `meta`, in one transaction.

    The URL goes by an attribute: ConfigParser would read the `%` of a password.
    """
    config = _config(scripts)
    config.attributes.update(url=url, values=values or {})
    try:
        with translated(place_of(url)):
            command.upgrade(config, "head")
    except CommandError as problem:
        raise StoreError(f"{place_of(url)} cannot be upgraded: {problem}", "update keywatch on this machine") from None


def _copy(path: Path, revision: str) -> Path:
    """A consistent copy beside the store, private like it; an older one of the same revision is replaced."""
    target = path.with_name(f"{path.name}.{revision}.bak")
    draft = path.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        source, copy = connect(f"sqlite:///{path}"), sqlite3.connect(draft)
        source.backup(copy)
        copy.close()
        source.close()
        draft.replace(target)
    except sqlite3.Error as problem:
        raise refusal(problem, str(draft)) or problem from None
    except OSError as problem:
        raise StoreError(f"cannot copy {path} before upgrading it: {problem.strerror}", "nothing was changed") from None
    finally:
        draft.unlink(missing_ok=True)
    return target

"""Reaching a store without ever creating one, and refusing the wrong one in two clear lines.

A store that is missing, empty or foreign must stop a check: a fresh empty one in its place would send everything
again and forget every ack.
"""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keywatch import __version__
from keywatch.errors import Exit, StoreAwayError, StoreBusyError, StoreError

SCHEMA = 2
"""The number of the schema this program writes. `meta.min_writer` above it: this program may not write."""
REVISIONS = ("20261121_first", "20261122_feed_lease", "20261123_reach")
"""Every alembic revision this program knows, oldest first; a test holds it against the migrations."""
BUSY_MS = 5000
"""How long a locked SQLite store is waited for."""

STOPPED_S = 30
"""A worker that was stopped inside a transaction would keep all others from settling; after this the server ends it."""
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs"})
"""File systems on which the shared memory of a write-ahead log does not work between hosts."""
MOUNTS = Path("/proc/self/mountinfo")

SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")
RESTORE = "restore it from a backup; only `keywatch init` makes a new store, which knows nothing of the old one"


def path_of(url: str) -> Path | None:
    """The file of an SQLite URL (`sqlite:///relative.db`, `sqlite:////absolute.db`); None for PostgreSQL.

    Raises:
        StoreError: another kind of URL (exit 2).
    """
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return Path(url.removeprefix(SQLITE))
    if url.startswith(POSTGRESQL):
        return None
    scheme = url.partition(":")[0]
    raise StoreError(
        f"a store cannot be a '{scheme[:20]}' URL", "write sqlite:///path/to/keywatch.db or postgresql://…", Exit.USAGE
    )


def place_of(url: str) -> str:
    """What messages call the store: its file, or host and database. Never a password."""
    path = path_of(url)
    if path:
        return str(path)
    parts = urlsplit(url)
    return f"PostgreSQL at {parts.hostname or 'the local socket'}{parts.path}"


def connect(url: str, *, autocommit: bool = True) -> Any:
    """A DB-API connection to an existing store; transactions are the caller's affair. Nothing is created.

    Raises:
        StoreError: there is no such store, or it cannot be reached.
    """
    path = path_of(url)
    return _sqlite(path) if path else _postgresql(url, autocommit)


def _sqlite(path: Path) -> sqlite3.Connection:
    try:
        size = path.stat().st_size
    except OSError as problem:
        hint = "was there one? Restore it from a backup; `keywatch init` makes a new one, which knows nothing of it"
        raise StoreError(f"there is no store at {path}: {problem.strerror}", hint) from None
    if size == 0:
        raise StoreError(f"the store {path} is an empty file", RESTORE)
    if (kind := _file_system(path)) in NETWORKED:
        raise StoreError(
            f"the store {path} lies on a network file system ({kind})",
            "put it on a local disk; hosts that share a store need PostgreSQL",
        )
    try:
        connection = sqlite3.connect(
            path.absolute().as_uri() + "?mode=rw",
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as problem:
        raise refusal(problem, str(path)) or problem from None
    return connection


def _file_system(path: Path) -> str:
    """The kind of file system a file lies on, by the longest mount point above it; "" where that cannot be told."""
    try:
        lines, real = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines(), path.resolve()
    except OSError:
        return ""
    found = ("", "")
    for line in lines:
        where, _, what = line.partition(" - ")
        point = where.split(" ")[4].encode().decode("unicode_escape") if where.count(" ") > 4 else ""
        if point and len(point) >= len(found[0]) and real.is_relative_to(point):
            found = (point, what.split(" ")[0])
    return found[1]


def _postgresql(url: str, autocommit: bool) -> Any:
    try:
        import psycopg
    except ImportError:
        raise StoreError("a PostgreSQL store needs psycopg", "pip install 'keywatch[postgres]'") from None
    try:
        made = psycopg.connect(url, autocommit=True, connect_timeout=10)
        made.execute(f"SET idle_in_transaction_session_timeout = '{STOPPED_S}s'")
        made.autocommit = autocommit
    except psycopg.Error as problem:
        raise refusal(problem, place_of(url)) or problem from None
    return made


_SQLITE_REFUSALS = {
    "SQLITE_BUSY": ("the store is busy: another process is writing to {place}", "try again in a moment"),
    "SQLITE_LOCKED": ("the store is busy: another process is writing to {place}", "try again in a moment"),
    "SQLITE_READONLY": ("the store {place} cannot be written to", "the user that runs keywatch must own it"),
    "SQLITE_PERM": ("the store {place} cannot be written to", "the user that runs keywatch must own it"),
    "SQLITE_FULL": ("no space is left for the store {place}", "make room; nothing that was committed is lost"),
    "SQLITE_CANTOPEN": ("the store {place} cannot be opened", "check the rights of the file and of its folder"),
    "SQLITE_NOTADB": ("{place} is not a keywatch store", RESTORE),
    "SQLITE_CORRUPT": ("the store {place} is damaged", RESTORE),
    "SQLITE_IOERR_SHMSIZE": ("no space is left for the store {place}", "make room; nothing that was committed is lost"),
    "SQLITE_IOERR": (
        "the disk fails under the store {place}",
        "look at the system log; what was committed is there once the disk is well, else restore a backup",
    ),
}


def refusal(problem: BaseException, place: str) -> StoreError | None:
    """A database error as two lines a person can act on; None for what can only be a mistake in keywatch."""
    if isinstance(problem, sqlite3.Error):
        name = getattr(problem, "sqlite_errorname", "") or ""
        for start, (what, hint) in _SQLITE_REFUSALS.items():
            if name.startswith(start):
                kind = StoreBusyError if start in ("SQLITE_BUSY", "SQLITE_LOCKED") else StoreError
                return kind(what.format(place=place), hint)
        return None
    ended = getattr(problem, "sqlstate", "") in ("25P03", "57P01")  # by the server: idle in a transaction, shut down
    if ended or any(kind.__name__ == "OperationalError" for kind in type(problem).__mro__):
        first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        return StoreAwayError(f"the store does not answer ({place}): {first[:200]}", "check that the server is up")
    return None


def newer(place: str, needed: int, min_version: str, schema: int = SCHEMA) -> StoreError:
    """The refusal of a store that a newer keywatch upgraded, with the version that it needs."""
    version = f"keywatch {min_version} or newer" if min_version else f"a keywatch with schema {needed}"
    return StoreError(
        f"{place} needs {version}; this is keywatch {__version__} (schema {schema}, the store's is {needed})",
        "update keywatch on this machine",
    )


def verify(reader: Any, place: str) -> None:
    """Make sure that this is a keywatch store of a schema this program can use.

    Raises:
        StoreError: not one, or a newer or an older one.
    """
    if reader.dialect == "sqlite":
        tables = reader.rows("name", "FROM sqlite_master WHERE name IN ('meta', 'alembic_version')")
    else:
        tables = reader.rows("1 AS one", "WHERE to_regclass('meta') IS NOT NULL")
        tables += reader.rows("1 AS one", "WHERE to_regclass('alembic_version') IS NOT NULL")
    if len(tables) < 2:
        raise StoreError(f"{place} holds no keywatch tables", "is it the right one? `keywatch init` makes a store")
    revisions = reader.rows("version_num", "FROM alembic_version")
    judge(
        place,
        revision=revisions[0]["version_num"] if revisions else "",
        min_writer=reader.meta("min_writer"),
        store_uuid=reader.meta("store_uuid"),
        min_version=reader.meta("min_version"),
    )


def judge(
    place: str,
    *,
    revision: str,
    min_writer: str,
    store_uuid: str,
    min_version: str = "",
    known: tuple[str, ...] = REVISIONS,
    schema: int = SCHEMA,
) -> None:
    """Say whether a program that knows `known` revisions and writes `schema` may use a store that says this of itself.

    A revision that it does not know is newer; while the store's `min_writer` does not ask for more, it only added
    what this program can leave alone, and older hosts go on working beside newer ones.

    Raises:
        StoreError: newer, older, or never finished.
    """
    needed = int(min_writer) if min_writer.isdecimal() else 0
    if needed > schema:
        raise newer(place, needed, min_version, schema)
    if not store_uuid or not needed or not revision:
        raise StoreError(f"{place} is not a finished keywatch store", "`keywatch init` makes one")
    if revision in known[:-1]:
        raise StoreError(f"{place} is of an older keywatch (revision {revision})", "run `keywatch db upgrade`")

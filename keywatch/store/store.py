"""Opening a store for writing, and the transaction everything is written in.

SQLite: one writer at a time (`BEGIN IMMEDIATE`), WAL, and a commit that survives a power cut. PostgreSQL: ordinary
transactions; planning and settling take one advisory lock, claiming skips locked rows.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.pool import QueuePool

from keywatch.errors import StoreError
from keywatch.read import SCHEMA, Reader, connect, open_reader, place_of, refusal
from keywatch.read.opening import RESTORE, newer, path_of
from keywatch.store.outbox import Outbox
from keywatch.store.planning import Planning


class Undone(Exception):  # noqa: N818  # it never leaves `write`
    """Carries a dry run out of its transaction."""


class Tx(Planning, Outbox):
    """One transaction. `read` answers from inside it."""

    def rollback(self) -> None:
        """Undo everything and leave the `write` block; what the caller computed stays."""
        raise Undone


class Store:
    """A store opened for writing."""

    def __init__(self, url: str) -> None:
        """Open an existing store.

        Raises:
            StoreError: missing, empty, not a store, newer or older than this program. Nothing is created.
        """
        open_reader(url).close()
        self.place = place_of(url)
        self.engine = engine_for(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    def examine(self) -> None:
        """Look for damaged pages before anything is decided: one may lie behind the first messages.

        Raises:
            StoreError: there is one. PostgreSQL looks after itself.
        """
        if self.engine.dialect.name != "sqlite":
            return
        connection = self.engine.raw_connection()  # no transaction: others may write meanwhile
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as problem:
            raise refusal(problem, self.place) or problem from None
        finally:
            connection.close()
        if found != "ok":
            raise StoreError(f"the store {self.place} is damaged", RESTORE)

    @contextmanager
    def write(self, plan: bool = False) -> Iterator[Tx]:
        """One transaction: committed at the end of the block, rolled back by any exception.

        `plan=True` where facts are read, planned and inserted: two checks at once then plan one after the other.
        Never hold it across the network.

        Raises:
            StoreError: busy, read-only, full, damaged, or by now newer than this program (exit 3).
            ValueError: a naive instant.
        """
        with suppress(Undone), translated(self.place):
            with self.engine.begin() as connection:
                sys.audit("keywatch.store.begun")
                tx = Tx(connection, Reader(driver_of(connection), connection.dialect.name, self.place))
                if plan:
                    tx.take_turns()  # before anything is read: what another run wrote meanwhile counts
                tx.read.remember()
                _refuse_newer(tx.read)
                yield tx
                sys.audit("keywatch.store.committing")
            sys.audit("keywatch.store.committed")


def engine_for(url: str, *, foreign_keys: bool = True) -> Engine:
    """An engine whose connections come from `read.connect`. `foreign_keys=False` only to rebuild tables."""
    if path_of(url) is None:
        return create_engine("postgresql+psycopg://", creator=lambda: connect(url, autocommit=False))
    engine = create_engine("sqlite://", creator=lambda: _sqlite(url, foreign_keys), poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _sqlite(url: str, foreign_keys: bool) -> object:
    """A connection in WAL mode. The pragma's answer must be looked at: an I/O error there is otherwise silent."""
    connection = connect(url)
    try:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
    except connection.Error:
        connection.close()
        raise
    if mode != "wal":
        connection.close()
        raise StoreError(f"{place_of(url)} cannot use a write-ahead log", "put it on a local disk, not on NFS or CIFS")
    return connection


def driver_of(connection: Connection) -> object:
    """The DB-API connection below; asking for it first makes sure that the transaction has begun."""
    return connection.connection.driver_connection


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn database errors into two lines a person can act on; what only keywatch can have caused stays as it is."""
    try:
        yield
    except DBAPIError as problem:
        raise (problem.orig and refusal(problem.orig, place)) or problem from None
    except StatementError as problem:
        raise (problem.orig if isinstance(problem.orig, ValueError) else problem) from None


def _refuse_newer(reader: Reader) -> None:
    needed = int(reader.meta("min_writer"))
    if needed > SCHEMA:
        raise newer(reader.place, needed, reader.meta("min_version"))

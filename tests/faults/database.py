"""Faults of the store's file and of the disk below it. Each is mended as an operator would: rights, room, a backup."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from keywatch.errors import Exit
from keywatch.read import opening
from tests.faults.bench import NOBODY, Bench, plain
from tests.faults.fault import DELIVERS, UNTOUCHED, Fault, Truth, Undo
from tests.story.story import Answer

PAGE_BYTES = 4096


# --------------------------------------------------------------------------- the file


def _backup(bench: Bench) -> Undo:
    """A copy made while nothing runs; the undo puts it back and removes what belongs to the damaged file."""
    with sqlite3.connect(bench.store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    kept = bench.folder / "kept"
    shutil.copy(bench.store, kept)

    def restore() -> None:
        for rest in bench.folder.glob("keywatch.db*"):
            if rest.suffix in (".db", ".db-wal", ".db-shm"):
                rest.unlink()
        shutil.copy(kept, bench.store)

    return restore


def _damaged(damage: Callable[[Path], object]) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        restore = _backup(bench)
        damage(bench.store)
        return restore

    return arrange


def _another_program(store: Path) -> None:
    store.unlink()
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE recipes (title TEXT)")
    connection.close()


def _truncate(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 2)


def _overwrite(table: str, store: Path) -> None:
    """Noise over the first page of a table."""
    with sqlite3.connect(store) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    connection.close()
    with store.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


# --------------------------------------------------------------------------- rights


@contextmanager
def owned(folder: Path) -> Iterator[Bench]:
    """The installation belongs to an ordinary user, as it should."""
    with plain(folder) as bench:
        for path in (folder, *folder.iterdir()):
            if os.geteuid() == 0:
                shutil.chown(path, NOBODY)
        yield bench


def _modes(file: int, folder: int) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        bench.store.chmod(file)
        bench.folder.chmod(folder)

        def undo() -> None:
            bench.folder.chmod(0o755)
            bench.store.chmod(0o600)

        return undo

    return arrange


def _check_as_nobody(bench: Bench) -> Answer:
    return bench.as_nobody("check")


# --------------------------------------------------------------------------- the disk


def _nothing(bench: Bench) -> Undo:
    """The fault lies in how the command is run."""
    return lambda: None


def _full(k: int, bench: Bench) -> Answer:
    return bench.injected("pwrite64", "ENOSPC", f"{k}+", "check")


def _failing_sync(n: int, bench: Bench) -> Answer:
    return bench.injected("fdatasync", "EIO", str(n), "check")


def _whole(bench: Bench) -> None:
    assert bench.story.ask("PRAGMA integrity_check") == [("ok",)]
    assert set(bench.heard) <= bench.due
    accepted = {row for (row,) in bench.story.ask("SELECT message_id FROM message WHERE state = 'accepted'")}
    assert accepted <= {str(mail.message["Message-ID"]) for mail in bench.mails}


def _locked(bench: Bench) -> Undo:
    other = sqlite3.connect(bench.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


KEPT = Truth("what was committed stays; nothing counts as sent that was not", _whole)


def _networked(bench: Bench) -> Undo:
    """The kernel says that the store's folder is an NFS mount: a real one needs rights that tests do not have."""
    kept, mounts = opening.MOUNTS, bench.folder / "mountinfo"
    line = f"99 1 0:50 / {bench.store.parent.resolve()} rw,relatime - nfs4 files:/export rw\n"
    mounts.write_text(kept.read_text(encoding="utf-8") + line, encoding="utf-8")
    opening.MOUNTS = mounts
    return lambda: setattr(opening, "MOUNTS", kept)


ROWS = [
    Fault(
        "the store lies on a network file system",
        Exit.UNKNOWN,
        "Error: the store … lies on a network file system (nfs4)",
        UNTOUCHED,
        DELIVERS,
        _networked,
    ),
    Fault(
        "the store's file may not be written",
        Exit.UNKNOWN,
        "Error: the store … cannot be written to",
        UNTOUCHED,
        DELIVERS,
        _modes(0o444, 0o755),
        _check_as_nobody,
        owned,
    ),
    Fault(
        "the store's folder may not be written",
        Exit.UNKNOWN,
        "Error: the store … cannot be",
        UNTOUCHED,
        DELIVERS,
        _modes(0o600, 0o555),
        _check_as_nobody,
        owned,
    ),
    Fault(
        "another program holds the store for longer than 5 s",
        Exit.UNKNOWN,
        "Error: the store is busy: another process is writing to …",
        UNTOUCHED,
        DELIVERS,
        _locked,
    ),
    *(
        Fault(
            f"the disk is full from write {k} of the run on",
            Exit.UNKNOWN,
            "Error: no space is left for the store …",
            KEPT,
            DELIVERS,
            _nothing,
            partial(_full, k),
            copies=1,
        )
        for k in (40, 80, 100)
    ),
    Fault(
        "the disk is full before the run begins",
        Exit.UNKNOWN,
        "Error: no space is left for the store …",
        UNTOUCHED,
        DELIVERS,
        _nothing,
        partial(_full, 1),
    ),
    *(
        Fault(
            f"the disk fails at sync {n} of the run",
            Exit.UNKNOWN,
            "Error: the disk fails under the store …",
            KEPT,
            DELIVERS,
            _nothing,
            partial(_failing_sync, n),
            copies=1,
        )
        for n in (1, 4, 7, 11)
    ),
    Fault(
        "a page of the store is damaged",
        Exit.UNKNOWN,
        "Error: the store … is damaged",
        UNTOUCHED,
        DELIVERS,
        _damaged(partial(_overwrite, "credential")),
    ),
    Fault(
        "a page is damaged that planning never reads",
        Exit.UNKNOWN,
        "Error: the store … is damaged",
        UNTOUCHED,
        DELIVERS,
        _damaged(partial(_overwrite, "event")),
    ),
    Fault(
        "the store is cut in half",
        Exit.UNKNOWN,
        "Error: the store … is damaged",
        UNTOUCHED,
        DELIVERS,
        _damaged(_truncate),
    ),
    Fault(
        "the store's file is something else",
        Exit.UNKNOWN,
        "Error: … is not a keywatch store",
        UNTOUCHED,
        DELIVERS,
        _damaged(lambda store: store.write_bytes(b"not a database at all" * 400)),
    ),
    Fault(
        "the store's file is empty",
        Exit.UNKNOWN,
        "Error: the store … is an empty file",
        UNTOUCHED,
        DELIVERS,
        _damaged(lambda store: store.write_bytes(b"")),
    ),
    Fault(
        "the store's file is gone",
        Exit.UNKNOWN,
        "Error: there is no store at …: No such file or directory",
        UNTOUCHED,
        DELIVERS,
        _damaged(Path.unlink),
    ),
    Fault(
        "the database belongs to another program",
        Exit.UNKNOWN,
        "Error: … holds no keywatch tables",
        UNTOUCHED,
        DELIVERS,
        _damaged(_another_program),
    ),
]

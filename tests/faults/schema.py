"""Stores of another keywatch: older, newer, or never finished; mended by `db upgrade`, an update, or a backup."""

import sqlite3
from collections.abc import Callable

from alembic import command

from keywatch import schema
from keywatch.errors import Exit
from keywatch.read import REVISIONS, SCHEMA
from tests.faults.bench import Bench
from tests.faults.fault import DELIVERS, QUIET, TOLD, UNTOUCHED, Fault, Truth, Undo


def _run(bench: Bench, *statements: str) -> None:
    with sqlite3.connect(bench.store) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _changed(there: tuple[str, ...], back: tuple[str, ...]) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        _run(bench, *there)
        return lambda: _run(bench, *back)

    return arrange


def older(bench: Bench) -> Undo:
    """The store as the version before made it; `db upgrade` mends it."""
    config = schema._config(None)
    config.attributes["url"] = f"sqlite:///{bench.store}"
    command.downgrade(config, REVISIONS[-2])
    return lambda: bench.story.run("db", "upgrade")


def _unfinished(bench: Bench) -> Undo:
    ((identity,),) = bench.story.ask("SELECT value FROM meta WHERE name = 'store_uuid'")
    _run(bench, "DELETE FROM meta WHERE name = 'store_uuid'")
    return lambda: _run(bench, f"INSERT INTO meta (name, value) VALUES ('store_uuid', '{identity}')")


FUTURE = "UPDATE alembic_version SET version_num = '20991231_future'"
PRESENT = f"UPDATE alembic_version SET version_num = '{REVISIONS[-1]}'"
NEEDS = "UPDATE meta SET value = '{}' WHERE name = 'min_writer'"
SILENT = Truth(
    "nobody is told; `keywatch db upgrade` brings it up, with a copy of the file",
    lambda bench: bench.heard.total() == 0,
)

ROWS = [
    Fault(
        "the store is of an older keywatch",
        Exit.UNKNOWN,
        "Error: … is of an older keywatch (revision …)",
        SILENT,
        DELIVERS,
        older,
    ),
    Fault(
        "the store needs a newer keywatch",
        Exit.UNKNOWN,
        "Error: … needs keywatch … or newer; this is keywatch …",
        UNTOUCHED,
        DELIVERS,
        _changed((FUTURE, NEEDS.format(7)), (PRESENT, NEEDS.format(SCHEMA))),
    ),
    Fault(
        "a newer keywatch only added something to the store",
        Exit.WELL,
        "",
        TOLD,
        QUIET,
        _changed((FUTURE,), (PRESENT,)),
    ),
    Fault(
        "the store was never finished",
        Exit.UNKNOWN,
        "Error: … is not a finished keywatch store",
        UNTOUCHED,
        DELIVERS,
        _unfinished,
    ),
]

"""The table as the page that people look a fault up in: `docs/faults.md`."""

from collections.abc import Iterator
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.table import AREAS, faults

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
INTRO = """\
# Faults

What `keywatch check` does when something around it fails. Each row is a test that brings the fault about, reads the
exit code and stderr, mends it and looks at the next run: {count} rows, made from `tests/faults`. So change the table,
not this page.

In every row: there is no traceback, the store stays whole, the run after the fault is mended exits 0 unless the row
says otherwise, nobody is told twice, and nothing waits for ever. *Exit* is that of the run with the fault: 0 well, 1
somebody who is due was not reached, 2 usage or configuration, 3 could not find out. What stands under *keywatch says*
is on stderr word for word, `…` is a name or a path of yours; an `Error:` is followed by a line `hint:` that says what
to do.
"""
HEAD = "| what happened | exit | keywatch says | meanwhile | the next run |\n|---|---|---|---|---|\n"


def page() -> str:
    """The whole page as it should stand there."""
    parts = [INTRO.format(count=len(faults()))]
    for area, rows in AREAS.items():
        parts.append(f"## {area}\n\n{HEAD}{''.join(_lines(rows))}")
    return "\n".join(parts)


def _lines(rows: list[Fault]) -> Iterator[str]:
    for row in rows:
        says = f"`{row.says}`" if row.says else "–"
        cells = [row.what, str(int(row.exit)), says, row.state.sentence, row.next.sentence]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

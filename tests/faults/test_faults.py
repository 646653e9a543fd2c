"""Every fault has a row: its exit code, its line on stderr, what it leaves behind and what the next run does.

`docs/faults.md` is made of the same rows. `UPDATE_DOCS=1` writes it anew.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fault import Fault
from tests.faults.page import PAGE, page
from tests.faults.table import AREAS, LEAST, faults


def _marked(fault: Fault) -> object:
    marks = [pytest.mark.server] if fault.server else []
    if fault.broken:
        marks.append(pytest.mark.xfail(reason=fault.broken, strict=True))
    return pytest.param(fault, id=fault.what.replace("`", ""), marks=marks)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of this machine can enter, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="kw-fault-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("fault", [_marked(fault) for fault in faults()])
def test_a_fault_is_named_and_survived(fault: Fault, folder: Path) -> None:
    """The exit code and the words of the row, no traceback; when it is mended, the next run tells whoever is due, once.

    Whatever the fault: no row of the store is damaged, nothing waits for ever, and the run after that has nothing to
    say.
    """
    with fault.setting(folder) as bench:
        undo = fault.arrange(bench)
        try:
            answer = fault.run(bench)
        finally:
            undo()
        assert (int(answer.code), fault.said(answer.err)) == (int(fault.exit), True), answer
        assert "Traceback" not in answer.err + answer.out
        if fault.refused:
            assert re.fullmatch(r"(the emergency .+\n)*Error: .+\n  hint: .+\n", answer.err), answer.err
            assert answer.out == ""
        fault.state.holds(bench)
        bench.story.now += bench.wait
        after = bench.check()
        assert after.code == fault.after, after
        fault.next.holds(bench)
        assert bench.copies <= fault.copies
        assert bench.story.ask("PRAGMA integrity_check") == [("ok",)]
        assert bench.story.ask(
            "SELECT count(*) FROM message WHERE state IN ('pending', 'leased') AND kind = 'notice'"
        ) == [(0,)]
        heard = bench.heard
        bench.story.now += bench.wait
        assert bench.check().code == fault.after
        assert bench.heard == heard


@pytest.mark.parametrize("area", AREAS, ids=str)
def test_every_area_has_its_rows(area: str) -> None:
    """An area that loses rows loses promises; each row is named once."""
    rows = AREAS[area]
    assert len(rows) >= LEAST[area]
    assert len({fault.what for fault in rows}) == len(rows)


def test_the_page_says_what_the_table_holds() -> None:
    """`docs/faults.md` is the table, in words; whoever changes one reviews the other."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "UPDATE_DOCS=1 pytest tests/faults -k the_page"

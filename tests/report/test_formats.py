"""The forms of output, and that nothing from outside can break out of any of them."""

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywatch import report

HOSTILE = 'a\n\x1b[31m<b>&\u202egnp\x9b\u200d=cmd()|`x`,:%\r\t\x00"\ud800\U000e0041'
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
FORMULAS = ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", " =1", "=cmd()|'/C calc'!A0"]


def harmless(text: str) -> bool:
    return not any(unicodedata.category(c) in HIDDEN for c in text)


@given(st.text())
def test_a_shown_text_is_one_harmless_line(text: str) -> None:
    """No control, format, direction or surrogate character reaches a terminal, whatever stands in a name."""
    assert harmless(report.shown(text))


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_plain_name_is_shown_as_it_is(text: str) -> None:
    """Nothing is cut or changed that a person can read."""
    assert report.shown(text) == text


def test_what_is_hidden_becomes_visible() -> None:
    """Two names that differ only in an invisible character must look different."""
    assert report.shown("a\x1b\u202e\n\U000e0041b") == "a\\x1b\\u202e\\n\\U000e0041b"


@pytest.mark.parametrize("text", ["::error::x", "  ::set-output name=a::b", "x ##[add-mask]y"])
def test_a_name_is_no_command_to_a_ci_runner(text: str) -> None:
    """A runner reads `::` at the start of a line and `##[` anywhere as a command."""
    seen = report.shown(text)
    assert not seen.lstrip().startswith("::")
    assert "##[" not in seen


def test_a_table_is_aligned_and_whole() -> None:
    """Every line has its columns where the head has them, wide characters counted, and nothing is cut."""
    lines = report.table(("A", "B"), [("日本", "x" * 300), ("n", "y")]).splitlines()
    assert lines == ["A     B", "日本  " + "x" * 300, "n     y"]


def test_a_table_on_a_terminal_folds_and_colours() -> None:
    """There a long name goes on in the next line instead of being cut; markup in it is text."""
    text = report.table(("NAME", "STATE"), [("[bold]" + "x" * 60, "✘ LATE")], width=40, colour=True)
    assert "\x1b[1;31m✘ LATE" in text
    plain = report.table(("NAME", "STATE"), [("[bold]" + "x" * 60, "✘ LATE")], width=40)
    assert plain.count("x") == 60
    assert "[bold]" in plain
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 40


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_calculates_nothing(text: str) -> None:
    """Whatever begins like a formula is quoted, also behind white space that a program may strip."""
    assert report.cell(text).startswith("'")
    (row,) = list(csv.reader(io.StringIO(report.as_csv(("A",), [(text,)]))))[1:]
    assert row[0].startswith("'")


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_a_csv_row_stays_a_row(cells: list[str]) -> None:
    """Quotes, commas and line breaks in a name make no new field and no new row."""
    rows = list(csv.reader(io.StringIO(report.as_csv(("A", "B"), [cells]))))
    assert [len(row) for row in rows] == [2, 2]


def test_a_markdown_cell_stays_a_cell() -> None:
    """Pipes, tags and links in a name are text."""
    text = report.as_md(("A",), [("a|b <img src=x> [l](u) `c` *d* @team",)])
    line = text.splitlines()[-1]
    assert line == "| a\\|b &lt;img src=x&gt; \\[l\\]\\(u\\) \\`c\\` \\*d\\* &#64;team |"


@given(st.text())
def test_json_keeps_the_text_and_disturbs_no_terminal(text: str) -> None:
    """A program reads back exactly what was stored; a terminal sees only escapes."""
    made = report.as_json({"name": text})
    assert json.loads(made) == {"schema": 1, "name": text}
    assert all(harmless(line) for line in made.split("\n"))


def test_an_annotation_is_one_command() -> None:
    """Title and message are escaped by the rules of workflow commands."""
    made = report.github("error", "KW001 a,b:c%", "x\n::error::y%")
    assert made == "::error title=KW001 a%2Cb%3Ac%25::x\\n::error::y%25"
    assert "\n" not in report.github("warning", HOSTILE, HOSTILE)


def test_fields_leave_out_what_is_empty() -> None:
    """`show` has a line for everything known and none for what is not."""
    assert report.fields([("name", "x"), ("owner", ""), ("start by", "y")]) == "name      x\nstart by  y"

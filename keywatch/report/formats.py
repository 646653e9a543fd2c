"""Turns rows into text: a table for people, JSON and CSV for programs, Markdown for tickets, annotations for GitHub.

Everything here is pure, and this is the one place where text from outside is made fit for each of these: what a
source's owner wrote into a name must not move a cursor, start a formula, close a tag or give a CI runner a command.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from keywatch.text import clean

Rows = Sequence[Sequence[str]]

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ODD = re.compile(r"[^\x20-\x7e]")
"""What has to be looked at; most text has none of it."""
_NOT_JSON = re.compile(r"[^\x20-\x7e\n]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#|~!])")
_STYLES = {
    "EXPIRED": "bold red",
    "LATE": "bold red",
    "UNKNOWN": "magenta",
    "START": "yellow",
    "PLAN": "cyan",
    "IN HAND": "green",
    "OK": "green",
}

# --------------------------------------------------------------------------- text from outside


def shown(text: str) -> str:
    """One line for a person: control, format and direction characters become visible escapes, nothing is cut."""
    seen = _ODD.sub(lambda odd: _escaped(odd[0]) if unicodedata.category(odd[0]) in _HIDDEN else odd[0], text)
    line = " ".join(seen.split()) if seen.isascii() else clean(seen, len(seen) + 1)
    # A CI runner reads a line that begins with `::`, or holds `##[`, as a command to itself.
    return (f": {line[1:]}" if line.startswith("::") else line).replace("##[", "## [")


def _escaped(character: str) -> str:
    code = ord(character)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        character, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def cell(text: str) -> str:
    """One field of a CSV file; what a spreadsheet would calculate gets a `'` before it."""
    plain = shown(text)
    return f"'{plain}" if text.startswith(_FORMULA) or plain.startswith(_FORMULA) else plain


_ENTITIES = str.maketrans({"@": "&#64;", "$": "&#36;", ":": "&#58;"})
"""What GitHub reads as a mention, as mathematics and as the name of a picture."""


def markdown(text: str) -> str:
    """Text inside Markdown that renders as itself, HTML included."""
    plain = shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", plain).translate(_ENTITIES)


# --------------------------------------------------------------------------- tables


def table(head: Sequence[str], rows: Rows, width: int | None = None, colour: bool = False) -> str:
    """Aligned columns. With a `width`, that of a terminal, long cells are folded; else every line is whole."""
    shown_rows = [[shown(text) for text in row] for row in rows]
    if width is not None:
        return _rich(head, shown_rows, width, colour)
    widths = [max(columns_of(text) for text in column) for column in zip(head, *shown_rows, strict=True)]
    lines = ["  ".join(_padded(text, size) for text, size in zip(row, widths, strict=True)) for row in shown_rows]
    first = "  ".join(_padded(text, size) for text, size in zip(head, widths, strict=True))
    return "\n".join(line.rstrip() for line in (first, *lines))


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns_of(text))


def _rich(head: Sequence[str], rows: Rows, width: int, colour: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold" if colour else "")
    for name in head:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(text, style=style_of(text)) for text in row))
    out = io.StringIO()
    screen = Console(
        file=out, width=width, force_terminal=colour, color_system="standard" if colour else None, no_color=not colour
    )
    screen.print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def style_of(text: str) -> str:
    """The colour of a cell that says a state; the word is always there too."""
    word = text.partition(" ")[2]
    return next((style for state, style in _STYLES.items() if word.startswith(state)), "")


def as_csv(head: Sequence[str], rows: Rows) -> str:
    """Comma separated, with a header, lines ended by CR LF."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([cell(text) for text in row] for row in rows)
    return out.getvalue().removesuffix("\r\n")


def as_md(head: Sequence[str], rows: Rows) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([markdown(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """`name  value` lines, aligned; pairs without a value are left out, one without a name goes on with the last."""
    said = [(name, shown(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in said), default=0)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in said)


# --------------------------------------------------------------------------- programs


def as_json(payload: Mapping[str, Any]) -> str:
    """A result for programs: `schema` first, instants in UTC. Whatever could disturb a terminal is written \\uXXXX."""
    text = json.dumps({"schema": 1, **payload}, indent=2, ensure_ascii=False, default=_plain)
    return _NOT_JSON.sub(lambda odd: _unicode(odd[0]) if unicodedata.category(odd[0]) in _HIDDEN else odd[0], text)


def _unicode(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc(value)
    return dict(value) if isinstance(value, Mapping) else str(value)


def utc(moment: datetime | None) -> str | None:
    """An instant as JSON carries it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def github(level: str, title: str, message: str) -> str:
    """A workflow command: `level` is `error`, `warning` or `notice`."""
    heading = _command(shown(title)).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={heading}::{_command(shown(message))}"


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

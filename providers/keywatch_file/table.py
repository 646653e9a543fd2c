"""Reads credentials out of TOML or CSV text, strictly, and names everything that is wrong with it at once.

CSV has a header line; TOML has one `[[credential]]` table for each credential. The columns and keys are the same.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from io import StringIO
from typing import Any, Literal
from zoneinfo import ZoneInfo

from keywatch.dates import ACCEPTED, instant, lead
from keywatch.declared import ALIASES, canonical
from keywatch.errors import DateError, KeywatchError
from keywatch.model import LABELS
from keywatch.text import clean, secret_looking

Kind = Literal["toml", "csv"]
LARGEST_BYTES = 50 * 1024 * 1024
COLUMNS = ("name", "expires", "never", "issued", "automatic", *LABELS)
YES, NO = frozenset({"true", "yes", "y", "1", "x"}), frozenset({"false", "no", "n", "0", ""})

_EXCEL = re.compile(r"\d{5}([.,]\d+)?", re.ASCII)
_TABLE = re.compile(r"\s*\[\[\s*credential\s*\]\]")


@dataclass(frozen=True, slots=True)
class Row:
    """One credential as somebody wrote it down."""

    name: str
    expires: datetime | None
    """Aware UTC; None: no date, or never."""
    never: bool
    labels: dict[str, str] = field(default_factory=dict)
    issued: datetime | None = None
    automatic: bool = False
    line: int = 0
    """Where it stands in the file, from 1; 0 = a TOML table whose line cannot be told."""


class TableError(KeywatchError):
    """The text cannot be used as it is; `problems` holds every reason, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__(f"{count}, nothing was taken:\n" + "\n".join(f"  {p}" for p in problems), "mend them all")
        self.problems = problems


def rows(text: str, kind: Kind, zone: ZoneInfo) -> list[Row]:
    """Every credential in the text; bare dates are the start of that day in `zone`.

    Raises:
        TableError: anything at all is wrong: not that format, an unknown column, a bad or double row, no rows.
    """
    if len(text) > LARGEST_BYTES:
        raise TableError([f"it is larger than {LARGEST_BYTES // 1024**2} MiB"])
    entries = list((_toml if kind == "toml" else _csv)(text.removeprefix("\ufeff")))
    problems: list[str] = []
    read = [row for place, line, raw in entries if (row := _row(place, line, raw, zone, problems))]
    problems += _doubles(read)
    if not entries:
        problems.append("there is no credential in it")
    if problems:
        raise TableError(problems)
    return read


# --------------------------------------------------------------------------- the two formats

_Entry = tuple[str, int, Mapping[str, Any]]
"""(how to name the place, its line, the raw cells by canonical column)."""


def _csv(text: str) -> Iterator[_Entry]:
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells)
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                said = f"it has {len(cells)} cells and the header has {len(header)}; quote cells that hold a comma"
                yield place, reader.line_num, {"": said}
                continue
            yield place, reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise TableError([f"line {reader.line_num}: not CSV: {clean(str(error))}"]) from None


def _header(cells: list[str]) -> list[str]:
    header = [_column(cell) for cell in cells]
    problems = _unknown(cells, "column")
    problems += [f"the column '{c}' is there twice" for c in dict.fromkeys(header) if c and header.count(c) > 1]
    if "name" not in header:
        problems.append("there is no column 'name'; the first line names the columns, e.g. name,expires,owner")
    if problems:
        raise TableError([f"line 1: {problem}" for problem in problems])
    return header


def _toml(text: str) -> Iterator[_Entry]:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError([f"not TOML: {clean(str(error))}"]) from None
    tables = content.pop("credential", [])
    if content or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        named = ", ".join(clean(key, 40) for key in content) or "credential"
        raise TableError([f"'{named}' is not expected here; each credential is a table [[credential]]"])
    lines = [number for number, line in enumerate(text.splitlines(), 1) if _TABLE.match(line)]
    for index, table in enumerate(tables):
        line = lines[index] if len(lines) == len(tables) else 0
        place = f"line {line}" if line else f"credential {index + 1}"
        columns = [_column(key) for key in table]
        double = [column for column in columns if columns.count(column) > 1]
        wrong = _unknown(list(table), "key") or [f"'{column}' is there twice" for column in double[:1]]
        yield place, line, {"": "; ".join(wrong)} if wrong else dict(zip(columns, table.values(), strict=True))


def _column(text: str) -> str:
    return ALIASES.get(canonical(text), canonical(text))


def _unknown(names: list[str], what: str) -> list[str]:
    unknown = ", ".join(f"'{clean(name, 40)}'" for name in names if _column(name) not in COLUMNS)
    return [f"unknown {what} {unknown}; there are: {', '.join(COLUMNS)}"] if unknown else []


# --------------------------------------------------------------------------- one row


def _row(place: str, line: int, raw: Mapping[str, Any], zone: ZoneInfo, problems: list[str]) -> Row | None:
    """The row, or None and what is wrong with it in `problems`."""
    wrong: list[str] = [raw[""]] if "" in raw else []
    name = "" if wrong else _text(raw, "name", wrong)
    if not wrong and not name:
        wrong.append("it has no name")
    expires, never = _expires(raw, zone, wrong)
    labels = {column: text for column in LABELS if (text := _text(raw, column, wrong))}
    if "lead" in labels:
        try:
            lead(labels["lead"])
        except DateError as error:
            wrong.append(f"lead: {error.what}; {error.hint}")
    issued, _ = _date(raw, "issued", zone, wrong)
    row = Row(name, expires, never, labels, issued, _flag(raw, "automatic", wrong), line)
    problems += [f"{place}{f' ({name})' if name else ''}: {problem}" for problem in wrong]
    return None if wrong else row


def _text(raw: Mapping[str, Any], column: str, wrong: list[str]) -> str:
    value = raw.get(column, "")
    if not isinstance(value, str):
        wrong.append(f"{column} is not a text; put it in quotes")
        return ""
    if secret_looking(value):
        wrong.append(f"{column} looks like a secret value; keywatch never takes one")
        return ""
    return clean(value)


def _expires(raw: Mapping[str, Any], zone: ZoneInfo, wrong: list[str]) -> tuple[datetime | None, bool]:
    expires, endless = _date(raw, "expires", zone, wrong)
    never = _flag(raw, "never", wrong)
    if never and expires:
        wrong.append("it says never and has a date; leave one of them out")
    return expires, never or endless


def _date(raw: Mapping[str, Any], column: str, zone: ZoneInfo, wrong: list[str]) -> tuple[datetime | None, bool]:
    """(the instant, whether it says never)."""
    value = raw.get(column, "")
    if isinstance(value, str):
        value = value.strip()
        if not value or value.lower() == "never":
            return None, bool(value)
    if not isinstance(value, str | date):
        wrong.append(f"{column} is not a date; {ACCEPTED}")
        return None, False
    try:
        at = instant(value, zone)
        return at, at is None
    except DateError as error:
        wrong.append(f"{column}: {_why(value, error)}; {error.hint}")
        return None, False


def _why(value: str | date, error: DateError) -> str:
    if isinstance(value, str) and secret_looking(value):
        return "what stands there is not a date"
    if isinstance(value, str) and _EXCEL.fullmatch(value):
        return f"'{value}' is a day number of a spreadsheet; format the cells as text or as yyyy-mm-dd"
    return clean(error.what)


def _flag(raw: Mapping[str, Any], column: str, wrong: list[str]) -> bool:
    value = raw.get(column, "")
    text = canonical(str(value)) if isinstance(value, str | bool) else "?"
    if text not in YES | NO:
        wrong.append(f"{column} is neither yes nor no")
    return text in YES


def _doubles(read: list[Row]) -> list[str]:
    first: dict[str, Row] = {}
    problems = []
    for row in read:
        other = first.setdefault(row.name, row)
        if other is not row:
            where = f", in lines {other.line} and {row.line}" if row.line else ""
            problems.append(f"'{row.name}' is there twice{where}; names are unique")
    return problems

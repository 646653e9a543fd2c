"""Reads one TOML table strictly, and collects what is wrong with it instead of stopping at the first thing.

A key that nobody asked for is unknown, so the reading code itself is the list of what exists. No value is ever
repeated in a problem unless it looks like a plain name: what stands in the file may be a secret in the wrong place.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from keywatch import dates
from keywatch.errors import DateError

T = TypeVar("T")
WORDS: Mapping[type, str] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list in [ ]",
    dict: "a table",
    time: 'a time such as 09:00:00 or "09:00"',
    date: "a date such as 2026-12-25, without quotes",
    datetime: "an instant such as 2026-12-19T08:00:00Z, without quotes",
}
"""What a value of this type looks like in the file."""
LONGEST = 2000
"""Characters of one text; nothing here needs more."""

_NAME = re.compile(r"\w[\w.-]{0,63}")
_PLAIN = re.compile(r"[\w.:+/-]{1,48}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def is_address(text: str) -> bool:
    """Whether this is one bare mail address that can stand in an envelope."""
    return bool(_ADDRESS.fullmatch(text)) and ".." not in text and len(text) <= 254


def valid_name(text: str) -> bool:
    """Whether this can name a source or an environment."""
    return bool(_NAME.fullmatch(text))


def clock(text: str) -> time | None:
    """Read `09:00`; None for anything else."""
    found = _CLOCK.fullmatch(text)
    return time(int(found[1]), int(found[2])) if found else None


def zone(name: str) -> ZoneInfo | None:
    """The zone of that name; None where there is no such zone ("Europe" is a folder, "/etc" no key)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def shown(text: str) -> str:
    """A text as a problem may repeat it: quoted where it looks like a name, else not at all."""
    return f"'{text}'" if _PLAIN.fullmatch(text) and "://" not in text else "of that text"


def printable(key: str) -> str:
    """A key as a problem repeats it: bounded, and nothing that steers a terminal."""
    return "".join(c if c.isprintable() else "?" for c in key[:64])


def guess(text: str, known: Iterable[str]) -> str:
    """` (did you mean 'mia'?)` where something known is near, else nothing."""
    near = get_close_matches(text[:64], list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def unknown(what: str, text: str, known: Iterable[str]) -> str:
    """The problem with a name that refers to nothing."""
    return f"no {what} {shown(text)}{guess(text, known)}"


class Table:
    """One table of the file while it is read. Each reader answers its default after noting a problem."""

    def __init__(self, raw: Mapping[str, object], where: str, problems: list[str]) -> None:
        self.raw = raw
        self.where = where
        self.problems = problems
        self.asked: set[str] = set()

    def wrong(self, key: str, what: str) -> None:
        """Note a problem; no key: the table as a whole."""
        below = printable(key) if self.where else f"[{printable(key)}]"
        self.problems.append(f"{self.where} {below}".strip() + f": {what}" if key else f"{self.where}: {what}")

    def done(self) -> None:
        """Note every key that nobody asked for."""
        for key in self.raw:
            if key not in self.asked:
                self.wrong(key, f"unknown key{guess(key, self.asked - set(self.raw))}")

    def rest(self) -> dict[str, object]:
        """The keys that nobody asked for: a plugin's own."""
        return {key: value for key, value in self.raw.items() if key not in self.asked}

    def take(self, key: str, kind: type[T], default: T, needed: bool = False) -> T:
        """The value of a key, exactly of this type: true is no number, an instant no date."""
        self.asked.add(key)
        if key not in self.raw:
            if needed:
                self.wrong(key, "is missing")
            return default
        value = self.raw[key]
        if type(value) is kind:
            return value
        self.wrong(key, f"must be {WORDS[kind]}")
        return default

    def text(self, key: str, default: str = "", needed: bool = False) -> str:
        """One line of text, not empty."""
        value = self.take(key, str, default, needed)
        if key in self.raw and isinstance(self.raw[key], str):
            return value if self._readable(key, value) else default
        return value

    def _readable(self, key: str, value: str) -> bool:
        if not value.strip():
            self.wrong(key, "is empty")
        elif len(value) > LONGEST:
            self.wrong(key, f"is longer than {LONGEST} characters")
        elif not value.isprintable():
            self.wrong(key, "holds a line break, a control or an invisible character")
        else:
            return True
        return False

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of lines of text, each once."""
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            self.wrong(key, "must be a list of texts in quotes")
            return ()
        if len(set(values)) < len(values):
            self.wrong(key, "names one of them twice")
        return tuple(value for value in values if self._readable(key, value))

    def one_of(self, key: str, what: str, known: Iterable[str], needed: bool = False) -> str:
        """A text that refers to something else in the file."""
        name = self.text(key, needed=needed)
        return name if not name or self._known(key, what, name, known) else ""

    def some_of(self, key: str, what: str, known: Iterable[str]) -> tuple[str, ...]:
        """A list of texts, each of which refers to something else in the file."""
        known = tuple(known)
        return tuple(name for name in self.texts(key) if self._known(key, what, name, known))

    def _known(self, key: str, what: str, name: str, known: Iterable[str]) -> bool:
        known = tuple(known)
        if name not in known:
            self.wrong(key, unknown(what, name, known))
        return name in known

    def zone(self, key: str, default: ZoneInfo) -> ZoneInfo:
        """An IANA time zone."""
        name = self.text(key)
        found = zone(name) if name else default
        if not found:
            self.wrong(key, unknown("time zone", name, available_timezones()))
        return found or default

    def clock(self, key: str, default: time) -> time:
        """A local time of day: `09:00:00`, or `"09:00"` in quotes."""
        value = self.raw.get(key)
        if not isinstance(value, str):
            return self.take(key, time, default)
        self.asked.add(key)
        if (found := clock(value)) is None:
            self.wrong(key, f"must be {WORDS[time]}")
        return found or default

    def elapsed(self, key: str, default: str) -> timedelta:
        """A span of clock time."""
        try:
            return dates.elapsed(self.text(key, default))
        except DateError as problem:
            self.wrong(key, f"{problem.what}; write 1h, 15m or 2d")
            return dates.elapsed(default)

    def lead(self, key: str, default: dates.Lead) -> dates.Lead:
        """A lead time."""
        try:
            return dates.lead(text) if (text := self.text(key)) else default
        except DateError as problem:
            self.wrong(key, f"{problem.what}; {problem.hint}")
            return default

    def address(self, key: str, needed: bool = False) -> str:
        """One bare mail address."""
        value = self.text(key, needed=needed)
        if value and not is_address(value):
            self.wrong(key, "is not a mail address; write one bare address such as ana@example.com")
            return ""
        return value

    def table(self, key: str) -> "Table":
        """A table below this one; absent: an empty one."""
        where = f"{self.where} {key}" if self.where else f"[{key}]"
        return Table(self.take(key, dict, {}), where, self.problems)

    def named(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """Each `[key.NAME]`."""
        if isinstance(self.raw.get(key), list):
            self.asked.add(key)
            self.problems.append(f"[[{key}]]: write [{key}.NAME], with single brackets and a name")
            return
        for name, value in self.take(key, dict, {}).items():
            table = Table(value if isinstance(value, dict) else {}, f"[{key}.{printable(name)}]", self.problems)
            if not _NAME.fullmatch(name):
                table.wrong("", "a name is letters, digits, '.', '_' and '-', 64 at most")
            elif isinstance(value, dict):
                yield name, table
            else:
                self.problems.append(f"[{key}] {name}: must be a table, [{key}.{name}]")

    def each(self, key: str) -> Iterator["Table"]:
        """Each `[[key]]`, or each table of a list below this one."""
        if isinstance(self.raw.get(key), dict):
            self.asked.add(key)
            self.problems.append(f"{self.where or f'[{key}]'}: write [[{key}]], with double brackets")
            return
        for number, value in enumerate(self.take(key, list, []), start=1):
            where = f"{self.where} {key}[{number}]" if self.where else f"[[{key}]] #{number}"
            if isinstance(value, dict):
                yield Table(value, where, self.problems)
            else:
                self.problems.append(f"{where}: must be a table")

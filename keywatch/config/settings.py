"""Builds a plugin's `Settings` from its config table: the dataclass is the list of keys, its annotations the types."""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import time, timedelta
from enum import Enum
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from keywatch import dates
from keywatch.config.table import WORDS, clock, guess, printable, zone
from keywatch.errors import ConfigError, DateError, KeywatchError

S = TypeVar("S")


class _Wrong(Exception):  # noqa: N818  # it never leaves this file
    """A value that cannot be used; its text says what is wanted."""


def build(settings: type[S], table: Mapping[str, object], where: str, path: str = "keywatch.toml") -> S:
    """An instance of a plugin's Settings. A field `from_` is the key `from`; a list becomes a tuple.

    Annotations may be text, numbers, truth, dates, times, `timedelta` (from "1h"), `ZoneInfo`, Enum, Literal, another
    dataclass, `tuple[X, ...]`, `Mapping[str, X]`, `X | None`. Values are never repeated in a problem.

    Raises:
        ConfigError: every unknown key, missing key and wrong type, each with `where` (`rosters.growth`).
        TypeError: the plugin's own fault, an annotation that no TOML value can have.
    """
    problems: list[str] = []
    made = _instance(settings, table, where if where.startswith("[") else f"[{where}]", problems)
    if problems or made is None:
        raise ConfigError(path, problems)
    return made


def _instance(kind: type[S], table: Mapping[str, object], where: str, problems: list[str]) -> S | None:
    hints = get_type_hints(kind)
    known = {field.name.rstrip("_"): field for field in fields(kind) if field.init}  # type: ignore[arg-type]
    before = len(problems)
    problems.extend(
        f"{where} {printable(key)}: unknown key{guess(key, set(known) - set(table))}"
        for key in table
        if key not in known
    )
    values = {}
    for key, field in known.items():
        if key in table:
            values[field.name] = _value(hints[field.name], table[key], f"{where} {key}", problems)
        elif _needed(field):
            problems.append(f"{where} {key}: is missing")
    return None if len(problems) > before else _made(kind, values, where, problems)


def _needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _made(kind: type[S], values: Mapping[str, object], where: str, problems: list[str]) -> S | None:
    """A plugin may refuse what fits its types in its own `__post_init__`."""
    try:
        return kind(**values)
    except KeywatchError as problem:
        problems.append(f"{where}: {problem.what}" + (f"; {problem.hint}" if problem.hint else ""))
    except ValueError as problem:
        problems.append(f"{where}: {problem}")
    return None


def _value(kind: Any, value: object, where: str, problems: list[str]) -> object:
    try:
        return _read(kind, value, where, problems)
    except _Wrong as problem:
        problems.append(f"{where}: {problem}")
        return None


def _read(kind: Any, value: object, where: str, problems: list[str]) -> object:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        # TOML has no null, so an optional key is its one real type.
        return _read(next(part for part in parts if part is not types.NoneType), value, where, problems)
    if origin is Literal:
        return _choice({part: part for part in parts}, value)
    if origin in (tuple, Sequence, list, frozenset):
        return (frozenset if origin is frozenset else tuple)(_items(parts[0], value, where, problems))
    if origin in (Mapping, dict):
        return {key: _value(parts[1], item, f"{where}.{key}", problems) for key, item in _table(value).items()}
    if is_dataclass(kind):
        return _instance(cast("type[Any]", kind), _table(value), where, problems)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice({member.value: member for member in kind}, value)
    return _plain(kind, value)


def _items(kind: Any, value: object, where: str, problems: list[str]) -> list[object]:
    if not isinstance(value, list):
        raise _Wrong(f"must be {WORDS[list]}")
    return [_value(kind, item, f"{where}[{number}]", problems) for number, item in enumerate(value, start=1)]


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _Wrong(f"must be {WORDS[dict]}")
    return value


def _choice(choices: Mapping[Any, object], value: object) -> object:
    for choice, member in choices.items():
        if type(choice) is type(value) and choice == value:
            return member
    raise _Wrong(f"must be one of {', '.join(str(choice) for choice in choices)}")


def _plain(kind: Any, value: object) -> object:
    if isinstance(value, str) and kind in _FROM_TEXT:
        return _FROM_TEXT[kind](value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in WORDS and type(value) is kind:
        return value
    if kind in WORDS:
        raise _Wrong(f"must be {WORDS[kind]}")
    if kind in _FROM_TEXT:
        raise _Wrong(f"must be {WORDS[str]}")
    raise TypeError(f"Settings cannot have a key of type {kind}")


def _clock(text: str) -> time:
    if (found := clock(text)) is None:
        raise _Wrong(f"must be {WORDS[time]}")
    return found


def _elapsed(text: str) -> timedelta:
    try:
        return dates.elapsed(text)
    except DateError:
        raise _Wrong("must be a span of time such as 1h, 15m or 2d") from None


def _zone(text: str) -> ZoneInfo:
    if (found := zone(text)) is None:
        raise _Wrong("must be a time zone such as Europe/Madrid")
    return found


_FROM_TEXT: Mapping[type, Callable[[str], object]] = {time: _clock, timedelta: _elapsed, ZoneInfo: _zone}

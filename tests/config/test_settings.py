"""A plugin's table is held against its Settings: what is unknown, missing or of the wrong type is named at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from keywatch import config
from keywatch.errors import ConfigError, KeywatchError


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Level:
    people: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    address: str
    from_: str = ""
    mounts: tuple[str, ...] = ("secret",)
    depth: int = 3
    share: float = 0.5
    verify: bool = True
    anchor: date | None = None
    at: time = time(9)
    every: timedelta = timedelta(hours=1)
    zone: ZoneInfo | None = None
    colour: Colour = Colour.RED
    engine: Literal[1, 2] = 2
    levels: tuple[Level, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.depth > 9:
            raise KeywatchError("depth is too deep", "write 9 at most")
        if self.depth < 0:
            raise ValueError("depth is negative")


def problems(**table: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.build(Settings, {"address": "a", **table}, "source.vault")
    return caught.value.problems


def test_every_kind_of_value() -> None:
    """The annotations are the types; a list becomes a tuple, text becomes the span, zone, time or word it is."""
    table = {
        "address": "https://v", "from": "x", "mounts": ["a", "b"], "depth": 2, "share": 1, "verify": False,
        "anchor": date(2026, 10, 5), "at": "17:30", "every": "15m", "zone": "Asia/Tokyo", "colour": "red", "engine": 1,
        "levels": [{"people": ["ana"]}], "names": {"A. R.": "ana"}, "extra": {"any": [1, {}]},
    }  # fmt: skip
    assert config.build(Settings, table, "x") == Settings(
        "https://v", "x", ("a", "b"), 2, 1.0, False, date(2026, 10, 5), time(17, 30), timedelta(minutes=15),
        ZoneInfo("Asia/Tokyo"), Colour.RED, 1, (Level(("ana",)),), {"A. R.": "ana"}, {"any": [1, {}]},
    )  # fmt: skip


def test_defaults_make_a_key_optional() -> None:
    """What has no default is missing."""
    assert config.build(Settings, {"address": "a"}, "x") == Settings("a")
    with pytest.raises(ConfigError) as caught:
        config.build(Settings, {}, "source.vault", "other.toml")
    assert caught.value.problems == ["[source.vault] address: is missing"]
    assert "1 problem in other.toml" in caught.value.what


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("adress", "a", "adress: unknown key"),
        ("mount", [], "mount: unknown key (did you mean 'mounts'?)"),
        ("mounts", "secret", "mounts: must be a list"),
        ("mounts", ["a", 1], "mounts[2]: must be text in quotes"),
        ("depth", True, "depth: must be a whole number"),
        ("depth", 1.0, "depth: must be a whole number"),
        ("share", True, "share: must be a number"),
        ("verify", "no", "verify: must be true or false"),
        ("anchor", "2026-10-05", "anchor: must be a date"),
        ("at", "9am", "at: must be a time"),
        ("every", "5bd", "every: must be a span of time"),
        ("every", 5, "every: must be text in quotes"),
        ("zone", "Mars", "zone: must be a time zone"),
        ("colour", "blue", "colour: must be one of red"),
        ("engine", True, "engine: must be one of 1, 2"),
        ("levels", [{"people": [1]}], "levels[1] people[1]: must be text in quotes"),
        ("levels", [{}], "levels[1] people: is missing"),
        ("names", {"a": 1}, "names.a: must be text in quotes"),
        ("names", [], "names: must be a table"),
    ],
)
def test_what_does_not_fit_is_named(key: str, value: object, problem: str) -> None:
    """With the section, the key and what it has to be."""
    [found] = problems(**{key: value})
    assert found.startswith(f"[source.vault] {problem}")


def test_all_at_once_and_no_value_repeated() -> None:
    """Nobody mends one mistake only to be told of the next; a value may be a secret."""
    found = problems(depth="s3cr3t", colour="s3cr3t", every="s3cr3t", zone="s3cr3t", tokn="s3cr3t")
    assert len(found) == 5
    assert "s3cr3t" not in "".join(found)


def test_a_plugin_may_refuse_more() -> None:
    """What its own __post_init__ says is a problem like any other."""
    assert problems(depth=10) == ["[source.vault]: depth is too deep; write 9 at most"]
    assert problems(depth=-1) == ["[source.vault]: depth is negative"]


def test_an_annotation_no_toml_value_can_have_is_the_plugins_fault() -> None:
    """It is a programming error and looks like one."""

    @dataclass
    class Odd:
        key: complex

    with pytest.raises(TypeError, match="complex"):
        config.build(Odd, {"key": 1}, "x")

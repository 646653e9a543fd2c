"""What doctor looks at, what it finds, and how that is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from keywatch.config import Config
from keywatch.model import Credential, World
from keywatch.read import Reader
from keywatch.report import as_json, shown


class Mark(StrEnum):
    """How a thing stands."""

    FINE = "fine"
    NOTE = "note"
    """Worth knowing; it does not make doctor red."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    mark: Mark
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at."""

    config: Config
    reader: Reader
    world: World
    rows: Sequence[Credential]
    """All that are not retired."""
    now: datetime


def text(checks: Sequence[Check]) -> str:
    """For people: problems first, then notes, then what is fine."""
    symbols = {Mark.PROBLEM: "✘", Mark.NOTE: "•", Mark.FINE: "✔"}
    lines = []
    for mark, symbol in symbols.items():
        for check in checks:
            if check.mark is mark:
                lines.append(f"{symbol} {shown(check.what)}")
                lines += [f"    {shown(hint)}" for hint in check.hint.splitlines()]
    return "\n".join(lines)


def payload(checks: Sequence[Check]) -> str:
    """For programs."""
    said: list[dict[str, Any]] = [{"mark": str(one.mark), "what": one.what, "hint": one.hint} for one in checks]
    return as_json({"checks": said, "problems": sum(one.mark is Mark.PROBLEM for one in checks)})


def names(some: Iterable[str]) -> str:
    """At most eight of them, in their order."""
    found = sorted(some)
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "") or "none"

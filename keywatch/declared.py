"""Reads what people write on an item at its source: labels and dates, as custom metadata, tags or the like.

Every provider whose items carry free `key = value` pairs reads them here, so that `Expiry-Date` means the same
everywhere and no pair outside the allow list gets any further.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from keywatch.dates import ACCEPTED, instant
from keywatch.errors import DateError
from keywatch.model import LABELS, Basis, Deadline
from keywatch.text import clean, secret_looking

EXPIRES = (
    "expires",
    "expires_at",
    "expiry",
    "expiry_date",
    "expiration",
    "expiration_date",
    "expiration_timestamp",
    "valid_until",
    "not_after",
)
"""The keys under which people write an expiry date; upper and lower case, `-` and `_` are the same."""
EPOCH = frozenset({"expiration_timestamp"})
"""Keys whose value may also be seconds since 1970."""
ALIASES = {"environment": "env", "lead_time": "lead"}

_SECONDS = re.compile(r"\d{9,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the date pairs of one item say together."""

    deadlines: tuple[Deadline, ...] = ()
    """At most one, DECLARED: the earliest of the dates that can be read."""
    never: bool = False
    problem: str = ""


def canonical(key: str) -> str:
    """The one spelling of a key."""
    return key.strip().lower().replace("-", "_")


def labels(pairs: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed labels among the pairs, cleaned and cut; values that look like secrets are left out."""
    kept: dict[str, str] = {}
    for key, value in pairs.items():
        name = ALIASES.get(canonical(key), canonical(key))
        text = clean(value)
        if name in LABELS and text and not secret_looking(value):
            kept.setdefault(name, text)
    return kept


def automatic(pairs: Mapping[str, str]) -> bool:
    """Whether a pair says `renewal = automatic`."""
    return any(canonical(key) == "renewal" and canonical(value) == "automatic" for key, value in pairs.items())


def dates(pairs: Mapping[str, str], keys: Iterable[str], zone: ZoneInfo, place: str) -> Declared:
    """Read the expiry dates among the pairs; `place` says where they stand (`custom_metadata`, `tag`).

    A date that cannot be read is a problem, never silently "no date"; of two dates the earliest rules and says so;
    a date outranks a *never* beside it.
    """
    wanted = {canonical(key) for key in keys}
    read: list[tuple[datetime, str]] = []
    problems: list[str] = []
    nevers: list[str] = []
    for key in sorted(k for k in pairs if canonical(k) in wanted):
        said = f"{place}.{clean(key, 64)}"
        try:
            at = _instant(pairs[key], canonical(key), zone)
        except DateError as error:
            problems.append(f"{said}: {_unreadable(pairs[key], error)}")
            continue
        quoted = f"{said} = {clean(pairs[key], 64)}"
        if at is None:
            nevers.append(quoted)
        else:
            read.append((at, quoted))
    deadlines = _earliest(read, nevers)
    return Declared(deadlines, bool(nevers) and not deadlines and not problems, clean("; ".join(problems), 512))


def _earliest(read: list[tuple[datetime, str]], nevers: list[str]) -> tuple[Deadline, ...]:
    if not read:
        return ()
    at, because = min(read)
    others = [quoted for other, quoted in read if other != at] + nevers
    if others:
        because = f"{because} (the earliest; there is also {', '.join(others)})"
    return (Deadline(at, Basis.DECLARED, because),)


def _instant(value: str, key: str, zone: ZoneInfo) -> datetime | None:
    text = value.strip()
    if text.lower() == "never":
        return None
    if key in EPOCH and _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    if re.fullmatch(r"\d{13}", text, re.ASCII):
        raise DateError(f"'{text}' looks like milliseconds since 1970", ACCEPTED)
    return instant(text, zone)


def _unreadable(value: str, error: DateError) -> str:
    if not value.strip():
        return f"it is empty; {ACCEPTED}"
    return f"what stands there is not a date; {ACCEPTED}" if secret_looking(value) else f"{error.what}; {error.hint}"

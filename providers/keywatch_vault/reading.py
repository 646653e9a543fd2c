"""Turns the metadata of one KV v2 secret into Found. Pure: what the fields mean, and nothing about the wire.

Only the current version counts: `updated_time` and the top-level `created_time` also move on metadata edits or belong
to the first version. Custom metadata belongs to no version.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.dates import instant
from keywatch.declared import automatic, canonical, dates, labels
from keywatch.errors import DateError
from keywatch.model import Basis, Deadline, Found
from keywatch.text import clean, secret_looking

_UTC = ZoneInfo("UTC")


def found(ref: str, metadata: Mapping[str, Any], keys: tuple[str, ...], now: datetime, zone: ZoneInfo) -> Found:
    """What the answer of `GET <mount>/metadata/<path>` says about the secret at `ref`."""
    custom = {str(key): str(value) for key, value in (metadata.get("custom_metadata") or {}).items()}
    number = str(metadata.get("current_version") or 0)
    current = (metadata.get("versions") or {}).get(number) or {}
    declared = dates(custom, keys, zone, "custom_metadata")
    hidden, problem = _instant(current.get("deletion_time"), f"versions.{number}.deletion_time")
    active = not current.get("destroyed") and (hidden is None or hidden > now)
    deadlines = declared.deadlines
    if active and hidden:
        because = f"versions.{number}.deletion_time = {clean(current['deletion_time'], 64)}"
        deadlines += (Deadline(hidden, Basis.DELETION, because),)
    issued, _ = _instant(current.get("created_time"), "created_time")
    return Found(
        ref=ref,
        version=number,
        name=_name(ref, custom),
        deadlines=deadlines,
        issued=issued,
        active=active,
        never=declared.never and not deadlines and not problem,
        automatic=automatic(custom),
        problem="; ".join(p for p in (declared.problem, problem) if p),
        labels=labels(custom),
    )


def _name(ref: str, custom: Mapping[str, str]) -> str:
    """What people call it: `name` in the custom metadata, else the last part of its path."""
    said = next((value for key, value in custom.items() if canonical(key) == "name"), "")
    return (clean(said) if not secret_looking(said) else "") or clean(ref.rpartition("/")[2]) or ref


def _instant(value: Any, place: str) -> tuple[datetime | None, str]:
    """(the instant, the problem with it); the empty text and Go's zero time mean "none"."""
    if not value:
        return None, ""
    try:
        return instant(str(value), _UTC), ""
    except DateError as error:
        return None, f"{place}: {clean(error.what)}"

"""Turns one entry of ListSecrets into Found. Pure.

`LastChangedDate` moves when somebody edits a tag and `LastRotatedDate` is empty after a rotation by hand, so neither is
used: the id of the version that is AWSCURRENT says whether the secret was renewed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from keywatch.declared import automatic, dates, labels
from keywatch.model import Basis, Deadline, Found
from keywatch.text import clean, secret_looking


def home(entry: Mapping[str, Any]) -> str:
    """The region a secret belongs to: for a replica that of its original."""
    return str(entry.get("PrimaryRegion") or entry["ARN"].split(":")[3])


def reference(entry: Mapping[str, Any]) -> str:
    """`account/region/name-SUFFIX`, the same for a secret and its replicas; made anew, it has another suffix."""
    account, name = entry["ARN"].split(":")[4], entry["ARN"].split(":", 6)[6]
    return clean(f"{account}/{home(entry)}/{name}", 1024)


def found(entry: Mapping[str, Any], keys: tuple[str, ...], tag_prefix: str, zone: ZoneInfo) -> Found:
    """What one entry of ListSecrets says."""
    tags = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in entry.get("Tags") or []}
    pairs = _pairs(tags, tag_prefix)
    declared = dates(pairs, [key.removeprefix(tag_prefix) for key in keys], zone, "tag")
    rotation = _rotation(entry)
    stages = entry.get("SecretVersionsToStages") or {}
    return Found(
        ref=reference(entry),
        version=next((str(i) for i, names in stages.items() if "AWSCURRENT" in names), "none"),
        name=clean(str(entry["Name"])),
        deadlines=declared.deadlines + rotation,
        # the secret cannot be read from the day its deletion is scheduled on, and can still be restored
        active=not entry.get("DeletedDate"),
        never=declared.never,
        automatic=automatic(pairs) or (bool(rotation) and not declared.deadlines),
        problem=declared.problem,
        labels=labels(pairs),
        tags=tuple(text for key, value in tags.items() if (text := _tag(key, value))),
        url=_console(entry),
    )


def _pairs(tags: Mapping[str, str], tag_prefix: str) -> dict[str, str]:
    """The tags without keywatch's prefix; a prefixed one comes first and so wins over a plain one of that name."""
    own = {
        key.removeprefix(tag_prefix): value for key, value in tags.items() if tag_prefix and key.startswith(tag_prefix)
    }
    return own | {key: value for key, value in tags.items() if key not in own}


def _rotation(entry: Mapping[str, Any]) -> tuple[Deadline, ...]:
    at = entry.get("NextRotationDate")
    if not entry.get("RotationEnabled") or not isinstance(at, datetime):
        return ()
    moment = at.astimezone(UTC)
    return (Deadline(moment, Basis.ROTATION, f"NextRotationDate = {moment.isoformat()}"),)


def _tag(key: str, value: str) -> str:
    return "" if secret_looking(f"{key}={value}") else clean(f"{key}={value}", 400)


def _console(entry: Mapping[str, Any]) -> str:
    _, partition, _, region, *_ = entry["ARN"].split(":")
    if partition != "aws":
        return ""
    name = quote(str(entry["Name"]), safe="")
    return f"https://{region}.console.aws.amazon.com/secretsmanager/secret?name={name}&region={region}"

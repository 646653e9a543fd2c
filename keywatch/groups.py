"""Credentials that nobody labelled, by where they stand, and the rule of keywatch.toml that would label most of it."""

import json
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable

from keywatch.model import MANUAL, PRODUCTION, Credential

LACKING = ("owner", "date", "environment")


def place_of(row: Credential) -> str:
    """The folder a credential stands in: `vault:secret/payments/`; what people typed stands in none."""
    if row.source == MANUAL:
        return f"{MANUAL}:"
    folder, slash, _ = row.ref.rpartition("/")
    return f"{row.source}:{folder}{slash}"


def lacking(rows: Iterable[Credential]) -> dict[str, dict[str, int]]:
    """What is missing, and how often in which place; the largest place first."""
    counts: dict[str, Counter[str]] = {what: Counter() for what in LACKING}
    for row in rows:
        said = {
            "owner": bool(row.owner),
            "date": bool(row.expires_at or row.never or row.problem),
            "environment": bool(row.env),
        }
        for what, there in said.items():
            counts[what][place_of(row)] += not there
    return {
        what: dict(found) for what, counter in counts.items() if (found := [c for c in counter.most_common() if c[1]])
    }


def assign_block(rows: Iterable[Credential], owners: Container[str], keeper: str) -> str:
    """The `[[assign]]` block for the place where most credentials have no owner or environment; "" = there is none."""
    groups: dict[str, list[Credential]] = {}
    for row in rows:
        if not (row.owner and row.env):
            groups.setdefault(place_of(row), []).append(row)
    if not groups:
        return ""
    place = max(groups, key=lambda one: (len(groups[one]), one))
    lines = ["[[assign]]", f"match = {_toml(_literal(place) + '*')}"]
    if any(not row.owner for row in groups[place]):
        lines.append(f"owner = {_toml(_guess(place, owners) or keeper)}")
    if any(not row.env for row in groups[place]):
        lines.append(f'env = "{PRODUCTION}"')
    return "\n".join(lines)


def _guess(place: str, owners: Container[str]) -> str:
    """An owner whose name is a folder of the place."""
    parts = place.partition(":")[2].split("/")
    return next((part for part in parts if part and part in owners), "")


def _literal(text: str) -> str:
    """A text as a glob that matches it and nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _toml(text: str) -> str:
    """A TOML string: JSON's, with the characters TOML wants escaped too."""
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(f"\\U{ord(c):08x}" if unicodedata.category(c) in hidden else c for c in plain)

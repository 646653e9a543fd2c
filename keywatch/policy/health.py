"""Whether a living human reads a route: a pure function of its evidence, each verdict explained by one row."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from keywatch.model import PROOFS, Evidence, EvidenceKind, Health, HealthState, Route, Rules

SOFT_FOR = timedelta(days=30)
"""How long a full mailbox or "has left the company" is held against a route that no human acted through since."""


def health(route: Route, evidence: Iterable[Evidence], now: datetime, rules: Rules) -> Health:
    """The verdict on `route`. Only a human act proves; only hard evidence newer than the last proof kills."""
    rows = sorted((row for row in evidence if row.at <= now), key=lambda row: row.at)
    proof = _last(row for row in rows if row.kind in PROOFS)
    since = [row for row in rows if proof is None or row.at > proof.at]
    away = any(row.kind is EvidenceKind.AWAY and row.until and row.until > now for row in rows)
    proven_at = proof.at if proof else None
    if hard := _last(row for row in since if row.kind is EvidenceKind.REFUSED):
        return Health(HealthState.DEAD, hard, proven_at, away)
    if soft := _suspicion(since, now, rules):
        return Health(HealthState.SUSPECT, soft, proven_at, away)
    window = rules.shared_proof if route.shared else rules.personal_proof
    if proof and now - proof.at <= window:
        return Health(HealthState.PROVEN, proof, proven_at, away)
    return Health(HealthState.UNPROVEN, proof, proven_at, away)


def _suspicion(since: list[Evidence], now: datetime, rules: Rules) -> Evidence | None:
    soft = _last(
        row for row in since if row.kind in (EvidenceKind.FULL, EvidenceKind.LEFT) and now - row.at <= SOFT_FOR
    )
    silences = [row for row in since if row.kind is EvidenceKind.SILENCE]
    if len({row.at.date() for row in silences}) >= rules.silences:
        return silences[-1]
    return soft


def _last(rows: Iterable[Evidence]) -> Evidence | None:
    found = None
    for row in rows:
        found = row
    return found

"""Whether a living human reads a route: a pure function of its evidence, each verdict explained by one row."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from keywatch.model import PROOFS, Evidence, EvidenceKind, Health, HealthState, Route, Rules

SOFT_FOR = timedelta(days=30)
"""How long a full mailbox or "has left the company" is held against a route that no human acted through since."""
AT_ONCE = 3
"""Routes of one transport; fewer may well be dead on one day."""
BELIEVED_AFTER, DOUBTED_FOR = timedelta(hours=24), timedelta(days=7)
"""A refusal that was put down to the transport, and is still there a day later, is the route's own."""
VAGUE, APART, VAGUE_FOR = "404", timedelta(minutes=10), timedelta(days=45)
"""A web service answers it too while it is moved or deployed: alone it makes suspect, twice it kills. So long that the
monthly question can be the second one."""
MENDED_AFTER, PARTLY_FOR = timedelta(hours=1), timedelta(days=45)
"""How long one dead member of a shared route is shown; the next message to it tells anew."""


def health(route: Route, evidence: Iterable[Evidence], now: datetime, rules: Rules) -> Health:
    """The verdict on `route`. Only a human act proves; only hard evidence newer than the last proof kills."""
    # At the same instant the bad news is taken for the later: `refused` after `exonerated`.
    rows = sorted((row for row in evidence if row.at <= now), key=lambda row: (row.at, row.kind))
    proof = _last(rows, PROOFS)
    since = [row for row in rows if proof is None or row.at > proof.at]
    away = any(row.kind is EvidenceKind.AWAY and row.until and row.until > now for row in rows)
    asked = _last(rows, {EvidenceKind.ATTESTED})
    part = _last([row for row in rows if now - row.at <= PARTLY_FOR], {EvidenceKind.PARTIAL})
    if part and asked and asked.at - part.at >= MENDED_AFTER:
        part = None  # somebody answered a question that went to everybody who is left, and nothing came back
    window = rules.shared_proof if route.shared else rules.personal_proof
    proven = proof is not None and now - proof.at <= window
    state, because = HealthState.PROVEN if proven else HealthState.UNPROVEN, proof
    if hard := _hard(since):
        state, because = HealthState.DEAD, hard
    elif soft := _suspicion(since, now, rules) or (part if not proven else None):
        state, because = HealthState.SUSPECT, soft
    return Health(state, because, proof.at if proof else None, away, part is not None)


def transport_failed(refused: int, accepted: int) -> bool:
    """Whether so many routes of one transport refused in one run that it is to blame, and not they."""
    return refused >= AT_ONCE and 2 * refused >= refused + accepted


def doubted(evidence: Iterable[Evidence], now: datetime) -> bool:
    """Whether a refusal of the route was put down to its transport a day ago or more: the next one is believed."""
    freed = [row.at for row in evidence if row.kind is EvidenceKind.EXONERATED]
    return any(BELIEVED_AFTER <= now - at <= DOUBTED_FOR for at in freed)


def _hard(since: Sequence[Evidence]) -> Evidence | None:
    """The row that kills: a refusal that stands, or a domain that has not come back."""
    refused = _refusals(since)
    clear = [row for row in refused if row.code != VAGUE]
    again = [row for row in refused if any(APART <= row.at - other.at <= VAGUE_FOR for other in refused)]
    if clear or again:
        return (clear or again)[-1]
    return _standing(since, EvidenceKind.UNRESOLVED, EvidenceKind.RESOLVED)


def _refusals(since: Sequence[Evidence]) -> list[Evidence]:
    """Those that stand: none that was put down to the transport."""
    freed = _last(since, {EvidenceKind.EXONERATED})
    after = since[since.index(freed) + 1 :] if freed else since
    return [row for row in after if row.kind is EvidenceKind.REFUSED]


def _standing(since: Sequence[Evidence], kind: EvidenceKind, undone_by: EvidenceKind) -> Evidence | None:
    """The last row of `kind`, unless a later one takes it back; both together count in the order they were learnt."""
    last = _last(since, {kind, undone_by})
    return last if last and last.kind is kind else None


def _suspicion(since: Sequence[Evidence], now: datetime, rules: Rules) -> Evidence | None:
    silences = [row for row in since if row.kind is EvidenceKind.SILENCE]
    if len({row.at.date() for row in silences}) >= rules.silences:
        return silences[-1]
    if unanswered := _last(since, {EvidenceKind.UNANSWERED}):
        return unanswered
    recent = [row for row in since if now - row.at <= SOFT_FOR]
    if soft := _last(recent, {EvidenceKind.FULL, EvidenceKind.LEFT}):
        return soft
    vague = _refusals(since)[-1:]  # it did not kill
    return vague[0] if vague and now - vague[0].at <= VAGUE_FOR else None


def _last(rows: Sequence[Evidence], kinds: Collection[EvidenceKind]) -> Evidence | None:
    return next((row for row in reversed(rows) if row.kind in kinds), None)

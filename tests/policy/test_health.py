"""Whether a living human reads a route: only people prove, only hard evidence kills, one row explains."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.model import PROOFS, Evidence, EvidenceKind, HealthState, Route, Rules
from keywatch.policy.health import health
from tests.policy.build import DAY, HOUR, at

NOW = at("2026-11-20 12:00")
MINE, SHARED, RULES = Route("ana", "ana"), Route("alias", shared=True), Rules()
TICK = timedelta(microseconds=1)


def row(kind: EvidenceKind, when: datetime, until: datetime | None = None, code: str = "") -> Evidence:
    return Evidence(when, "ana", kind, "test", until=until, code=code)


def verdict(*rows: Evidence, route: Route = MINE) -> HealthState:
    return health(route, rows, NOW, RULES).state


@pytest.mark.parametrize("kind", sorted(PROOFS))
def test_a_human_act_proves_for_its_window(kind: EvidenceKind) -> None:
    """90 days for a personal route, 45 for a shared one, to the very instant."""
    assert verdict(row(kind, NOW - 90 * DAY)) is HealthState.PROVEN
    assert verdict(row(kind, NOW - 90 * DAY - TICK)) is HealthState.UNPROVEN
    assert verdict(row(kind, NOW - 45 * DAY), route=SHARED) is HealthState.PROVEN
    assert verdict(row(kind, NOW - 45 * DAY - TICK), route=SHARED) is HealthState.UNPROVEN


@pytest.mark.parametrize("kind", sorted(set(EvidenceKind) - PROOFS))
def test_nothing_else_ever_proves(kind: EvidenceKind) -> None:
    """No refusal, no auto-reply, no bounce and no silence is a sign of life."""
    assert verdict(row(kind, NOW - HOUR, NOW + DAY)) is not HealthState.PROVEN


def test_never_proved_is_unproven_and_counts() -> None:
    """No evidence at all: unproven, which counts for cover where two do."""
    blank = health(MINE, (), NOW, RULES)
    assert (blank.state, blank.because, blank.counts) == (HealthState.UNPROVEN, None, True)


def test_hard_evidence_newer_than_the_last_proof_kills() -> None:
    """550 after the ack: dead. An ack after the 550: alive. At the same instant the human wins."""
    ack, refused = row(EvidenceKind.ACK, NOW - 2 * DAY), row(EvidenceKind.REFUSED, NOW - DAY)
    dead = health(MINE, [refused, ack], NOW, RULES)
    assert (dead.state, dead.because, dead.proven_at) == (HealthState.DEAD, refused, ack.at)
    assert verdict(row(EvidenceKind.REFUSED, NOW - 3 * DAY), ack) is HealthState.PROVEN
    assert verdict(row(EvidenceKind.REFUSED, ack.at), ack) is HealthState.PROVEN
    assert verdict(row(EvidenceKind.REFUSED, NOW - 500 * DAY)) is HealthState.DEAD


def test_a_service_that_is_not_found_once_is_suspect_only() -> None:
    """404 kills when it is met again ten minutes to 45 days later; alone it makes suspect for as long as that."""

    def missing(ago: timedelta, code: str = "404") -> Evidence:
        return row(EvidenceKind.REFUSED, NOW - ago, code=code)

    assert verdict(missing(HOUR)) is HealthState.SUSPECT
    assert verdict(missing(HOUR), missing(HOUR + timedelta(minutes=9))) is HealthState.SUSPECT, "the same run"
    assert verdict(missing(HOUR), missing(HOUR + timedelta(minutes=10))) is HealthState.DEAD
    assert verdict(missing(DAY), missing(46 * DAY)) is HealthState.DEAD
    assert verdict(missing(DAY), missing(46 * DAY + TICK)) is HealthState.SUSPECT
    assert verdict(missing(45 * DAY)) is HealthState.SUSPECT
    assert verdict(missing(45 * DAY + TICK)) is HealthState.UNPROVEN
    assert verdict(missing(HOUR, "410")) is HealthState.DEAD
    assert verdict(missing(HOUR), row(EvidenceKind.ACK, NOW)) is HealthState.PROVEN
    freed = row(EvidenceKind.EXONERATED, NOW - HOUR / 2)
    assert verdict(missing(HOUR), missing(DAY), freed) is HealthState.UNPROVEN
    assert verdict(missing(DAY), freed, missing(timedelta(0))) is HealthState.SUSPECT, "the first was the transport's"
    one = health(MINE, [missing(HOUR)], NOW, RULES)
    assert one.because == missing(HOUR)
    assert not one.counts


def test_what_is_dead_is_not_revived_by_a_vague_answer() -> None:
    """Only a human act revives: a 404 after a 410, or long after two others, leaves it dead."""
    dead = [row(EvidenceKind.REFUSED, NOW - 2 * DAY, code="410"), row(EvidenceKind.REFUSED, NOW - DAY, code="404")]
    assert verdict(*dead) is HealthState.DEAD
    twice = [row(EvidenceKind.REFUSED, NOW - ago, code="404") for ago in (90 * DAY, 89 * DAY, timedelta(0))]
    assert verdict(*twice) is HealthState.DEAD


def test_three_silences_on_three_days_are_suspicious() -> None:
    """Two are not; two on one day count once; an ack wipes the slate."""
    days = [row(EvidenceKind.SILENCE, NOW - n * DAY) for n in (3, 2, 1)]
    assert verdict(*days[1:]) is HealthState.UNPROVEN
    assert verdict(*days[1:], row(EvidenceKind.SILENCE, NOW - DAY + HOUR)) is HealthState.UNPROVEN
    suspect = health(MINE, days, NOW, RULES)
    assert (suspect.state, suspect.because, suspect.counts) == (HealthState.SUSPECT, days[-1], False)
    assert verdict(*days, row(EvidenceKind.ACK, NOW - HOUR)) is HealthState.PROVEN
    assert verdict(row(EvidenceKind.ACK, NOW - 9 * DAY), *days) is HealthState.SUSPECT


@pytest.mark.parametrize("kind", [EvidenceKind.FULL, EvidenceKind.LEFT])
def test_a_full_mailbox_and_somebody_who_left_are_suspicious(kind: EvidenceKind) -> None:
    """Newer than the last proof, and for thirty days."""
    assert verdict(row(kind, NOW - DAY)) is HealthState.SUSPECT
    assert verdict(row(kind, NOW - DAY), row(EvidenceKind.REPLY, NOW - HOUR)) is HealthState.PROVEN
    assert verdict(row(kind, NOW - 31 * DAY)) is HealthState.UNPROVEN


def test_a_refusal_that_was_the_transports_fault_is_taken_back() -> None:
    """Refused, exonerated: as it was before. Refused again afterwards: dead."""
    refused, freed = row(EvidenceKind.REFUSED, NOW - 3 * DAY), row(EvidenceKind.EXONERATED, NOW - 2 * DAY)
    assert verdict(refused, freed) is HealthState.UNPROVEN
    assert verdict(row(EvidenceKind.ACK, NOW - 9 * DAY), refused, freed) is HealthState.PROVEN
    assert verdict(refused, freed, row(EvidenceKind.REFUSED, NOW - DAY)) is HealthState.DEAD


def test_a_domain_that_comes_back_revives_what_it_killed_and_nothing_else() -> None:
    """NXDOMAIN kills; found again it is as before. It neither proves nor forgives a refusal."""
    gone, back = row(EvidenceKind.UNRESOLVED, NOW - 3 * DAY), row(EvidenceKind.RESOLVED, NOW - 2 * DAY)
    assert verdict(gone) is HealthState.DEAD
    assert verdict(gone, back) is HealthState.UNPROVEN
    assert verdict(row(EvidenceKind.REFUSED, NOW - 4 * DAY), gone, back) is HealthState.DEAD


def test_a_shared_route_that_nobody_answers_for_is_suspicious() -> None:
    """The monthly question, unanswered for two weeks; whoever then says that they read it ends that."""
    unanswered = row(EvidenceKind.UNANSWERED, NOW - 20 * DAY)
    assert verdict(row(EvidenceKind.ATTESTED, NOW - 40 * DAY), unanswered, route=SHARED) is HealthState.SUSPECT
    assert verdict(unanswered, row(EvidenceKind.ATTESTED, NOW - DAY), route=SHARED) is HealthState.PROVEN


def test_a_dead_member_is_a_flag_of_a_shared_route_that_somebody_reads() -> None:
    """Proven and partial; without a proof that holds it is suspicious: whoever else is on it may be gone too."""
    bounced = row(EvidenceKind.PARTIAL, NOW - DAY)
    read = health(SHARED, [row(EvidenceKind.ACK, NOW - 9 * DAY), bounced], NOW, RULES)
    assert (read.state, read.partial) == (HealthState.PROVEN, True)
    unread = health(SHARED, [bounced], NOW, RULES)
    assert (unread.state, unread.because, unread.partial) == (HealthState.SUSPECT, bounced, True)
    assert not health(SHARED, [row(EvidenceKind.PARTIAL, NOW - 46 * DAY)], NOW, RULES).partial


def test_a_dead_route_stays_dead_whatever_soft_evidence_follows() -> None:
    """A full mailbox after a 5.1.1 does not soften it."""
    assert verdict(row(EvidenceKind.REFUSED, NOW - 2 * DAY), row(EvidenceKind.FULL, NOW - DAY)) is HealthState.DEAD


def test_away_until_is_a_flag_and_does_not_count() -> None:
    """An auto-reply with a date takes the route out of cover until that date, and leaves its proof."""
    ack, away = row(EvidenceKind.ACK, NOW - 5 * DAY), row(EvidenceKind.AWAY, NOW - DAY, NOW + DAY)
    gone = health(MINE, [ack, away], NOW, RULES)
    assert (gone.state, gone.away, gone.counts) == (HealthState.PROVEN, True, False)
    assert health(MINE, [ack, away], NOW + DAY, RULES).counts


def test_evidence_from_the_future_is_not_known_yet() -> None:
    """A verdict about an instant uses only what was known then."""
    assert verdict(row(EvidenceKind.REFUSED, NOW + TICK)) is HealthState.UNPROVEN


evidence = st.lists(
    st.builds(row, st.sampled_from(sorted(EvidenceKind)), st.integers(0, 120 * 24).map(lambda h: NOW - h * HOUR)),
    max_size=8,
)


@settings(max_examples=200)
@given(evidence, st.permutations(range(8)))
def test_a_verdict_does_not_depend_on_the_order_of_rows(rows: list[Evidence], order: list[int]) -> None:
    """Append-only rows may come back from a store in any order."""
    shuffled = [rows[n] for n in order if n < len(rows)]
    assert verdict(*shuffled) is verdict(*rows)


@settings(max_examples=200)
@given(evidence, st.sampled_from(sorted(set(EvidenceKind) - PROOFS)))
def test_bad_news_never_makes_a_route_better(rows: list[Evidence], kind: EvidenceKind) -> None:
    """One more machine-made row can only lower a verdict, unless it takes one back; and it never proves."""
    worse = [HealthState.PROVEN, HealthState.UNPROVEN, HealthState.SUSPECT, HealthState.DEAD]
    after = verdict(*rows, row(kind, NOW - HOUR))
    before = verdict(*rows)
    takes_back = kind in (EvidenceKind.EXONERATED, EvidenceKind.RESOLVED)
    assert worse.index(after) >= worse.index(before) or takes_back
    assert after is not HealthState.PROVEN or any(one.kind in PROOFS for one in rows)

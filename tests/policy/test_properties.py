"""The promises as properties, over episodes that were really lived through and worlds that fall apart.

No oracle here asks the code under test what it should have done: states are reached by applying decisions, and what
is compared are the decisions themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keywatch.model import (
    Ack,
    AckKind,
    Credential,
    Decision,
    Episode,
    HealthState,
    OnCall,
    Planned,
    Route,
    Standing,
    Trust,
    World,
)
from keywatch.policy.plan import decide
from tests.policy.build import (
    ALIAS,
    DAY,
    HOUR,
    MINUTE,
    PAGER,
    PEOPLE,
    adds,
    answered,
    applied,
    at,
    calendar,
    credential,
    episode,
    owner,
    roster,
    run,
    world,
)

CHAT = Route("ana-chat", "ana", transport="slack")
ROUTES = (*PEOPLE, ALIAS, PAGER, CHAT.name)
START = at("2026-11-02")
WORSE = [HealthState.PROVEN, HealthState.UNPROVEN, HealthState.SUSPECT, HealthState.DEAD]
TRUSTS = [Trust.LIVE, Trust.PLANNED, Trust.UNKNOWN]


# --------------------------------------------------------------------------- worlds that fall apart


@dataclass(frozen=True)
class Facts:
    """How much is known, each as a number: the higher the less."""

    trust: int
    healths: tuple[int, ...]
    gone: frozenset[str]

    def worsened(self, other: "Facts") -> "Facts":
        healths = tuple(max(pair) for pair in zip(self.healths, other.healths, strict=True))
        return Facts(max(self.trust, other.trust), healths, self.gone | other.gone)

    def state(self, route: str) -> HealthState:
        return WORSE[self.healths[ROUTES.index(route)]]

    def alive(self, route: str) -> bool:
        return self.state(route) is not HealthState.DEAD


facts = st.builds(
    Facts,
    st.integers(0, 2),
    st.tuples(*[st.sampled_from([0, 0, 0, 1, 1, 2, 3])] * len(ROUTES)),
    st.frozensets(st.sampled_from(PEOPLE), max_size=3),
)
rosters = st.builds(
    roster,
    st.sampled_from([("ana",), ("ana", "cy"), ("ana", "zoe"), ()]),
    st.sampled_from([("bo",), ("bo", "di"), ()]),
    until=st.sampled_from([None, START + 40 * DAY + 7 * HOUR, START + 9 * DAY]),
)
teams = st.builds(
    owner,
    routes=st.sampled_from([(ALIAS,), ()]),
    head=st.sampled_from(["hana", ""]),
    members=st.sampled_from([("cy", "di"), ("ana", "bo", "cy")]),
    fallback=st.sampled_from([("fay",), ()]),
    calendar=st.sampled_from([calendar(), calendar(holidays=["2026-12-08", "2026-12-25"])]),
)


def place_of(known: Facts, team: object, rota: OnCall) -> World:
    """The world in which exactly `known` is known."""
    duties = tuple(
        replace(duty, person=replace(duty.person, active=duty.person.key not in known.gone)) for duty in rota.duties
    )
    seen = replace(rota, duties=duties, trust=TRUSTS[known.trust])
    blank = world(team, seen, inactive=known.gone, routes=[CHAT])  # type: ignore[arg-type]
    health = {name: replace(blank.health_of(name), state=known.state(name)) for name in ROUTES}
    return replace(blank, health=health)


# --------------------------------------------------------------------------- episodes that were lived through


@dataclass(frozen=True)
class Lived:
    """One episode at rest at `now`, after checks, answers and promises."""

    now: datetime
    row: Credential
    episode: Episode
    place: World
    known: Facts
    team: object
    rota: OnCall


def accepting(some: frozenset[str]) -> object:
    return lambda planned: Standing.ACCEPTED if planned.route not in some else Standing.FAILED


rows = st.builds(
    lambda days, hours, lead, life, env, automatic: credential(
        START + days * DAY + hours * HOUR,
        lead,
        issued=START + days * DAY + hours * HOUR - life if life else None,
        env=env,
        automatic=automatic,
        overdue_seen=START - DAY if automatic else None,
    ),
    st.integers(2, 50),
    st.integers(0, 23),
    st.sampled_from(["5bd", "1d", "12h", "2w"]),
    st.sampled_from([None, None, 30 * HOUR, 12 * DAY, 90 * DAY]),
    st.sampled_from(["", "", "", "staging"]),
    st.sampled_from([False, False, False, True]),
)


@st.composite
def lives(draw: st.DrawFn, steps: int = 5) -> Lived:
    """Opened somewhere before or after its end, perhaps adopted or moved, then checks with time in between."""
    row = draw(rows)
    assert row.expires_at is not None
    team, rota, known = draw(teams), draw(rosters), draw(facts)
    place = place_of(known, team, rota)
    now = row.expires_at - draw(st.sampled_from([40 * DAY, 20 * DAY, 9 * DAY, 3 * DAY, 20 * HOUR, -2 * HOUR, -9 * DAY]))
    open_ = episode(row, now)
    if draw(st.booleans()):
        open_ = replace(open_, adopted_at=now, expired_when_seen=row.expires_at <= now)
    for number in range(draw(st.integers(0, steps))):
        refused = draw(st.frozensets(st.sampled_from(ROUTES), max_size=4))
        open_, _ = run(now, row, open_, place, accepting(refused))  # type: ignore[arg-type]
        event = draw(st.sampled_from(["wait", "wait", "ack", "ack", "moved", "unconfirmed"]))
        if event == "ack":
            open_ = answered(
                open_, promised(draw(st.sampled_from(["ana", "cy", "kim"])), now, draw(st.integers(1, 9)), number)
            )
        elif event == "moved" and not open_.acks:
            open_ = replace(open_, moved_at=now)
        elif event == "unconfirmed":
            row = replace(row, unconfirmed="v2", changed_at=now)
        now += draw(st.integers(1, 12 * 24)) * HOUR
    return Lived(now, row, open_, place, known, team, rota)


def promised(person: str, now: datetime, days: int, number: int) -> Ack:
    return Ack(number + 1, AckKind.ACK, person, now, now + days * DAY - timedelta(hours=now.hour))


def names(planned: Iterable[Planned]) -> list[str]:
    return [one.route for one in planned]


def told_of(said: Decision, before: Episode) -> set[str]:
    """Everybody who has been told of the call that `said` speaks of, or of the last one where it says nothing."""
    stage = said.stage or (before.calls[-1].stage if before.calls else "")
    old = {t.route for call in before.calls if call.stage == stage for t in call.told}
    return old | set(names(said.notices))


# --------------------------------------------------------------------------- the properties


@settings(max_examples=80, deadline=None)
@given(lives())
def test_a_decision_that_was_carried_out_has_nothing_to_add(life: Lived) -> None:
    """Once everybody has accepted, the same facts at the same instant say nothing more."""
    said = decide(life.now, life.row, life.episode, life.place)
    after = applied(life.now, life.episode, said)
    again = decide(life.now, life.row, after, life.place)
    assert not adds(again), again
    assert again.rung == after.rung


@settings(max_examples=80, deadline=None)
@given(lives())
def test_whom_a_decision_names(life: Lived) -> None:
    """No route twice, not in this decision and not in the call; no dead route; the rung never falls."""
    said = decide(life.now, life.row, life.episode, life.place)
    told = names(said.notices)
    assert len(told) == len(set(told))
    assert all(life.known.alive(route) for route in told)
    heard = {t.route for call in life.episode.calls if call.stage == said.stage for t in call.told}
    assert not heard & set(told)
    assert said.rung >= life.episode.rung


@settings(max_examples=80, deadline=None)
@given(lives())
def test_a_shared_alias_alone_is_never_an_audience(life: Lived) -> None:
    """Where only aliases are told, no active person of the ladder has a living route left."""
    said = decide(life.now, life.row, life.episode, life.place)
    told = told_of(said, life.episode)
    assume(said.notices)
    if told <= {ALIAS}:
        ladder = set(life.place.last_resort) | {"hana", "cy", "di", "fay"} & set(names_of(life))
        assert not [route for route in ladder - {PAGER} if life.known.alive(route)]


def names_of(life: Lived) -> set[str]:
    """The active people the config names for the team."""
    team = life.place.owners["pay"]
    return {*team.members, *team.fallback, team.head} - life.known.gone


@settings(max_examples=150, deadline=None)
@given(lives(), facts)
def test_failure_only_widens(life: Lived, failures: Facts) -> None:
    """The less is known, the more are told, and no later: whoever would have heard and still can, hears now."""
    after = life.known.worsened(failures)
    other = place_of(after, life.team, life.rota)
    good = told_of(decide(life.now, life.row, life.episode, life.place), life.episode)
    said = decide(life.now, life.row, life.episode, other)
    void = {t.route for call in life.episode.calls for t in call.told if said.void}
    bad = told_of(said, life.episode) | void
    whose = {name: life.place.routes[name].person for name in ROUTES}
    still = {name for name in good if after.alive(name) and whose[name] not in after.gone}
    heard = {whose[name] for name in bad if after.alive(name)}
    unheard = {name for name in still - bad if whose[name] not in heard}
    assert not unheard, (unheard, sorted(bad))


@settings(max_examples=60, deadline=None)
@given(lives())
def test_next_at_is_early_and_never_late(life: Lived) -> None:
    """With nothing else happening, no check before `next_at` has anything to say: hour by hour, and just before it."""
    open_, _ = run(life.now, life.row, life.episode, life.place)
    said = decide(life.now, life.row, open_, life.place)
    until = said.next_at or life.now + 20 * DAY
    steps = [life.now + n * HOUR for n in range(1, 24 * 8)]
    for now in [*(step for step in steps if step < until), until - timedelta(seconds=1)]:
        if now > life.now:
            early = decide(now, life.row, open_, life.place)
            assert not adds(early), (now, until, early)


@settings(max_examples=60, deadline=None)
@given(lives())
def test_an_open_episode_never_falls_silent(life: Lived) -> None:
    """From any state, with nobody answering, waking up whenever `next_at` says: somebody hears of it again."""
    assume(life.row.env == "" and any(life.known.alive(name) for name in ("lars", PAGER)))
    assume(not life.row.automatic or (life.row.speaks_from or life.now) <= life.now)
    now, open_ = life.now, life.episode
    open_, _ = run(now, life.row, open_, life.place)
    for _ in range(60):
        said = decide(now, life.row, open_, life.place)
        assert said.next_at is not None
        now = max(said.next_at, now + (DAY if said.uncovered else MINUTE))
        open_, spoke = run(now, life.row, open_, life.place)
        if any(one.notices for one in spoke):
            return
    raise AssertionError(f"silent since {life.now}")


@settings(max_examples=25, deadline=None)
@given(lives(steps=3), st.sampled_from([HOUR, 5 * HOUR, DAY, 3 * DAY]), st.integers(0, 23))
def test_no_route_hears_of_a_call_twice(life: Lived, step: timedelta, offset: int) -> None:
    """Whatever the rhythm of the runs, over three weeks."""
    now, open_ = life.now + offset * HOUR, life.episode
    heard: set[tuple[str, str]] = set()
    old = {(call.stage, t.route) for call in open_.calls for t in call.told}
    while now < life.now + 21 * DAY:
        open_, spoke = run(now, life.row, open_, life.place)
        for said in spoke:
            pairs = {(said.stage, route) for route in names(said.notices)}
            assert not pairs & (heard | old)
            heard |= pairs
        now += step

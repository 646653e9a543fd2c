"""What reach promises, as properties: cover, failure only widens and hastens, no false life, acks end, no silence.

The oracles do their own sums: whom a route belongs to, who is on duty and which slot comes next are worked out here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keywatch.model import (
    PROOFS,
    Ack,
    AckKind,
    Call,
    Credential,
    Decision,
    Episode,
    Evidence,
    EvidenceKind,
    HealthState,
    Planned,
    Route,
    Rules,
    Standing,
    World,
)
from keywatch.policy.health import health
from keywatch.policy.plan import decide
from tests.policy.build import ALIAS, DAY, HOUR, MADRID, MINUTE, PAGER, PEOPLE, adds, answered, applied, at, run
from tests.policy.test_properties import ROUTES, START, Facts, Lived, facts, lives, place_of, rosters, rows, teams

TRANSPORTS = ("mail", "slack", "pagerduty")
MACHINES = sorted(set(EvidenceKind) - {EvidenceKind.ACK, EvidenceKind.ATTESTED, EvidenceKind.REPLY})
"""Written out: the code under test does not say who is human."""
WHOSE = dict(zip(PEOPLE, PEOPLE, strict=True)) | {"ana-chat": "ana", PAGER: "lars", ALIAS: ""}
CARRIED_BY = dict.fromkeys(ROUTES, "mail") | {"ana-chat": "slack", PAGER: "pagerduty"}
LAST_RESORT = {"lars", PAGER}


# --------------------------------------------------------------------------- sums of our own


def duty_of(place: World, now: datetime) -> set[str]:
    """People whose acceptance can cover: on duty at `now`, of the fallback, or of the last resort."""
    shifts = [shift for shift in place.on_call["rota"].duties if shift.until is None or now < shift.until]
    team = place.owners["pay"]
    return {shift.person.key for shift in shifts} | set(team.fallback or ("kim",)) | {"lars"}


def counts(route: str, place: World) -> bool:
    known = place.health_of(route)
    return known.state in (HealthState.PROVEN, HealthState.UNPROVEN) and not known.away


def enough(routes: set[str], on_duty: set[str], place: World) -> bool:
    """Cover as the promise says it: a proven personal route, or two that do not share a fate, one of them on duty."""
    heard = [route for route in routes if counts(route, place)]
    if any(WHOSE[route] and place.health[route].state is HealthState.PROVEN for route in heard):
        return True
    pairs = [(a, b) for a in heard for b in heard if a < b and {WHOSE[a], WHOSE[b]} & on_duty]
    return any(WHOSE[a] != WHOSE[b] or CARRIED_BY[a] != CARRIED_BY[b] for a, b in pairs)


def ladder_of(place: World, now: datetime) -> set[str]:
    """Every active person between rung 0 and the last resort who has a living route of their own."""
    team = place.owners["pay"]
    shifts = [shift for shift in place.on_call["rota"].duties if shift.until is None or now < shift.until]
    named = {shift.person.key for shift in shifts if shift.person.active}
    named |= {key for key in (*team.members, *(team.fallback or ("kim",)), team.head) if key in PEOPLE}
    living = {WHOSE[route] for route in (*PEOPLE, "ana-chat") if not is_dead(route, place)}
    return {key for key in named & living if place.people[key].active}


def is_dead(route: str, place: World) -> bool:
    return route in place.health and place.health[route].state is HealthState.DEAD


def with_dead(place: World, routes: set[str]) -> World:
    buried = {name: replace(place.health_of(name), state=HealthState.DEAD) for name in routes}
    return replace(place, health={**place.health, **buried})


# --------------------------------------------------------------------------- cover


ANSWERS = ["accepted", "refused", "down", "late"]
"""Taken at once; refused for good; its transport is down; deferred, and what comes of that is drawn too."""


WELL, UNSURE = (Facts(0, (state,) * len(ROUTES), frozenset()) for state in (0, 1))
"""Everybody is proven; nobody is."""
BEFORE_END = [25 * DAY, 6 * DAY, 2 * DAY, 20 * HOUR, -2 * HOUR, -3 * DAY]


@st.composite
def fresh(draw: st.DrawFn) -> Lived:
    """An episode of which nothing has been said yet; in most of the worlds nothing is wrong so far."""
    row, team, rota, known = (
        draw(rows),
        draw(teams),
        draw(rosters),
        draw(st.one_of(st.just(WELL), st.just(UNSURE), facts)),
    )
    assert row.expires_at is not None
    now = row.expires_at - draw(st.sampled_from(BEFORE_END))
    open_ = Episode(1, now - 60 * DAY, row.expires_at, row.version)
    return Lived(now, row, open_, place_of(known, team, rota), known, team, rota)


@settings(max_examples=300, deadline=None)
@given(
    fresh(), st.tuples(*[st.sampled_from(ANSWERS)] * len(ROUTES)), st.booleans(), st.frozensets(st.sampled_from(ROUTES))
)
def test_each_call_is_covered_or_said_to_be_uncovered(
    life: Lived, outside: tuple[str, ...], kept: bool, away: frozenset[str]
) -> None:
    """Whatever the world answers: in the end each call is covered, or everybody was told and the run says so."""
    now, row, open_, place = life.now, life.row, life.episode, with_away(life.place, away if kept else frozenset())
    answers = dict(zip(ROUTES, outside, strict=True))
    open_, place, said = settled(now, row, open_, place, answers)
    if any(told.standing is Standing.WAITING for call in open_.calls for told in call.told):
        now += 20 * MINUTE
        late = Standing.ACCEPTED if kept else Standing.FAILED
        open_, place, said = settled(now, row, resolved(open_, late, now), place, answers | {"late": "down"})
    calls = [call for call in open_.calls if call.told]
    assume(calls or said.uncovered)
    judge(calls[-1] if calls else Call("", now, asks=False), said, place, now)


def with_away(place: World, away: frozenset[str]) -> World:
    changed = {name: replace(place.health_of(name), away=True) for name in away}
    return replace(place, health={**place.health, **changed})


def settled(
    now: datetime, row: Credential, open_: Episode, place: World, answers: dict[str, str]
) -> tuple[Episode, World, Decision]:
    """One run: decide and send until nothing is added; who refuses is dead from the next decision on."""
    standings = {"accepted": Standing.ACCEPTED, "refused": Standing.FAILED, "down": Standing.FAILED}
    for _ in range(12):
        said = decide(now, row, open_, place)
        if not adds(said):
            return open_, place, said
        open_ = applied(now, open_, said, lambda one: standings.get(answers[one.route], Standing.WAITING))
        place = with_dead(place, {one.route for one in said.notices if answers[one.route] == "refused"})
    raise AssertionError("a check that does not come to rest")


def resolved(open_: Episode, late: Standing, now: datetime) -> Episode:
    """Twenty minutes later: the one retry of what was deferred."""
    when = now if late is Standing.ACCEPTED else None
    calls = [
        replace(
            call,
            told=tuple(
                replace(told, standing=late, accepted_at=when) if told.standing is Standing.WAITING else told
                for told in call.told
            ),
        )
        for call in open_.calls
    ]
    return replace(open_, calls=tuple(calls))


def judge(call: Call, said: Decision, place: World, now: datetime) -> None:
    """The call as it stands at the end of the run."""
    if any(told.standing is Standing.WAITING for told in call.told):
        return  # neither covered nor uncovered: its one retry is due
    heard = {told.route for told in call.told if told.standing is Standing.ACCEPTED and not is_dead(told.route, place)}
    assert said.uncovered is not enough(heard, duty_of(place, call.at), place), (heard, said)
    if said.uncovered:
        assert said.next_at is not None
        assert said.next_at <= now, "the next run looks again"
        told = {one.route for one in call.told}
        assert ladder_of(place, now) <= {WHOSE[route] for route in told}, told
        assert is_dead("lars", place) or "lars" in told
        others = [route for route in told - LAST_RESORT if not is_dead(route, place)]
        assert is_dead(PAGER, place) or PAGER in told or others or not is_dead("lars", place)


# --------------------------------------------------------------------------- failure


@dataclass(frozen=True)
class Failures:
    """What is lost: as a set, so that more of it is a superset."""

    trust: int = 0
    dead: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    unheard: bool = False
    down: frozenset[str] = frozenset()

    def and_also(self, more: "Failures") -> "Failures":
        return Failures(
            max(self.trust, more.trust),
            self.dead | more.dead,
            self.gone | more.gone,
            self.unheard or more.unheard,
            self.down | more.down,
        )

    def of(self, known: Facts, life: Lived) -> World:
        """The world of `life` with these failures on top of what is known there."""
        base = replace(known, trust=max(known.trust, self.trust), gone=known.gone | self.gone)
        place = with_dead(place_of(base, life.team, life.rota), set(self.dead))
        if not self.unheard:
            return place
        unsure = {
            name: replace(health_, state=HealthState.UNPROVEN)
            for name, health_ in place.health.items()
            if CARRIED_BY[name] == "mail" and health_.state is HealthState.PROVEN
        }
        return replace(place, health={**place.health, **unsure}, unheard="the inbox is down")

    def answer(self, one: Planned) -> Standing:
        return Standing.FAILED if CARRIED_BY[one.route] in self.down else Standing.ACCEPTED


failures = st.builds(
    Failures,
    st.sampled_from([0, 0, 1, 2]),
    st.frozensets(st.sampled_from(ROUTES), max_size=3),
    st.frozensets(st.sampled_from(PEOPLE), max_size=2),
    st.booleans(),
    st.frozensets(st.sampled_from(TRANSPORTS), max_size=1),
)
one_failure = st.one_of(
    st.builds(Failures, trust=st.sampled_from([1, 2])),
    st.builds(Failures, dead=st.frozensets(st.sampled_from(ROUTES), min_size=1, max_size=2)),
    st.builds(Failures, gone=st.frozensets(st.sampled_from(PEOPLE), min_size=1, max_size=2)),
    st.just(Failures(unheard=True)),
    st.builds(Failures, down=st.frozensets(st.sampled_from(TRANSPORTS), min_size=1, max_size=1)),
)
few_and_more = st.one_of(st.tuples(st.just(Failures()), one_failure), st.tuples(failures, failures))


@settings(max_examples=250, deadline=None)
@given(st.one_of(lives(), fresh()), few_and_more)
def test_more_failures_tell_no_fewer(life: Lived, lost: tuple[Failures, Failures]) -> None:
    """F1 ⊆ F2: whoever a run tells under F1 and can still be told, it tells under F2; only the dead are left out."""
    some, both = lost[0], lost[0].and_also(lost[1])
    few, many = told_in_a_run(life, some), told_in_a_run(life, both)
    place = both.of(life.known, life)
    for route in few - many:
        person = WHOSE[route]
        gone = is_dead(route, place) or person in both.gone | life.known.gone
        proven = {name for name in many if place.health_of(name).state is HealthState.PROVEN}
        elsewhere = person and any(WHOSE[name] == person for name in proven)  # the best proven route is enough
        assert gone or elsewhere, (route, sorted(few), sorted(many))


def told_in_a_run(life: Lived, lost: Failures) -> set[str]:
    """Everybody who has been told of the call that holds after one run; of all calls where a promise fell with it."""
    place = lost.of(life.known, life)
    open_, spoke = run(life.now, life.row, life.episode, place, lost.answer)
    calls = [call for call in open_.calls if call.told]
    void = any(one.void for one in spoke)
    return {told.route for call in (calls if void else calls[-1:]) for told in call.told}


@settings(max_examples=60, deadline=None)
@given(st.one_of(lives(), fresh()), few_and_more)
def test_more_failures_delay_nothing(life: Lived, lost: tuple[Failures, Failures]) -> None:
    """F1 ⊆ F2: the first instant at which something is said, or said to be uncovered, is no later under F2."""
    assume(life.row.overdue_seen is None or life.row.overdue_seen < life.now)  # nobody saw what is yet to come
    few, many = first_word(life, lost[0]), first_word(life, lost[0].and_also(lost[1]))
    assert few is None or (many is not None and many <= few), (few, many)


def first_word(life: Lived, lost: Failures) -> datetime | None:
    now, open_, place = life.now, life.episode, lost.of(life.known, life)
    for _ in range(90):
        said = decide(now, life.row, open_, place)
        if said.notices or said.uncovered:
            return now
        open_ = applied(now, open_, said)
        if said.next_at is None or said.next_at > life.now + 60 * DAY:
            return None
        now = max(said.next_at, now + timedelta(seconds=1)) if not adds(said) else now
    raise AssertionError("sixty days that do not end")


# --------------------------------------------------------------------------- no false life


def rows_of(kinds: list[EvidenceKind]) -> st.SearchStrategy[list[Evidence]]:
    """A history of one route over four months, of these kinds."""
    row = st.builds(
        lambda hours, kind, away: Evidence(
            START + hours * HOUR, "ana", kind, "test", until=START + (hours + away) * HOUR if away else None
        ),
        st.integers(0, 24 * 120),
        st.sampled_from(kinds),
        st.sampled_from([0, 24, 24 * 14]),
    )
    return st.lists(row, max_size=12)


@settings(max_examples=300, deadline=None)
@given(rows_of(MACHINES), st.booleans(), st.integers(0, 24 * 130))
def test_no_machine_made_event_proves_a_route(machines: list[Evidence], shared: bool, hours: int) -> None:
    """Every kind that no human act made, in any order and number: the route is never proven."""
    found = health(Route("ana", "ana", shared=shared), machines, START + hours * HOUR, Rules())
    assert found.proven_at is None
    assert found.state is not HealthState.PROVEN


@settings(max_examples=300, deadline=None)
@given(rows_of(MACHINES), rows_of(sorted(PROOFS)), st.booleans(), st.integers(0, 24 * 130))
def test_a_route_lives_as_long_as_its_last_human_act(
    machines: list[Evidence], humans: list[Evidence], shared: bool, hours: int
) -> None:
    """Proven means: a human acted in the last 90 days (45 where shared); no machine moves that instant by a second."""
    now = START + hours * HOUR
    found = health(Route("ana", "ana", shared=shared), machines + humans, now, Rules())
    acted = [row.at for row in humans if row.at <= now]
    assert found.proven_at == max(acted, default=None)
    if found.state is HealthState.PROVEN:
        assert acted
        assert now - max(acted) <= (45 if shared else 90) * DAY


# --------------------------------------------------------------------------- acks end


def slot_after(moment: datetime, expires: datetime, holidays: frozenset[object]) -> datetime:
    """The next 09:00 in Madrid of a working day; of any day once it has expired."""
    day = moment.astimezone(MADRID).date()
    for _ in range(30):
        slot = at(f"{day} 09:00", MADRID)
        if slot >= moment and (moment >= expires or (day.weekday() < 5 and day not in holidays)):
            return slot
        day += DAY
    raise AssertionError("a month without a working day")


@settings(max_examples=80, deadline=None)
@given(lives(), st.sampled_from(list(AckKind)), st.integers(0, 21), st.sampled_from([HOUR, 7 * HOUR, DAY]))
def test_an_ack_never_suppresses_past_its_end(life: Lived, kind: AckKind, days: int, step: timedelta) -> None:
    """Whatever the rhythm of the runs: at the first slot after its end somebody has heard of it since."""
    assume(not life.row.automatic or (life.row.speaks_from or life.now) <= life.now)
    open_, _ = run(life.now, life.row, life.episode, life.place)
    assume(open_.calls and not is_dead("ana", life.place) and "ana" not in life.known.gone)
    until = at(f"{life.now.astimezone(MADRID).date() + days * DAY + DAY} 00:00", MADRID)
    open_ = answered(open_, Ack(99, kind, "ana", life.now, until))
    assert life.row.expires_at is not None
    slot = slot_after(until, life.row.expires_at, life.place.owners["pay"].calendar.holidays)  # type: ignore[arg-type]
    now, since = life.now, list[Decision]()
    while now < slot:
        next_at = decide(now, life.row, open_, life.place).next_at or slot
        now = min(slot, now + max(1, -(-(next_at - now) // step)) * step)  # the first run at or after next_at
        open_, spoke = run(now, life.row, open_, life.place)
        since += [one for one in spoke if now >= until]
    last = decide(slot, life.row, open_, life.place)
    assert any(one.notices for one in since) or last.uncovered, (until, slot)


# --------------------------------------------------------------------------- no silence


def nobody(_: Planned) -> Standing:
    return Standing.FAILED


def everybody(_: Planned) -> Standing:
    return Standing.ACCEPTED


@settings(max_examples=60, deadline=None)
@given(lives(), st.sampled_from([everybody, everybody, nobody]))
def test_no_call_falls_silent_while_its_episode_is_open(life: Lived, answer: Callable[[Planned], Standing]) -> None:
    """Waking only when `next_at` says: a call within 8 days of the expiry, and from then on each 8 days at most."""
    assume(life.row.env == "" and any(not is_dead(name, life.place) for name in LAST_RESORT))
    assume(not life.row.automatic or (life.row.speaks_from or life.now) <= life.now)
    assert life.row.expires_at is not None
    now, open_, heard = life.now, life.episode, max(life.now, life.row.expires_at)
    for _ in range(400):
        open_, spoke = run(now, life.row, open_, life.place, answer)
        if any(one.notices for one in spoke) and now >= life.row.expires_at:
            assert now - heard <= 8 * DAY, (heard, now)
            heard = now
        if heard >= life.row.expires_at + 40 * DAY:
            return
        next_at = decide(now, life.row, open_, life.place).next_at
        assert next_at is not None
        now = next_at if next_at > now else now + DAY  # uncovered: each run looks again
        assert now - heard <= 8 * DAY or now < life.row.expires_at, f"silent since {heard}"
    raise AssertionError("four hundred looks at forty days")

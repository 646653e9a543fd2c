"""Who is told and whether that is enough: every sentence about cover, and every fact about a roster."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from keywatch.model import Decision, Episode, OnCall, Owner, Person, Planned, Route, Standing, Told, Trust, World
from keywatch.policy.audience import (
    Ear,
    audience,
    covered,
    fallback_of,
    members_of,
    rests_on_unproven,
    routes_of,
    share_a_fate,
    starting_rung,
)
from keywatch.policy.plan import decide
from tests.policy.build import (
    ALIAS,
    DAY,
    EVERYBODY_UNPROVEN,
    HOUR,
    PAGER,
    applied,
    calendar,
    call,
    credential,
    episode,
    madrid,
    owner,
    roster,
    routes,
    told,
    world,
)

END = madrid("2026-12-19")
ROW = credential(END)
NOW = madrid("2026-11-13 09:00")
CALM, CLOSE = madrid("2026-12-07 09:00"), madrid("2026-12-18 09:00")


def ears(*names: str, duty: Iterable[str] = ("ana",)) -> list[Ear]:
    on_duty = set(duty)
    return [Ear(name, name in on_duty) for name in names]


# --------------------------------------------------------------------------- what is enough


def test_one_proven_personal_route_is_enough() -> None:
    """On duty or not."""
    assert covered(ears("ana"), world())
    assert covered(ears("cy"), world())


def test_nothing_and_one_unproven_route_are_not_enough() -> None:
    """An acceptance alone is no life."""
    assert not covered([], world())
    assert not covered(ears("ana"), world(unproven=["ana"]))


def test_two_of_two_people_are_enough_with_one_on_duty() -> None:
    """ana on call and bo: yes. cy and di, whom nobody called to duty: no."""
    place = world(unproven=EVERYBODY_UNPROVEN)
    assert covered(ears("ana", "bo"), place)
    assert covered(ears("bo", "ana"), place)
    assert not covered(ears("cy", "di"), place)


def test_one_persons_two_transports_do_not_share_a_fate() -> None:
    """Her mail and her chat: yes. Her two mailboxes: no."""
    chat, second = Route("ana-chat", "ana", transport="slack"), Route("ana-2", "ana")
    place = world(unproven=[*EVERYBODY_UNPROVEN, "ana-chat", "ana-2"], routes=[chat, second])
    assert covered(ears("ana", "ana-chat"), place)
    assert not covered(ears("ana", "ana-2"), place)


def test_a_shared_alias_alone_is_never_enough() -> None:
    """Not proven, not on duty by any label, not told twice."""
    place = world()
    proven = replace(place, health={**place.health, ALIAS: place.health["ana"]})
    for health in (place, proven):
        assert not covered(ears(ALIAS), health)
        assert not covered(ears(ALIAS, duty=[ALIAS]), health)
        assert not covered(ears(ALIAS, ALIAS, duty=[ALIAS]), health)


def test_an_alias_that_names_a_person_is_still_shared() -> None:
    """A proven alias in somebody's name is no proven personal route."""
    mine = Route("team", "ana", shared=True)
    place = world(routes=[mine], unproven=EVERYBODY_UNPROVEN)
    assert not covered(ears("team"), place)


def test_an_alias_and_the_unproven_person_on_call_are_enough() -> None:
    """A shared route has its own fate; with somebody on duty that makes two."""
    place = world(unproven=EVERYBODY_UNPROVEN)
    assert covered(ears(ALIAS, "ana"), place)
    assert not covered(ears(ALIAS, "cy"), place)


def test_a_route_of_nobody_is_no_proven_person() -> None:
    """Proven or not: a personal route needs a person."""
    place = world(routes=[Route("desk")])
    assert not covered(ears("desk"), place)


@pytest.mark.parametrize("condition", ["suspect", "away", "dead"])
def test_suspect_away_and_dead_count_for_nothing(condition: str) -> None:
    """ana cannot be counted on: neither alone nor as the second of two."""
    place = world(**{condition: ["ana"]}, unproven=[n for n in EVERYBODY_UNPROVEN if n != "ana"])  # type: ignore[arg-type]
    assert not covered(ears("ana"), place)
    assert not covered(ears("ana", "bo"), place)
    assert not covered(ears("ana", ALIAS), place)


def test_a_route_that_is_gone_counts_for_nothing() -> None:
    """Its config entry was deleted after it had accepted."""
    assert not covered(ears("nobody-knows"), world())


def test_fates() -> None:
    """Two people; one person's two transports; a shared route has its own; one route is one route."""
    ana, chat, bo = Route("ana", "ana"), Route("chat", "ana", transport="slack"), Route("bo", "bo")
    alias, desk, table = Route("alias", shared=True), Route("desk"), Route("table")
    assert not share_a_fate(ana, bo)
    assert not share_a_fate(ana, chat)
    assert share_a_fate(ana, Route("ana-2", "ana"))
    assert not share_a_fate(alias, ana)
    assert share_a_fate(alias, alias)
    assert not share_a_fate(desk, table)


# --------------------------------------------------------------------------- who is on which rung


def names(rung: int, place: World | None = None, team: Owner | None = None, *, pages: bool = True) -> list[str]:
    place = place or world(team)
    return sorted(p.route for p in audience(place.owners["pay"], place, NOW, rung, pages=pages))


def test_the_rungs_are_cumulative() -> None:
    """Routes and level 1; level 2 and the head; members; fallback; the last resort with its pages."""
    assert names(0) == [ALIAS, "ana"]
    assert names(1) == [ALIAS, "ana", "bo", "hana"]
    assert names(2) == [ALIAS, "ana", "bo", "cy", "di", "hana"]
    assert names(3) == [ALIAS, "ana", "bo", "cy", "di", "fay", "hana"]
    assert names(4) == [ALIAS, "ana", "bo", "cy", "di", "fay", "hana", "lars", PAGER]
    assert names(4, pages=False) == [ALIAS, "ana", "bo", "cy", "di", "fay", "hana", "lars"]


def test_why_somebody_hears_of_it() -> None:
    """The first reason that named a route stands, in words for the person who reads it."""
    place = world(owner(members=("ana", "cy")), roster(until=madrid("2026-11-16 09:00")))
    told_ = {p.route: p for p in audience(place.owners["pay"], place, NOW, 4)}
    assert told_["ana"].why == "on call for pay until Mon 16 Nov 09:00"
    assert told_["bo"].why == "second on call for pay until Mon 16 Nov 09:00"
    assert [told_[n].why for n in (ALIAS, "hana", "cy", "fay", "lars")] == [
        "a route of pay",
        "head of pay",
        "member of pay",
        "fallback of pay",
        "last resort",
    ]
    assert {n: p.rung for n, p in told_.items()} == {
        ALIAS: 0, "ana": 0, "bo": 1, "hana": 1, "cy": 2, "fay": 3, "lars": 4, PAGER: 4,
    }  # fmt: skip
    assert {n for n, p in told_.items() if p.duty} == {"ana", "bo", "fay", "lars", PAGER}


def test_a_later_rung_that_makes_it_duty_is_not_forgotten() -> None:
    """hana is the head and the fallback: told once, at rung 1, and counted as fallback."""
    place = world(owner(fallback=("hana",)))
    (hana,) = [p for p in audience(place.owners["pay"], place, NOW, 3) if p.route == "hana"]
    assert (hana.rung, hana.duty, hana.why) == (1, True, "head of pay")


def test_people_without_a_roster_are_on_duty() -> None:
    """All of them, at level 1; without `members` they are the members, too."""
    team = owner(roster="", people=("cy", "di"), members=())
    place = world(team)
    assert names(0, place) == [ALIAS, "cy", "di"]
    assert all(p.duty for p in audience(team, place, NOW, 0) if p.person)
    assert [p.key for p in members_of(team, place)] == ["cy", "di"]


def test_members_are_those_of_the_config_else_those_of_the_roster() -> None:
    """The roster knows everybody who has a duty in its window."""
    place = world(owner(members=()))
    assert [p.key for p in members_of(place.owners["pay"], place)] == ["ana", "bo"]
    rota = replace(roster(), members=(Person("di", "di"),))
    assert [p.key for p in members_of(place.owners["pay"], world(owner(members=()), rota))] == ["di", "ana", "bo"]


def test_without_fallback_the_keeper_is() -> None:
    """The people of `[keywatch] owner` stand in."""
    place = world(owner(fallback=()))
    assert {p.key for p in fallback_of(place.owners["pay"], place, NOW)} == {"kim"}
    assert "kim" in names(3, place)


def test_what_has_no_known_owner_is_the_keepers() -> None:
    """`owner = "gone-team"`, or none at all."""
    for name in ("", "gone-team"):
        row = credential(END, owner=name)
        said = decide(madrid("2026-12-07 09:00"), row, episode(row), world())
        assert "kim" in routes(said)


def test_a_person_is_told_on_the_best_proven_route() -> None:
    """The one proven last; without one on all of theirs, page and shared routes aside; never on a dead one."""
    chat = Route("ana-chat", "ana", transport="slack")
    page, shared = Route("ana-page", "ana", page=True), Route("ana-team", "ana", shared=True)
    ana = Person("ana", "ana")

    def known(place: World) -> list[str]:
        return [route.name for route in routes_of(ana, place)]

    place = world(routes=[chat, page, shared])
    newer = replace(place.health["ana"], proven_at=madrid("2026-10-01"))
    assert known(replace(place, health={**place.health, "ana-chat": newer})) == ["ana-chat"]
    assert known(world(routes=[chat, page, shared], unproven=["ana-chat"])) == ["ana"]
    assert known(world(routes=[chat, page, shared], unproven=["ana", "ana-chat"])) == ["ana", "ana-chat"]
    assert known(world(routes=[chat, page, shared], away=["ana"], unproven=["ana-chat"])) == ["ana", "ana-chat"]
    assert known(world(routes=[chat], dead=["ana"], suspect=["ana-chat"])) == ["ana-chat"]
    assert known(world(routes=[chat], dead=["ana", "ana-chat"])) == []


def test_a_page_route_wakes_nobody_before_the_last_rung() -> None:
    """Even where an owner lists one among its routes, or a person has one."""
    team = owner(routes=(ALIAS, PAGER))
    assert PAGER not in names(3, world(team))
    assert PAGER in names(4, world(team))


def test_dead_routes_are_not_sent_to() -> None:
    """Of owners, people and the last resort."""
    place = world(dead=[ALIAS, "ana", "lars", PAGER])
    assert not {ALIAS, "ana", "lars", PAGER} & set(names(4, place))


def test_an_answer_is_worth_asking_for_where_nobody_proven_is_told() -> None:
    """A proven personal route among them: no. A proven one whose person is away counts for nothing: yes."""
    ana, alias = Planned("ana", "ana", 0, "", duty=True), Planned(ALIAS, "", 0, "", duty=False)
    assert not rests_on_unproven([alias, ana], world())
    assert rests_on_unproven([alias, ana], world(unproven=["ana"]))
    assert rests_on_unproven([alias, ana], world(away=["ana"]))
    assert rests_on_unproven([alias], world())
    assert rests_on_unproven([], world())


# --------------------------------------------------------------------------- facts about the roster


def first_rung(rota: OnCall | None, stage: int = 0, place: World | None = None) -> int:
    place = place or world(rota=rota)
    return starting_rung(place.owners["pay"], place, NOW, stage)


@pytest.mark.parametrize(
    ("rota", "rungs"),
    [
        (roster(), [0, 1, 2, 3, 4]),
        (roster(trust=Trust.PLANNED), [1, 2, 3, 3, 4]),
        (roster(trust=Trust.UNKNOWN), [2, 2, 3, 3, 4]),
        (roster((), ()), [2, 2, 2, 3, 4]),
        (roster(()), [2, 2, 2, 3, 4]),
        (roster((), (), trust=Trust.PLANNED), [2, 2, 3, 3, 4]),
        (OnCall("rota"), [2, 2, 3, 3, 4]),
        (roster(inactive=["ana"]), [2, 2, 2, 3, 4]),
        (roster(("zoe",)), [2, 2, 2, 3, 4]),
    ],
)
def test_not_knowing_who_is_on_duty_only_widens(rota: OnCall, rungs: list[int]) -> None:
    """Planned: one rung more. Nobody, inactive, without a route: rung 2 at least. Unknown: both. Never rung 4."""
    assert [first_rung(rota, stage) for stage in range(5)] == rungs


def test_a_duty_that_has_ended_is_nobody_on_duty() -> None:
    """Half-open: at the instant of the hand-over the old shift is over."""
    assert first_rung(roster(until=NOW)) == 2
    assert first_rung(roster(until=NOW + timedelta(seconds=1))) == 0


def test_a_roster_nobody_asked_is_unknown() -> None:
    """An owner whose roster reference has no answer at all."""
    place = replace(world(), on_call={})
    assert first_rung(None, 0, place) == 2


def test_of_two_on_call_one_without_a_route_lets_the_next_level_join() -> None:
    """Level 1 is not whole: rung 1 at least, so that bo hears of it in the same call; whole again, rung 0."""
    for rota in (roster(("ana", "zoe")), roster(("ana", "cy"), inactive=["cy"])):
        place = world(rota=rota)
        assert first_rung(rota) == 1
        assert routes(first_call(place)) == [ALIAS, "ana", "bo", "hana"]
    assert first_rung(roster(("ana", "cy"))) == 0


def test_losing_one_of_two_on_call_never_narrows() -> None:
    """cy was told and did not count, so the head joined; with cy gone the head still hears of it."""
    team, both = owner(routes=()), ("ana", "cy")
    before = world(team, roster(both), unproven=EVERYBODY_UNPROVEN, suspect=["cy"])
    after = world(team, roster(both, inactive=["cy"]), unproven=EVERYBODY_UNPROVEN, inactive=["cy"])
    assert routes(first_call(before)) == ["ana", "bo", "cy", "hana"]
    assert routes(first_call(after)) == ["ana", "bo", "hana"]


def test_an_inactive_person_is_not_told() -> None:
    """Members and heads who left are skipped."""
    assert names(2, world(inactive=["cy", "hana"])) == [ALIAS, "ana", "bo", "di"]


# --------------------------------------------------------------------------- foreseen before sending


def first_call(place: World) -> Decision:
    return decide(NOW, ROW, episode(ROW), place)


def test_cover_is_foreseen_before_sending() -> None:
    """The audience of the rung would be enough: nobody else is told."""
    assert routes(first_call(world())) == [ALIAS, "ana"]
    assert routes(first_call(world(unproven=EVERYBODY_UNPROVEN))) == [ALIAS, "ana"]


def test_what_would_not_be_enough_is_widened_in_the_same_decision() -> None:
    """No alias and ana unproven: level 2 and the head join at once, at the rung at which they stand."""
    place = world(owner(routes=()), unproven=EVERYBODY_UNPROVEN)
    said = first_call(place)
    assert [(p.route, p.rung) for p in said.notices] == [("ana", 0), ("bo", 1), ("hana", 1)]
    assert said.rung == 0


def test_widening_goes_as_far_as_it_must() -> None:
    """All but the last resort are suspect: everybody is told, and without its pages as long as others live."""
    place = world(suspect=[n for n in EVERYBODY_UNPROVEN if n not in ("lars", PAGER)])
    assert routes(first_call(place)) == [ALIAS, "ana", "bo", "cy", "di", "fay", "hana", "lars"]


def test_before_the_last_24_hours_a_page_only_where_nothing_else_is_alive() -> None:
    """Everything but the pager is dead: it is used. One suspect route lives: it is not. In the last 24 h it is."""
    others = [n for n in (*EVERYBODY_UNPROVEN, ALIAS) if n != PAGER]
    assert routes(first_call(world(dead=others))) == [PAGER]
    place = world(dead=[n for n in others if n != "di"], suspect=["di"])
    assert routes(first_call(place)) == ["di"]
    close = decide(CLOSE, ROW, episode(ROW), place)
    assert routes(close) == ["di", PAGER]


def test_a_call_that_reaches_nobody_is_uncovered_at_once() -> None:
    """No living route anywhere: nothing to send, uncovered, and looked at again in the next run."""
    said = first_call(world(dead=[*EVERYBODY_UNPROVEN, ALIAS]))
    assert (said.notices, said.uncovered, said.next_at) == ((), True, NOW)


# --------------------------------------------------------------------------- judged at acceptance


def after(*notices: Told, place: World | None = None, covered: str = "") -> Decision:
    """What is decided an hour after the 14d call, told to `notices`."""
    start = madrid("2026-11-30 09:00")
    open_ = episode(ROW, calls=(call("14d@2026-11-30", start, *notices, asks=False),), covered=covered)
    return decide(start + HOUR, ROW, open_, place or world(unproven=EVERYBODY_UNPROVEN))


ACCEPTED, FAILED, WAITING, PENDING = Standing.ACCEPTED, Standing.FAILED, Standing.WAITING, Standing.PENDING


def test_accepted_is_covered() -> None:
    """Alias and the person on call have accepted: judged covered, and nobody else is told."""
    said = after(told(ALIAS), told("ana", duty=True))
    assert (said.covered, said.uncovered, routes(said)) == ("14d@2026-11-30", False, [])


def test_a_refusal_widens_at_once() -> None:
    """The alias was refused: the next rung joins, whatever the hour; told routes are not told again."""
    said = after(told(ALIAS, FAILED), told("ana", duty=True))
    assert (routes(said), said.uncovered, said.covered, said.rung) == (["bo", "hana"], False, "", 0)


def test_waiting_is_neither_covered_nor_uncovered() -> None:
    """Deferred once with more than 24 h left: nobody else yet, and no complaint."""
    said = after(told(ALIAS, WAITING), told("ana", duty=True))
    assert (routes(said), said.uncovered, said.covered) == ([], False, "")


def test_pending_is_waited_for() -> None:
    """What was not tried yet may still accept."""
    said = after(told(ALIAS, PENDING), told("ana", PENDING, duty=True))
    assert (routes(said), said.uncovered, said.covered) == ([], False, "")


@pytest.mark.parametrize(("left", "waits"), [(24 * HOUR, False), (24 * HOUR + timedelta(seconds=1), True)])
def test_in_the_last_24_hours_nothing_waits(left: timedelta, waits: bool) -> None:
    """From 24 h before the expiry on, deferred counts as refused, also where `last` begins later."""
    row = credential(END, "12h", issued=END - 3 * DAY)
    now = END - left
    open_ = episode(row, calls=(call("2d@2026-12-16", now - HOUR, told("ana", WAITING, duty=True), told(ALIAS)),))
    said = decide(now, row, open_, world(unproven=EVERYBODY_UNPROVEN))
    assert said.stage == "2d@2026-12-16"
    assert bool(routes(said)) is not waits


def test_what_was_judged_covered_stays_so_when_a_route_becomes_suspect() -> None:
    """Only hard evidence undoes it: ana fell silent, and the call of yesterday is not said again."""
    place = world(suspect=["ana"], unproven=["bo", "hana"])
    said = after(told(ALIAS), told("ana", duty=True), place=place, covered="14d@2026-11-30")
    assert (routes(said), said.uncovered, said.covered) == ([], False, "14d@2026-11-30")


def test_hard_evidence_undoes_cover() -> None:
    """The bounce came an hour later: ana's route is dead, and the next rung hears of it at once."""
    place = world(dead=["ana"], unproven=["bo", "hana", "cy", "di", "fay"])
    said = after(told(ALIAS), told("ana", duty=True), place=place, covered="14d@2026-11-30")
    assert "bo" in routes(said)


def test_a_dead_route_that_was_not_needed_undoes_nothing() -> None:
    """The alias bounced, ana is proven: still covered."""
    said = after(told(ALIAS), told("ana", duty=True), place=world(dead=[ALIAS]), covered="14d@2026-11-30")
    assert routes(said) == []


def test_cover_is_judged_anew_for_each_call() -> None:
    """Yesterday's 14d was covered; today's 7d was refused and is widened."""
    notices = (told(ALIAS, FAILED), told("ana", FAILED, duty=True))
    open_ = episode(ROW, calls=(call("7d@2026-12-07", CALM, *notices),), covered="14d@2026-11-30", rung=1)
    said = decide(CALM + HOUR, ROW, open_, world())
    assert routes(said) == ["bo", "hana"]


def refusing(place: World) -> tuple[Episode, Decision]:
    """Every notice refused, and asked again until nobody is left."""
    open_ = episode(ROW)
    for _ in range(9):
        said = decide(NOW, ROW, open_, place)
        open_ = applied(NOW, open_, said, lambda _: Standing.FAILED)
        if not said.notices:
            return open_, said
    raise AssertionError("it does not come to an end")


def test_at_the_end_of_the_ladder_it_is_uncovered() -> None:
    """Everybody refused, up to the last resort: uncovered, asked again at once, and no route told twice."""
    open_, said = refusing(world())
    heard = [t.route for t in open_.calls[0].told]
    assert sorted(heard) == [ALIAS, "ana", "bo", "cy", "di", "fay", "hana", "lars"]
    assert (said.uncovered, said.next_at, said.covered) == (True, NOW, "")


def test_the_last_resort_counts_like_the_fallback() -> None:
    """An unproven lars and the alias are two, one of them of the last resort."""
    place = world(dead=[n for n in EVERYBODY_UNPROVEN if n not in ("lars", PAGER)], unproven=["lars", PAGER])
    said = first_call(place)
    assert routes(said) == [ALIAS, "lars"]
    open_ = applied(NOW, episode(ROW), said)
    assert decide(NOW, ROW, open_, place).covered == said.stage


def test_the_owners_calendar_names_the_hand_over() -> None:
    """The end of a shift is shown in the owner's zone."""
    place = world(owner(calendar=calendar()), roster(until=madrid("2026-11-20 18:00")))
    (ana,) = [p for p in first_call(place).notices if p.route == "ana"]
    assert ana.why.endswith("until Fri 20 Nov 18:00")


def test_whom_one_route_does_not_reach_is_told_by_another() -> None:
    """A transport that is down does not kill the route; the person's other routes join, and nobody new for it."""
    place = world(routes=[Route("ana-chat", "ana", transport="slack"), Route("ana-page", "ana", page=True)])
    said = after(told(ALIAS, FAILED), told("ana", FAILED, duty=True), place=place)
    (joined,) = [one for one in said.notices if one.person == "ana"]
    assert (joined.route, joined.rung, joined.duty) == ("ana-chat", 0, True)
    assert {one.person for one in said.notices} == {"ana"}

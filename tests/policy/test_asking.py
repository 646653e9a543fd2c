"""Who is asked in quiet times: shared routes every four weeks, people while they are on duty and little proven."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.model import Duty, Health, HealthState, OnCall, Person, Route, Rules, Trust, World
from keywatch.policy.asking import Asking, Circle, askings, holds, unanswered_at
from keywatch.policy.calendar import is_open, local_day
from tests.policy.build import ALIAS, DAY, HOUR, MADRID, PAGER, calendar, madrid, owner, roster, world

NOW = madrid("2026-11-18 12:00")
"""A Wednesday."""
NEXT = madrid("2026-11-19 09:00")
ISSUER = Route("issuer:ap@example.com", shared=True, mail="ap@example.com")


def circle(
    place: World,
    asked: Mapping[str, datetime] | None = None,
    *,
    owners: tuple[str, ...] = ("pay",),
    issued: Mapping[str, tuple[str, ...]] | None = None,
    since: datetime = NOW,
    now: datetime = NOW,
) -> Circle:
    return Circle(place, owners, issued or {}, asked or {}, since, now)


def proven(place: World, route: str, when: datetime, state: HealthState = HealthState.PROVEN) -> World:
    """The same world, the route proven at another time."""
    return replace(place, health={**place.health, route: Health(state, None, when)})


def fresh(**changes: HealthState) -> World:
    """Everybody proven yesterday, the alias too, but for who is named, who never was."""
    place = world(last_resort=("lars", "kim"))
    health = {name: Health(HealthState.PROVEN, None, NOW - DAY) for name in place.routes}
    return replace(place, health=health | {name: Health(state) for name, state in changes.items()})


def found(one: Circle, route: str) -> Asking | None:
    return next((asking for asking in askings(one) if asking.route == route), None)


def slot(one: Circle, route: str) -> datetime:
    asking = found(one, route)
    assert asking is not None
    return asking.at


# --------------------------------------------------------------------------- shared routes


def test_a_shared_route_that_nobody_ever_answered_for_is_asked_at_the_next_slot() -> None:
    """Not in the middle of the day in which it became known."""
    assert slot(circle(fresh(alias=HealthState.UNPROVEN)), ALIAS) == NEXT


def test_it_is_asked_four_weeks_after_the_last_sign_of_life() -> None:
    """Counted in days: answered on a Wednesday afternoon, asked on a Wednesday at nine."""
    place = proven(fresh(), ALIAS, madrid("2026-11-11 17:40"))
    assert slot(circle(place), ALIAS) == madrid("2026-12-09 09:00")


def test_it_is_asked_four_weeks_after_the_last_question_too() -> None:
    """The later of the two counts; a free day puts it off to the next working day."""
    place = proven(fresh(), ALIAS, madrid("2026-10-01 10:00"))
    assert slot(circle(place, {ALIAS: madrid("2026-11-14 09:00")}), ALIAS) == madrid("2026-12-14 09:00")


def test_an_answer_days_later_does_not_put_the_next_question_off() -> None:
    """Four weeks go from question to question: else a route is asked each 32 days, and a dead one found days later."""
    place = proven(fresh(), ALIAS, madrid("2026-11-06 10:00"))
    assert slot(circle(place, {ALIAS: madrid("2026-11-02 09:00")}), ALIAS) == madrid("2026-11-30 09:00")


def test_a_slot_that_passed_between_two_runs_is_not_missed() -> None:
    """A timer that runs at two in the night asks in the first run after nine o'clock."""
    place, night = fresh(alias=HealthState.UNPROVEN), madrid("2026-11-18 02:00")
    assert slot(circle(place, since=night, now=night + DAY), ALIAS) == madrid("2026-11-18 09:00")


@pytest.mark.parametrize("unasked", ["dead", "page", "nobody's", "no credential"])
def test_what_is_not_asked(unasked: str) -> None:
    """Dead routes are reported, pages wake people, and where nothing hangs on a route nobody needs to read it."""
    place = fresh(alias=HealthState.DEAD if unasked == "dead" else HealthState.UNPROVEN)
    if unasked == "page":
        place = replace(place, routes={**place.routes, ALIAS: Route(ALIAS, shared=True, page=True)})
    if unasked == "nobody's":
        place = replace(place, owners={**place.owners, "pay": owner(routes=())})
    assert found(circle(place, owners=() if unasked == "no credential" else ("pay",)), ALIAS) is None


def test_a_route_without_a_person_is_asked_like_a_shared_one() -> None:
    """A room that nobody has marked as shared is nobody's own either."""
    place = fresh()
    place = replace(place, routes={**place.routes, ALIAS: Route(ALIAS)}, health={})
    assert slot(circle(place), ALIAS) == NEXT


def test_the_last_resort_is_asked_though_no_owner_names_it() -> None:
    """It is needed on the worst day, whoever's credential it is."""
    room = Route("room", shared=True)
    place = replace(fresh(), routes={**fresh().routes, "room": room}, last_resort=("room",))
    asking = found(circle(place), "room")
    assert asking is not None
    assert asking.why == ("when nobody else can be reached",)


def test_the_address_an_issuer_writes_to_is_asked() -> None:
    """Nobody of ours writes there, and a mail of the issuer that nobody reads is how the incident began."""
    place = replace(fresh(), routes={**fresh().routes, ISSUER.name: ISSUER})
    assert found(circle(place), ISSUER.name) is None
    assert slot(circle(place, issued={ISSUER.name: ("pay",)}), ISSUER.name) == NEXT


def test_an_issuer_who_writes_to_one_person_has_that_route_asked() -> None:
    """Cy is on duty nowhere; the mail of an issuer in a mailbox that nobody opens is lost all the same."""
    one, of_cy = circle(fresh(cy=HealthState.UNPROVEN), issued={"cy": ("pay",)}), found(circle(fresh()), "cy")
    assert of_cy is None
    assert slot(one, "cy") == NEXT


def test_two_weeks_without_an_answer_end_as_the_day_begins() -> None:
    """So that it is said in the slot of that day, not of the next."""
    nine = Rules().at
    assert unanswered_at(madrid("2026-11-18 09:00:02"), [owner()], nine) == madrid("2026-12-02")
    assert unanswered_at(madrid("2026-10-20 09:00:02"), [owner()], nine) == madrid("2026-11-03")  # winter time begins
    assert unanswered_at(madrid("2026-11-18 02:00"), [owner()], nine) == madrid("2026-12-01")  # the slot of the 17th


# --------------------------------------------------------------------------- people


def duty(place: World, start: datetime | None, until: datetime | None, level: int = 1, who: str = "cy") -> World:
    """Only this duty is planned; everybody else is on none."""
    duties = (Duty(Person(who, who), level, start, until),)
    return replace(place, on_call={"rota": OnCall("rota", duties, Trust.LIVE)})


@pytest.mark.parametrize("level", [1, 2])
def test_who_is_on_duty_and_never_proved_a_route_is_asked(level: int) -> None:
    """At both levels that hear of START and LATE."""
    one = circle(duty(fresh(cy=HealthState.UNPROVEN), None, None, level))
    asking = found(one, "cy")
    assert asking is not None
    assert (asking.at, asking.person) == (NEXT, "cy")


def test_a_third_level_is_not_asked() -> None:
    """No rung tells them as people on duty."""
    assert found(circle(duty(fresh(cy=HealthState.UNPROVEN), None, None, 3)), "cy") is None


def test_a_duty_is_asked_about_a_week_ahead() -> None:
    """Early enough to mend a route before the shift, on a day on which people work."""
    start = madrid("2026-12-04 09:00")
    asking = found(circle(duty(fresh(cy=HealthState.UNPROVEN), start, start + 7 * DAY)), "cy")
    assert asking is not None
    assert asking.at == madrid("2026-11-27 09:00")
    assert asking.why == ("on call for pay from Fri 4 Dec",)


def test_a_duty_that_is_over_asks_nobody() -> None:
    """A shift of yesterday is no reason."""
    assert found(circle(duty(fresh(cy=HealthState.UNPROVEN), NOW - 7 * DAY, NOW - DAY)), "cy") is None


def test_a_proof_that_holds_for_two_weeks_more_is_enough() -> None:
    """90 days from 10 September end on 9 December: asked from 25 November on, not now."""
    place = duty(proven(fresh(), "cy", madrid("2026-09-10 12:00")), None, None)
    assert slot(circle(place), "cy") == madrid("2026-11-25 09:00")


def test_a_person_is_asked_once_in_two_weeks() -> None:
    """Counted in days from the last question, whichever of their routes it went to."""
    pocket = Route("cy-pocket", "cy", transport="ntfy")
    place = duty(fresh(cy=HealthState.UNPROVEN), None, None)
    place = replace(place, routes={**place.routes, pocket.name: pocket})
    one = circle(place, {"cy": madrid("2026-11-17 09:00")})
    asking = next(asking for asking in askings(one) if asking.person == "cy")
    assert (asking.at, asking.route) == (madrid("2026-12-01 09:00"), "cy-pocket")


def test_a_silent_person_is_asked_although_a_proof_would_still_hold() -> None:
    """Three calls without an answer say more than an answer of last month."""
    place = duty(proven(fresh(), "cy", NOW - 30 * DAY, HealthState.SUSPECT), None, None)
    assert slot(circle(place), "cy") == NEXT


def test_an_inbox_that_cannot_be_read_is_no_reason_to_ask_everybody() -> None:
    """Mail routes count as unproven then; what people answered before still stands."""
    place = duty(proven(fresh(), "cy", NOW - DAY, HealthState.UNPROVEN), None, None)
    assert slot(circle(place), "cy") > NOW + 60 * DAY


def test_who_has_no_living_route_is_not_asked() -> None:
    """They are reported instead."""
    assert found(circle(duty(fresh(cy=HealthState.DEAD), None, None)), "cy") is None


def test_who_has_left_is_not_asked() -> None:
    """A roster that names somebody inactive is reported instead."""
    place = replace(fresh(cy=HealthState.UNPROVEN), on_call={"rota": roster(["cy"], inactive=["cy"])})
    assert found(circle(place), "cy") is None


def test_each_route_of_the_last_resort_is_proven_by_itself() -> None:
    """Kim answers mail every day; the pocket that the last resort would use is asked for all that."""
    pocket, pager = Route("kim-pocket", "kim", transport="ntfy"), Route(PAGER, "lars", page=True)
    place = replace(
        fresh(),
        routes={**fresh().routes, pocket.name: pocket, PAGER: pager},
        last_resort=("kim-pocket", PAGER),
        health={name: health for name, health in fresh().health.items() if name != PAGER},
    )
    assert slot(circle(place), "kim-pocket") == NEXT
    assert found(circle(place), PAGER) is None


def test_two_reasons_make_one_question() -> None:
    """Kim is on duty and in the last resort: one message that says both."""
    place = duty(fresh(kim=HealthState.UNPROVEN), None, NOW + 7 * DAY, who="kim")
    mine = [asking for asking in askings(circle(place)) if asking.person == "kim"]
    assert [one.why for one in mine] == [("on call for pay until Wed 25 Nov", "in the last resort")]


# --------------------------------------------------------------------------- properties


moments = st.integers(-120 * 24, 0).map(lambda hours: NOW + hours * HOUR)


@given(st.none() | moments, st.none() | moments, moments, st.sampled_from(list(HealthState)))
@settings(max_examples=150, deadline=None)
def test_a_slot_is_nine_oclock_on_a_working_day_and_never_before_the_last_run(
    last: datetime | None, before: datetime | None, since: datetime, state: HealthState
) -> None:
    """Whatever happened before; and a route is never asked twice within four weeks but for part of a day.

    Nor within four weeks of any other sign of life; an answer comes up to two weeks after its question.
    """
    place = replace(fresh(), health={**fresh().health, ALIAS: Health(state, None, last), "ana": Health(state)})
    one = circle(place, {ALIAS: before} if before else {}, since=since)
    for asking in askings(one):
        local = asking.at.astimezone(MADRID)
        assert (local.hour, local.minute) == (9, 0)
        assert is_open(calendar(), local_day(calendar(), asking.at))
        assert asking.at >= since
    if alias := found(one, ALIAS):
        assert before is None or alias.at - before > timedelta(days=27)
        answer = before is not None and last is not None and before <= last < before + timedelta(days=14)
        assert last is None or alias.at - last > timedelta(days=13 if answer else 27)


def test_holds_to_the_instant() -> None:
    """A proof of ninety days holds to its end, and not at all once the route is suspect, dead or never proven."""
    window = timedelta(days=90)
    for state, wanted in ((HealthState.PROVEN, True), (HealthState.UNPROVEN, True), (HealthState.SUSPECT, False)):
        assert holds(Health(state, None, NOW - window), window, NOW) is wanted
        assert not holds(Health(state, None, NOW - window), window, NOW + timedelta(seconds=1))
    assert not holds(Health(), window, NOW)

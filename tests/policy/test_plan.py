"""What one episode says, to whom, and how silence climbs: the ladder table row by row.

The credential of `test_stages`: it expires at the midnight of Saturday 19 December 2026 in Madrid, start by is Monday
the 14th. Rung 0 is the alias and ana, rung 1 adds bo and hana, rung 2 cy and di, rung 3 fay, rung 4 lars and the pager.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from keywatch.model import AckKind, Call, Credential, Decision, Episode, EvidenceKind, Route, Standing, Trust, World
from keywatch.policy.plan import decide, next_step
from tests.policy.build import (
    ALIAS,
    DAY,
    EVERYBODY_UNPROVEN,
    HOUR,
    MINUTE,
    PAGER,
    ZULU,
    adds,
    adopted,
    answered,
    applied,
    calendar,
    call,
    credential,
    each_day,
    episode,
    every,
    madrid,
    owner,
    promise,
    roster,
    routes,
    run,
    told,
    world,
    year,
)

END = madrid("2026-12-19")
ROW = credential(END)
WORLD = world()
TICK = timedelta(microseconds=1)
RUNG = [
    [ALIAS, "ana"],
    [ALIAS, "ana", "bo", "hana"],
    [ALIAS, "ana", "bo", "cy", "di", "hana"],
    [ALIAS, "ana", "bo", "cy", "di", "fay", "hana"],
    [ALIAS, "ana", "bo", "cy", "di", "fay", "hana", "lars", PAGER],
]


def said_at(text: str, open_: Episode | None = None, row: Credential = ROW, place: World = WORLD) -> Decision:
    return decide(madrid(text), row, open_ or episode(row), place)


def until(
    text: str, open_: Episode | None = None, row: Credential = ROW, place: World = WORLD, step: timedelta = HOUR
) -> Episode:
    """The episode after a check every hour from 1 November (or its opening) to just before `text`."""
    open_ = open_ or episode(row)
    end, _ = year(row, open_, place, every(step, max(open_.opened_at, madrid("2026-11-01")), madrid(text)))
    return end


# --------------------------------------------------------------------------- the table


@pytest.mark.parametrize(
    ("now", "stage", "rung", "asks"),
    [
        ("2026-11-13 09:00", "30d@2026-11-14", 0, False),
        ("2026-11-30 09:00", "14d@2026-11-30", 0, False),
        ("2026-12-07 09:00", "7d@2026-12-07", 1, True),
        ("2026-12-11 09:00", "2d@2026-12-12", 2, True),
        ("2026-12-15 09:00", "late@2026-12-15", 2, True),
        ("2026-12-18 00:00", "last@2026-12-18", 2, True),
        ("2026-12-19 00:00", "expired@2026-12-19", 2, True),
        ("2026-12-19 04:00", "expired+4h@2026-12-19", 2, True),
        ("2026-12-20 09:00", "expired+1d@2026-12-20", 2, True),
        ("2027-01-02 09:00", "expired+14d@2027-01-02", 2, True),
        ("2028-07-08 09:00", "expired+567d@2028-07-08", 2, True),
    ],
)
def test_each_stage_speaks_at_its_instant_to_its_rung(now: str, stage: str, rung: int, asks: bool) -> None:
    """Nothing a tick before; then the stage, everybody of its rung and of those below, and whether it asks."""
    before = decide(madrid(now) - TICK, ROW, episode(ROW), WORLD)
    assert before.stage != stage
    said = said_at(now)
    assert (said.stage, said.rung, said.asks, routes(said)) == (stage, rung, asks, RUNG[rung])


def test_plan_asks_only_where_it_rests_on_unproven_routes() -> None:
    """ana proven: information. ana unproven: an answer would prove her."""
    assert not said_at("2026-11-13 09:00").asks
    assert said_at("2026-11-13 09:00", place=world(unproven=["ana"])).asks


def test_plan_asks_by_its_state_and_not_by_its_rung() -> None:
    """After a broken promise the rung is 1; the 14d stage still only informs."""
    said = said_at("2026-11-30 09:00", replace(episode(ROW), rung=1))
    assert (said.rung, said.asks, routes(said)) == (1, False, RUNG[1])


def test_the_rung_never_falls() -> None:
    """An episode that has climbed to 3 speaks to rung 3 at every later stage."""
    open_ = replace(episode(ROW), rung=3)
    for now in ("2026-11-13 09:00", "2026-12-07 09:00", "2026-12-15 09:00", "2026-12-19 00:00"):
        said = said_at(now, open_)
        assert (said.rung, routes(said)) == (3, RUNG[3])


def test_a_cron_at_two_in_the_morning_is_only_later() -> None:
    """What was due at 09:00 goes out at 02:00 of the next day; nothing is skipped."""
    _, heard = year(ROW, episode(ROW), WORLD, each_day("02:00", date(2026, 11, 1), date(2026, 12, 19)))
    first = {said.stage.split("@")[0]: now for now, said in reversed(heard)}
    assert first["30d"] == madrid("2026-11-14 02:00")
    assert first["7d"] == madrid("2026-12-08 02:00")
    assert first["late"] == madrid("2026-12-16 02:00")
    assert first["last"] == madrid("2026-12-18 02:00")


def test_after_a_gap_only_the_most_urgent_stage_is_sent() -> None:
    """Three weeks without a run: one call, and what it passed over is recorded as superseded."""
    open_ = until("2026-11-23")
    said = said_at("2026-12-16 12:00", open_)
    assert said.stage == "late@2026-12-16"
    assert said.superseded == ("14d@2026-11-30", "7d@2026-12-07", "2d@2026-12-12", "late@2026-12-15")
    assert said.rung == 2
    _, spoke = run(madrid("2026-12-16 12:00"), ROW, open_, WORLD)
    assert len(spoke) == 1


def test_what_was_superseded_is_not_superseded_twice() -> None:
    """The next stage names only what was due since."""
    open_, _ = run(madrid("2026-12-16 12:00"), ROW, until("2026-11-23"), WORLD)
    assert said_at("2026-12-17 12:00", open_).superseded == ()


def test_what_is_only_silent_is_not_superseded() -> None:
    """In hand, `last` speaks; the question about a renewal that came after it is kept for later."""
    row = credential(END, unconfirmed="v2", changed_at=madrid("2026-12-18 06:00"))
    ack = promise(madrid("2026-12-17 10:00"), madrid("2026-12-19"))
    said = said_at("2026-12-18 07:00", replace(episode(row, madrid("2026-12-17")), acks=(ack,)), row)
    assert said.stage == "last@2026-12-18"
    assert "renewed@2026-12-18" not in said.superseded


# --------------------------------------------------------------------------- the climb clock


def climbs(
    row: Credential, open_: Episode, start: str, end: str, place: World = WORLD, step: timedelta = HOUR
) -> list[tuple[datetime, int]]:
    """When silence climbed, and to which rung, with a check every `step`."""
    found = []
    for now in every(step, madrid(start), madrid(end)):
        open_, spoke = run(now, row, open_, place)
        found += [(now, said.rung) for said in spoke if said.climbed]
    return found


def asked(stage: str, when: str, rung: int, row: Credential = ROW, **more: Any) -> Episode:
    """An episode whose last call was accepted by its whole rung at `when`."""
    moment = madrid(when)
    notices = [told(name, when=moment, rung=n, duty=name == "ana") for n, name in enumerate(RUNG[rung])]
    calls = (call(stage, moment, *notices),)
    return replace(episode(row), rung=rung, told_at=moment, calls=calls, covered=stage, **more)


def test_start_climbs_after_two_working_days_to_rung_two() -> None:
    """Asked on Monday at 09:00: on Wednesday at 09:00 the members join, and silence goes no further."""
    open_ = until("2026-12-09")
    assert open_.rung == 1
    assert decide(madrid("2026-12-09 09:00") - TICK, ROW, open_, WORLD).notices == ()
    said = said_at("2026-12-09 09:00", open_)
    assert (said.stage, said.rung, said.climbed) == ("7d@2026-12-07", 2, True)
    assert routes(said) == ["cy", "di"]
    assert climbs(ROW, open_, "2026-12-09 00:00", "2026-12-15 00:00") == [(madrid("2026-12-09 09:00"), 2)]


def test_a_climb_counts_working_days_only() -> None:
    """Asked on Thursday the 24th: Christmas and the weekend do not count, so Tuesday."""
    place = world(owner(calendar=calendar(holidays=["2026-12-25"])))
    row = replace(credential(madrid("2027-01-09"), place=place), start_from=madrid("2026-12-24 09:00"))
    open_ = asked("7d@2026-12-28", "2026-12-24 11:00", 1, row)
    found = climbs(row, open_, "2026-12-24 12:00", "2026-12-31", place)
    assert found[0] == (madrid("2026-12-29 09:00"), 2)


def test_late_climbs_after_one_working_day_to_rung_three() -> None:
    """Heard first on Tuesday as LATE, at rung 2: on Wednesday at 09:00 the fallback joins."""
    open_ = until("2026-12-16", episode(ROW, madrid("2026-12-14 12:00")))
    assert (open_.rung, open_.told_at) == (2, madrid("2026-12-15 09:00"))
    said = said_at("2026-12-16 09:00", open_)
    assert (said.stage, said.rung, said.climbed, routes(said)) == ("late@2026-12-16", 3, True, RUNG[3])
    assert [rung for _, rung in climbs(ROW, open_, "2026-12-16 00:00", "2026-12-18 00:00")] == [3]


def test_the_last_24_hours_climb_by_the_hour_to_the_last_resort() -> None:
    """`last` at midnight to rung 2, fallback at one, last resort and its pager at two; then nothing more."""
    open_ = episode(ROW, madrid("2026-12-18 00:00"))
    assert climbs(ROW, open_, "2026-12-18 00:00", "2026-12-18 23:00") == [
        (madrid("2026-12-18 01:00"), 3),
        (madrid("2026-12-18 02:00"), 4),
    ]
    heard = []
    for now in every(HOUR, madrid("2026-12-18 00:00"), madrid("2026-12-18 04:00")):
        open_, spoke = run(now, ROW, open_, WORLD)
        heard += [routes(said) for said in spoke]
    assert heard == [RUNG[2], ["fay"], ["lars", PAGER]]


def test_expired_climbs_by_the_hour() -> None:
    """Seen late, after the end: an hour per rung, on a Saturday night."""
    open_ = episode(ROW, madrid("2026-12-19 20:00"))
    assert climbs(ROW, open_, "2026-12-19 20:00", "2026-12-20 08:00") == [
        (madrid("2026-12-19 21:00"), 3),
        (madrid("2026-12-19 22:00"), 4),
    ]


def test_a_short_way_to_the_goal_is_shared_out() -> None:
    """A life of five hours: `2d` half way to start by, then every rung its part of what is left, 30 min at least."""
    row = credential(madrid("2026-12-16 15:00"), "1h", issued=madrid("2026-12-16 10:00"))
    found = climbs(row, episode(row, madrid("2026-12-16 10:00")), "2026-12-16 10:00", "2026-12-16 15:00", step=MINUTE)
    assert found == [
        (madrid("2026-12-16 14:00"), 3),  # LATE begins: half of the hour that was left had passed
        (madrid("2026-12-16 14:30"), 4),
    ]


def test_before_the_expiry_the_hour_is_shared_out_too() -> None:
    """`last` begins 40 minutes before the end: (40 min) / 3 is less than 30 minutes, so 30."""
    row = credential(madrid("2026-12-16 15:00"), "1h", issued=madrid("2026-12-16 08:20"))
    open_ = episode(row, madrid("2026-12-16 14:20"))
    assert climbs(row, open_, "2026-12-16 14:20", "2026-12-16 16:00", step=MINUTE)[:2] == [
        (madrid("2026-12-16 14:50"), 3),
        (madrid("2026-12-16 15:20"), 4),
    ]


def test_what_only_late_allows_waits_for_nine_of_a_working_day() -> None:
    """Unanswered since Monday at rung 2, LATE from Saturday's midnight on: rung 3 joins on Monday, nobody is woken."""
    row = credential(madrid("2026-12-25"))
    assert row.late_at == madrid("2026-12-19")
    open_ = asked("2d@2026-12-16", "2026-12-14 09:00", 2, row)
    found = climbs(row, open_, "2026-12-18 12:00", "2026-12-22")
    assert found == [(madrid("2026-12-21 09:00"), 3)]


def test_the_clock_starts_with_an_acceptance_and_not_with_a_call() -> None:
    """Everything is still pending or waiting: silence does not count yet."""
    moment = madrid("2026-12-18 00:00")
    notices = [told(name, Standing.PENDING) for name in RUNG[2]]
    open_ = replace(episode(ROW), rung=2, calls=(call("last@2026-12-18", moment, *notices),))
    assert decide(moment + 5 * HOUR, ROW, open_, WORLD).climbed is False


def test_a_later_stage_does_not_restart_the_clock() -> None:
    """Asked by 7d on Monday, said again by 2d on Friday: the clock still stands at Monday."""
    open_ = asked("7d@2026-12-07", "2026-12-07 09:00", 2)
    after, spoke = run(madrid("2026-12-11 09:00"), ROW, open_, WORLD)
    assert [said.stage for said in spoke] == ["2d@2026-12-12"]
    assert after.told_at == madrid("2026-12-07 09:00")


def test_a_call_that_does_not_ask_never_climbs() -> None:
    """A stage that only informs waits for no answer."""
    moment = madrid("2026-12-07 09:00")
    quiet = replace(asked("7d@2026-12-07", "2026-12-07 09:00", 1), calls=(Call("7d@2026-12-07", moment, asks=False),))
    assert not decide(madrid("2026-12-09 09:00"), ROW, replace(quiet, covered="7d@2026-12-07"), WORLD).climbed


def test_plan_never_climbs() -> None:
    """Unproven and unanswered for weeks: rung 0 until START."""
    place = world(unproven=EVERYBODY_UNPROVEN)
    open_ = until("2026-12-07 09:00", place=place)
    assert (open_.rung, open_.told_at) == (0, madrid("2026-11-13 09:00"))


def test_a_climb_tells_only_routes_not_yet_used_in_this_call() -> None:
    """hana is head and member: she is not told a second time when the members join."""
    place = world(owner(members=("hana", "cy")))
    open_ = until("2026-12-09", place=place)
    assert routes(said_at("2026-12-09 09:00", open_, place=place)) == ["cy"]


def test_a_rung_that_adds_nobody_does_not_cost_a_wait() -> None:
    """No fallback of their own and no keeper but ana: the climb from 2 in the last 24 h reaches the last resort."""
    place = world(owner(fallback=("ana",)))
    open_, _ = run(madrid("2026-12-18 00:00"), ROW, episode(ROW), place)
    said = said_at("2026-12-18 01:00", open_, place=place)
    assert (said.rung, routes(said)) == (4, ["lars", PAGER])


def test_another_route_of_somebody_who_heard_does_not_delay_the_climb() -> None:
    """The fallback is dead and ana is not proven any more: her mail is added, and lars is told in the same hour."""
    chat = Route("ana-chat", "ana", transport="slack")
    open_, _ = run(madrid("2026-12-18 00:00"), ROW, episode(ROW), world(dead=["fay"], unproven=["ana"], routes=[chat]))
    assert "ana" not in {t.route for t in open_.calls[-1].told}
    place = world(dead=["fay"], unproven=["ana", "ana-chat"], routes=[chat])
    said = said_at("2026-12-18 01:00", open_, place=place)
    assert (said.rung, routes(said)) == (4, ["ana", "lars", PAGER])


def test_the_last_rung_uses_its_pages_whatever_their_person_has_had() -> None:
    """lars is a member, too: told by mail long ago, and paged now."""
    place = world(owner(members=("lars",), fallback=()))
    open_, _ = run(madrid("2026-12-18 00:00"), ROW, episode(ROW), place)
    assert "lars" in [t.route for t in open_.calls[-1].told]
    open_, _ = run(madrid("2026-12-18 01:00"), ROW, open_, place)
    assert routes(said_at("2026-12-18 02:00", open_, place=place)) == [PAGER]


def test_an_answer_stops_the_climb_and_restarts_the_clock() -> None:
    """Taken on Tuesday until Friday: nothing on Wednesday."""
    open_ = answered(until("2026-12-08 12:00"), promise(madrid("2026-12-08 12:00"), madrid("2026-12-12")))
    assert not adds(said_at("2026-12-09 09:00", open_))
    assert not adds(said_at("2026-12-11 09:00", open_))


def test_planned_duty_is_one_rung_more_in_climbs_too() -> None:
    """The roster does not answer: 7d goes to rung 2, and the climb to 2 tells the fallback."""
    place = world(rota=roster(trust=Trust.PLANNED))
    open_ = until("2026-12-09", place=place)
    assert open_.rung == 1
    assert [t.route for t in open_.calls[-1].told if t.route == "cy"] == ["cy"]
    assert routes(said_at("2026-12-09 09:00", open_, place=place)) == ["fay"]


# --------------------------------------------------------------------------- promises that were not kept


def lapsing(rung: int, given: str, ends: str, **more: Any) -> Episode:
    """Taken by cy at `given` until `ends`, after a call at `rung`."""
    open_ = asked("7d@2026-12-07", "2026-12-07 09:00", rung, **more)
    return answered(open_, promise(madrid(given), madrid(ends), "cy"))


def test_a_lapse_resumes_one_rung_higher_and_tells_the_giver() -> None:
    """Rung 1 was asked, cy promised until Wednesday: on Thursday at 09:00 rung 2, and cy is told of the promise."""
    open_ = lapsing(0, "2026-12-07 12:00", "2026-12-10")
    said = said_at("2026-12-10 09:00", open_)
    assert (said.stage, said.rung, said.climbed, said.asks) == ("lapsed@2026-12-09", 1, True, True)
    assert routes(said) == [ALIAS, "ana", "bo", "cy", "hana"]
    (cy,) = [p for p in said.notices if p.person == "cy"]
    assert cy.why == "you promised it until 9 Dec"


def test_a_giver_who_has_left_is_not_told() -> None:
    """The promise of somebody who is gone lapses; nobody writes to them."""
    place = world(inactive=["cy"])
    open_ = lapsing(0, "2026-12-07 12:00", "2026-12-10")
    assert routes(said_at("2026-12-10 09:00", open_, place=place)) == RUNG[1]


@pytest.mark.parametrize(
    ("rung", "now", "given", "ends", "expected"),
    [
        (2, "2026-12-10 09:00", "2026-12-07 12:00", "2026-12-10", 3),
        (3, "2026-12-10 09:00", "2026-12-07 12:00", "2026-12-10", 3),
        (2, "2026-12-18 09:00", "2026-12-16 12:00", "2026-12-18", 3),
        (3, "2026-12-18 09:00", "2026-12-16 12:00", "2026-12-18", 4),
        (3, "2026-12-23 09:00", "2026-12-21 12:00", "2026-12-23", 4),
    ],
)
def test_a_lapse_climbs_over_the_ceiling_and_to_the_last_resort_only_in_the_last_24_hours(
    rung: int, now: str, given: str, ends: str, expected: int
) -> None:
    """START stops silence at 2, a broken promise goes to 3; 4 only from the last 24 h on."""
    said = said_at(now, lapsing(rung, given, ends))
    assert said.stage.startswith("lapsed@")
    assert said.rung == expected


def test_a_lapse_on_the_day_of_a_stage_speaks_alone_and_at_its_rung() -> None:
    """The promise ends on the morning of 2d: one call, `lapsed`, at the rung that 2d has."""
    open_ = lapsing(0, "2026-12-07 12:00", "2026-12-11")
    _, spoke = run(madrid("2026-12-11 09:00"), ROW, open_, WORLD)
    assert [(said.stage, said.rung) for said in spoke] == [("lapsed@2026-12-10", 2)]


def test_a_lapse_that_was_passed_over_still_climbs() -> None:
    """No run from Thursday to Friday noon: 2d is the most urgent, it resumes one rung higher, the giver is told."""
    open_ = asked("7d@2026-12-07", "2026-12-07 09:00", 2)
    open_ = answered(open_, promise(madrid("2026-12-07 12:00"), madrid("2026-12-10"), "kim"))
    said = said_at("2026-12-11 12:00", open_)
    assert (said.stage, said.rung, said.climbed) == ("2d@2026-12-12", 3, True)
    assert "lapsed@2026-12-09" in said.superseded
    assert [p.why for p in said.notices if p.person == "kim"] == ["you promised it until 9 Dec"]


def test_a_lapse_is_counted_once() -> None:
    """The stage after the lapse stays at the rung the lapse has reached."""
    open_ = lapsing(1, "2026-12-07 12:00", "2026-12-10")
    open_, _ = run(madrid("2026-12-10 09:00"), ROW, open_, WORLD)
    assert open_.rung == 2
    assert said_at("2026-12-11 09:00", open_).rung == 2


def test_extended_before_its_end_it_does_not_climb() -> None:
    """A second promise before the first has ended: no lapse, the rung stays."""
    open_ = lapsing(1, "2026-12-07 12:00", "2026-12-10")
    open_ = answered(open_, promise(madrid("2026-12-09 12:00"), madrid("2026-12-11"), "cy", number=2))
    assert not adds(said_at("2026-12-10 09:00", open_))
    said = said_at("2026-12-11 09:00", open_)
    assert (said.stage, said.rung) == ("lapsed@2026-12-10", 2)


@pytest.mark.parametrize(
    "place", [world(inactive=["cy"]), world(dead=["cy"]), replace(WORLD, people={"ana": WORLD.people["ana"]})]
)
def test_a_promise_is_void_when_its_giver_is_gone(place: World) -> None:
    """Inactive, without a living route, or unknown: it ends now and lapses at the next 09:00."""
    open_ = lapsing(0, "2026-12-07 12:00", "2026-12-31")
    said = said_at("2026-12-09 12:00", open_, place=place)
    assert said.void == (1,)
    assert said.next_at == madrid("2026-12-10 09:00")
    after = applied(madrid("2026-12-09 12:00"), open_, said)
    assert said_at("2026-12-10 09:00", after, place=place).stage == "lapsed@2026-12-09"


def test_a_giver_who_can_still_be_reached_keeps_the_promise() -> None:
    """One of two routes is dead, or the duty has changed: nothing is void."""
    open_ = lapsing(0, "2026-12-07 12:00", "2026-12-31")
    place = world(rota=roster(("bo",)), dead=["cy"], routes=[Route("cy-2", "cy")])
    assert said_at("2026-12-09 12:00", open_, place=place).void == ()


def test_in_hand_only_the_end_speaks() -> None:
    """Promised until after the expiry: `last` and `expired` go out, and they climb like any other."""
    open_ = lapsing(2, "2026-12-07 12:00", "2026-12-31")
    nights = every(HOUR, madrid("2026-12-08 00:00"), madrid("2026-12-18 00:00"))
    heard = [said for now in nights if adds(said := decide(now, ROW, open_, WORLD))]
    assert heard == []
    assert said_at("2026-12-18 00:00", open_).stage == "last@2026-12-18"
    assert said_at("2026-12-19 00:00", open_).stage == "expired@2026-12-19"
    open_, _ = run(madrid("2026-12-18 00:00"), ROW, open_, WORLD)
    assert routes(said_at("2026-12-18 01:00", open_)) == ["fay"]


def test_whoever_takes_the_last_call_stops_its_climb() -> None:
    """`last` told rung 2, ana takes it ten minutes later: no fallback, no pager."""
    open_, _ = run(madrid("2026-12-18 00:00"), ROW, episode(ROW), WORLD)
    open_ = answered(open_, promise(madrid("2026-12-18 00:10"), madrid("2026-12-19"), kind=AckKind.BEGUN))
    assert not adds(said_at("2026-12-18 03:00", open_))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-20 10:00", "2026-11-25 09:00"),
        ("2026-11-25 09:00", "2026-11-30 09:00"),
        ("2026-12-07 11:00", "2026-12-08 23:00"),
        ("2026-12-08 23:00", "2026-12-09 09:00"),
        ("2026-12-15 10:00", "2026-12-16 09:00"),
    ],
)
def test_when_to_look_again(now: str, expected: str) -> None:
    """The hand-over of duty, the next stage, the end of a promise, the lapse after it, the next day of LATE."""
    place = world(rota=roster(until=madrid("2026-11-25 09:00")))
    ack = promise(madrid("2026-12-07 10:00"), madrid("2026-12-08 23:00"), "cy")
    held = replace(until(now, place=place), acks=(ack,)) if now > "2026-12-07" else until(now, place=place)
    open_, _ = run(madrid(now), ROW, held, place)
    assert said_at(now, open_, place=place).next_at == madrid(expected)


def test_the_beginning_of_start_is_an_instant_to_look_at() -> None:
    """The exact 7d stage falls on the day of a lapse and is not said; silence may climb from then on all the same."""
    row = credential(madrid("2026-12-19 06:30"), "36h")
    assert row.start_from == madrid("2026-12-10 18:30")
    open_ = replace(episode(row, madrid("2026-12-08")), acks=(promise(madrid("2026-12-08"), madrid("2026-12-10")),))
    open_, _ = run(madrid("2026-12-10 10:00"), row, open_, WORLD)
    assert [one.stage for one in open_.calls if one.told] == ["lapsed@2026-12-09"]
    assert said_at("2026-12-10 10:00", open_, row).next_at == row.start_from
    assert climbs(row, open_, "2026-12-10 11:00", "2026-12-15") == [(madrid("2026-12-14 07:00"), 2)]


def test_the_end_of_an_adoption_is_an_instant_to_look_at() -> None:
    """Asked again by `moved` inside the week: silence may climb from the end of the week on."""
    open_ = replace(adopted(ROW, madrid("2026-12-26 13:00")), moved_at=madrid("2026-12-28 11:00"))
    open_, _ = run(madrid("2026-12-28 12:00"), ROW, open_, WORLD)
    quiet = said_at("2026-12-28 13:00", open_)
    assert (adds(quiet), quiet.next_at) == (False, madrid("2027-01-02 13:00"))
    assert said_at("2027-01-02 13:00", open_).rung == 3


# --------------------------------------------------------------------------- silences


def test_a_silence_is_counted_against_the_person_on_duty() -> None:
    """7d asked ana, bo and others and nobody answered: ana of level 1 was silent, nobody else, and not the alias."""
    open_ = until("2026-12-09")
    (silence,) = said_at("2026-12-09 09:00", open_).silent
    assert (silence.kind, silence.route, silence.person) == (EvidenceKind.SILENCE, "ana", "ana")
    assert silence.at == madrid("2026-12-07 09:00")
    assert silence.detail == "paygate 7d@2026-12-07"


def test_an_answered_or_unasked_call_is_no_silence() -> None:
    """An ack since the call, a call that only informed, a route that did not accept: nothing is counted."""
    open_ = until("2026-12-09")
    taken = answered(open_, replace(promise(madrid("2026-12-08"), madrid("2026-12-08 12:00")), void_at=None))
    assert said_at("2026-12-11 09:00", taken).silent == ()
    assert said_at("2026-12-07 09:00", until("2026-12-07")).silent == ()
    refused = replace(open_.calls[-1], told=tuple(replace(t, standing=Standing.FAILED) for t in open_.calls[-1].told))
    assert said_at("2026-12-11 09:00", replace(open_, calls=(*open_.calls[:-1], refused))).silent == ()


def test_the_next_stage_judges_the_last_one() -> None:
    """Nobody answered 7d when 2d speaks."""
    open_ = asked("7d@2026-12-07", "2026-12-07 09:00", 2)
    assert [e.route for e in said_at("2026-12-11 09:00", open_).silent] == []
    first = [replace(t, rung=0) if t.route == "ana" else t for t in open_.calls[0].told]
    again = replace(open_, calls=(replace(open_.calls[0], told=tuple(first)),))
    assert [e.route for e in said_at("2026-12-11 09:00", again).silent] == ["ana"]


# --------------------------------------------------------------------------- adoption


def test_adoption_asks_at_rung_one_and_does_not_climb() -> None:
    """One message; nothing for seven days, whatever stages pass; the ladder speaks after the week."""
    open_ = adopted(ROW, madrid("2026-12-03 10:00"))
    open_, heard = year(ROW, open_, WORLD, every(HOUR, madrid("2026-12-03 10:00"), madrid("2026-12-11 09:00")))
    assert [(now, said.stage, said.asks, routes(said)) for now, said in heard] == [
        (madrid("2026-12-04 09:00"), "adopted@2026-12-03", True, RUNG[1])
    ]
    assert said_at("2026-12-11 09:00", open_).stage == "2d@2026-12-12"


def test_adopted_for_a_plan_the_rung_does_not_fall_when_it_speaks_again() -> None:
    """Asked at rung 1 in PLAN: a week later the 30d stage is told to the same people, and only informs."""
    row = credential(madrid("2027-01-23"))
    open_ = adopted(row, madrid("2026-12-21 10:00"))
    open_, _ = year(row, open_, WORLD, every(HOUR, madrid("2026-12-21 10:00"), madrid("2026-12-28 11:00")))
    said = said_at("2026-12-29 09:00", open_, row)
    assert (said.stage, said.rung, said.asks, routes(said)) == ("30d@2026-12-19", 1, False, RUNG[1])


def test_a_broken_promise_of_an_adoption_resumes_one_rung_higher() -> None:
    """Taken on the day it was asked, until the end of the week, and not kept."""
    open_ = adopted(ROW, madrid("2026-12-03 10:00"))
    open_, _ = run(madrid("2026-12-04 09:00"), ROW, open_, WORLD)
    open_ = answered(open_, promise(madrid("2026-12-04 10:00"), madrid("2026-12-10"), "cy"))
    said = said_at("2026-12-10 09:00", open_)
    assert (said.stage, said.rung, routes(said)) == ("lapsed@2026-12-09", 2, RUNG[2])


def test_what_was_expired_when_seen_never_climbs_past_three() -> None:
    """Not in the week, not an hour after it, not by a broken promise a month later."""
    open_ = adopted(ROW, madrid("2026-12-26 13:00"))
    open_, heard = year(ROW, open_, WORLD, every(HOUR, madrid("2026-12-26 13:00"), madrid("2027-01-12 00:00")))
    assert heard[0][0] == madrid("2026-12-27 09:00")
    assert [(now, said.rung) for now, said in heard[1:3]] == [
        (madrid("2027-01-03 09:00"), 2),
        (madrid("2027-01-03 10:00"), 3),
    ]
    assert max(said.rung for _, said in heard) == 3
    assert not {"lars", PAGER} & {p.route for _, said in heard for p in said.notices}
    open_ = answered(open_, promise(madrid("2027-01-12 10:00"), madrid("2027-01-13")))
    assert said_at("2027-01-13 09:00", open_).rung == 3


def test_an_adoption_does_not_climb_before_it_has_spoken_again() -> None:
    """The week ends on Saturday at 13:00; nothing is said until Sunday at 09:00."""
    open_ = adopted(ROW, madrid("2026-12-26 13:00"))
    open_, _ = run(madrid("2026-12-27 09:00"), ROW, open_, WORLD)
    assert not adds(said_at("2027-01-02 15:00", open_))


def test_what_expires_in_the_week_of_its_adoption_climbs_like_any_other() -> None:
    """Seen five days before the end: the ladder, the hourly climb of the last day, and no `+4h`."""
    open_ = adopted(ROW, madrid("2026-12-14 13:00"))
    _, heard = year(ROW, open_, WORLD, every(HOUR, madrid("2026-12-14 13:00"), madrid("2026-12-20 00:00")))
    assert heard[0][1].stage == "late@2026-12-15"
    assert max(said.rung for _, said in heard) == 4
    assert not [said for _, said in heard if "+4h" in said.stage or "adopted" in said.stage]


def test_the_last_24_hours_end_the_rest_after_an_adoption() -> None:
    """Expiring an hour after the week: `last` speaks in the week, to rung 2, and climbs by the hour."""
    open_ = adopted(ROW, END - 7 * DAY - HOUR)
    _, heard = year(ROW, open_, WORLD, every(HOUR, open_.opened_at, END))
    assert [(now, said.stage.split("@")[0], said.rung) for now, said in heard] == [
        (madrid("2026-12-14 09:00"), "adopted", 1),
        (madrid("2026-12-18 00:00"), "last", 2),
        (madrid("2026-12-18 01:00"), "last", 3),
        (madrid("2026-12-18 02:00"), "last", 4),
    ]


# --------------------------------------------------------------------------- moved, unconfirmed, environments, robots


def test_moved_speaks_at_once_and_keeps_the_rung() -> None:
    """At three on a Sunday morning, to the rung of the stage that is reached or of the episode."""
    moved = madrid("2026-12-13 03:00")
    open_ = replace(episode(ROW), moved_at=moved)
    said = decide(moved, ROW, open_, WORLD)
    assert (said.stage, said.rung, said.asks) == ("moved@2026-12-19", 2, True)
    assert decide(moved, ROW, replace(open_, rung=3), WORLD).rung == 3


def test_an_unconfirmed_renewal_climbs_to_two_until_the_last_24_hours() -> None:
    """Asked at once on a Sunday night at rung 0; LATE does not lift its ceiling; `last` does."""
    seen = madrid("2026-11-15 22:00")
    row = credential(END, unconfirmed="v2", changed_at=seen)
    open_, heard = year(row, episode(row), WORLD, every(HOUR, seen, madrid("2026-12-18 00:00")))
    assert (heard[0][0], heard[0][1].stage, heard[0][1].rung, heard[0][1].asks) == (seen, "renewed@2026-11-15", 0, True)
    assert {said.stage for _, said in heard} == {"renewed@2026-11-15"}
    assert [(now, said.rung) for now, said in heard[1:]] == [
        (madrid("2026-11-17 09:00"), 1),
        (madrid("2026-11-19 09:00"), 2),
    ]
    _, heard = year(row, open_, WORLD, every(HOUR, madrid("2026-12-18 00:00"), madrid("2026-12-18 05:00")))
    assert [said.rung for _, said in heard] == [3, 4]  # nobody has answered for weeks: the clock is not restarted


def test_other_environments_speak_twice_and_never_climb() -> None:
    """Staging: 7d at rung 1, expired at rung 2, and that is all for a year."""
    row = credential(END, env="staging")
    _, heard = year(row, episode(row), WORLD, every(6 * HOUR, madrid("2026-11-01"), madrid("2027-11-01")))
    assert [(said.stage, said.rung, said.climbed) for _, said in heard] == [
        ("7d@2026-12-07", 1, False),
        ("expired@2026-12-19", 2, False),
    ]


def test_a_robot_is_silent_until_overdue_and_two_checks() -> None:
    """Nothing before speaks_from, nothing at the first check that sees it; then the next 09:00."""
    row = credential(madrid("2026-12-31"), "1d", automatic=True, issued=madrid("2026-10-02"))
    assert row.speaks_from is not None
    quiet = decide(row.speaks_from - HOUR, row, episode(row), WORLD)
    assert (adds(quiet), quiet.next_at) == (False, row.speaks_from)
    first = row.speaks_from + HOUR
    seen = replace(row, overdue_seen=first)
    assert not adds(decide(first, seen, episode(row), WORLD))
    said = said_at("2026-12-17 09:00", row=seen)
    assert (said.rung, routes(said)) == (0, RUNG[0])
    _, heard = year(seen, episode(row), WORLD, every(HOUR, first, madrid("2027-01-01")))
    assert {"7d", "2d", "last", "expired"} <= {said.stage.split("@")[0] for _, said in heard}


@pytest.mark.parametrize(
    "changes", [{"active": False}, {"retired_at": END}, {"expires_at": None}, {"automatic": True, "speaks_from": None}]
)
def test_what_must_not_be_spoken_of_is_silent(changes: dict[str, Any]) -> None:
    """Inactive, retired, without a date, or a robot nobody waits for; the rung stays what it was."""
    said = decide(END, replace(ROW, **changes), replace(episode(ROW), rung=3), WORLD)
    assert (adds(said), said.stage, said.rung) == (False, "", 3)


# --------------------------------------------------------------------------- what is announced


def test_the_next_step_names_when_and_who() -> None:
    """After 7d: on Wednesday cy and di join. In PLAN: the next stage, nobody new."""
    open_ = until("2026-12-07 10:00")
    when, people = next_step(madrid("2026-12-07 10:00"), ROW, open_, WORLD)
    assert (when, sorted(people)) == (madrid("2026-12-09 09:00"), ["cy", "di"])
    plan = until("2026-11-14")
    assert next_step(madrid("2026-11-14"), ROW, plan, WORLD) == (madrid("2026-11-30 09:00"), ())


def test_the_calendar_is_the_owners() -> None:
    """A team in UTC hears of the same credential at 09:00 UTC."""
    place = world(owner(calendar=calendar(ZULU)))
    row = credential(END, place=place)
    assert row.start_from is not None
    assert row.start_from.hour == 9

"""From the dates a source gives to the dates that matter, with every boundary as an example."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.dates import lead
from keywatch.errors import DateError
from keywatch.model import Basis, Calendar, Deadline, Rules, State
from keywatch.policy.deadlines import (
    Dates,
    before_stages,
    dated,
    dates,
    effective,
    first_step_due,
    rotation,
    speaks_from,
    start_by,
)
from keywatch.policy.state import state
from tests.policy.build import DAY, HOUR, MADRID, NEW_YORK, ZULU, at, calendar, credential, madrid, owner, world
from tests.policy.test_calendar import calendars, free, frozen

UTC_CALENDAR = calendar(ZULU)
RULES = Rules()
STAGES = (30, 14, 7, 2)


def when(expires: str, needs: str, place: Calendar = UTC_CALENDAR, issued: str = "") -> Dates:
    return dates(place, RULES, at(expires), needs, at(issued) if issued else None)


def first_day(expires: str, needs: str, place: Calendar = UTC_CALENDAR) -> str:
    """Start by as a local date; that it is a midnight is checked on the way."""
    local = start_by(place, at(expires), lead(needs)).astimezone(place.zone)
    assert (local.hour, local.minute) == (0, 0)
    return local.date().isoformat()


# --------------------------------------------------------------------------- which date rules


def dl(day: str, basis: Basis) -> Deadline:
    return Deadline(at(day), basis, "test")


def test_the_earliest_date_that_can_end_it_rules() -> None:
    """ENFORCED, DECLARED and DELETION compete by date; ROTATION and AGE never rule, however early."""
    dates_ = [
        dl("2026-12-19", Basis.ENFORCED),
        dl("2026-12-18", Basis.DECLARED),
        dl("2026-12-17", Basis.DELETION),
        dl("2026-12-01", Basis.ROTATION),
        dl("2026-11-01", Basis.AGE),
    ]
    assert effective(dates_) == dates_[2]
    assert effective(dates_[:2]) == dates_[1]
    assert effective(dates_[3:]) is None
    assert rotation(dates_) == dates_[3]
    assert rotation(dates_[:3]) is None


def test_of_equal_dates_the_enforced_one_is_quoted() -> None:
    """At the same instant the harder basis gives the reason."""
    assert effective([dl("2026-12-19", Basis.DECLARED), dl("2026-12-19", Basis.ENFORCED)]) == dl(
        "2026-12-19", Basis.ENFORCED
    )


# --------------------------------------------------------------------------- start by


@pytest.mark.parametrize(
    ("expires", "needs", "expected"),
    [
        ("2026-12-19", "21bd", "2026-11-20"),
        ("2026-12-19 15:00", "21bd", "2026-11-20"),
        ("2026-12-18 15:00", "1bd", "2026-12-17"),
        ("2026-12-18", "1bd", "2026-12-17"),
        ("2026-12-21", "1bd", "2026-12-18"),
        ("2026-12-19", "3w", "2026-11-27"),
        ("2026-12-18", "3w", "2026-11-27"),
        ("2026-12-17 15:00", "3w", "2026-11-26"),
        ("2026-12-19", "90d", "2026-09-18"),
        ("2026-12-19", "1d", "2026-12-18"),
        ("2026-12-19", "approval=15bd,issue=1bd,deploy=3bd,margin=2bd", "2026-11-20"),
        ("2026-12-21", "approval=5h,deploy=5bd", "2026-12-11"),
        ("2026-12-18 15:00", "0bd", "2026-12-18"),
        ("2026-12-20", "0bd", "2026-12-18"),
    ],
)
def test_start_by_is_the_midnight_of_the_last_day_on_which_work_can_begin(
    expires: str, needs: str, expected: str
) -> None:
    """Whole working days that end at or before the expiry, the first counted; a free day moves to the one before."""
    assert first_day(expires, needs) == expected


def test_both_dates_of_a_freeze_are_frozen() -> None:
    """2 working days before 8 January with a freeze from 21 December to 6 January: 18 December and 7 January."""
    place = calendar(ZULU, freezes=[("2026-12-21", "2027-01-06")])
    assert first_day("2027-01-08", "1bd", place) == "2027-01-07"
    assert first_day("2027-01-08", "2bd", place) == "2026-12-18"
    assert first_day("2027-01-08", "1w", place) == "2026-12-18"


def test_holidays_are_no_working_days() -> None:
    """The same 21bd with two holidays on the way begins two working days earlier."""
    place = calendar(ZULU, ["2026-12-07", "2026-12-08"])
    assert first_day("2026-12-19", "21bd", place) == "2026-11-18"


def test_hours_are_exact() -> None:
    """12h is 12 hours of clock time, on whatever day, and LATE begins at that instant."""
    exact = when("2026-12-20 06:30", "12h")
    assert (exact.start_by, exact.late_at, exact.exact) == (at("2026-12-19 18:30"), at("2026-12-19 18:30"), True)


def test_the_whole_start_by_day_is_start_and_the_next_midnight_is_late() -> None:
    """21bd before 2026-12-19: the 20th of November is START to its last second, the 21st is LATE."""
    row = credential("2026-12-19", "21bd", place=(place := world(owner(calendar=UTC_CALENDAR))))
    assert row.start_by == at("2026-11-20")
    assert row.late_at == at("2026-11-21")
    assert state(row, at("2026-11-20")) is State.START
    assert state(row, at("2026-11-20 23:59:59")) is State.START
    assert state(row, at("2026-11-21")) is State.LATE
    assert dated(row, UTC_CALENDAR, place.rules) == row


def test_late_is_never_after_the_expiry() -> None:
    """No lead time left: what expires at 15:00 of its own start-by day is late no later than that."""
    assert when("2026-12-18 15:00", "0bd").late_at == at("2026-12-18 15:00")


def test_days_are_the_owners() -> None:
    """19 December in Madrid begins on the 18th in UTC: the whole 18th is gone a few hours earlier than in New York."""
    assert dates(calendar(MADRID), RULES, madrid("2026-12-19"), "1bd").start_by == madrid("2026-12-18")
    assert first_day("2026-12-19", "1bd", calendar(MADRID)) == "2026-12-18"
    assert first_day("2026-12-19", "1bd", calendar(NEW_YORK)) == "2026-12-17"


def test_summer_time_changes_hours_and_not_days() -> None:
    """A week over the night the clocks go forward is seven local days; 24h over it are 24 hours."""
    assert start_by(calendar(MADRID), madrid("2026-03-31"), lead("1w")) == madrid("2026-03-24")
    assert start_by(calendar(MADRID), madrid("2026-03-30"), lead("24h")) == madrid("2026-03-29") - HOUR
    assert dates(calendar(NEW_YORK), RULES, at("2026-11-03", NEW_YORK), "1bd").start_by == at("2026-11-02", NEW_YORK)


def test_the_default_lead_time_is_marked_as_assumed() -> None:
    """No lead time: five working days, and it is said that this is a guess."""
    assumed = when("2026-12-19", "")
    assert assumed.start_by == at("2026-12-14")
    assert assumed.assumed
    assert not when("2026-12-19", "5bd").assumed


def test_a_lead_time_out_of_reach_is_an_error() -> None:
    """Before the year 1 nobody can begin."""
    with pytest.raises(DateError, match="out of reach"):
        start_by(UTC_CALENDAR, at("0002-01-05"), lead("9999w"))


# --------------------------------------------------------------------------- short lives


def test_a_lead_time_of_half_the_life_counts_as_a_third() -> None:
    """60 days of life, 30 of lead time: a finding, and 20 days are used; 29 days are taken as they are."""
    half = when("2026-12-31", "30d", issued="2026-11-01")
    assert half.too_long
    assert half.start_by == at("2026-12-11")
    assert not when("2026-12-31", "29d", issued="2026-11-01").too_long


def test_a_third_that_lands_on_a_free_day_moves_to_the_working_day_before() -> None:
    """Work cannot begin on a Sunday, whatever the arithmetic says."""
    assert when("2026-12-31", "30d", issued="2026-11-04").start_by == at("2026-12-11")


def test_a_third_of_a_short_life_is_exact() -> None:
    """Six hours of life: the last two of them are the lead time, to the second."""
    short = when("2026-12-19 06:00", "5bd", issued="2026-12-19 00:00")
    assert (short.start_by, short.exact, short.too_long) == (at("2026-12-19 04:00"), True, True)


def test_the_last_24_hours_are_the_last_tenth_of_a_shorter_life() -> None:
    """24 h of a long life, 9 of 90 hours, and 24 h where the life is not known."""
    assert when("2026-12-19", "1h").last_at == at("2026-12-18")
    assert when("2026-12-19", "1h", issued="2026-12-09").last_at == at("2026-12-18")
    assert when("2026-12-19", "1h", issued="2026-12-15 06:00").last_at == at("2026-12-18 15:00")


def test_an_issue_after_the_expiry_is_no_life() -> None:
    """A source that says nonsense changes nothing."""
    assert when("2026-12-19", "5bd", issued="2026-12-20").start_by == at("2026-12-14")


# --------------------------------------------------------------------------- the stages before start by


def test_stages_stand_at_nine_on_their_days() -> None:
    """30, 14, 7 and 2 days before start by, at 09:00 of the owner; a free day moves to the working day before."""
    place = calendar(MADRID)
    found = dict(before_stages(place, RULES, dates(place, RULES, madrid("2026-12-19"), "5bd"), STAGES))
    assert found == {
        30: madrid("2026-11-13 09:00"),
        14: madrid("2026-11-30 09:00"),
        7: madrid("2026-12-07 09:00"),
        2: madrid("2026-12-11 09:00"),
    }


def test_a_frozen_day_does_not_move_a_stage() -> None:
    """A freeze stops work, not messages: the 2d stage stays on the frozen Monday."""
    place = calendar(ZULU, freezes=[("2026-12-14", "2026-12-15")])
    moments = dict(before_stages(place, RULES, dates(place, RULES, at("2026-12-18"), "1bd"), (2, 3)))
    assert moments == {2: at("2026-12-15 09:00"), 3: at("2026-12-14 09:00")}


def test_stages_of_an_exact_start_by_are_exact() -> None:
    """A start by in hours has its stages to the minute, on free days too."""
    assert dict(before_stages(UTC_CALENDAR, RULES, when("2026-12-21 06:30", "12h"), (2,))) == {
        2: at("2026-12-18 18:30")
    }


def test_the_issue_cuts_stages() -> None:
    """What would fall before the issue is left out; a stage exactly at the issue stays."""
    start = dates(UTC_CALENDAR, RULES, at("2027-03-01"), "5bd")
    moments = dict(before_stages(UTC_CALENDAR, RULES, start, STAGES))
    assert moments[14] == at("2027-02-08 09:00")
    exactly = replace(start, issued=at("2027-02-08 09:00"))
    assert [days for days, _ in before_stages(UTC_CALENDAR, RULES, exactly, STAGES)] == [14, 7, 2]
    after = replace(start, issued=at("2027-02-08 09:00:01"))
    assert [days for days, _ in before_stages(UTC_CALENDAR, RULES, after, STAGES)] == [7, 2]


def test_where_no_stage_is_left_two_days_speaks_half_way() -> None:
    """Issued on the 10th at noon, start by the 11th at noon: `2d` speaks at midnight between them."""
    when_ = when("2026-12-12", "12h", issued="2026-12-10 12:00")
    assert before_stages(UTC_CALENDAR, RULES, when_, STAGES) == ((2, at("2026-12-11")),)


def test_half_way_in_days_waits_for_nine() -> None:
    """Half way falls on Wednesday at 18:00: Thursday at 09:00, with the name of the nearest stage of its ladder."""
    friday = when("2026-12-19", "1d", issued="2026-12-15 12:00")
    assert (friday.start_by, friday.exact) == (at("2026-12-18"), False)
    assert before_stages(UTC_CALENDAR, RULES, friday, (7,)) == ((7, at("2026-12-17 09:00")),)


def test_issued_after_start_by_leaves_no_stage_before_it() -> None:
    """Half way from issue to start by does not exist where start by came first."""
    born = replace(when("2026-12-19", "5bd"), issued=at("2026-12-14"))
    assert before_stages(UTC_CALENDAR, RULES, born, STAGES) == ()


def test_plan_and_start_are_the_first_stage_and_the_seventh_day() -> None:
    """`plan_from` is the 30d stage, `start_from` the 7d stage, on the days to which they move."""
    row = credential(madrid("2026-12-19"), "5bd")
    assert (row.plan_from, row.start_from) == (madrid("2026-11-13 09:00"), madrid("2026-12-07 09:00"))
    staging = credential(madrid("2026-12-19"), "5bd", env="staging")
    assert staging.plan_from == staging.start_from == madrid("2026-12-07 09:00")


def test_a_credential_without_a_date_has_no_derived_instants() -> None:
    """What was derived from a date goes with it."""
    bare = dated(replace(credential(), expires_at=None), UTC_CALENDAR, RULES)
    assert (bare.plan_from, bare.start_from, bare.start_by, bare.late_at, bare.speaks_from) == (None,) * 5


def test_the_first_step_is_due_when_the_second_must_begin() -> None:
    """approval, then 3bd of deploying before Saturday the 19th: the approval is due at the midnight of the 16th."""
    assert first_step_due(UTC_CALENDAR, when("2026-12-19", "approval=15bd,deploy=3bd")) == at("2026-12-16")
    assert first_step_due(UTC_CALENDAR, when("2026-12-19", "15bd")) == at("2026-12-19")


# --------------------------------------------------------------------------- automatic


def test_an_automatic_renewal_is_overdue_half_way_through_what_normally_remains() -> None:
    """90 days: renewed on day 60 as a rule, so day 75 is overdue; learnt values replace the third."""
    row = credential("2026-12-31", automatic=True, issued=at("2026-10-02"))
    assert row.speaks_from == at("2026-10-02") + 75 * DAY
    learnt = credential("2026-12-31", automatic=True, issued=at("2026-10-02"), usual_left=10 * DAY)
    assert learnt.speaks_from == at("2026-12-26")


def test_without_an_issue_the_life_begins_when_it_was_first_seen() -> None:
    """Nothing known of its birth: the expiry itself; nothing automatic: no such instant."""
    assert credential("2026-12-31", automatic=True, first_seen=at("2026-12-01")).speaks_from == at("2026-12-26")
    assert credential("2026-12-31", automatic=True).speaks_from == at("2026-12-31")
    assert speaks_from(credential("2026-12-31", issued=at("2026-10-02"))) is None


# --------------------------------------------------------------------------- against a walk over the days, one by one

steps = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(["bd", "d", "w"])).map(lambda pair: (min(pair[0], 12), pair[1])),
    min_size=1,
    max_size=3,
)


def works(place: Calendar, day: date) -> bool:
    return not free(place, day) and not frozen(place, day)


def walk(place: Calendar, expires: datetime, needs: list[tuple[int, str]]) -> date:
    """Start by with a pencil: cross out day after day before the expiry until every step has what it needs."""
    day = expires.astimezone(place.zone).date()
    for amount, unit in reversed(needs):
        left = amount * (7 if unit == "w" else 1)
        while left:
            day -= DAY
            left -= 1 if unit != "bd" or works(place, day) else 0
        while not works(place, day):
            day -= DAY
    return day


@settings(max_examples=200)
@given(calendars, st.integers(0, 60 * 96), steps)
def test_start_by_agrees_with_a_walk(place: Calendar, quarters: int, needs: list[tuple[int, str]]) -> None:
    """Any calendar, any hour of expiry, up to three steps of days, weeks and working days."""
    expires = at("2026-12-01") + quarters * timedelta(minutes=15)
    text = ",".join(f"step {chr(97 + n)}={amount}{unit}" for n, (amount, unit) in enumerate(needs))
    begins = start_by(place, expires, lead(text)).astimezone(place.zone)
    assert begins.date() == walk(place, expires, needs)
    assert (begins.hour, begins.minute) == (0, 0)


@settings(max_examples=100)
@given(calendars, st.integers(20, 200), st.sampled_from(["3bd", "2w", "12h", "5bd"]), st.integers(1, 60))
def test_the_order_of_the_dates_never_breaks(place: Calendar, ahead: int, needs: str, life: int) -> None:
    """start by ≤ late ≤ expires, the stages go forward in time, none before the issue, none after late."""
    expires = at("2026-12-01") + ahead * 12 * HOUR
    when_ = dates(place, RULES, expires, needs, expires - life * DAY)
    assert when_.start_by <= when_.late_at <= expires
    assert when_.last_at < expires
    found = before_stages(place, RULES, when_, STAGES)
    moments = [due for _, due in found]
    assert moments == sorted(moments)
    assert all(expires - life * DAY <= due <= when_.late_at for due in moments)

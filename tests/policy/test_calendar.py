"""Working days: free days stop messages and work, freezes stop work only, and clocks jump twice a year."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.errors import DateError
from keywatch.model import Calendar
from keywatch.policy.calendar import (
    is_open,
    is_working,
    local_day,
    nth_working_day_back,
    open_day_before,
    open_days_after,
    put_off,
    working_day_before,
    working_days_after,
    working_days_between,
)
from tests.policy.build import DAY, MADRID, NEW_YORK, ZULU, at, calendar, madrid

CHRISTMAS = calendar(MADRID, ["2026-12-25", "2027-01-01"], [("2026-12-21", "2027-01-05")])


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("when", "working", "open_"),
    [
        ("2026-12-18", True, True),
        ("2026-12-19", False, False),
        ("2026-12-20", False, False),
        ("2026-12-21", False, True),
        ("2026-12-25", False, False),
        ("2027-01-05", False, True),
        ("2027-01-06", True, True),
    ],
)
def test_a_freeze_stops_work_and_not_messages(when: str, working: bool, open_: bool) -> None:
    """Both dates of a freeze are frozen; a frozen day is no working day and messages still go out on it."""
    assert (is_working(CHRISTMAS, day(when)), is_open(CHRISTMAS, day(when))) == (working, open_)


def test_a_weekend_is_whatever_the_owner_says() -> None:
    """Friday and Saturday off: Sunday is a working day."""
    gulf = Calendar(ZoneInfo("Asia/Dubai"), frozenset({4, 5}))
    assert [is_working(gulf, day("2026-12-17") + n * DAY) for n in range(4)] == [True, False, False, True]


def test_counting_back_counts_the_day_itself() -> None:
    """The first working day back from a working day is that day; from a Sunday it is the Friday before."""
    plain = calendar()
    assert nth_working_day_back(plain, day("2026-12-18"), 1) == day("2026-12-18")
    assert nth_working_day_back(plain, day("2026-12-18"), 5) == day("2026-12-14")
    assert nth_working_day_back(plain, day("2026-12-18"), 6) == day("2026-12-11")
    assert working_day_before(plain, day("2026-12-20")) == day("2026-12-18")


def test_a_working_day_before_a_freeze_is_before_its_first_day() -> None:
    """Frozen days are skipped for work, and messages still find the frozen Monday."""
    assert working_day_before(CHRISTMAS, day("2027-01-05")) == day("2026-12-18")
    assert open_day_before(CHRISTMAS, day("2027-01-01")) == day("2026-12-31")
    assert open_day_before(CHRISTMAS, day("2026-12-21")) == day("2026-12-21")


def test_days_ahead_begin_with_the_day_after() -> None:
    """The first working day after a Friday is Monday; frozen days count for messages and not for work."""
    assert working_days_after(calendar(), day("2026-12-18"), 1) == day("2026-12-21")
    assert working_days_after(CHRISTMAS, day("2026-12-18"), 1) == day("2027-01-06")
    assert open_days_after(CHRISTMAS, day("2026-12-18"), 1) == day("2026-12-21")
    assert open_days_after(CHRISTMAS, day("2026-12-24"), 1) == day("2026-12-28")


def test_working_days_between_is_half_open() -> None:
    """The last date does not count."""
    assert working_days_between(calendar(), day("2026-12-14"), day("2026-12-21")) == 5
    assert working_days_between(calendar(), day("2026-12-18"), day("2026-12-18")) == 0


@pytest.mark.parametrize(
    ("moment", "every_day", "expected"),
    [
        ("2026-12-18 08:59", False, "2026-12-18 09:00"),
        ("2026-12-18 09:00", False, "2026-12-18 09:00"),
        ("2026-12-18 09:00:01", False, "2026-12-21 09:00"),
        ("2026-12-18 09:00:01", True, "2026-12-19 09:00"),
        ("2026-12-24 12:00", False, "2026-12-28 09:00"),
        ("2026-12-24 12:00", True, "2026-12-25 09:00"),
    ],
)
def test_what_is_due_waits_for_nine_o_clock(moment: str, every_day: bool, expected: str) -> None:
    """Put off to the next 09:00 at or after it, of a day on which messages may go out, or of any day."""
    assert put_off(CHRISTMAS, time(9), madrid(moment), every_day=every_day) == madrid(expected)


def test_nine_o_clock_is_the_owners() -> None:
    """The same instant is put off to different hours in Madrid and New York, and the summer time counts."""
    assert put_off(calendar(MADRID), time(9), at("2026-03-27 09:00")) == at("2026-03-30 07:00")
    assert put_off(calendar(NEW_YORK), time(9), at("2026-03-27 09:00")) == at("2026-03-27 13:00")


def test_an_hour_that_does_not_exist_resolves_forward() -> None:
    """02:30 on the night the clocks go forward is 03:30, not a second message or none."""
    assert put_off(calendar(MADRID), time(2, 30), madrid("2026-03-29 00:00"), every_day=True) == at("2026-03-29 01:30")


def test_the_local_day_is_the_owners() -> None:
    """23:30 UTC is already tomorrow in Madrid and still today in New York."""
    assert local_day(calendar(MADRID), at("2026-12-18 23:30")) == day("2026-12-19")
    assert local_day(calendar(NEW_YORK), at("2026-12-18 23:30")) == day("2026-12-18")


def test_a_calendar_that_never_opens_says_so() -> None:
    """A weekend of seven days is an error with a hint, not an endless loop."""
    closed = Calendar(ZULU, frozenset(range(7)))
    questions: tuple[Callable[[], object], ...] = (
        lambda: working_day_before(closed, day("2026-12-18")),
        lambda: open_day_before(closed, day("2026-12-18")),
        lambda: open_days_after(closed, day("2026-12-18"), 1),
        lambda: working_days_after(closed, day("2026-12-18"), 1),
        lambda: put_off(closed, time(9), at("2026-12-18")),
    )
    for ask in questions:
        with pytest.raises(DateError, match="no working day"):
            ask()


# --------------------------------------------------------------------------- against a walk over the days, one by one

calendars = st.builds(
    Calendar,
    st.sampled_from([ZULU, MADRID, NEW_YORK]),
    st.frozensets(st.integers(0, 6), max_size=4),
    st.frozensets(st.dates(day("2026-11-01"), day("2027-02-01")), max_size=12),
    st.lists(
        st.dates(day("2026-11-01"), day("2027-01-20")).flatmap(
            lambda first: st.integers(0, 15).map(lambda length: (first, first + length * DAY))
        ),
        max_size=2,
    ).map(tuple),
)


def free(place: Calendar, when: date) -> bool:
    return when.weekday() in place.weekend or when in place.holidays


def frozen(place: Calendar, when: date) -> bool:
    return any(first <= when <= last for first, last in place.freezes)


@settings(max_examples=150)
@given(calendars, st.dates(day("2026-11-15"), day("2027-01-15")), st.integers(1, 30))
def test_counting_agrees_with_a_walk(place: Calendar, start: date, count: int) -> None:
    """Forward and back, the n-th day is what somebody with a paper calendar and a pencil would tick off."""
    back = [d for n in range(300) if not free(place, d := start - n * DAY) and not frozen(place, d)]
    ahead = [d for n in range(1, 300) if not free(place, d := start + n * DAY)]
    work = [d for d in ahead if not frozen(place, d)]
    assert nth_working_day_back(place, start, count) == back[count - 1]
    assert open_days_after(place, start, count) == ahead[count - 1]
    assert working_days_after(place, start, count) == work[count - 1]


@settings(max_examples=150)
@given(calendars, st.integers(0, 90 * 24 * 4), st.sampled_from([time(0), time(2, 30), time(9), time(23, 45)]))
def test_putting_off_agrees_with_a_walk(place: Calendar, quarters: int, clock: time) -> None:
    """The first instant, stepping by the quarter of an hour, whose local clock and day are right."""
    moment = at("2026-11-10") + quarters * timedelta(minutes=15)
    step = moment
    while True:
        local: datetime = step.astimezone(place.zone)
        if local.time() == clock and not free(place, local.date()):
            break
        step += timedelta(minutes=15)
    assert put_off(place, clock, moment) == step

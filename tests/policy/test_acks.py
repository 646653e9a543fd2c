"""Promises: how far each kind may reach, what it names by default, which one holds and which was broken."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from keywatch.errors import KeywatchError
from keywatch.model import Ack, AckKind, Rules
from keywatch.policy.acks import default_day, end_of, holding, in_hand, lapsed, latest_day, promised_day
from keywatch.policy.deadlines import Dates, dates
from tests.policy.build import DAY, HOUR, at, calendar, madrid, promise

PLACE = calendar(holidays=["2026-12-08", "2026-12-25"])
WHEN = dates(PLACE, Rules(), madrid("2026-12-19"), "5bd")
STEPS = dates(PLACE, Rules(), madrid("2026-12-19"), "approval=10bd,deploy=3bd")
ACK, BEGUN = AckKind.ACK, AckKind.BEGUN


def last(kind: AckKind, now: str, when: Dates = WHEN, adopted: datetime | None = None) -> str:
    return latest_day(PLACE, when, kind, madrid(now), adopted).isoformat()


def usual(kind: AckKind, now: str, start: str = "2026-12-04 09:00") -> str:
    return default_day(PLACE, WHEN, kind, madrid(now), madrid(start)).isoformat()


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2026-11-20 10:00", "2026-12-14"),
        ("2026-12-10 23:59", "2026-12-14"),
        ("2026-12-11 00:00", "2026-12-14"),
        ("2026-12-13 10:00", "2026-12-14"),
        ("2026-12-14 10:00", "2026-12-15"),
        ("2026-12-16 10:00", "2026-12-17"),
        ("2026-12-18 10:00", "2026-12-21"),
        ("2026-12-19 00:00", "2026-12-21"),
        ("2026-12-24 10:00", "2026-12-28"),
    ],
)
def test_i_will_begin_by_start_by_at_most(now: str, latest: str) -> None:
    """Up to start by; from three days before it on, and when LATE or EXPIRED, the next working day."""
    assert WHEN.start_by == madrid("2026-12-14")
    assert last(ACK, now) == latest


def test_three_days_before_start_by_the_next_working_day_is_the_bound() -> None:
    """A Monday start by after a free Friday: on the Thursday the bound is Monday, on Wednesday still start by."""
    place = calendar()
    when = dates(place, Rules(), madrid("2026-12-24"), "5bd")
    assert when.start_by == madrid("2026-12-17")
    bounds = [
        latest_day(place, when, ACK, madrid(now), None).isoformat() for now in ("2026-12-13 23:59", "2026-12-14 00:00")
    ]
    assert bounds == ["2026-12-17", "2026-12-15"]


def test_a_begin_never_reaches_past_an_exact_start_by() -> None:
    """Start by on a Wednesday inside a run of holidays: the next working day lies after it and is not allowed."""
    place = calendar(holidays=["2026-12-14", "2026-12-15", "2026-12-16"])
    when = dates(place, Rules(), madrid("2026-12-16 20:00"), "12h")
    assert latest_day(place, when, ACK, madrid("2026-12-12 07:00"), None) == date(2026, 12, 16)


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2026-11-20 10:00", "2026-12-14"),
        ("2026-11-26 10:00", "2026-12-18"),
        ("2026-12-10 10:00", "2026-12-18"),
        ("2026-12-18 10:00", "2026-12-18"),
        ("2026-12-19 10:00", "2026-12-20"),
        ("2027-01-08 10:00", "2027-01-09"),
    ],
)
def test_begun_reaches_to_a_day_before_expiry_and_fifteen_working_days(now: str, latest: str) -> None:
    """One step: a day before expiry, at most 15 working days ahead; after expiry one day."""
    assert last(BEGUN, now) == latest


def test_begun_reaches_to_the_due_date_of_its_step() -> None:
    """While the approval is still to go it bounds the promise; once its date has passed, the day before expiry does."""
    assert last(BEGUN, "2026-12-01 10:00", STEPS) == "2026-12-16"
    assert last(BEGUN, "2026-12-16 00:00", STEPS) == "2026-12-18"


def test_an_answer_to_an_adoption_may_reach_to_its_end() -> None:
    """Seven days, also for what has expired long ago; an ordinary bound that reaches further stays."""
    until = madrid("2027-01-15 12:00")
    assert last(ACK, "2027-01-10 10:00", adopted=until) == "2027-01-15"
    assert last(BEGUN, "2027-01-10 10:00", adopted=until) == "2027-01-15"
    assert last(ACK, "2027-01-15 12:00", adopted=until) == "2027-01-18"
    early = madrid("2026-11-20 12:00")
    assert last(ACK, "2026-11-16 10:00", adopted=early) == "2026-12-14"


def test_what_expires_within_the_week_of_adoption_has_the_ordinary_bounds() -> None:
    """The ladder speaks there, and a promise of a week would outlive the credential."""
    until = madrid("2026-12-20 12:00")
    assert last(ACK, "2026-12-14 10:00", adopted=until) == "2026-12-15"
    assert last(BEGUN, "2026-12-14 10:00", adopted=until) == "2026-12-18"


@pytest.mark.parametrize(
    ("kind", "now", "day"),
    [
        (ACK, "2026-12-09 10:00", "2026-12-10"),
        (ACK, "2026-12-11 10:00", "2026-12-14"),
        (ACK, "2026-12-20 10:00", "2026-12-21"),
        (ACK, "2026-11-20 10:00", "2026-12-03"),
        (BEGUN, "2026-12-01 10:00", "2026-12-09"),
        (BEGUN, "2026-12-16 10:00", "2026-12-18"),
        (BEGUN, "2026-12-20 10:00", "2026-12-21"),
    ],
)
def test_without_until(kind: AckKind, now: str, day: str) -> None:
    """`ack`: the next working day, before START the day before it; `--begun`: 5 working days or the bound."""
    assert usual(kind, now) == day


def test_a_promise_names_a_day_between_today_and_its_bound() -> None:
    """Both ends count; what lies outside is refused, and the hint names what would be taken."""
    now = madrid("2026-12-14 10:00")
    for day in (date(2026, 12, 14), date(2026, 12, 15)):
        assert promised_day(PLACE, WHEN, ACK, now, day) == day
    with pytest.raises(KeywatchError, match="in the past") as past:
        promised_day(PLACE, WHEN, ACK, now, date(2026, 12, 13))
    assert past.value.hint == "give a day from 2026-12-14 to 2026-12-15"
    with pytest.raises(KeywatchError, match="too far") as far:
        promised_day(PLACE, WHEN, ACK, now, date(2026, 12, 16))
    assert far.value.hint == "give 2026-12-15 or earlier; if work has begun, say so with --begun"
    with pytest.raises(KeywatchError, match="too far") as begun:
        promised_day(PLACE, WHEN, BEGUN, now, date(2026, 12, 19))
    assert begun.value.hint == "give 2026-12-18 or earlier"


def test_a_promise_ends_with_its_day_in_the_owners_zone() -> None:
    """The 15th ends at midnight in Madrid, an hour before it ends in UTC."""
    assert end_of(PLACE, date(2026, 12, 15)) == madrid("2026-12-16") == at("2026-12-15 23:00")


# --------------------------------------------------------------------------- which one holds

MON = at("2026-12-07 10:00")


def test_the_newest_promise_holds_until_it_ends() -> None:
    """Given and not ended; the instant of its end is outside; what is given later is not known yet."""
    ack = promise(MON, MON + DAY)
    assert holding([ack], MON) == ack
    assert holding([ack], MON + DAY) is None
    assert holding([ack], MON - HOUR) is None
    newer = promise(MON + HOUR, MON + 2 * HOUR, "bo", BEGUN, 2)
    assert holding([ack, newer], MON + HOUR) == newer
    assert holding([ack, newer], MON + 2 * HOUR) is None
    shown = in_hand([ack, newer], MON + HOUR)
    assert shown is not None
    assert (shown.person, shown.until, shown.begun) == ("bo", newer.until, True)


def test_a_void_promise_ends_when_it_became_void() -> None:
    """Void never lengthens."""
    ack = replace(promise(MON, MON + DAY), void_at=MON + HOUR)
    assert holding([ack], MON + HOUR) is None
    assert replace(ack, void_at=MON + 3 * DAY).ends_at == MON + DAY


def extended(by: datetime) -> tuple[Ack, Ack]:
    return promise(MON, MON + DAY), promise(by, MON + 3 * DAY, number=2)


def test_extended_before_its_end_a_promise_is_not_broken() -> None:
    """At or after its end it is; the second one is broken only when it ends itself."""
    first, second = extended(MON + DAY - HOUR)
    assert lapsed([first, second], MON + 2 * DAY) == ()
    assert lapsed([first, second], MON + 3 * DAY) == (second,)
    first, second = extended(MON + DAY)
    assert lapsed([first, second], MON + 2 * DAY) == (first,)
    assert lapsed([first], MON + DAY) == (first,)
    assert lapsed([first], MON + DAY - HOUR) == ()

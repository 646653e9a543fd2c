"""Working days of a real place: free days that move with Easter, that one region has alone, that fall on a weekend."""

import pickle
from collections.abc import Container, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.config.holidays import PublicHolidays
from keywatch.dates import lead
from keywatch.model import Calendar, Rules
from keywatch.policy.calendar import is_open, is_working, nth_working_day_back
from keywatch.policy.deadlines import before_stage, dates, start_by
from tests.policy.build import MADRID, madrid
from tests.servers.need import missing
from tests.story import story as stories
from tests.story.story import Story, telling

FREEZE = ((date(2026, 3, 20), date(2026, 3, 27)),)


@pytest.fixture(autouse=True, scope="module")
def library() -> None:
    """Public holidays are an extra."""
    try:
        import holidays  # noqa: F401
    except ImportError:
        missing("no library of holidays; pip install 'keywatch[holidays]'")


def place(region: str = "MD", country: str = "ES", freezes: Any = ()) -> Calendar:
    return Calendar(MADRID, holidays=PublicHolidays(country, region), freezes=freezes)


@pytest.mark.parametrize(
    ("day", "madrid_works", "catalonia_works"),
    [
        ("2026-04-02", False, True),
        ("2026-04-03", False, False),
        ("2026-04-06", True, False),
        ("2027-03-26", False, False),
        ("2026-03-26", True, True),
        ("2028-05-02", False, True),
        ("2028-09-11", True, False),
        ("2026-10-12", False, False),
    ],
    ids=[
        *("Maundy Thursday", "Good Friday", "Easter Monday", "the next Good Friday", "no Friday of Easter"),
        *("the day of Madrid", "the day of Catalonia", "everybody's"),
    ],
)
def test_a_region_has_its_own_free_days(day: str, madrid_works: bool, catalonia_works: bool) -> None:
    """Good Friday moves with the year, the 2nd of May is free in Madrid alone; no work and no message on them."""
    when = date.fromisoformat(day)
    assert is_working(place("MD"), when) == is_open(place("MD"), when) == madrid_works
    assert is_working(place("CT"), when) == is_open(place("CT"), when) == catalonia_works


def test_the_day_that_stands_in_for_a_sunday_is_free() -> None:
    """A free day that falls on a weekend is free on the day that stands in for it, in whichever year that lies."""
    assert not is_working(place("", "GB"), date(2027, 12, 27))
    assert not is_working(place("", "US"), date(2021, 12, 31))
    assert is_working(place("", "US"), date(2022, 1, 3))


# --------------------------------------------------------------------------- AS-04, AS-12


@pytest.mark.parametrize(("region", "begins"), [("MD", "2026-03-05"), ("VC", "2026-03-04"), ("", "2026-03-05")])
def test_as_04_the_lead_time_counts_back_over_freeze_and_free_days(region: str, begins: str) -> None:
    """Expires 31 Mar; deploy takes 2 d, but from the 20th to the 27th nothing may change: it begins on Thu 19 Mar,
    in Valencia, where Saint Joseph is free, on the 18th; the ten working days of the approval end before that.
    """
    found = start_by(place(region, freezes=FREEZE), madrid("2026-03-31"), lead("approval=10bd,deploy=2d"))
    assert found == madrid(begins)


def test_as_04_after_easter() -> None:
    """Expires 8 Apr, five working days: Maundy Thursday and Good Friday are none, so it begins on Mon 30 Mar."""
    assert start_by(place(), madrid("2026-04-08"), lead("5bd")) == madrid("2026-03-30")
    assert start_by(Calendar(MADRID), madrid("2026-04-08"), lead("5bd")) == madrid("2026-04-01")


def test_as_12_a_stage_on_a_public_holiday_comes_on_the_working_day_before() -> None:
    """Start by Wed 14 Oct: two days before is the National Day, a Monday, so it is said on the Friday at nine."""
    rules = Rules()
    when = dates(place(), rules, madrid("2026-10-17"), "3bd")
    assert when.start_by == madrid("2026-10-14")
    assert before_stage(place(), rules, when, 2) == madrid("2026-10-09 09:00")
    assert before_stage(Calendar(MADRID), rules, when, 2) == madrid("2026-10-12 09:00")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The payments team works in Madrid, and freezes deploys from 20 to 27 March."""
    config = stories.CONFIG.replace("holidays = [2026-12-25]", 'country = "ES"\nregion = "MD"')
    config = config.replace("from = 2026-12-20, until = 2027-01-03", "from = 2026-03-20, until = 2026-03-27")
    with telling(tmp_path, start="2026-01-12 07:00", refuses={}, config=config) as told:
        yield told


def test_as_04_through_the_command_line(story: Story) -> None:
    """It is LATE on the day after start by, although 25 days remain; until then it is not."""
    story.add("paygate-api", "2026-03-31", "approval=10bd,deploy=2d")
    assert story.state()["start_by"] == "2026-03-04T23:00:00Z"
    assert story.at("2026-03-05 22:59").state()["state"] == "START"
    assert story.at("2026-03-05 23:00").state()["state"] == "LATE"


def test_as_12_through_the_command_line(story: Story) -> None:
    """Nothing is said on Maundy Thursday and Good Friday; what falls on them comes on the Wednesday before."""
    story.at("2026-03-02 08:00").add("paygate-api", "2026-04-11", "5bd")  # start by Mon 6 Apr; 2d before: Sat 4 Apr
    assert story.state()["start_by"] == "2026-04-05T22:00:00Z"
    story.at("2026-03-31 08:00").check()
    said = [notice["stage"] for one in story.at("2026-04-01 08:00").check() for notice in one["notices"]]
    assert {stage.partition("@")[0] for stage in said} == {"2d"}
    for day in ("02", "03", "04", "05"):
        assert [one for one in story.at(f"2026-04-{day} 08:00").check() if one["notices"]] == []


# --------------------------------------------------------------------------- the value


def test_it_is_a_plain_value() -> None:
    """Equal and of one hash where the words are the same, whatever was asked before; it can be copied and shown."""
    one, other = PublicHolidays("ES", "MD"), PublicHolidays("ES", "MD")
    assert date(2026, 5, 2) in one
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != PublicHolidays("ES", "CT")
    assert repr(one) == "PublicHolidays(country='ES', region='MD', also=frozenset())"


def test_no_year_is_out_of_reach() -> None:
    """An expiry in the year 9999 and a lead time of years have days to count, though nobody knows their Easter."""
    assert nth_working_day_back(place(), date(9999, 12, 31), 300) < date(9999, 12, 31)
    assert nth_working_day_back(place(), date(2026, 6, 1), 2500) < date(2017, 1, 1)
    assert date(1, 1, 1) not in PublicHolidays("ES", "")


@cache
def book(country: str) -> Container[date]:
    """The library's own dictionary, which grows by the year that is asked about."""
    from holidays import country_holidays

    return country_holidays(country)


@settings(max_examples=200)
@given(st.sampled_from(["ES", "US", "GB", "JP"]), st.dates(date(2008, 1, 1), date(2099, 12, 31)))
def test_it_says_what_the_library_says(country: str, day: date) -> None:
    """In whatever order days are asked about; dates that are written down are free besides."""
    assert (day in PublicHolidays(country, "")) == (day in book(country))
    assert day in PublicHolidays(country, "", frozenset({day}))

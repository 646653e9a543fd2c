"""Rules that no other test held when their breach was planted: `python -m tests.mutants`."""

from datetime import timedelta

import pytest

from keywatch.clock import ahead
from keywatch.errors import KeywatchError
from keywatch.model import PROOFS, Rules
from keywatch.policy.deadlines import dates
from keywatch.policy.retry import pause
from tests.policy.build import DAY, HOUR, MINUTE, at, calendar, world

NOW, NONE = at("2026-12-07 09:00"), timedelta(0)


def test_exactly_three_human_acts_prove() -> None:
    """An ack by code, an attestation and a reply prove a route; nothing that a machine can do is among them."""
    assert {kind.value for kind in PROOFS} == {"ack", "attested", "reply"}


def test_pauses_are_ten_minutes_to_six_hours() -> None:
    """In numbers: 10 min, doubled with each try, and 6 h from the seventh on."""
    pauses = [pause(NOW, tries, (), world()) / MINUTE for tries in range(1, 10)]
    assert pauses == [10, 20, 40, 80, 160, 320, 360, 360, 360]


@pytest.mark.parametrize(("life", "exact"), [(8 * DAY, True), (9 * DAY, False), (20 * DAY, False)])
def test_a_third_of_a_life_of_nine_days_is_a_day(life: timedelta, exact: bool) -> None:
    """A lead time that is too long for its life counts to the second below nine days, and in whole days from there."""
    assert dates(calendar(), Rules(), NOW + life, "60d", NOW).exact is exact


def test_a_clock_may_leap_by_400_days() -> None:
    """In numbers: what rests for 400 days goes on by itself, what rests for 401 asks a person."""
    assert ahead(NOW, NOW - 400 * DAY, NONE) == NONE
    with pytest.raises(KeywatchError):
        ahead(NOW, NOW - 401 * DAY, NONE)


def test_a_clock_may_step_back_by_ten_minutes() -> None:
    """In numbers: ten minutes are the difference of two hosts, an hour is a clock that went back."""
    assert ahead(NOW - 10 * MINUTE, NOW, NONE) == NONE
    assert ahead(NOW - HOUR, NOW, NONE) == HOUR

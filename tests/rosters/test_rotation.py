"""The rotation of keywatch.toml: who is on duty at any instant, across daylight saving, backwards and with swaps."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywatch.errors import KeywatchError
from keywatch.testing import LentRun
from keywatch.testing_people import BrokenRoster, RosterContract
from keywatch_rotation import RotationRoster

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = LentRun(NOW)
WEEK = timedelta(days=7)


def rotation(**more: Any) -> RotationRoster:
    usual = {"people": ("ana", "bo", "cy"), "anchor": date(2026, 10, 5), "timezone": "Europe/Berlin"}
    return RotationRoster(RotationRoster.Settings(**usual | more))


def on_duty(roster: RotationRoster, moment: datetime, level: int = 1) -> list[str]:
    duties = roster.shifts(RUN, "", moment, moment + timedelta(microseconds=1))
    assert all(duty.covers(moment) for duty in duties)
    return [duty.person.key for duty in duties if duty.level == level]


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[arg-type, misc]


class TestContract(RosterContract):
    """The rotation keeps the rules of every roster."""

    plugin = "keywatch_rotation"
    heavy = ("requests", "icalendar", "apprise")

    @pytest.fixture
    def run(self, tmp_path: Path) -> LentRun:
        return LentRun(NOW, tmp_path)

    @pytest.fixture
    def roster(self) -> RotationRoster:
        swap = {"person": "dee", "from": datetime(2026, 11, 25, 8, tzinfo=UTC), "until": date(2026, 11, 27)}
        return rotation(secondary=("eli", "flo"), overrides=(swap,))

    @pytest.fixture
    def broken(self, roster: RotationRoster) -> Sequence[BrokenRoster]:
        return [(roster, "payments", "unknown-target")]


def test_people_take_turns_from_the_anchor() -> None:
    """The first person's first shift begins on the anchor day at the hand-over time; then the next, and round."""
    roster = rotation()
    handovers = [
        local(2026, 10, 5, 9) + 0 * WEEK,
        local(2026, 10, 12, 9),
        local(2026, 10, 19, 9),
        local(2026, 10, 26, 9),
    ]
    assert [on_duty(roster, moment) for moment in handovers] == [["ana"], ["bo"], ["cy"], ["ana"]]
    before = [moment - timedelta(seconds=1) for moment in handovers]
    assert [on_duty(roster, moment) for moment in before] == [["cy"], ["ana"], ["bo"], ["cy"]]


def test_it_runs_backwards_too() -> None:
    """An anchor in the future does not mean that nobody is on duty now."""
    assert on_duty(rotation(anchor=date(2027, 1, 4)), local(2026, 12, 30, 12)) == ["cy"]
    assert on_duty(rotation(anchor=date(2027, 1, 4)), local(2026, 12, 22, 12)) == ["bo"]


def test_daylight_saving_moves_the_instant_not_the_hour() -> None:
    """09:00 stays 09:00: the shift over the end of summer is an hour longer, the one over its start an hour shorter."""
    autumn = next(d for d in rotation().shifts(RUN, "", local(2026, 10, 25, 12), local(2026, 10, 25, 13)))
    spring = next(d for d in rotation().shifts(RUN, "", local(2027, 3, 28, 12), local(2027, 3, 28, 13)))
    assert autumn.until is not None
    assert autumn.start is not None
    assert autumn.until - autumn.start == WEEK + timedelta(hours=1)
    assert spring.until is not None
    assert spring.start is not None
    assert spring.until - spring.start == WEEK - timedelta(hours=1)


def test_a_handover_that_does_not_exist_comes_later() -> None:
    """02:30 on the night the clocks go forward is 03:30, once; a week later it is 02:30 again."""
    roster = rotation(at=time(2, 30), anchor=date(2027, 3, 21))
    starts = [
        d.start.astimezone(BERLIN) for d in roster.shifts(RUN, "", local(2027, 3, 28), local(2027, 4, 5)) if d.start
    ]
    assert [(s.day, s.hour, s.minute) for s in starts] == [(21, 2, 30), (28, 3, 30), (4, 2, 30)]


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))


@given(
    zone=ZONES,
    at=st.times().map(lambda t: t.replace(microsecond=0, tzinfo=None)),
    every=st.integers(1, 40),
    people=st.integers(1, 5),
    anchor=st.dates(date(2000, 1, 1), date(2080, 1, 1)),
    moment=MOMENTS,
)
def test_no_gap_and_no_overlap(zone: str, at: time, every: int, people: int, anchor: date, moment: datetime) -> None:
    """At every instant exactly one person is on duty, and shifts join without a seam."""
    team = tuple(f"p{n}" for n in range(people))
    roster = RotationRoster(RotationRoster.Settings(team, anchor, at, every, zone))
    assert len(on_duty(roster, moment)) == 1
    duties = roster.shifts(RUN, "", moment, moment + timedelta(days=60))
    assert [duty.until for duty in duties[:-1]] == [duty.start for duty in duties[1:]]
    for first, second in pairwise(duties):
        assert team.index(second.person.key) == (team.index(first.person.key) + 1) % people


@given(moment=MOMENTS, turns=st.integers(-50, 50))
def test_a_turn_is_counted_in_local_days(moment: datetime, turns: int) -> None:
    """An oracle of its own: a hand-over k turns away is k weeks on the local calendar, at the local hour."""
    roster = rotation()
    day = date(2026, 10, 5) + turns * WEEK
    handover = datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN).astimezone(UTC)
    expected = ("ana", "bo", "cy")[turns % 3]
    assert on_duty(roster, handover) == [expected]
    assert on_duty(roster, handover + (moment - moment.replace(hour=0))) == [expected]


def test_an_override_takes_its_time_from_the_rotation() -> None:
    """Half-open instants: the swap holds from its start until its end, the rotation goes on around it."""
    roster = rotation(
        overrides=({"person": "bo", "from": datetime(2026, 12, 24, 8, tzinfo=UTC), "until": date(2026, 12, 27)},)
    )
    ends = local(2026, 12, 27)
    assert on_duty(roster, datetime(2026, 12, 24, 7, 59, 59, tzinfo=UTC)) == ["cy"]
    assert on_duty(roster, datetime(2026, 12, 24, 8, tzinfo=UTC)) == ["bo"]
    assert on_duty(roster, ends - timedelta(seconds=1)) == ["bo"]
    assert on_duty(roster, ends) == ["cy"]
    window = roster.shifts(RUN, "", datetime(2026, 12, 23, tzinfo=UTC), datetime(2026, 12, 28, 1, tzinfo=UTC))
    assert [d.person.key for d in window] == ["cy", "bo", "cy"]


def test_the_last_override_holds() -> None:
    """A correction is written below what it corrects; it may cover several turns at once."""
    long = {"person": "dee", "from": date(2026, 11, 1), "until": date(2026, 12, 1)}
    short = {"person": "eli", "from": date(2026, 11, 10), "until": date(2026, 11, 11), "reason": "dee is away"}
    roster = rotation(overrides=(long, short))
    assert on_duty(roster, local(2026, 11, 9, 12)) == ["dee"]
    assert on_duty(roster, local(2026, 11, 10, 12)) == ["eli"]
    assert on_duty(roster, local(2026, 11, 11, 0)) == ["dee"]
    assert {p.key for p in roster.members(RUN, "")} == {"ana", "bo", "cy", "dee", "eli"}


def test_the_second_level_turns_with_the_first() -> None:
    """Level 2 is handed over at the same time and is not touched by overrides."""
    roster = rotation(
        secondary=("eli", "flo"), overrides=({"person": "dee", "from": date(2026, 10, 5), "until": date(2026, 10, 13)},)
    )
    assert (on_duty(roster, local(2026, 10, 6)), on_duty(roster, local(2026, 10, 6), 2)) == (["dee"], ["eli"])
    assert on_duty(roster, local(2026, 10, 12, 9), 2) == ["flo"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": ()},
        {"every_days": 0},
        {"timezone": "Europe/Atlantis"},
        {"timezone": "../etc/passwd"},
        {"timezone": "Europe"},
        {"overrides": ({"person": "bo", "from": date(2026, 1, 2)},)},
        {"overrides": ({"person": "bo", "from": date(2026, 1, 2), "until": date(2026, 1, 2)},)},
        {"overrides": ({"person": "bo", "from": datetime(2026, 1, 2), "until": date(2026, 1, 3)},)},
        {"overrides": ({"person": "bo", "from": 7, "until": date(2026, 1, 3)},)},
        {"overrides": ({"person": "bo", "from": date(2026, 1, 1), "to": date(2026, 1, 3)},)},
        {"overrides": ({"person": "", "from": date(2026, 1, 1), "until": date(2026, 1, 3)},)},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    """A rotation that cannot be read is said at once: guessed, it would name the wrong person."""
    with pytest.raises(KeywatchError) as problem:
        rotation(**wrong)
    assert problem.value.hint

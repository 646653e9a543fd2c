"""When one episode speaks: the ladder with its exact instants, on a Madrid calendar.

Unless a test says otherwise the credential expires at the midnight of Saturday 19 December 2026 in Madrid and takes
five working days: start by is Monday the 14th, LATE begins on the 15th, the last 24 h on the 18th.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from keywatch.model import Credential, Episode, World
from keywatch.policy.case import timeline
from keywatch.policy.stages import Stage, current, stages
from tests.policy.build import (
    DAY,
    HOUR,
    MINUTE,
    adopted,
    at,
    calendar,
    credential,
    episode,
    madrid,
    owner,
    promise,
    world,
)

END = madrid("2026-12-19")
ROW = credential(END)
TICK = timedelta(microseconds=1)


def ladder(
    row: Credential = ROW, open_: Episode | None = None, place: World | None = None, until: str = "2026-12-31"
) -> list[Stage]:
    """Every stage due before `until`."""
    now = madrid(until)
    return [s for s in stages(timeline(row, open_ or episode(row), place or world()), now) if s.due < now]


def table(found: Iterable[Stage]) -> list[tuple[str, datetime, int]]:
    return [(stage.key, stage.due, stage.rung) for stage in found]


def now_says(now: datetime, row: Credential = ROW, open_: Episode | None = None, place: World | None = None) -> str:
    stage = current(timeline(row, open_ or episode(row), place or world()), now)
    return stage.key if stage else ""


def test_the_whole_ladder_with_its_instants() -> None:
    """30d 14d 7d 2d, late on each working day, last, expired, expired+4h, then daily: each at its rung."""
    assert table(ladder(until="2026-12-22 12:00")) == [
        ("30d@2026-11-14", madrid("2026-11-13 09:00"), 0),
        ("14d@2026-11-30", madrid("2026-11-30 09:00"), 0),
        ("7d@2026-12-07", madrid("2026-12-07 09:00"), 1),
        ("2d@2026-12-12", madrid("2026-12-11 09:00"), 2),
        ("late@2026-12-15", madrid("2026-12-15 09:00"), 2),
        ("late@2026-12-16", madrid("2026-12-16 09:00"), 2),
        ("late@2026-12-17", madrid("2026-12-17 09:00"), 2),
        ("last@2026-12-18", madrid("2026-12-18 00:00"), 2),
        ("expired@2026-12-19", madrid("2026-12-19 00:00"), 2),
        ("expired+4h@2026-12-19", madrid("2026-12-19 04:00"), 2),
        ("expired+1d@2026-12-20", madrid("2026-12-20 09:00"), 2),
        ("expired+2d@2026-12-21", madrid("2026-12-21 09:00"), 2),
        ("expired+3d@2026-12-22", madrid("2026-12-22 09:00"), 2),
    ]


@pytest.mark.parametrize("n", range(13))
def test_a_stage_is_due_at_its_instant_and_not_a_tick_before(n: int) -> None:
    """From its instant on it is the current one, until the next."""
    found = ladder(until="2026-12-22 12:00")
    assert now_says(found[n].due) == found[n].key
    assert now_says(found[n].due - TICK) == (found[n - 1].key if n else "")


def test_a_stage_on_a_holiday_moves_before_and_a_late_one_waits() -> None:
    """The 7d stage on a holiday Monday is said on Friday; `late` skips the free day."""
    place = world(owner(calendar=calendar(holidays=["2026-12-07", "2026-12-16"])))
    row = credential(END, place=place)
    days = {s.key: s.due for s in ladder(row, place=place)}
    assert row.start_by == madrid("2026-12-11")
    assert days["7d@2026-12-04"] == madrid("2026-12-04 09:00")
    assert days["30d@2026-11-11"] == madrid("2026-11-11 09:00")
    assert [key for key in days if key.startswith("late")] == ["late@2026-12-14", "late@2026-12-15", "late@2026-12-17"]
    monday = credential(madrid("2026-12-18"), place=world(team := owner(calendar=calendar(holidays=["2026-12-04"]))))
    assert monday.start_by == madrid("2026-12-11")
    moved = {s.key: s.due for s in ladder(monday, place=world(team))}
    assert moved["7d@2026-12-04"] == madrid("2026-12-03 09:00")


def test_a_freeze_stops_work_and_not_messages() -> None:
    """Start by moves before the freeze; `late` goes out on its working days all the same."""
    place = world(owner(calendar=calendar(freezes=[("2026-12-14", "2026-12-18")])))
    row = credential(END, place=place)
    assert row.start_by == madrid("2026-12-07")
    late = [s.key for s in ladder(row, place=place) if s.kind == "late"]
    assert late == [f"late@2026-12-{day:02}" for day in (8, 9, 10, 11, 14, 15, 16, 17)]


def test_expired_speaks_on_every_day() -> None:
    """Christmas, a Sunday and a freeze over all of it: each day at 09:00 is said."""
    place = world(owner(calendar=calendar(holidays=["2026-12-25"], freezes=[("2026-12-14", "2027-01-08")])))
    found = {s.due for s in ladder(credential(END, place=place), place=place) if s.kind == "again"}
    assert found == {madrid(f"2026-12-{day} 09:00") for day in range(20, 31)}


def test_daily_for_fourteen_days_and_weekly_for_as_long_as_it_lasts() -> None:
    """Days 1 to 14, then 21, 28 and so on: 19 months later it still speaks once a week."""
    found = [s.key for s in ladder(until="2028-07-20") if s.kind == "again"]
    days = [int(key.split("@")[0].removeprefix("expired+").removesuffix("d")) for key in found]
    assert days[:16] == [*range(1, 15), 21, 28]
    assert {later - earlier for earlier, later in pairwise(days[14:])} == {7}
    assert END + days[-1] * DAY > madrid("2028-07-11")


def test_the_next_stage_is_always_known() -> None:
    """`stages` reaches past `now` by at least one, on every day of a year and a half."""
    for n in range(540):
        now = madrid("2026-11-01 10:00") + n * DAY
        line = timeline(ROW, episode(ROW), world())
        ahead = [s for s in stages(line, now) if s.due > now]
        assert ahead
        assert min(s.due for s in ahead) == min(s.due for s in stages(line, now + 300 * DAY) if s.due > now)


def test_a_start_by_in_hours_is_exact() -> None:
    """12h of lead: every stage at its own minute, `late` at start by itself unless the last 24 h have begun."""
    row = credential(madrid("2026-12-19 06:30"), "36h")
    found = {s.key: s.due for s in ladder(row, until="2026-12-19 06:30")}
    start = madrid("2026-12-17 18:30")
    assert {key: due for key, due in found.items() if not key.startswith("last")} == {
        "30d@2026-11-17": start - 30 * DAY,
        "14d@2026-12-03": start - 14 * DAY,
        "7d@2026-12-10": start - 7 * DAY,
        "2d@2026-12-15": start - 2 * DAY,
        "late@2026-12-17": start,
    }
    short = credential(madrid("2026-12-19 06:30"), "12h")
    assert not [s for s in ladder(short) if s.kind == "late"]


def test_the_last_tenth_of_a_short_life() -> None:
    """90 hours of life: `last` speaks nine hours before the end."""
    row = credential(END, "12h", issued=END - 90 * HOUR)
    assert [s.due for s in ladder(row) if s.kind == "last"] == [END - 9 * HOUR]


def test_an_issue_cuts_the_stages_before_it() -> None:
    """Issued eight days before start by: `7d` is the first thing said."""
    row = credential(END, issued=madrid("2026-12-06"))
    assert [s.key for s in ladder(row)][:2] == ["7d@2026-12-07", "2d@2026-12-12"]


# --------------------------------------------------------------------------- opened in the middle


def test_what_was_due_before_the_episode_opened_is_said_at_the_next_nine() -> None:
    """Added on a Saturday inside the 7d stage: on Monday at 09:00, the most urgent stage only."""
    open_ = episode(ROW, madrid("2026-12-12 12:00"))
    assert now_says(madrid("2026-12-13 23:59"), open_=open_) == ""
    assert now_says(madrid("2026-12-14 09:00"), open_=open_) == "2d@2026-12-12"
    late = episode(ROW, madrid("2026-12-16 12:00"))
    assert now_says(madrid("2026-12-17 09:00"), open_=late) == "late@2026-12-17"


def test_what_was_put_off_never_speaks_after_something_tighter() -> None:
    """Opened in the last 24 h, or after the end: no `2d` the next morning, whatever the clock says."""
    last = episode(ROW, madrid("2026-12-18 12:00"))
    assert [s.kind for s in ladder(open_=last)][:3] == ["last", "expired", "expired+4h"]
    row = credential(madrid("2026-12-14 09:30"), "1h")
    dead = episode(row, madrid("2026-12-14 10:00"))
    assert now_says(madrid("2026-12-14 10:00"), row, dead) == "expired@2026-12-14"
    assert now_says(madrid("2026-12-15 09:00"), row, dead) == "expired+4h@2026-12-14"
    assert now_says(madrid("2026-12-16 09:00"), row, dead) == "expired+1d@2026-12-15"


def test_what_comes_expired_speaks_at_once() -> None:
    """`expired` at the opening, on a Sunday too; `+4h` only where it is still ahead."""
    open_ = episode(ROW, madrid("2026-12-20 11:00"))
    assert [s.key for s in ladder(open_=open_)][:2] == ["expired@2026-12-19", "expired+1d@2026-12-20"]
    assert now_says(madrid("2026-12-20 11:00"), open_=open_) == "expired@2026-12-19"
    early = episode(ROW, madrid("2026-12-19 01:00"))
    assert now_says(madrid("2026-12-19 04:00"), open_=early) == "expired+4h@2026-12-19"


# --------------------------------------------------------------------------- moved, renewed, overdue


@pytest.mark.parametrize(
    ("moved_at", "rung"),
    [
        ("2026-11-13 10:00", 0),
        ("2026-12-08 22:00", 1),
        ("2026-12-11 10:00", 2),
        ("2026-12-15 00:00", 2),
        ("2026-12-20 03:00", 2),
    ],
)
def test_moved_speaks_at_once_at_the_rung_of_what_is_reached(moved_at: str, rung: int) -> None:
    """At any hour of any day, and the stages it leapt over are not said again."""
    moment = madrid(moved_at)
    open_ = replace(episode(ROW), moved_at=moment)
    (moved,) = [s for s in ladder(open_=open_) if s.kind == "moved"]
    assert (moved.key, moved.due, moved.rung) == ("moved@2026-12-19", moment, rung)
    assert now_says(moment, open_=open_) == "moved@2026-12-19"
    assert not [s for s in ladder(open_=open_) if s.kind == "before" and s.due <= moment]


def test_moved_where_no_stage_is_reached_is_for_the_digest() -> None:
    """The deadline came nearer and is still far: nothing is said."""
    open_ = replace(episode(ROW), moved_at=madrid("2026-11-13 08:59"))
    assert not [s for s in ladder(open_=open_) if s.kind == "moved"]


def test_an_unconfirmed_renewal_is_one_question_until_the_last_24_hours() -> None:
    """At once; then `2d` and `late` are silent, `last` and `expired` are not."""
    seen = madrid("2026-12-05 23:00")
    row = credential(END, unconfirmed="v2", changed_at=seen)
    assert now_says(seen, row) == "renewed@2026-12-05"
    assert now_says(madrid("2026-12-17 23:59"), row) == "renewed@2026-12-05"
    assert now_says(madrid("2026-12-18 00:00"), row) == "last@2026-12-18"
    assert now_says(madrid("2026-12-19 00:00"), row) == "expired@2026-12-19"


def test_an_overdue_robot_speaks_and_then_the_ordinary_ladder_does() -> None:
    """The question at the next 09:00 after the first sight of it; nothing of the ladder from before."""
    row = credential(
        madrid("2026-12-31"), "1d", automatic=True, issued=madrid("2026-10-02"), overdue_seen=madrid("2026-12-16 10:00")
    )
    assert table(ladder(row))[:4] == [
        ("overdue@2026-12-16", madrid("2026-12-17 09:00"), 0),
        ("30d@2026-11-30", madrid("2026-12-17 09:00"), 0),
        ("14d@2026-12-16", madrid("2026-12-17 09:00"), 0),
        ("7d@2026-12-23", madrid("2026-12-23 09:00"), 1),
    ]
    assert now_says(madrid("2026-12-17 08:59"), row) == ""
    assert now_says(madrid("2026-12-23 09:00"), row) == "7d@2026-12-23"


# --------------------------------------------------------------------------- promises


def held(until: str, *, given: str = "2026-12-07 10:00", **more: Any) -> Episode:
    return replace(episode(ROW), acks=(promise(madrid(given), madrid(until)),), **more)


def test_in_hand_silences_all_but_the_end() -> None:
    """`2d` and `late` are silent while a promise holds; `last`, `expired`, `+4h` and the daily ones are not."""
    open_ = held("2026-12-30")
    assert now_says(madrid("2026-12-11 09:00"), open_=open_) == ""
    assert now_says(madrid("2026-12-17 09:00"), open_=open_) == ""
    for moment, key in [
        ("2026-12-18 00:00", "last@2026-12-18"),
        ("2026-12-19 00:00", "expired@2026-12-19"),
        ("2026-12-19 04:00", "expired+4h@2026-12-19"),
        ("2026-12-20 09:00", "expired+1d@2026-12-20"),
    ]:
        assert now_says(madrid(moment), open_=open_) == key


def test_a_lapse_waits_for_nine_of_a_working_day_and_is_alone_on_it() -> None:
    """The promise for Tuesday ends at midnight; Wednesday 09:00 says `lapsed`, and no `late` beside it.

    What came due on Tuesday was silenced by the promise; it does not speak at midnight instead.
    """
    open_ = held("2026-12-16")
    said = [s.key for s in ladder(open_=open_, until="2026-12-18") if s.kind in ("late", "lapsed")]
    assert said == ["late@2026-12-15", "lapsed@2026-12-15", "late@2026-12-17"]
    assert now_says(madrid("2026-12-16 08:59"), open_=open_) == "7d@2026-12-07"
    assert now_says(madrid("2026-12-16 09:00"), open_=open_) == "lapsed@2026-12-15"


def test_a_lapse_before_the_end_waits_over_the_weekend() -> None:
    """The promise for Friday the 4th ends on Saturday and lapses on Monday morning, instead of the 7d stage."""
    open_ = held("2026-12-05", given="2026-12-01 10:00")
    assert now_says(madrid("2026-12-07 08:59"), open_=open_) == "14d@2026-11-30"
    assert now_says(madrid("2026-12-07 09:00"), open_=open_) == "lapsed@2026-12-04"


def test_a_lapse_after_the_end_speaks_on_every_day_and_alone() -> None:
    """Promised until Saturday the 26th: Sunday 09:00 says `lapsed`, Monday says `expired` again."""
    open_ = held("2026-12-27", given="2026-12-25 10:00")
    assert now_says(madrid("2026-12-27 09:00"), open_=open_) == "lapsed@2026-12-26"
    assert now_says(madrid("2026-12-28 09:00"), open_=open_) == "expired+9d@2026-12-28"


def test_a_new_promise_before_nine_keeps_the_day_for_expired() -> None:
    """The lapse of midnight was answered at 08:00; the daily word of an expired credential still goes out."""
    open_ = held("2026-12-27", given="2026-12-25 10:00")
    second = promise(madrid("2026-12-27 08:00"), madrid("2026-12-29"), number=2)
    assert (
        now_says(madrid("2026-12-27 09:00"), open_=replace(open_, acks=(*open_.acks, second)))
        == "expired+8d@2026-12-27"
    )


def test_a_promise_that_fell_with_its_deadline_is_no_broken_promise() -> None:
    """Void because the deadline came nearer: `moved` speaks, `lapsed` does not."""
    moved = madrid("2026-12-09 10:00")
    ack = replace(promise(madrid("2026-12-07 10:00"), madrid("2026-12-11")), void_at=moved)
    open_ = replace(episode(ROW), moved_at=moved, acks=(ack,))
    assert not [s for s in ladder(open_=open_) if s.kind == "lapsed"]
    gone = replace(open_, moved_at=None)
    assert [s.key for s in ladder(open_=gone) if s.kind == "lapsed"] == ["lapsed@2026-12-09"]


def test_two_promises_for_the_same_day_lapse_under_two_names() -> None:
    """A second promise, given after the first was void, ends on the same day: both keys exist."""
    first = replace(promise(madrid("2026-12-07 10:00"), madrid("2026-12-09")), void_at=madrid("2026-12-08 11:00"))
    second = promise(madrid("2026-12-08 12:00"), madrid("2026-12-09"), number=2)
    open_ = replace(episode(ROW), acks=(first, second))
    assert sorted(s.key for s in ladder(open_=open_) if s.kind == "lapsed") == [
        "lapsed@2026-12-08",
        "lapsed@2026-12-08+",
    ]


# --------------------------------------------------------------------------- adoption


def test_adoption_asks_once_and_the_ladder_speaks_seven_days_later() -> None:
    """Seen on Saturday 5 December inside the 14d stage: Monday at 09:00; then nothing until the week is over."""
    seen = madrid("2026-12-05 13:00")
    open_ = adopted(ROW, seen)
    assert table(ladder(open_=open_, until="2026-12-14 09:01")) == [
        ("adopted@2026-12-05", madrid("2026-12-07 09:00"), 1),
        ("30d@2026-11-14", madrid("2026-12-14 09:00"), 0),
        ("14d@2026-11-30", madrid("2026-12-14 09:00"), 0),
        ("7d@2026-12-07", madrid("2026-12-14 09:00"), 1),
        ("2d@2026-12-12", madrid("2026-12-14 09:00"), 2),
    ]
    assert now_says(madrid("2026-12-14 08:59"), open_=open_) == "adopted@2026-12-05"
    assert now_says(madrid("2026-12-14 09:00"), open_=open_) == "2d@2026-12-12"


def test_expired_when_seen_is_asked_about_on_any_day_and_again_after_a_week() -> None:
    """No `expired`, no `+4h`: one question on Sunday at 09:00, and the next word a week later."""
    seen = madrid("2026-12-26 13:00")
    open_ = adopted(ROW, seen)
    assert open_.expired_when_seen
    assert now_says(madrid("2026-12-27 09:00"), open_=open_) == "adopted@2026-12-26"
    assert now_says(madrid("2027-01-03 08:59"), open_=open_) == "adopted@2026-12-26"
    assert now_says(madrid("2027-01-03 09:00"), open_=open_) == "expired+14d@2027-01-02"
    assert not [s for s in ladder(open_=open_) if s.kind in ("expired", "expired+4h")]


def test_what_expires_within_the_week_speaks_by_the_ladder_without_four_hours() -> None:
    """Seen on Monday the 14th: the ladder speaks from Tuesday on, `last`, `expired`, and no `+4h`."""
    open_ = adopted(ROW, madrid("2026-12-14 13:00"))
    assert [s.key for s in ladder(open_=open_, until="2026-12-21") if s.kind != "before"] == [
        "late@2026-12-15",
        "late@2026-12-16",
        "late@2026-12-17",
        "last@2026-12-18",
        "expired@2026-12-19",
        "expired+1d@2026-12-20",
    ]


def test_the_week_of_adoption_ends_with_an_expiry_on_its_last_instant() -> None:
    """Expiring exactly seven days after it was seen is within the week; a minute later is not."""
    within, after = adopted(ROW, END - 7 * DAY), adopted(ROW, END - 7 * DAY - MINUTE)
    assert not [s for s in ladder(open_=within) if s.kind == "adopted"]
    assert [s for s in ladder(open_=after) if s.kind == "adopted"]


# --------------------------------------------------------------------------- other environments


def test_other_environments_have_seven_days_and_expired_once() -> None:
    """Staging: two words, then the digest; no environment is production."""
    row = credential(END, env="staging")
    assert [s.key for s in ladder(row, until="2027-06-01")] == ["7d@2026-12-07", "expired@2026-12-19"]
    assert len(ladder(credential(END, env="production"))) == len(ladder(credential(END, env="")))


def test_staging_opened_after_start_by_still_says_its_one_word() -> None:
    """The 7d stage put off to the next 09:00 is all staging has before it expires."""
    row = credential(END, env="staging")
    assert now_says(madrid("2026-12-17 09:00"), row, episode(row, madrid("2026-12-16 12:00"))) == "7d@2026-12-07"


def test_utc_owners_speak_at_nine_utc() -> None:
    """The zone is the owner's, not the machine's."""
    place = world(owner(calendar=calendar(zone=at("2026-01-01").tzinfo)))  # type: ignore[arg-type]
    row = credential("2026-12-19", place=place)
    assert {s.due.hour for s in ladder(row, place=place) if s.kind in ("before", "late")} == {9}

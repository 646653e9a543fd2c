"""The numbered scenarios about time: robots that stop, free days, gaps, short lives, moved and forgotten dates."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import telling

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stages(messages: list[dict[str, Any]], route: str = "ana:mail") -> list[tuple[str, str]]:
    """(when, stage) of the notices that a route accepted."""
    return [
        (f"{one['at']:%m-%d %H}", notice["stage"].partition("@")[0])
        for one in messages
        for notice in one["notices"]
        if one["route"] == route and one["verdict"] == "accepted"
    ]


def code(messages: list[dict[str, Any]], person: str = "ana") -> str:
    return next(str(one["code"]) for one in messages if one["person"] == person and one["kind"] == "notice")


# --------------------------------------------------------------------------- AS-11


def test_as_11_a_robot_that_stopped(tmp_path: Path) -> None:
    """90 days, renewed by a robot at day 60 as a rule: silent until day 75, then said, and not only at T-7."""
    with telling(tmp_path, "2026-09-30 12:00", refuses={}, every_days=365) as story:
        more = "--owner", "payments", "--automatic", "--issued", "2026-10-01"
        story.add("edge-cert", "2026-12-30", "2bd", *more)
        sent = story.at("2026-10-01 07:30").advance(days=70, every=5 * DAY) + story.advance(days=4, every=DAY)
        assert [one for one in sent if one["kind"] == "notice"] == []
        assert story.state("edge-cert")["state"] == "OK"
        heard = stages(story.advance(days=5, every=DAY))
        assert heard[0][0][:5] in ("12-15", "12-16"), heard
        assert heard[0][0] < "12-23", "two weeks before the end, not one"


# --------------------------------------------------------------------------- AS-12


def test_as_12_a_stage_on_a_public_holiday(tmp_path: Path) -> None:
    """14 days before start by is Christmas: said on the working day before; the last day speaks on any day."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.at("2026-11-02 08:00").add("after-new-year", "2027-01-15", "5bd")
        assert story.state("after-new-year")["start_by"] == "2027-01-07T23:00:00Z"
        story.at("2026-12-23 12:00").check()
        assert stages(story.at("2026-12-24 08:00").check()) == [("12-24 08", "14d")]
        assert stages(story.at("2026-12-25 08:00").check()) == []
        story.add("at-christmas", "2026-12-26", "1bd")
        assert "last" in {stage for _, stage in stages(story.check())}, "a holiday holds up nothing that is urgent"


# --------------------------------------------------------------------------- AS-15


def test_as_15_expired_and_forgotten(tmp_path: Path) -> None:
    """19 months after its end it is said each week, listed, in the digest, and blocks; only a named person ends it."""
    with telling(tmp_path, "2026-10-05 08:00", refuses={}, every_days=365) as story:
        story.add("forgotten", "2026-10-20", "5bd")
        story.at("2026-10-20 12:00").check()
        story.now += 7 * DAY
        assert stages(story.check(expect=None), "mia:mail")
        story.now += 79 * 7 * DAY
        for _ in range(3):
            story.now += 7 * DAY
            assert stages(story.check(expect=None), "mia:mail"), story.now
        assert f"{story.now:%Y-%m}" == "2028-05"
        assert story.state("forgotten")["state"] == "EXPIRED"
        assert "forgotten" in story.run("digest", "--person", "mia").out
        assert "forgotten" in story.run("gate", "--within", "1d", expect=1).out
        told = {person for (person,) in story.ask("SELECT DISTINCT person FROM message WHERE kind = 'notice'")}
        assert {"li", "mia"} <= told, "and it has climbed to the last resort"
        story.run("retire", "forgotten", "--by", "mia")
        assert stages(story.advance(days=21, every=7 * DAY)) == []
        assert story.run("gate", "--within", "1d", "--allow-empty").code == 0


# --------------------------------------------------------------------------- AS-18


def test_as_18_no_run_for_nine_days(tmp_path: Path) -> None:
    """Afterwards one run says the tightest stage of each credential, once for each person, and no more."""
    with telling(tmp_path, "2026-11-05 08:00", refuses={}, every_days=365) as story:
        story.add("paygate-api", "2026-12-19", "21bd")
        story.add("mailgun", "2026-11-20", "3bd")
        story.check()
        story.inbox()
        sent = [one for one in story.at("2026-11-18 08:00").check() if one["kind"] == "notice"]
        assert max(Counter(one["route"] for one in sent).values()) == 1
        ana = next(one for one in sent if one["person"] == "ana")
        assert {n["credential"]: n["stage"].partition("@")[0] for n in ana["notices"]} == {
            "paygate-api": "2d",
            "mailgun": "late",
        }
        assert [one for one in story.advance(days=0.4, every=HOUR) if one["kind"] == "notice"] == []


# --------------------------------------------------------------------------- AS-19


def test_as_19_a_life_of_24_hours(tmp_path: Path) -> None:
    """Its stages fit its life: nothing weeks ahead, one call before its end, and few messages in all."""
    with telling(tmp_path, "2026-11-10 08:00", refuses={}, every_days=365) as story:
        more = "--owner", "payments", "--issued", "2026-11-10T08:00:00Z"
        story.add("day-token", "2026-11-11T08:00:00Z", "2h", *more)
        heard = stages(story.advance(days=1, every=HOUR))
        kinds = [stage for _, stage in heard]
        assert kinds[0] == "2d", "half way from its issue to start by, as no other stage fits"
        assert heard[0][0] in ("11-10 19", "11-10 20"), heard
        assert {"last", "expired"} <= set(kinds)
        assert len(heard) <= 5, heard


# --------------------------------------------------------------------------- AS-20


def test_as_20_a_date_that_moved_away(tmp_path: Path) -> None:
    """After a notice the date moves out: the episode ends as rescheduled, and the old code promises nothing more."""
    with telling(tmp_path, "2026-11-12 08:00", refuses={}, every_days=365) as story:
        story.add()
        story.check()
        old = code(story.at("2026-11-13 08:00").check())
        story.run("edit", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
        assert story.ask("SELECT outcome, ended_by FROM episode WHERE ended_at IS NOT NULL") == [("rescheduled", "bo")]
        said = story.run("ack", old, expect=None)
        assert "over already (rescheduled)" in said.out + said.err
        assert story.ask("SELECT count(*) FROM ack") == [(0,)]
        assert [one for one in story.advance(days=9, every=DAY) if one["kind"] == "notice"] == []


def test_as_20_a_date_that_came_nearer(tmp_path: Path) -> None:
    """The promise was given for another date: it is void, and `moved` is said at once."""
    with telling(tmp_path, "2026-11-12 08:00", refuses={}, every_days=365) as story:
        story.add()
        story.check()
        story.run("ack", code(story.at("2026-11-13 08:00").check()), "--begun", "--until", "2026-11-27")
        assert story.state()["state"] == "IN HAND"
        story.at("2026-11-16 12:10").run("edit", "paygate-api", "--expires", "2026-12-10", "--by", "bo")
        assert "moved" in {stage for _, stage in stages(story.check())}
        assert story.state()["in_hand"] is None


# --------------------------------------------------------------------------- AS-06


@pytest.mark.parametrize("kind", [(), ("--begun",)])
def test_as_06_an_ack_without_progress(tmp_path: Path, kind: tuple[str, ...]) -> None:
    """Its date passes and the expiry has not moved: the next working day more people hear of it than before."""
    with telling(tmp_path, "2026-11-12 08:00", refuses={}, every_days=365) as story:
        story.add()
        story.check()
        first = story.at("2026-11-13 08:00").check()
        story.run("ack", code(first), *kind, "--until", "2026-11-17")
        assert [one for one in story.advance(days=4, every=HOUR * 6) if one["kind"] == "notice"] == []
        again = story.at("2026-11-18 08:00").check()
        assert stages(again) == [("11-18 08", "lapsed")]
        before, after = ({one["route"] for one in sent if one["kind"] == "notice"} for sent in (first, again))
        assert after > before

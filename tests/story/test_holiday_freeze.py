"""A freeze stops work, not messages; a free day moves a stage to the working day before, and nothing falls silent."""

from datetime import timedelta
from typing import Any

from tests.story.story import Story


def said(messages: list[dict[str, Any]], name: str = "paygate-api") -> set[str]:
    """The stages that people accepted about one credential."""
    return {
        notice["stage"].partition("@")[0]
        for message in messages
        for notice in message["notices"]
        if message["verdict"] == "accepted" and message["person"] and notice["credential"] == name
    }


def test_expired_in_a_freeze_still_speaks_every_day(story: Story) -> None:
    """Frozen from 20 Dec until 3 Jan, Christmas and three weekends in it: every single day somebody hears of it."""
    story.at("2026-12-01 08:00").add("paygate-api", "2026-12-22", "5bd")
    story.at("2026-12-21 23:15").check()
    silent = []
    for day in range(14):
        story.at("2026-12-22 08:00")
        story.now += timedelta(days=day)
        people = {m["person"] for m in story.check() if m["verdict"] == "accepted" and m["kind"] == "notice"}
        if not people - {None}:
            silent.append(story.now.date().isoformat())
    assert silent == []


def test_the_end_is_said_in_the_night_of_a_holiday(story: Story) -> None:
    """The last 24 h, the expiry and the four hours after it are said at once, at any hour of a frozen holiday."""
    story.at("2026-12-01 08:00").add("paygate-api", "2026-12-26", "5bd")
    story.at("2026-12-24 12:00").check()
    heard: dict[str, str] = {}
    for _ in range(40):
        story.now += timedelta(hours=1)
        for stage in said(story.check()):
            heard.setdefault(stage, f"{story.now:%d %H:%M}")
    assert heard == {"last": "24 23:00", "expired": "25 23:00", "expired+4h": "26 03:00"}


def test_start_by_is_before_the_freeze(story: Story) -> None:
    """Frozen days are no working days: of the five before Tue 5 Jan one is the 4th, the others end before the 20th."""
    story.at("2026-11-02 08:00").add("paygate-api", "2027-01-05", "5bd")
    assert story.state()["start_by"] == "2026-12-14T23:00:00Z"


def test_a_stage_on_a_free_day_comes_on_the_working_day_before(story: Story) -> None:
    """A stage before start by that falls on a Sunday is said on the Friday, once."""
    story.at("2026-11-02 08:00").add("paygate-api", "2026-12-15", "10bd")  # start by Tue 1 Dec; 2d before: Sun 29 Nov
    assert story.state()["start_by"] == "2026-11-30T23:00:00Z"
    story.at("2026-11-26 08:00").check()
    assert "2d" in said(story.at("2026-11-27 08:00").check())
    for day in ("28", "29"):
        assert said(story.at(f"2026-11-{day} 08:00").check()) == set()


def test_late_waits_for_a_working_day_and_is_never_lost(story: Story) -> None:
    """LATE is said on working days: nothing on the weekend, something on each Monday to Friday."""
    story.at("2026-11-02 08:00").add("paygate-api", "2026-12-12", "10bd")
    days = []
    for day in range(7):
        story.at("2026-12-02 08:00")
        story.now += timedelta(days=day)
        if "late" in said(story.check()):
            days.append(story.now.strftime("%a"))
    assert days == ["Wed", "Thu", "Fri", "Mon", "Tue"]

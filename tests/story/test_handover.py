"""A promise that changes hands, over the weeks that follow."""

from datetime import timedelta

from tests.story.story import Story

LEAD = "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"
STEP = timedelta(hours=6)


def test_a_promise_handed_over_is_neither_broken_nor_silent(story: Story) -> None:
    """The first giver broke nothing; the second is the one who is told when its day passes."""
    story.at("2026-11-13 08:00").add("paygate-api", "2026-12-19", LEAD)
    story.check()
    story.run("ack", "paygate-api", "--begun", "--until", "2026-11-18", "--by", "bo")
    story.at("2026-11-16 09:00").run("handover", "paygate-api", "--to", "cy", "--by", "bo")
    said = story.check()
    assert [(one["kind"], one["person"]) for one in said if one["kind"] != "digest"] == [("reminder", "cy")]
    assert [m for m in story.at("2026-11-16 12:00").advance(days=2.5, every=STEP) if m["kind"] == "notice"] == []
    lapsed = [m for m in story.at("2026-11-19 08:00").check() if m["kind"] == "notice"]
    whys = {notice["stage"] for message in lapsed for notice in message["notices"]}
    assert whys == {"lapsed@2026-11-18"}
    assert "cy" in {message["person"] for message in lapsed}

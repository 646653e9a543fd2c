"""The steps of a renewal, through the command line: done ones are not counted, an overdue one finds its deputy."""

from datetime import timedelta
from typing import Any

from tests.story.story import Story

LEAD = "approval=10bd,issue=1bd,deploy=3bd"
TEAM = ("--owner", "payments", "--deputy", "cy")
STEP = timedelta(hours=6)


def add(story: Story, name: str = "paygate-api") -> None:
    story.run("add", name, "--expires", "2026-12-19", "--lead", LEAD, *TEAM)


def notices(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(who, stage) of what was sent."""
    return [(one["person"], notice["stage"]) for one in messages for notice in one["notices"]]


def test_a_step_that_is_done_moves_start_by(story: Story) -> None:
    """`renew --done` counts only what is left, is recorded with who did it, and says so everywhere."""
    add(story)
    story.at("2026-11-24 08:30").check()
    assert story.state()["state"] == "START"
    done = story.run("renew", "paygate-api", "--done", "approval", "--by", "bo")
    assert "done: approval" in done.out
    assert "still to go: issue 1bd, deploy 3bd" in done.out
    assert story.state()["start_by"] == "2026-12-14T23:00:00Z"
    assert story.state()["state"] in ("OK", "PLAN")
    assert "step by bo: approval done; to go: issue, deploy" in story.run("show", "paygate-api").out
    quiet = story.at("2026-11-24 09:30").advance(days=12, every=STEP)
    planned = {stage for _, stage in notices([one for one in quiet if one["kind"] == "notice"])}
    assert planned == {"14d@2026-12-01"}, "the stages of the new start by speak, and no climb of the old call"
    story.inbox()
    week = story.at("2026-12-08 08:30").check()
    rungs = {notice["rung"] for one in week for notice in one["notices"]}
    assert rungs <= {0, 1}, "somebody spoke up since the old call: its silence does not climb now"
    text = "\n".join(mail.text for mail in story.inbox("ana"))
    assert "Done for its renewal: approval; still to go: issue 1 working day, deploy 3 working days" in text


def test_a_step_said_twice_is_a_note(story: Story) -> None:
    """And what is no step is refused with what there is."""
    add(story)
    story.run("add", "plain", "--expires", "2026-12-19", "--lead", "5bd", *TEAM)
    story.run("renew", "paygate-api", "--done", "approval")
    again = story.run("renew", "paygate-api", "--done", "approval")
    assert "note: approval was done already" in again.err
    assert len(story.ask("SELECT 1 FROM event WHERE kind = 'step'")) == 1
    for args, words in (
        (("paygate-api", "--done", "aproval"), "it has: approval, issue, deploy"),
        (("plain", "--done", "issue"), "the lead time of plain has no steps: 5bd"),
        (("paygate-api",), "give --expires DATE, or --done STEP"),
        (("paygate-api", "--done", "issue", "--expires", "2027-12-19"), "not both"),
        (("paygate-api", "--done", "issue", "--issued", "2026-12-19"), "--issued is about a new version"),
    ):
        assert words in story.run("renew", *args, expect=2).err


def test_a_new_version_begins_with_all_its_steps(story: Story) -> None:
    """What was done ends with the version it was done for; a corrected date keeps it."""
    add(story)
    story.run("renew", "paygate-api", "--done", "approval")
    story.run("edit", "paygate-api", "--expires", "2027-01-15")
    assert story.state()["start_by"] > "2027-01-10"
    story.run("renew", "paygate-api", "--expires", "2027-06-19")
    whole = story.state()["start_by"]
    assert whole < "2027-06-01"


def test_approver_away(story: Story) -> None:
    """AS-05: Bo has it in hand and the approval does not come: he and the deputy hear of it before his promise ends."""
    story.at("2026-11-13 07:00")
    add(story)
    story.at("2026-11-24 08:30").check()
    story.run("ack", "paygate-api", "--begun", "--by", "bo", "--until", "2026-12-14")
    story.at("2026-12-14 09:30").run("ack", "paygate-api", "--begun", "--by", "bo", "--until", "2026-12-15")
    story.at("2026-12-15 10:00").run("ack", "paygate-api", "--begun", "--by", "bo", "--until", "2026-12-17")
    quiet = [one for one in story.check() if one["kind"] == "notice"]
    assert quiet == []
    story.inbox()
    said = [one for one in story.at("2026-12-16 08:00").check() if one["kind"] == "notice"]
    assert {("bo", "step-approval@2026-12-15"), ("cy", "step-approval@2026-12-15")} <= set(notices(said))
    mail = story.inbox("cy")[-1]
    assert mail.message["Subject"] == "Overdue: approval of paygate-api (production), expires 19 Dec"
    assert "named as deputy for paygate-api" in mail.text
    assert "approval was due by Tue 15 Dec" in mail.text
    story.at("2026-12-16 09:00").run("renew", "paygate-api", "--done", "approval", "--by", "cy")
    later = [one for one in story.advance(days=1, every=STEP) if one["kind"] == "notice"]
    assert {stage for _, stage in notices(later)} == {"step-issue@2026-12-16"}, "and now the issue is a day behind"


def test_silence_before_a_step_was_done_does_not_climb(story: Story) -> None:
    """Somebody spoke up: what was asked before that is answered, and the next stage asks anew."""
    story.at("2026-11-20 08:00")
    story.run("add", "paygate-api", "--expires", "2026-12-19", "--lead", "approval=1bd,deploy=10bd", *TEAM)
    assert ("ana", "7d@2026-11-27") in notices(story.at("2026-11-27 08:10").check())
    story.at("2026-11-30 10:00").run("renew", "paygate-api", "--done", "approval", "--by", "bo")
    quiet = story.advance(days=3, every=STEP)
    assert notices([one for one in quiet if one["kind"] == "notice"]) == []
    assert ("ana", "2d@2026-12-05") in notices(story.at("2026-12-04 08:10").check())

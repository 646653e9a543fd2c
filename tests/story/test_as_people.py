"""The numbered scenarios about people: who approves is away, who renews is gone, a team that nobody is left of."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import CONFIG, Story, telling

DAY = timedelta(days=1)
STEPS = "approval=10bd,issue=1bd,deploy=3bd"
GONE = "550 5.1.1 no such user here"
JANE = '[people]\njane = {{ name = "Jane Doe", mail = "jane@example.com" }}\n'
CREW = '\n[owners.crew]\npeople = ["cy"]\ncalendar = "madrid"\n'


def calls(messages: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """(person, kind of stage) of what was accepted."""
    return {
        (str(one["person"]), notice["stage"].partition("@")[0])
        for one in messages
        for notice in one["notices"]
        if one["verdict"] == "accepted"
    }


# --------------------------------------------------------------------------- AS-05


@pytest.mark.parametrize(("deputy", "asked"), [(("--deputy", "cy"), "cy"), ((), "ana")])
def test_as_05_approver_away(tmp_path: Path, deputy: tuple[str, ...], asked: str) -> None:
    """The approval that somebody promised is overdue: they and the deputy are asked; without one whoever is on duty."""
    with telling(tmp_path, "2026-11-13 07:00", refuses={}, every_days=365) as story:
        story.add("paygate-api", "2026-12-19", STEPS, "--owner", "payments", "--approver", "Pay Gate Inc", *deputy)
        story.at("2026-11-24 08:30").check()
        promise(story, "2026-12-14")
        promise(story.at("2026-12-14 09:30"), "2026-12-15")
        promise(story.at("2026-12-15 10:00"), "2026-12-17")
        story.check()
        said = calls(story.at("2026-12-16 08:00").check())
        assert {("bo", "step-approval"), (asked, "step-approval")} <= said
        assert story.state()["state"] == "IN HAND", "the promise holds all the same"


def promise(story: Story, until: str) -> None:
    story.run("ack", "paygate-api", "--begun", "--by", "bo", "--until", until)


# --------------------------------------------------------------------------- AS-14


def test_as_14_leaver(tmp_path: Path) -> None:
    """The only person of a team is gone: the same day it is said to those behind them, and the digest has it."""
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG + CREW) as story:
        story.add("crew-key", "2027-10-05", "5bd", "--owner", "crew")
        story.check()
        story.inbox()
        story.server.rules.recipients["cy@example.com"] = GONE
        story.at("2026-10-07 08:00").run("test", "cy:mail", expect=1)
        story.check()
        mails = story.inbox("li")
        assert any("none of the people of crew can be reached" in mail.text for mail in mails), "a year before expiry"
        assert story.ask("SELECT count(*) FROM message WHERE kind = 'notice'") == [(0,)]
        digest = story.run("digest", "--person", "li").out
        assert "none of the people of crew can be reached" in digest


# --------------------------------------------------------------------------- AS-28


def test_as_28_the_only_one_who_can_renew_it_is_gone(tmp_path: Path) -> None:
    """She leaves a year before the expiry: the owner's people hear of it at once, and once."""
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG.replace("[people]\n", JANE)) as story:
        story.add("apns-cert", "2027-10-05", "5bd", "--owner", "payments", "--renewable-by", "jane")
        assert story.check() == []
        story.rewrite(JANE.replace("{{", "{").replace("}}", "}"), "[people]\n")
        story.now += timedelta(hours=2)
        story.check(expect=None)
        told = [mail for mail in story.inbox() if "can renew apns-cert" in mail.text]
        assert "ana@example.com" in {mail.to for mail in told}
        assert all("jane" in mail.text.lower() for mail in told)
        story.advance(days=3, every=DAY / 2, expect=None)
        assert [mail for mail in story.inbox() if "can renew apns-cert" in mail.text] == []

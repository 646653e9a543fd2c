"""The numbered scenarios about keywatch itself: the sender that died unseen, and the bounce detector that is deaf."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers.web import Page, WebServer
from tests.story.story import CONFIG, Story, telling

DAY = timedelta(days=1)
CANARY = CONFIG.replace('owner = "platform"\n', 'owner = "platform"\ncanary = "30d"\n', 1)
PROVING = CONFIG.replace("[policy]", '[inbox]\nurl = "maildir:post"\nself_proof = "example.com"\n\n[policy]')
PING = "/ping"


# --------------------------------------------------------------------------- AS-21


@pytest.fixture
def watch() -> Iterator[WebServer]:
    with WebServer({PING: Page(), f"{PING}/start": Page(), f"{PING}/fail": Page()}) as server:
        yield server


def doctor(story: Story) -> str:
    """What doctor says of the canary, with its mark."""
    checks = story.run("doctor", "--offline", "-o", "json", expect=None).json["checks"]
    return next(f"{one['mark']}: {one['what']}" for one in checks if "the canary" in one["what"])


def test_as_21_mails_that_nobody_gets(tmp_path: Path) -> None:
    """Every mail is taken with 250 and none arrives: nobody answers the canary, and doctor goes red."""
    with telling(tmp_path, "2026-10-05 08:00", refuses={}, every_days=365, config=CANARY) as story:
        story.check()
        assert doctor(story).startswith("fine")
        for day in ("2026-10-28", "2026-11-02", "2026-11-04", "2026-11-05", "2026-11-07"):
            story.at(f"{day} 08:00").check(expect=None)
        assert doctor(story).startswith("problem: nobody has answered the canary")


def test_as_21_a_sender_that_is_refused(tmp_path: Path, watch: WebServer) -> None:
    """Nobody is reached: the dead man's URL hears a failure, at once and in each run."""
    with telling(tmp_path, "2026-10-20 08:00", refuses={"*": "550 5.7.1 blocked"}, every_days=365) as story:
        story.add()
        story.run("check", "--ping-url", watch.url(PING), expect=None)
        for hour in ("07:00", "08:30", "10:30"):
            story.at(f"2026-10-21 {hour}").run("check", "--ping-url", watch.url(PING), expect=None)
        assert [asked.path for asked in watch.requests][-2:] == [f"{PING}/start", f"{PING}/fail"]


def test_as_21_keywatch_that_is_down(tmp_path: Path, watch: WebServer) -> None:
    """A store that is gone tells no success: the monitoring service notices although keywatch cannot say a word."""
    with telling(tmp_path, "2026-10-20 08:00", refuses={}, every_days=365) as story:
        story.check()
        (story.folder / "keywatch.db").unlink()
        story.run("check", "--ping-url", watch.url(PING), expect=3)
        assert [asked.path for asked in watch.requests] == [f"{PING}/start", f"{PING}/fail"]


# --------------------------------------------------------------------------- AS-22


def test_as_22_the_bounce_detector_is_dead(tmp_path: Path) -> None:
    """The mail to an address that nobody has is accepted and does not come back: a day later it is said."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / "post" / part).mkdir(parents=True)
    with telling(tmp_path, "2026-10-06 08:00", refuses={}, config=PROVING) as story:
        story.check()
        assert [mail for mail in story.inbox() if mail.to.startswith("nobody-")]
        story.now += DAY / 2
        story.check(expect=None)
        assert story.inbox("li") == []
        story.advance(days=2, every=DAY / 2, expect=None)
        assert any("does not hear of bounces" in mail.text for mail in story.inbox("li"))
        dead = [one for one in story.run("routes", "-o", "json").json["routes"] if one["health"] == "dead"]
        assert dead == [], "and it makes no route dead"

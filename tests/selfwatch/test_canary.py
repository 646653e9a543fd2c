"""The canary: one credential of keywatch's own, whose message a person answers by its code."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch.config import load
from keywatch.errors import ConfigError
from tests.servers.smtp import Received
from tests.story.story import CONFIG, Answer, Story, telling

NAME = "keywatch-canary"
DAY = timedelta(days=1)
WITH = CONFIG.replace('owner = "platform"\n', 'owner = "platform"\ncanary = "30d"\n', 1)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Monday 5 October; Li owns keywatch, Mia is the head. The canary has just been made."""
    with telling(tmp_path, "2026-10-05 08:00", config=WITH, every_days=365) as told:
        told.check()
        told.inbox()
        yield told


def asked(story: Story) -> list[Received]:
    """The mails about the canary since the last look."""
    return [mail for mail in story.inbox() if NAME in str(mail.message["Subject"])]


def days(story: Story, until: str) -> list[Received]:
    """A run at 08:00 UTC, which is after 09:00 there, on each day up to this one; the mails about the canary."""
    while f"{story.now:%Y-%m-%d}" < until:
        story.now += DAY
        story.check(expect=None)
    return asked(story)


def code(mail: Received) -> str:
    """What a person reads out of the mail."""
    return next(line for line in mail.text.splitlines() if line.startswith("Take it: ")).split()[4]


def answer(story: Story, mail: Received, *args: str, expect: int | None = 0) -> Answer:
    return story.run("ack", code(mail), *args, expect=expect)


def doctor(story: Story) -> str:
    """What doctor says of the canary."""
    checks = story.run("doctor", "--offline", "-o", "json", expect=None).json["checks"]
    (one,) = [check for check in checks if "the canary" in check["what"]]
    return f"{one['mark']}: {one['what']}"


# --------------------------------------------------------------------------- the usual year


def test_one_asking_message_a_span_and_an_answer_ends_it(story: Story) -> None:
    """Three weeks of silence, then one message to each of those on duty; the code renews it for another 30 days."""
    assert doctor(story) == "fine: nobody has answered the canary yet; it asks from 2026-10-28 09:00 on"
    assert days(story, "2026-10-27") == []
    mails = days(story, "2026-10-28")
    assert [mail.to for mail in mails] == ["li@example.com", "mia@example.com"]
    assert mails[0].message["Subject"] == f"Start by 4 Nov: {NAME} (keywatch), expires 5 Nov"
    assert "take it with the code of this message" in mails[0].text
    assert doctor(story) == "fine: nobody has answered the canary; it asks again now"
    said = answer(story, mails[0])
    assert f"{NAME}: answered by Li Wei, that is all; it stands until 2026-11-28" in said.err
    assert "li:mail is proven" in said.err
    assert story.state(NAME)["state"] == "OK"
    assert doctor(story) == "fine: the canary was last answered 0 min ago by Li Wei; it asks from 2026-11-20 09:00 on"
    assert days(story, "2026-11-19") == []
    assert len(days(story, "2026-11-20")) == 2


def test_the_episode_ends_as_renewed_by_whoever_answered(story: Story) -> None:
    """The history says who has shown when that messages are read; a late second answer proves its own route."""
    first, second = days(story, "2026-10-28")
    answer(story, first)
    again = answer(story, second)
    assert f"{NAME}: over already (renewed)" in again.err
    assert "mia:mail is proven" in again.err
    ended = story.ask("SELECT outcome, ended_by, version FROM episode WHERE ended_at IS NOT NULL")
    assert ended == [("renewed", "li", "1")]
    assert story.ask("SELECT count(*) FROM ack") == [(0,)]


def test_it_is_answered_together_with_what_else_a_message_says(story: Story) -> None:
    """One message per person and day holds both; its code takes the one and renews the other."""
    story.add("edge-key", "2026-11-12", "1bd", "--owner", "platform", "--env", "production")
    story.check()
    mail = next(mail for mail in days(story, "2026-11-04") if mail.to.startswith("li") and "edge-key" in mail.text)
    said = answer(story, mail)
    assert "edge-key: in hand, Li Wei" in said.out
    assert story.state("edge-key")["state"] == "IN HAND"
    if NAME in mail.text:
        assert f"{NAME}: answered by" in said.err


def test_nobody_answers_and_it_climbs_to_the_last_resort(story: Story) -> None:
    """That is the point: like a real one, it is LATE, then EXPIRED, and more people hear of it; doctor is red."""
    told = {mail.to for mail in days(story, "2026-11-08")}
    assert told == {"li@example.com", "mia@example.com"}
    stages = [stage.partition("@")[0] for (stage,) in story.ask("SELECT DISTINCT stage FROM notice ORDER BY id")]
    assert [stage for stage in ("7d", "last", "expired") if stage in stages] == ["7d", "last", "expired"]
    assert doctor(story).startswith("problem: nobody has answered the canary, and it is EXPIRED")
    assert story.ask("SELECT max(rung) FROM episode") == [(4,)]


def test_answered_each_time_it_stays_quiet(story: Story) -> None:
    """It costs one message to whoever is on duty and one to the head, about each three weeks, and no other."""
    came = []
    for _ in range(4):
        while not (found := days(story, f"{story.now + DAY:%Y-%m-%d}")):
            pass
        came.append((f"{story.now:%m-%d}", len(found)))
        answer(story, found[0])
    assert came == [("10-28", 2), ("11-20", 2), ("12-11", 2), ("01-01", 2)]


# --------------------------------------------------------------------------- only by the code


def test_by_name_it_cannot_be_answered(story: Story) -> None:
    """Whoever knows its name has shown nothing about messages."""
    mail = days(story, "2026-10-28")[0]
    refused = story.run("ack", NAME, "--by", "li", expect=2)
    assert "is answered by the code of its message" in refused.err
    assert story.run("renew", NAME, "--expires", "2030-01-01", expect=2).code == 2
    assert story.state(NAME)["state"] == "START"
    answer(story, mail)
    assert story.state(NAME)["state"] == "OK"


def test_only_another_leaves_it_open(story: Story) -> None:
    """`--only` takes what it names and nothing else."""
    mail = days(story, "2026-10-28")[0]
    assert "is not open in that message" in answer(story, mail, "--only", NAME + "x", expect=2).err
    assert "answered by" in answer(story, mail, "--only", NAME).err


# --------------------------------------------------------------------------- it disturbs nobody


def test_it_blocks_no_release(story: Story) -> None:
    """Expired and unanswered it stands in an environment of its own, so the gate of production does not see it."""
    story.add("fine-key", "2027-06-30")
    days(story, "2026-11-08")
    story.run("gate", "--within", "60d")
    assert "keywatch-canary" in story.run("gate", "--env", "keywatch", expect=1).out
    snapshot = story.folder / "keywatch.db.snapshot.json"
    story.run("gate", "--from", str(snapshot), "--within", "60d")
    assert json.loads(snapshot.read_text())["counts"]["keywatch"] == 1


def test_it_is_no_suspect_of_another_service(story: Story) -> None:
    """Its answer changes its date, which is no change that an outage could come from."""
    story.add("fine-key", "2027-06-30", "21bd", "--owner", "payments", "--service", "checkout")
    answer(story, days(story, "2026-10-28")[0])
    story.check()
    story.run("suspects")
    story.run("suspects", "--service", "checkout")
    days(story, "2026-12-05")
    story.run("suspects", "--service", "checkout")


def test_it_lacks_nothing_in_doctors_eyes(story: Story) -> None:
    """No finding about labels, and its source is no orphan."""
    checks = story.run("doctor", "--offline", "-o", "json", expect=None).json["checks"]
    said = [check["what"] for check in checks if "credentials" in check["what"] and check["mark"] != "fine"]
    assert said == []


def test_the_digest_counts_it_as_any_other(story: Story) -> None:
    """One more that is fine; who has answered stands among the changes."""
    answer(story, days(story, "2026-10-28")[0])
    story.inbox()
    story.advance(days=6)
    (mail,) = [mail for mail in story.inbox("li") if "Week of" in mail.message["Subject"]]
    assert "1 fine" in mail.message["Subject"]
    assert f"{NAME}: renewed until" in mail.text


# --------------------------------------------------------------------------- the config decides


def rows(story: Story) -> list[tuple[Any, ...]]:
    return story.ask("SELECT name, active, retired_by, stale_since, substr(expires_at, 1, 10) FROM credential")


def test_without_the_key_there_is_none(tmp_path: Path) -> None:
    """Off by default: no row, no environment, no message."""
    with telling(tmp_path) as story:
        story.check()
        assert rows(story) == []
        assert "keywatch" not in load(story.folder / "keywatch.toml", {}).environments


def test_taken_out_of_the_config_it_is_retired(story: Story) -> None:
    """By the next run, before that run could say anything of it; put back it begins anew."""
    story.at("2026-10-28 08:00").rewrite('canary = "30d"\n', "")
    story.check()
    assert asked(story) == []
    assert [row[2] for row in rows(story)] == ["config"]
    assert "canary" not in story.run("doctor", "--offline", expect=None).out
    story.at("2026-11-02 08:00").rewrite('owner = "platform"\nlast', 'owner = "platform"\ncanary = "30d"\nlast')
    story.check()
    assert rows(story) == [(NAME, 1, "", None, "2026-12-02")]


def test_another_span_holds_at_once(story: Story) -> None:
    """Counted from the last answer, so that a long span does not outlive the wish for a short one."""
    story.at("2026-10-06 08:00").rewrite('"30d"', '"14d"')
    story.check()
    assert rows(story) == [(NAME, 1, "", None, "2026-10-19")]


def test_an_edit_of_the_config_does_not_make_it_stale(story: Story) -> None:
    """It is of no source that could be read or leave."""
    story.rewrite("questions = false", "questions = false\nsilences = 4")
    story.at("2026-10-06 08:00").check()
    assert rows(story) == [(NAME, 1, "", None, "2026-11-04")]


def test_retired_by_hand_it_comes_back(story: Story) -> None:
    """The config decides: whoever does not want it takes the key out."""
    story.run("retire", NAME, "--reason", "enough", expect=None)
    story.rewrite("questions = false", "questions = false\nsilences = 4")
    story.at("2026-10-06 08:00").check()
    assert [row[2] for row in rows(story)] == [""]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"30d"', '"6d"', "[keywatch] canary: must be 7d to 365d"),
        ('"30d"', '"2y"', "[keywatch] canary:"),
        ('"30d"', "30", "[keywatch] canary: must be"),
        ('staging = ["stage"]', 'keywatch = ["stage"]', "stands in an environment 'keywatch' of its own"),
        ('staging = ["stage"]', 'staging = ["keywatch"]', "stands in an environment 'keywatch' of its own"),
        ("[people]", "[policy.keywatch]\nlate = false\n[people]", "no environment 'keywatch'"),
        ("[people]", '[[source]]\nname = "keywatch"\nkind = "file"\n[people]', "'keywatch' is reserved"),
    ],
)
def test_what_the_config_may_not_say(story: Story, old: str, new: str, problem: str) -> None:
    """A span that asks daily or never, its environment taken or made quiet, its source taken."""
    story.rewrite(old, new)
    with pytest.raises(ConfigError) as bad:
        load(story.folder / "keywatch.toml", {})
    assert problem in str(bad.value)

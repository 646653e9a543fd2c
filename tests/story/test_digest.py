"""Monday's mail: one per person and week, worst first; heads and the keeper get it always, so that its lack is seen."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.story.story import Story, telling

EVERYBODY = {"ana", "bo", "cy", "mia", "li"}
ALWAYS = {"mia", "li"}
"""The head of both owners, and who is `[keywatch] owner`."""


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """From Monday 5 Oct 2026, 09:00 in Madrid; every mail is accepted."""
    with telling(tmp_path, refuses={}, every_days=365) as told:
        told.add("sftp", "2027-06-01", "5bd")
        told.check()
        yield told


def readers(story: Story) -> Counter[str]:
    """Who got a digest since the last look, and how many."""
    mails = [mail for mail in story.inbox() if str(mail.message["Subject"]).startswith("Week of")]
    return Counter(mail.to.partition("@")[0] for mail in mails)


def test_a_quiet_autumn(story: Story) -> None:
    """With nothing to say only heads and keeper get it, each Monday at 09:00, once; on the first Monday everybody."""
    weeks: dict[str, Counter[str]] = {}
    while story.now.strftime("%m-%d") < "11-04":
        story.now += timedelta(hours=6 if story.now.weekday() else 1)
        story.check()
        if got := readers(story):
            weeks[story.now.strftime("%a %m-%d %H:%M")] = got
    assert weeks == {
        "Mon 10-12 07:00": Counter(ALWAYS),
        "Mon 10-19 07:00": Counter(ALWAYS),
        "Mon 10-26 08:00": Counter(ALWAYS),
        "Mon 11-02 08:00": Counter(EVERYBODY),
    }


def test_when_there_is_something_to_say(story: Story) -> None:
    """The members hear of their own team's, worst first; a person of two owners gets one mail over both."""
    story.at("2026-10-19 07:00").check()
    story.add("paygate-api", "2026-12-01", "21bd")
    story.add("expired-one", "2026-10-18", "5bd")
    story.add("ours", "2026-11-12", "10bd", "--owner", "platform")
    story.inbox()
    story.at("2026-10-26 08:00").check()
    mails = {m.to.partition("@")[0]: m for m in story.inbox() if str(m.message["Subject"]).startswith("Week of")}
    assert mails.keys() == EVERYBODY
    ana, mia = mails["ana"].text, mails["mia"].text
    assert ana.index("expired-one") < ana.index("paygate-api")
    assert "ours" not in ana
    assert "ours" in mia
    assert "paygate-api" in mia
    assert mails["mia"].html


def test_a_monday_without_a_run(story: Story) -> None:
    """The machine was down from Saturday to Wednesday: the digest of that week comes on Wednesday, once."""
    story.at("2026-10-17 08:00").check()
    readers(story)
    story.at("2026-10-21 13:00").check()
    assert readers(story) == Counter(ALWAYS)
    story.at("2026-10-22 13:00").check()
    assert readers(story) == Counter()
    story.at("2026-10-26 07:59").check()
    assert readers(story) == Counter()
    story.at("2026-10-26 08:00").check()
    assert readers(story) == Counter(ALWAYS)


def test_a_preview_changes_nothing(story: Story) -> None:
    """`digest` shows every reader what they will get; `--person` one; nothing is sent and nothing is written."""
    before = story.dump()
    answer = story.run("digest")
    assert answer.out.count("Subject: Week of") == len(EVERYBODY)
    one = story.run("digest", "--person", "ana").out
    assert one.startswith("To: ana:mail\nSubject: Week of payments")
    assert story.dump() == before
    assert story.inbox() == []


def test_sent_by_hand_is_not_sent_again(story: Story) -> None:
    """`digest --send` reaches everybody now; that week's Monday run has nobody left to write to."""
    story.at("2026-10-12 06:00")
    story.run("digest", "--send")
    assert readers(story) == Counter(EVERYBODY)
    story.run("digest", "--send")
    story.at("2026-10-12 07:00").check()
    assert readers(story) == Counter()


def test_a_digest_that_is_put_off(story: Story) -> None:
    """The mail server is busy on Monday: the digest comes later, under the same Message-ID, and pages nobody."""
    story.server.rules.recipients["*"] = "451 4.7.1 later"
    story.at("2026-10-12 07:00")
    tried = story.check()
    assert {m["kind"] for m in tried} == {"digest"}
    story.server.rules.recipients.clear()
    story.at("2026-10-13 07:00")
    sent = story.check()
    assert {m["message_id"] for m in sent} == {m["message_id"] for m in tried}
    assert set(readers(story).values()) == {1}

"""The incident against a real mail server: an alias that answers 250, and a moment later a bounce in the Maildir."""

import os
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.servers.exim import Exim
from tests.story.story import CONFIG, Story, telling

BOX = "keywatch@keywatch.test"
QUARTER = timedelta(minutes=15)
ALIASES = {
    "ana": "left-the-company@corp.test",
    "old-team": "left-the-company@corp.test",
    "mixed": "cy@corp.test, left-the-company@corp.test",
}
LIVING = ("bo", "cy", "mia", "li")


@pytest.fixture
def exim() -> Iterator[Exim]:
    """Ana has left: her address and the old alias lead to nobody. Everybody else has a mailbox."""
    with Exim(ALIASES, (*(f"{name}@corp.test" for name in LIVING), BOX)) as running:
        owner = (running.home / "mail").stat()
        for folder in (running.maildir(BOX), *(running.maildir(BOX) / name for name in ("tmp", "new", "cur"))):
            folder.mkdir()
            os.chown(folder, owner.st_uid, owner.st_gid)
        yield running


def config(exim: Exim, alias: str = "old-team", bounces: str = "keywatch+{{token}}@keywatch.test") -> str:
    """Ana is first on call, Bo second; what comes back is read from the mail server's Maildir."""
    text = CONFIG.replace("@example.com", "@corp.test").replace("payments-alerts@", f"{alias}@")
    text = text.replace('from = "keywatch@corp.test"', 'from = "keywatch@keywatch.test"')
    smtp = f'smtp = "smtp://127.0.0.1:{exim.port}"'
    text = text.replace('smtp = "smtp://127.0.0.1:{port}"', smtp + (f'\nbounces = "{bounces}"' if bounces else ""))
    text = text.replace("[policy]", f'[inbox]\nurl = "maildir:{exim.maildir(BOX)}"\n\n[policy]')
    return text.replace('people = ["ana", "bo"]\nanchor', 'people = ["ana"]\nsecondary = ["bo"]\nanchor').replace(
        'head = "mia"\nmembers', "members"
    )


def begin(story: Story) -> list[dict[str, object]]:
    """The first call of paygate-api; a run before it, so that it is no adoption."""
    story.at("2026-10-20 08:00").add("paygate-api", "2026-12-19", "approval=15bd,issue=1bd,deploy=3bd,margin=2bd")
    story.check()
    story.at("2026-10-21 07:00")
    return told(story)


def told(story: Story) -> list[dict[str, object]]:
    return [one for one in story.check(expect=None) if one["kind"] == "notice"]


def arrived(exim: Exim, box: str) -> float:
    """When the latest mail of a box was written, in seconds since 1970."""
    return max(path.stat().st_mtime_ns for path in (exim.maildir(box) / "new").iterdir()) / 1e9


def evidence(story: Story) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for route, kind in story.ask("SELECT route, kind FROM evidence ORDER BY id"):
        found.setdefault(route, []).append(kind)
    return found


def test_payments_were_down_and_the_server_said_250(exim: Exim, tmp_path: Path) -> None:
    """Ana and the old alias are accepted and lead to nobody: the run after the bounces tells the second on call."""
    with telling(tmp_path, every_days=365, config=config(exim)) as story:
        first = begin(story)
        assert {(one["route"], one["verdict"]) for one in first} == {
            ("ana:mail", "accepted"),
            ("payments-alias", "accepted"),
        }
        exim.wait(BOX, 2)
        bounced = arrived(exim, BOX)
        story.now += QUARTER
        after = told(story)
        assert "bo" in {one["person"] for one in after if one["verdict"] == "accepted"}
        assert evidence(story) == {"ana:mail": ["refused"], "payments-alias": ["partial"]}
        assert b"paygate-api" in exim.wait("bo@corp.test")[0]
        seconds = arrived(exim, "bo@corp.test") - bounced
        print(f"\nfrom the bounce to the acceptance for the second on call: {seconds:.2f} s")


def test_an_answer_ends_it(exim: Exim, tmp_path: Path) -> None:
    """Bo answers with a plain yes: through the real server it proves the route, takes the call, and is confirmed."""
    with telling(tmp_path, every_days=365, config=config(exim)) as story:
        begin(story)
        exim.wait(BOX, 2)
        story.now += QUARTER
        told(story)
        exim.wait("bo@corp.test")
        query = "SELECT token, message_id FROM message WHERE route = 'bo:mail' AND kind = 'notice'"
        token, original = story.ask(query)[0]
        mail = EmailMessage()
        mail["From"], mail["To"] = "Bo Lind <bo@corp.test>", f"keywatch+{token}@keywatch.test"
        mail["Subject"], mail["In-Reply-To"], mail["Message-ID"] = "Re: Start", original, "<1@corp.test>"
        mail.set_content("yes\n")
        with smtplib.SMTP("127.0.0.1", exim.port) as smtp:
            smtp.send_message(mail)
        exim.wait(BOX, 1)  # the bounces were marked, and lie in cur
        story.now += QUARTER
        told(story)
        assert evidence(story)["bo:mail"] == ["ack"]
        assert story.state()["in_hand"]["person"] == "bo"
        assert any(b"Subject: Taken: paygate-api" in one for one in exim.wait("bo@corp.test", 3))


def test_a_mixed_alias(exim: Exim, tmp_path: Path) -> None:
    """One member reads it and one is gone: partial, never dead."""
    with telling(tmp_path, every_days=365, config=config(exim, alias="mixed")) as story:
        begin(story)
        exim.wait(BOX, 2)
        assert b"paygate-api" in exim.wait("cy@corp.test")[0]
        story.now += QUARTER
        told(story)
        assert evidence(story)["payments-alias"] == ["partial"]


def test_refused_at_once(exim: Exim, tmp_path: Path) -> None:
    """An alias that is gone is refused in the conversation: dead in the same run, without a bounce."""
    with telling(tmp_path, every_days=365, config=config(exim, alias="no-such")) as story:
        begin(story)
        assert evidence(story)["payments-alias"] == ["refused"]


def test_without_tokens(exim: Exim, tmp_path: Path) -> None:
    """Without `[mail] bounces` they come to the sender, and are matched by the envelope id and the Message-ID."""
    with telling(tmp_path, every_days=365, config=config(exim, bounces="")) as story:
        begin(story)
        exim.wait(BOX, 2)
        story.now += QUARTER
        assert "bo" in {one["person"] for one in told(story)}
        assert evidence(story) == {"ana:mail": ["refused"], "payments-alias": ["partial"]}

"""A message that fails by its own text: its reader gets the plain one, and the last resort hears of it in time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import render
from keywatch.model import Outgoing, Route, Verdict
from keywatch_mail import MailNotifier
from tests.story.story import Story, telling


@pytest.fixture
def story(tmp_path: Path) -> Any:
    with telling(tmp_path, refuses={}) as found:
        yield found


def break_templates(patch: pytest.MonkeyPatch) -> None:
    """As if an edited template did not render any more."""

    def page(*_: Any, **__: Any) -> str:
        raise KeyError("letter")

    patch.setattr(render, "page", page)


def refuse_rich_text(patch: pytest.MonkeyPatch, also_plain: bool = False) -> None:
    """As if something in the text itself could not be sent."""
    send = MailNotifier.send

    def choosy(self: MailNotifier, route: Route, outgoing: Outgoing) -> Verdict:
        if outgoing.rendered.html or (also_plain and "keywatch could not tell" not in outgoing.rendered.subject):
            raise UnicodeEncodeError("ascii", "…", 0, 1, "cannot be encoded")
        return send(self, route, outgoing)

    patch.setattr(MailNotifier, "send", choosy)


def test_a_template_that_fails_keeps_nothing_back(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in text goes to the same people in the same run; its code still takes the call."""
    story.at("2026-10-20 07:00").add()
    break_templates(monkeypatch)
    sent = story.at("2026-11-13 08:30").check()
    assert sent
    assert {one["verdict"] for one in sent} == {"accepted"}
    mail = story.inbox("bo")[0]
    assert any(f"keywatch ack {one['code']}" in mail.text for one in sent)
    assert "paygate-api" in mail.text


def test_what_cannot_be_sent_is_sent_plain(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notifier fails on the text: the next try is the plain one, under the same Message-ID, to the same people."""
    story.at("2026-10-20 07:00").add()
    refuse_rich_text(monkeypatch)
    first = story.at("2026-11-13 08:30").check(expect=None)
    names = {one["message_id"] for one in first}
    assert names
    story.now += timedelta(hours=1)
    story.check(expect=None)
    arrived = {str(mail.message["Message-ID"]) for mail in story.inbox()}
    assert names <= arrived
    assert story.state()["state"] == "START"


def test_poison_reaches_the_last_resort(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain text fails too: the last resort is told what could not be said and to whom, once."""
    story.at("2026-10-20 07:00").add()
    refuse_rich_text(monkeypatch, also_plain=True)
    story.at("2026-11-13 08:30").check(expect=None)
    story.now += timedelta(hours=1)
    story.check(expect=None)
    told = [mail for mail in story.inbox() if "could not tell" in str(mail.message["Subject"])]
    assert {mail.to for mail in told} >= {"li@example.com", "mia@example.com"}
    assert all("paygate-api: expires 2026-12-18 23:00 UTC" in mail.text for mail in told)
    names = [str(mail.message["Message-ID"]) for mail in told]
    story.now += timedelta(hours=1)
    story.check(expect=None)
    again = [
        str(mail.message["Message-ID"]) for mail in story.inbox() if "could not tell" in str(mail.message["Subject"])
    ]
    assert not set(again) & set(names)

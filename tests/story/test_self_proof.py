"""A mail to nobody has to come back each month; when it does not, the people who run keywatch hear of it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.smtp import Received
from tests.servers.web import Page, WebServer
from tests.story.story import CONFIG, Story, telling

DAY = timedelta(days=1)
SETTINGS = '[inbox]\nurl = "maildir:post"\nself_proof = "example.com"\n\n[policy]'
"""The bounces of these stories lie in a Maildir of the installation."""


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A Tuesday; the server takes every mail, whoever it is for."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / "post" / part).mkdir(parents=True)
    with telling(tmp_path, "2026-10-06 08:00", refuses={}, config=CONFIG.replace("[policy]", SETTINGS)) as told:
        yield told


def to_nobody(story: Story) -> list[Received]:
    return [mail for mail in story.server.received if mail.to.startswith("nobody-")]


def bounce(story: Story, mail: Received, name: str = "1") -> None:
    """The mail comes back as Postfix returns it, a second before now."""
    said = "550 5.1.1 user unknown"
    text = (
        f"From: MAILER-DAEMON@example.com\nTo: keywatch@example.com\nSubject: Undelivered Mail Returned to Sender\n"
        f"Auto-Submitted: auto-replied\nMIME-Version: 1.0\nMessage-ID: <bounce-{name}@example.com>\n"
        f"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\nI could not deliver it.\n\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; example.com\n\n"
        f"Final-Recipient: rfc822; {mail.to}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; {said}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {mail.message['Message-ID']}\n\n--b--\n"
    )
    (story.folder / "post" / "new" / f"{name}.mail").write_text(text, encoding="ascii")


def later(story: Story, days: float) -> list[dict[str, Any]]:
    story.now += days * DAY
    return story.check(expect=None)


def deaf(story: Story) -> list[tuple[str, str]]:
    """The episodes of the bounce detector and how they ended."""
    return story.ask("SELECT opened_at, outcome FROM episode WHERE subject = 'inbox:self-proof' ORDER BY id")


def ears(story: Story) -> str:
    """What doctor has to say of it."""
    from keywatch.config import load
    from keywatch.doctor.people import ears as look
    from keywatch.doctor.values import Patient
    from keywatch.outlook import world
    from keywatch.read import open_reader

    config = load(story.folder / "keywatch.toml", {})
    with open_reader(config.store) as reader:
        patient = Patient(config, reader, world(config, reader, story.now), (), story.now)
        return "\n".join(f"{one.mark}: {one.what}" for one in look(patient))


def test_one_mail_a_month_to_an_address_of_its_own(story: Story) -> None:
    """Never the same twice, nobody's, with a text for whoever reads it after all."""
    story.check()
    for _ in range(5):
        later(story, 13)
    mails = to_nobody(story)
    assert len({mail.to for mail in mails}) == len(mails) == 3
    assert {mail.to.partition("@")[2] for mail in mails} == {"example.com"}
    assert "Nobody should be able to read this" in mails[0].text


def test_a_bounce_that_comes_back_is_well(story: Story) -> None:
    """Heard of within a day: nobody is told anything, no route is dead, doctor is content."""
    story.check()
    assert ears(story).startswith("note: the mail to nobody went out")
    bounce(story, to_nobody(story)[0])
    story.now += timedelta(minutes=75)
    story.check()
    for _ in range(3):
        later(story, 1)
    assert deaf(story) == []
    assert ears(story).startswith("fine: a bounce was last heard of")
    assert not [one for one in story.sent if one["kind"] == "finding"]


def test_a_bounce_that_never_comes_is_told(story: Story) -> None:
    """A day later the keeper's people hear of it, the others do not; it makes no route dead and no call uncovered."""
    story.check()
    later(story, 23 / 24)
    assert deaf(story) == []
    sent = later(story, 2 / 24)
    sent += later(story, 1)
    assert [outcome for _, outcome in deaf(story)] == [""]
    assert {one["person"] for one in sent if one["kind"] == "finding"} <= {"li", "mia"}
    (mail,) = [mail for mail in story.inbox("li") if "does not hear of bounces" in mail.text]
    assert "of 2026-10-06" in mail.text
    assert "`keywatch test inbox:self-proof` sends another one" in mail.text
    assert story.ask("SELECT count(*) FROM evidence") == [(0,)]
    assert ears(story).startswith("problem: the mail to nobody of 2026-10-06")


def test_it_lasts_until_a_bounce_is_heard_of(story: Story) -> None:
    """Another month and another mail change nothing; the first bounce that arrives ends it."""
    for days in (0, 2, 26, 0.5):
        later(story, days)
    assert len(to_nobody(story)) == 2
    assert [outcome for _, outcome in deaf(story)] == [""]
    bounce(story, to_nobody(story)[-1])
    later(story, 0.25)
    assert [outcome for _, outcome in deaf(story)] == ["renewed"]
    later(story, 2)
    assert len(deaf(story)) == 1


def test_a_mail_more_can_be_sent_at_any_time(story: Story) -> None:
    """Whoever mended the inbox need not wait for the next month."""
    for days in (0, 2):
        later(story, days)
    story.run("test", "inbox:self-proof", expect=None)
    bounce(story, to_nobody(story)[-1])
    later(story, 0.25)
    assert [outcome for _, outcome in deaf(story)] == ["renewed"]


def test_a_refusal_at_once_shows_nothing(story: Story) -> None:
    """The server knows its addresses: no trouble, no dead route, and a note that bounces were not tried."""
    story.server.rules.recipients["nobody-*"] = "550 5.1.1 no such user here"
    for days in (0, 2, 2):
        later(story, days)
    assert to_nobody(story) == []
    assert deaf(story) == []
    assert ears(story).startswith("note: the mail to nobody was refused at once (550 5.1.1)")
    assert not [one for one in story.sent if one["kind"] == "finding"]


def test_an_inbox_that_is_not_read_is_another_trouble(story: Story) -> None:
    """Nobody looked whether the bounce came: that the inbox cannot be read is said, and nothing else."""
    story.check()
    (story.folder / "post").rename(story.folder / "elsewhere")
    for _ in range(3):
        later(story, 1)
    assert deaf(story) == []


def test_a_mail_that_never_left_is_not_missed(story: Story) -> None:
    """The mail server is down: what was not accepted cannot come back."""
    story.server.stop()
    for days in (0, 2, 2):
        later(story, days)
    assert deaf(story) == []


def test_switched_off_it_ends(story: Story) -> None:
    """Without `self_proof` nothing is sent, and what was open counts as taken out of the config."""
    for days in (0, 2):
        later(story, days)
    story.rewrite('self_proof = "example.com"\n', "")
    later(story, 0.1)
    assert [outcome for _, outcome in deaf(story)] == ["retired"]
    later(story, 40)
    assert len(to_nobody(story)) == 1


def test_the_bounce_of_last_month_counts_after_the_month_has_turned(story: Story) -> None:
    """Sent on the last evening of October, back on the first of November, when the address is another one."""
    story.at("2026-10-31 22:30").check()
    (mail,) = to_nobody(story)
    story.at("2026-11-01 00:30")
    bounce(story, mail)
    story.check()
    with contextlib.closing(sqlite3.connect(story.folder / "keywatch.db")) as connection:
        assert connection.execute("SELECT count(*) FROM evidence WHERE route = 'inbox:self-proof'").fetchone() == (1,)
    assert ears(story).startswith(("fine: a bounce was last heard of", "note: the mail to nobody went out"))


# --------------------------------------------------------------------------- the last resort


PAGER = '[routes.pager]\nurl = "json://127.0.0.1:9/"\nperson = "mia"\npage = true\n\n[rosters.payments]'


def last_resort(story: Story) -> tuple[str, str, str]:
    """Mark, sentence and hint of what doctor says of it."""
    checks = story.run("doctor", "--offline", "-o", "json", expect=None).json["checks"]
    (found,) = [one for one in checks if one["what"].startswith("the last resort")]
    return found["mark"], found["what"], found["hint"]


def prove(story: Story, route: str) -> None:
    """A person answers the last message that went to it."""
    story.run("test", route, expect=None)
    ((code,),) = story.ask("SELECT code FROM message WHERE route = ? ORDER BY id DESC LIMIT 1", route)
    story.run("ack", code)


def test_the_last_resort_is_two_proven_people_and_two_proven_transports(story: Story) -> None:
    """Named in the config is not enough; doctor counts those who answered lately, and says what is missing."""
    story.rewrite("[rosters.payments]", PAGER)
    story.check()
    mark, what, hint = last_resort(story)
    assert mark == "problem"
    assert what == "the last resort has 0 of 2 proven people (none) and 0 of 2 proven transports (none)"
    assert "last_resort needs routes of two people by two transports: it has 2 and 1 (mail)" in hint
    story.rewrite('last_resort = ["li:mail", "mia:mail"]', 'last_resort = ["li:mail", "pager"]')
    prove(story, "li:mail")
    _, what, hint = last_resort(story)
    assert what == "the last resort has 1 of 2 proven people (li) and 1 of 2 proven transports (mail)"
    assert hint == "`keywatch test pager` sends a message whose code proves it; it is unproven"


def test_proven_people_by_two_transports_are_fine(story: Story) -> None:
    """Li by mail and mia by what pages her; 90 days later it is red again."""
    with WebServer({"/": Page()}) as web:
        story.rewrite("[rosters.payments]", PAGER.replace("127.0.0.1:9", web.place))
        story.rewrite('last_resort = ["li:mail", "mia:mail"]', 'last_resort = ["li:mail", "pager"]')
        for route in ("li:mail", "pager"):
            prove(story, route)
    assert last_resort(story)[:2] == ("fine", "the last resort reaches li, mia by json, mail, all proven")
    later(story, 89)
    assert last_resort(story)[0] == "fine"
    later(story, 2)
    assert last_resort(story)[0] == "problem"

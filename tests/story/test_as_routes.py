"""The numbered scenarios about routes: who reads them, what bounces, and whose word proves anything."""

import re
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.inbox.mailing import bounce, deliver, evidence, noted, reading, reply, sent_to
from tests.story.story import ALIAS, CONFIG, Story, telling
from tests.story.test_roster_faults import EVERYBODY, FEED, NOBODY, on_feed

DAY = timedelta(days=1)
ASKING = CONFIG.replace("questions = false", "questions = true")
PROOFS = {"ack", "attested", "reply"}


def accepted(messages: list[dict[str, Any]], kind: str = "notice") -> set[str]:
    """The routes that took a message of this kind."""
    return {one["route"] for one in messages if one["kind"] == kind and one["verdict"] == "accepted"}


def health(story: Story, route: str) -> str:
    (one,) = story.run("routes", route, "-o", "json").json["routes"]
    return str(one["health"])


def attest(story: Story, route: str, *by: str) -> None:
    """Somebody reads a test message of that route and says its code."""
    story.run("test", route)
    mail = story.inbox()[-1]
    found = re.search(r"keywatch ack ([0-9A-Z]{5})", mail.text)
    assert found, mail.text
    story.run("ack", found[1], *by)


# --------------------------------------------------------------------------- AS-01


def test_as_01_unread_alias(tmp_path: Path) -> None:
    """An alias whose last proof is older than 45 days: the call goes to it and to a living person in the same run."""
    with telling(tmp_path, "2026-09-01 08:00", refuses={}, every_days=365) as story:
        story.add()
        attest(story, "payments-alias", "--by", "cy")
        assert health(story, "payments-alias") == "proven"
        story.at("2026-10-16 07:00").check()
        assert health(story, "payments-alias") == "proven", "45 days later it still is"
        first = story.at("2026-10-21 07:00").check()
        assert health(story, "payments-alias") == "unproven"
        assert accepted(first) == {"payments-alias", "ana:mail"}


def test_as_01_the_age_of_a_proof_is_asked_about(tmp_path: Path) -> None:
    """Nobody answers "still read here?" for 14 days: its people are told to name a replacement, nothing being due."""
    with telling(tmp_path, "2026-10-04 20:00", refuses={}, every_days=120, config=ASKING) as story:
        story.add("far", "2027-12-19", "5bd")
        sent = story.advance(days=20, every=DAY / 2, expect=None)
        assert "payments-alias" in accepted(sent, "question")
        assert accepted(sent) == set()
        assert health(story, "payments-alias") == "suspect"
        said = [mail for mail in story.inbox("ana") if "nobody says that they read payments-alias" in mail.text.lower()]
        assert len(said) == 1
        assert "Name a replacement" in said[0].text


# --------------------------------------------------------------------------- AS-02


def test_as_02_bounce_at_the_door(tmp_path: Path) -> None:
    """5.1.1: the same call is widened in the same run, the route is dead, and its people get one message about it
    with every credential that hangs on it."""
    with telling(tmp_path, every_days=365) as story:
        names = [f"paygate-{n}" for n in range(4)]
        for name in names:
            story.at("2026-10-20 08:00").add(name, "2026-12-19", "21bd")
        first = story.at("2026-10-21 07:00").check()
        assert accepted(first) == {"ana:mail", "mia:mail"}
        assert health(story, "payments-alias") == "dead"
        story.advance(days=1, every=timedelta(hours=1))
        told = [mail for mail in story.inbox("ana") if "is dead" in str(mail.message["Subject"])]
        assert len(told) == 1, "one message, not one for each"
        assert all(name in told[0].text for name in names)


def test_as_02_bounce_that_comes_later(tmp_path: Path) -> None:
    """250 at the door and a report afterwards: the run that reads it widens the call."""
    with reading(tmp_path) as story:
        deliver(story, bounce(sent_to(story, "payments-alias").address, ALIAS))
        story.now += timedelta(minutes=15)
        widened = story.check()
        assert evidence(story, "payments-alias") == ["refused"]
        assert accepted(widened) & {"bo:mail", "cy:mail"}
        assert health(story, "payments-alias") == "dead"


def test_as_02_a_transient_answer_only_retries(tmp_path: Path) -> None:
    """4.x: the route stays what it was, and the retry is taken."""
    with telling(tmp_path, refuses={ALIAS: "greylist"}, every_days=365) as story:
        story.at("2026-10-20 08:00").add()
        sent = story.at("2026-10-21 07:00").check() + story.advance(days=0.1, every=timedelta(minutes=15))
        assert [one["verdict"] for one in sent if one["route"] == "payments-alias"] == ["deferred", "accepted"]
        assert health(story, "payments-alias") == "unproven"


# --------------------------------------------------------------------------- AS-03


def test_as_03_silent_accept(tmp_path: Path) -> None:
    """250 and no answer: two working days later the next rung hears of it, and 250 has proved nothing."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.at("2026-11-12 08:00").add()
        assert story.check() == []
        assert accepted(story.at("2026-11-13 08:00").check()) == {"ana:mail", "mia:mail", "payments-alias"}
        assert accepted(story.at("2026-11-16 08:00").check()) == set()
        assert accepted(story.at("2026-11-17 08:00").check()) == {"bo:mail", "cy:mail"}
        assert {health(story, route) for route in ("ana:mail", "mia:mail", "payments-alias")} == {"unproven"}


MACHINES = {
    "a delivered report": {"action": "delivered", "status": "2.0.0"},
    "a delayed report": {"action": "delayed", "status": "4.4.1"},
    "a relayed report": {"action": "relayed", "status": "2.0.0"},
}


def test_as_03_no_machine_proves_a_route(tmp_path: Path) -> None:
    """Through the whole program: a 250, reports of delivery, an absence, a ticket and a read receipt prove nothing."""
    with reading(tmp_path) as story:
        sent = sent_to(story, "ana:mail")
        for said in MACHINES.values():
            deliver(story, bounce(sent.address, "ana@example.com", **said))
        auto: dict[str, Any] = {"Auto_Submitted": "auto-replied"}
        deliver(story, reply(sent, "ana@example.com", "I am out of office until 20 November.", **auto))
        deliver(story, reply(sent, "ana@example.com", f"Ticket 4711: ack {sent.code}", **auto))
        deliver(story, receipt(sent.address, sent.message_id))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert not PROOFS & {kind for (kind,) in story.ask("SELECT kind FROM evidence")}
        assert story.ask("SELECT count(*) FROM ack") == [(0,)]
        assert story.state()["in_hand"] is None
        assert health(story, "ana:mail") == "unproven"
        deliver(story, reply(sent, "ana@example.com", f"ack {sent.code}"))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert PROOFS & set(evidence(story, "ana:mail")), "a person does"


def receipt(to: str, message_id: str) -> bytes:
    """A read receipt (RFC 8098)."""
    lines = [
        f"Delivered-To: {to}",
        "From: ana@example.com",
        "Subject: Read: Start today",
        f"In-Reply-To: {message_id}",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
        *("", "--b", "Content-Type: text/plain", "", "Your message was read."),
        *("--b", "Content-Type: message/disposition-notification", "", "Final-Recipient: rfc822; ana@example.com"),
        *(f"Original-Message-ID: {message_id}", "Disposition: manual-action/MDN-sent-manually; displayed", "--b--", ""),
    ]
    return "\n".join(lines).encode()


# --------------------------------------------------------------------------- AS-13


def test_as_13_empty_on_call(tmp_path: Path) -> None:
    """The roster answers 200 with nobody: the others are told in the same run, and that nobody is on call is said."""
    with on_feed(tmp_path, NOBODY["an empty calendar"]) as (story, web):
        first = story.at("2026-10-21 07:00").check()
        assert accepted(first) >= set(EVERYBODY)
        assert web.url(FEED) not in str(first)
        story.now += DAY
        story.check(expect=None)
        assert any("names nobody who is on call" in mail.text for mail in story.inbox())


# --------------------------------------------------------------------------- AS-23


LINK = re.compile(r"https?://\S+|(?:href|src|action)\s*=\s*[\"']([^\"']*)", re.IGNORECASE)


def test_as_23_nothing_in_a_mail_acts_when_it_is_fetched(tmp_path: Path) -> None:
    """A scanner that opens every link of a mail finds none: only a code that somebody sends back acts."""
    with reading(tmp_path) as story:
        mails = story.inbox()
        assert mails
        for mail in mails:
            links = LINK.findall(mail.text) + LINK.findall(mail.html)
            assert not [link for link in links if not link.startswith("mailto:")], mail.text
        assert story.ask("SELECT count(*) FROM ack") == [(0,)]


def test_as_23_a_scanner_that_answers_proves_nothing(tmp_path: Path) -> None:
    """Even one that mails the whole text back, code and all, as a machine."""
    with reading(tmp_path) as story:
        sent, mail = sent_to(story, "ana:mail"), story.inbox("ana")[-1]
        quoted = f"This message was scanned.\nack {sent.code}\n{mail.text}"
        deliver(story, reply(sent, "scanner@example.com", quoted, Auto_Submitted="auto-generated"))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert not PROOFS & set(evidence(story, "ana:mail"))
        assert story.ask("SELECT count(*) FROM ack") == [(0,)]


# --------------------------------------------------------------------------- AS-24


@pytest.mark.parametrize(
    "words", ["I have left the company.", "Ich arbeite nicht mehr hier.", "J'ai quitté l'entreprise."]
)
def test_as_24_auto_reply_of_somebody_who_left(tmp_path: Path, words: str) -> None:
    """It is no sign of life: the route is suspect, counts for nothing, and its people are told at the next slot."""
    with reading(tmp_path) as story:
        deliver(story, reply(sent_to(story, "ana:mail"), "ana@example.com", words, Auto_Submitted="auto-replied"))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert evidence(story, "ana:mail") == ["left"]
        assert health(story, "ana:mail") == "suspect"
        story.at("2026-11-16 08:30")
        story.check(expect=None)
        assert any("its reader has left" in mail.text for mail in story.inbox())


# --------------------------------------------------------------------------- AS-25


def test_as_25_one_alias_and_400_credentials(tmp_path: Path) -> None:
    """One message for each route in a run, with all 400 in it; taken one by one, or all at once."""
    rows = ["name,expires,owner,lead", *(f"key-{n:03},2026-12-19,payments,21bd" for n in range(400))]
    (tmp_path / "sheet.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.at("2026-10-12 08:00").run("import", "sheet.csv")
        story.check()
        first = [one for one in story.at("2026-10-21 07:00").check() if one["kind"] == "notice"]
        assert {one["route"]: len(one["notices"]) for one in first} == {"ana:mail": 400, "payments-alias": 400}
        assert len(first) == 2
        code = next(one["code"] for one in first if one["person"] == "ana")
        story.run("ack", code, "--only", "key-007")
        assert story.ask("SELECT count(*) FROM ack") == [(1,)]
        story.run("ack", code)
        assert story.ask("SELECT count(DISTINCT episode_id) FROM ack") == [(400,)]


# --------------------------------------------------------------------------- AS-32


def test_as_32_two_owners_claim_and_none_answers(tmp_path: Path) -> None:
    """A label and a rule name two teams: one of them rules; nobody answers, so the head of both hears of it."""
    assign = '\n[[assign]]\nmatch = "manual:*"\nowner = "platform"\n'
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG + assign) as story:
        story.at("2026-11-12 08:00").add()
        assert story.state()["owner"] == "payments", "what a person said outranks the rule"
        story.check()
        assert "mia:mail" in accepted(story.at("2026-11-13 08:00").check())
        assert accepted(story.at("2026-11-17 08:00").check()) == {"bo:mail", "cy:mail"}
        assert "li:mail" in accepted(story.at("2026-11-25 08:00").check()), "late and unanswered: the fallback too"


def test_as_32_an_ack_by_somebody_else_is_recorded_as_such(tmp_path: Path) -> None:
    """Whoever is not on the route proves nothing of it, and whoever is nobody of ours promises nothing: both noted."""
    with reading(tmp_path) as story:
        sent = sent_to(story, "ana:mail")
        deliver(story, stranger("keywatch@example.com", sent.message_id, "Who are you?"))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert "who is not on that route" in noted(story)[-1]
        assert health(story, "ana:mail") == "unproven"
        deliver(story, stranger(sent.address, sent.message_id, f"ack {sent.code}"))
        story.now += timedelta(minutes=15)
        story.check(expect=None)
        assert "somebody who is not in [people]" in noted(story)[-1]
        assert "not taken" in noted(story)[-1]
        assert story.ask("SELECT count(*) FROM ack") == [(0,)]


def stranger(to: str, message_id: str, words: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Delivered-To"], mail["To"], mail["From"] = to, to, "Eve <eve@elsewhere.test>"
    mail["Subject"], mail["In-Reply-To"] = "Re: Start today", message_id
    mail.set_content(f"{words}\n")
    return mail

"""What came back was read by nobody, whatever the code; and two machines do not write to each other for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.inbox.mailing import READING, Sent, bounce, deliver, evidence, noted, reading, reply, sent_to, unseen
from tests.servers.postgres import PostgresServer
from tests.story.story import ALIAS, CONFIG, Story, telling

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
ALIAS_ROUTE = "payments-alias"
ASKING = READING.replace("questions = false", "questions = true")
NO_SUCH = "550 5.4.1 Recipient address rejected: Access denied"
"""How Exchange Online says that there is no such recipient."""
TICKET = "Thank you, ticket 4711 was opened. We have begun to work on it, until 2026-11-20."


def told(sent: list[dict[str, Any]], kind: str) -> set[str]:
    return {one["route"] for one in sent if one["kind"] == kind}


# --------------------------------------------------------------------------- what no database takes


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a store that is still to be made."""
    if request.param == "sqlite":
        return "sqlite:///keywatch.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


def nul_in_envid() -> bytes:
    return bounce("keywatch@example.com", "ana@example.com", envid="abc+00")


def nul_in_reference() -> bytes:
    mail = reply(None, "ana@example.com", "yes").as_bytes()
    return mail.replace(b"Subject:", b"In-Reply-To: <a\x00b@example.com>\nSubject:", 1)


def nul_in_returned_headers() -> bytes:
    headers = b"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <a\x00b@example.com>\n\n--b--"
    return bounce("keywatch@example.com", "ana@example.com").replace(b"--b--", headers)


@pytest.mark.parametrize("mail", [nul_in_envid, nul_in_reference, nul_in_returned_headers])
def test_a_nul_is_nobodys_message(tmp_path: Path, store: str, mail: Any) -> None:
    """A NUL where an id is read names no message of ours: the run goes on, and the mail is not read for ever."""
    with reading(tmp_path, READING.replace("sqlite:///keywatch.db", store)) as story:
        deliver(story, mail())
        story.now += QUARTER
        story.run("check")
        assert unseen(story) == 0


@pytest.mark.server
def test_a_nul_does_not_keep_others_from_being_read(tmp_path: Path, postgres: PostgresServer) -> None:
    """A bounce that lies in the box behind the one with the NUL is heard of in the same run."""
    with reading(tmp_path, READING.replace("sqlite:///keywatch.db", postgres.database())) as story:
        envelopes = {mail.to: mail.mail_from for mail in story.inbox()}
        deliver(story, nul_in_envid())
        deliver(story, bounce(envelopes["ana@example.com"], "ana@example.com"))
        story.now += QUARTER
        assert "bo:mail" in told(story.check(), "notice")


# --------------------------------------------------------------------------- a later answer


@contextmanager
def second_call(folder: Path) -> Iterator[tuple[Story, Sent, Sent]]:
    """Ana answered the first call; the one about `other` went to her and to the alias: (story, hers, the alias's)."""
    with reading(folder) as story:
        first = sent_to(story, "ana:mail")
        story.now += QUARTER
        story.run("ack", first.code)
        story.at("2026-11-16 07:30").add("other", "2026-12-19", "20bd")
        called = story.at("2026-11-16 08:05").check()
        assert told(called, "notice") == {"ana:mail", ALIAS_ROUTE}
        codes = {one["route"]: one["code"] for one in called if one["kind"] == "notice"}
        story.now += QUARTER
        story.run("ack", first.code)  # the old message once more: her route is proven after the call went out
        yield story, sent_by(story, codes["ana:mail"]), sent_by(story, codes[ALIAS_ROUTE])


def sent_by(story: Story, code: str) -> Sent:
    return Sent(*story.ask("SELECT id, token, code, message_id FROM message WHERE code = ?", code)[0])


def test_an_answer_to_another_message_covers_nothing(tmp_path: Path) -> None:
    """Her route lives, but that message came back: the call is not covered any more, and more people are told."""
    with second_call(tmp_path) as (story, hers, theirs):
        deliver(story, bounce(hers.address, "ana@example.com", "5.2.2", words="mailbox full"))
        deliver(story, bounce(theirs.address, ALIAS, "5.4.4", words="unable to route"))
        story.now += QUARTER
        assert {"bo:mail", "cy:mail"} <= told(story.check(), "notice")
        assert any("somebody has answered through that route since, so it is only noted" in one for one in noted(story))
        assert set(evidence(story, "ana:mail")) == {"ack"}, "the route itself is not suspected"


def test_what_one_proven_reader_has_is_cover(tmp_path: Path) -> None:
    """The ground of the test above: while hers did not come back, the alias alone widens nothing."""
    with second_call(tmp_path) as (story, _, theirs):
        deliver(story, bounce(theirs.address, ALIAS, "5.4.4", words="unable to route"))
        story.now += QUARTER
        assert told(story.check(), "notice") == set()


# --------------------------------------------------------------------------- codes that say nothing of the route


@contextmanager
def asking(folder: Path) -> Iterator[Story]:
    """Quiet times with an inbox: everybody is asked whether they read."""
    for name in ("tmp", "new", "cur"):
        (folder / "box" / name).mkdir(parents=True)
    with telling(folder, "2026-10-04 08:00", refuses={}, every_days=365, config=ASKING) as story:
        story.run("add", "far", "--expires", "2027-12-19", "--lead", "5bd", "--owner", "payments")
        yield story


def live(story: Story, until: str) -> list[dict[str, Any]]:
    """A run a day; the people answer their questions, and all that goes to the alias comes back with 5.4.1."""
    sent = []
    while f"{story.now:%Y-%m-%d}" < until:
        story.now += DAY
        for one in story.check():
            sent.append(one)
            if one["route"] == ALIAS_ROUTE:
                deliver(story, bounce(sent_to(story, ALIAS_ROUTE).address, ALIAS, "5.4.1", words=NO_SUCH))
            elif one["kind"] == "question":
                story.run("ack", one["code"])
    return sent


def test_a_question_that_comes_back_was_not_answered(tmp_path: Path) -> None:
    """5.4.1 in a bounce may be the transport's, so it kills nothing; fourteen days later nobody has answered."""
    with asking(tmp_path) as story:
        sent = live(story, "2026-10-19")
        assert [f"{one['at']:%m-%d}" for one in sent if one["route"] == ALIAS_ROUTE] == ["10-06"]
        assert any("that says nothing about who reads the route" in one for one in noted(story))
        assert evidence(story, ALIAS_ROUTE) == []
        story.inbox()
        assert told(live(story, "2026-10-21"), "finding") == {"ana:mail"}
        assert evidence(story, ALIAS_ROUTE) == ["unanswered"]
        (said,) = [mail for mail in story.inbox("ana") if "Nobody says that they read" in str(mail.message["Subject"])]
        assert f"{ALIAS_ROUTE} ({ALIAS})" in said.text
        assert "it was asked on 6 Oct and nobody has answered" in " ".join(said.text.split())


def at_the_door(folder: Path, answer: str) -> tuple[list[str], set[str]]:
    """What is known of the alias, and who was called, where its mail server answers RCPT so."""
    with telling(folder, "2026-11-13 07:30", refuses={ALIAS: answer}, every_days=365, config=CONFIG) as story:
        story.add()
        called = story.at("2026-11-13 08:00").check(expect=None)
        return evidence(story, ALIAS_ROUTE), {one["route"] for one in called if one["verdict"] == "accepted"}


def test_no_such_recipient_at_the_door(tmp_path: Path) -> None:
    """550 5.4.1 about the recipient blames the route: it is dead in that run, and others are told instead."""
    kinds, reached = at_the_door(tmp_path, NO_SUCH)
    assert kinds == ["refused"]
    assert reached == {"ana:mail", "mia:mail"}


def test_a_relay_without_a_way_at_the_door(tmp_path: Path) -> None:
    """550 5.4.1 about a host (RFC 3463) is the transport's: the route lives."""
    kinds, _ = at_the_door(tmp_path, "550 5.4.1 no answer from host mx.corp.test")
    assert kinds == []


# --------------------------------------------------------------------------- machines that do not say that they are


def as_an_answer(sent: Sent) -> EmailMessage:
    return reply(sent, "ana@example.com", TICKET, subject="[Ticket 4711] Start today")


def without_a_reference(sent: Sent) -> EmailMessage:
    mail = as_an_answer(sent)
    del mail["In-Reply-To"]
    return mail


def without_a_token(sent: Sent) -> EmailMessage:
    return reply(sent, "ana@example.com", TICKET, to="keywatch@example.com", vouched=True)


def with_a_bare_yes(sent: Sent) -> EmailMessage:
    return reply(sent, "ana@example.com", "Yes, this address is read. We will answer soon.")


def with_a_day_out_of_bounds(sent: Sent) -> EmailMessage:
    return reply(sent, "ana@example.com", "Ticket 4711 was opened. We have begun, until 2031-01-01.")


@pytest.mark.parametrize(
    "machine", [as_an_answer, without_a_reference, without_a_token, with_a_bare_yes, with_a_day_out_of_bounds]
)
def test_two_machines_do_not_write_for_ever(tmp_path: Path, machine: Any) -> None:
    """A machine that answers every mail, unmarked, gets one answer to its answer, and none to what it says to that."""
    with reading(tmp_path) as story:
        got = []
        for _ in range(6):
            for mail in story.inbox("ana"):
                got.append(str(mail.message["Subject"]))
                deliver(story, machine(sent_to(story, "ana:mail")))
            story.now += QUARTER
            story.run("check", "-q")
        assert len(got) <= 2, got
        assert got[0].startswith("Start ")
        assert unseen(story) == 0

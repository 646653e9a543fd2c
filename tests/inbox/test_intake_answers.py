"""What people answer: what proves a route, what takes a call, and what they hear of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.inbox.mailing import Sent, deliver, evidence, noted, reading, reminded, reply, sent_to, unseen
from tests.story.story import Story

ALIAS_ROUTE = "payments-alias"
QUARTER = timedelta(minutes=15)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with reading(tmp_path) as told:
        told.inbox()
        yield told


def came(story: Story, *mails: object) -> str:
    """The stderr of the run after these mails came."""
    for mail in mails:
        deliver(story, mail)  # type: ignore[arg-type]
    story.now += QUARTER
    return story.run("check", "-q").err


def held(story: Story) -> tuple[str, str] | None:
    """Who has it in hand, until which day."""
    found = story.state()["in_hand"]
    return (found["person"], found["until"][:10]) if found else None


def answered(story: Story) -> list[str]:
    """What was written about answers: kinds of evidence and who gave it."""
    return [f"{kind} {who} {route}" for kind, who, route in story.ask("SELECT kind, person, route FROM evidence")]


def ana(story: Story) -> Sent:
    return sent_to(story, "ana:mail")


# --------------------------------------------------------------------------- taking


def test_an_ack_by_reply(story: Story) -> None:
    """A code on top of a reply takes the call until the day named, proves the route once, and is confirmed once."""
    sent = ana(story)
    came(story, reply(sent, "ana@example.com", f"ack {sent.code} until 2026-11-18\n\n> Take it: keywatch ack"))
    assert held(story) == ("ana", "2026-11-18")
    assert answered(story) == ["ack ana ana:mail"]
    ((subject, text),) = reminded(story, "ana")
    assert subject == "Taken: paygate-api, until Wed 18 Nov 2026"
    assert "paygate-api: in hand, Ana Ruiz begins by Wed 18 Nov 2026." in text
    assert unseen(story) == 0


def test_yes_takes_it(story: Story) -> None:
    """The message says that a plain yes is enough, and it is."""
    assert "or just reply: yes" in next(mail.text for mail in story.server.received if mail.to == "ana@example.com")
    came(story, reply(ana(story), "ana@example.com", "Yes"))
    assert held(story) is not None


def test_work_has_begun(story: Story) -> None:
    """`begun until D` is the other kind of promise."""
    came(story, reply(ana(story), "ana@example.com", "I have begun, until 2026-11-20"))
    assert story.ask("SELECT kind, person FROM ack") == [("begun", "ana")]


def test_no_inbox_promises_no_reply(tmp_path: Path) -> None:
    """Where nobody reads replies, no message asks for one."""
    from tests.story.story import telling

    with telling(tmp_path, every_days=365) as story:
        story.at("2026-11-13 07:30").add()
        story.at("2026-11-13 08:00").check()
        assert all("just reply" not in mail.text for mail in story.inbox())


def test_a_plain_reply_proves_and_takes_nothing(story: Story) -> None:
    """Words that ask for nothing prove the route; the writer hears how to take it, so that nobody believes they did."""
    came(story, reply(ana(story), "ana@example.com", "I will look at it tomorrow."))
    assert answered(story) == ["reply ana ana:mail"]
    assert held(story) is None
    ((subject, text),) = reminded(story, "ana")
    assert subject == "Your answer came; nothing is taken by it"
    assert f"keywatch ack {ana(story).code}" not in text, "the code of the message they hold, not of this one"


def test_the_same_reply_twice(story: Story) -> None:
    """A mail that comes twice takes, proves and answers once."""
    mail = reply(ana(story), "ana@example.com", "yes")
    came(story, mail, mail)
    came(story, mail)
    assert answered(story) == ["ack ana ana:mail"]
    assert story.ask("SELECT count(*) FROM ack") == [(1,)]
    assert len(reminded(story, "ana")) == 1


@pytest.mark.parametrize(
    ("day", "why"), [("2026-11-01", "2026-11-01 is in the past"), ("2026-12-18", "2026-12-18 is too far")]
)
def test_a_date_that_cannot_be(story: Story, day: str, why: str) -> None:
    """A date in the past or past its bound is refused, and the giver is told what happened and what to do."""
    sent = ana(story)
    came(story, reply(sent, "ana@example.com", f"ack {sent.code} until {day}"))
    assert held(story) is None
    ((subject, text),) = reminded(story, "ana")
    assert subject.startswith(f"Not taken: {why}")
    assert "hint: give" in text
    assert answered(story) == ["reply ana ana:mail"], "the answer proves the route all the same"
    assert why in noted(story)[0]


def test_a_superseded_message(story: Story) -> None:
    """What it speaks of is over: the answer proves the route, and says so."""
    sent = ana(story)
    story.now += QUARTER
    story.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    came(story, reply(sent, "ana@example.com", f"ack {sent.code}"))
    assert evidence(story, "ana:mail") == ["ack"]
    assert "over already" in reminded(story, "ana")[0][1]


# --------------------------------------------------------------------------- who may


def test_a_reader_of_the_alias(story: Story) -> None:
    """Anybody who answers the message proves the alias; somebody of [people] takes it in their own name."""
    came(story, reply(sent_to(story, ALIAS_ROUTE), "cy@example.com", "yes"))
    assert held(story) is not None
    assert answered(story) == [f"ack cy {ALIAS_ROUTE}"]


def test_an_unknown_reader_of_the_alias(story: Story) -> None:
    """A stranger proves that the alias is read, and can promise nothing; whoever reads cron mails learns of it."""
    said = came(story, reply(sent_to(story, ALIAS_ROUTE), "intern@example.com", "yes"))
    assert answered(story) == [f"reply  {ALIAS_ROUTE}"]
    assert held(story) is None
    assert "the answer came from an address that is nobody's in [people]" in said
    assert "intern" not in said


def test_somebody_who_is_not_on_the_route(story: Story) -> None:
    """By reference alone, Bo's answer to Ana's message is recorded and proves nothing; Bo hears so if he asked."""
    mail = reply(ana(story), "bo@example.com", "yes", to="keywatch@example.com")
    said = came(story, mail)
    assert answered(story) == []
    assert held(story) is None
    assert "a reply by Bo Lind, who is not on that route" in said
    assert reminded(story, "bo")[0][0].startswith("Not taken: your answer came from an address")


def test_another_address_of_the_same_reader(story: Story) -> None:
    """The token is enough to prove the route; a promise needs somebody we know, and the route's person hears so."""
    came(story, reply(ana(story), "ana.private@example.net", "yes"))
    assert answered(story) == ["reply  ana:mail"], "nobody we know wrote it"
    assert held(story) is None
    assert reminded(story, "ana")[0][0].startswith("Not taken: the answer came from an address that is nobody's")


def test_a_forged_sender(story: Story) -> None:
    """Where our own mail server says that the sender is not who it says, nothing is proved or taken."""
    said = came(story, reply(ana(story), "ana@example.com", "yes", vouched=False))
    assert answered(story) == []
    assert held(story) is None
    assert "is not from whom it says" in said


def test_the_code_of_somebody_elses_message(story: Story) -> None:
    """A code of another message counts only if that one went to the same person, or to the route that was answered."""
    other = sent_to(story, ALIAS_ROUTE)
    came(story, reply(ana(story), "ana@example.com", f"ack {other.code}"))
    assert held(story) is None
    assert answered(story) == ["reply ana ana:mail"]
    assert "is of a message that went to others" in reminded(story, "ana")[0][0]


def test_the_code_of_an_own_message(story: Story) -> None:
    """The code that is named wins over the message that is answered."""
    first = ana(story)
    story.at("2026-11-20 08:00").check()
    second = ana(story)
    assert second.id != first.id
    came(story, reply(first, "ana@example.com", f"ack {second.code}"))
    assert story.ask("SELECT person, message_id FROM ack") == [("ana", second.id)]


def test_in_another_name(story: Story) -> None:
    """By mail everybody takes things in their own name."""
    sent = ana(story)
    came(story, reply(sent, "ana@example.com", f"ack {sent.code} by bo"))
    assert held(story) is None
    assert "in another's name (Bo Lind)" in reminded(story, "ana")[0][0]


@pytest.mark.parametrize(("vouched", "taken"), [(True, True), (None, False), (False, False)])
def test_a_code_in_a_mail_of_its_own(story: Story, vouched: bool | None, taken: bool) -> None:
    """Without a reference to a message a code counts only from somebody we know, for whom our server vouches."""
    sent = ana(story)
    mail = reply(None, "ana@example.com", f"ack {sent.code}", subject=f"ack {sent.code}", vouched=vouched)
    came(story, mail)
    assert (held(story) is not None) is taken
    assert answered(story) == (["ack ana ana:mail"] if taken else [])
    assert bool(reminded(story, "ana")) is (vouched is not False)


def test_a_code_of_nothing(story: Story) -> None:
    """A mail with five letters that are no code is no mail of ours."""
    said = came(story, reply(None, "ana@example.com", "ack 22222", vouched=True))
    assert "1 about no message of ours" in said
    assert noted(story) == []


def test_a_route_that_refused_since(story: Story) -> None:
    """An answer to an older message does not revive a route that refused after it."""
    from tests.inbox.mailing import bounce

    sent = ana(story)
    came(story, bounce(sent.address, "ana@example.com"))
    came(story, reply(sent, "ana@example.com", "I read this."))
    assert evidence(story, "ana:mail") == ["refused"]
    assert "so it stays dead" in noted(story)[-1]


def test_an_answer_to_an_answer(story: Story) -> None:
    """A thank-you for the confirmation is no new question: nobody is written to again."""
    came(story, reply(ana(story), "ana@example.com", "yes"))
    story.inbox()
    came(story, reply(ana(story), "ana@example.com", "Thanks!"))
    assert reminded(story, "ana") == []
    assert evidence(story, "ana:mail") == ["ack", "reply"]


def test_replies_come_back_by_their_token(story: Story) -> None:
    """Every mail asks for replies to the address that names it, so that a plain reply needs no reference."""
    mails = [mail for mail in story.server.received if mail.to == "ana@example.com"]
    assert [str(mail.message["Reply-To"]) for mail in mails] == [ana(story).address]
    mail = reply(ana(story), "ana@example.com", "I read this.")
    del mail["In-Reply-To"]
    came(story, mail)
    assert answered(story) == ["reply ana ana:mail"]


def test_yes_to_what_asks_for_no_promise(story: Story) -> None:
    """A yes to a test proves the route, whoever of its readers says it; nothing is taken, and nobody is answered."""
    story.run("test", ALIAS_ROUTE)
    came(story, reply(sent_to(story, ALIAS_ROUTE), "intern@example.com", "Yes, I do."))
    assert answered(story) == [f"attested  {ALIAS_ROUTE}"]
    assert held(story) is None
    assert story.ask("SELECT count(*) FROM message WHERE kind = 'reminder'") == [(0,)]

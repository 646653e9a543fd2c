"""What machines answer: which bounce kills which route, what widens the call, and what is only noted."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.inbox.mailing import (
    READING,
    bounce,
    deliver,
    evidence,
    noted,
    reading,
    reply,
    sent_to,
    unseen,
)
from tests.story.story import ALIAS, Story

ALIAS_ROUTE = "payments-alias"
QUARTER = timedelta(minutes=15)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with reading(tmp_path) as told:
        yield told


def told(messages: list[dict[str, object]]) -> set[object]:
    return {one["person"] for one in messages if one["kind"] == "notice" and one["verdict"] == "accepted"}


def after(story: Story, mail: object) -> set[object]:
    """Who is told by the run after this mail came."""
    deliver(story, mail)  # type: ignore[arg-type]
    story.now += QUARTER
    return told(story.check(expect=None))


def test_two_unproven_routes_were_cover(story: Story) -> None:
    """Before anything bounces, Ana and the alias are enough: nobody else is told. The ground of the tests below."""
    assert {mail.to for mail in story.inbox()} == {"ana@example.com", ALIAS}
    story.now += QUARTER
    assert told(story.check()) == set()


def test_bounce_of_a_personal_route(story: Story) -> None:
    """5.1.1 about Ana kills her route and takes the acceptance back: others are told in the same run."""
    sent = sent_to(story, "ana:mail")
    assert "bo" in after(story, bounce(sent.address, "ana@example.com"))
    assert evidence(story, "ana:mail") == ["refused"]
    assert unseen(story) == 0


def test_bounce_of_one_member_of_an_alias(story: Story) -> None:
    """A member is gone: the alias is partial, never dead."""
    after(story, bounce(sent_to(story, ALIAS_ROUTE).address, "left@example.com", original=ALIAS))
    assert evidence(story, ALIAS_ROUTE) == ["partial"]


def test_bounce_of_the_alias_itself(story: Story) -> None:
    """Where the alias is the only address that failed, the alias is dead."""
    after(story, bounce(sent_to(story, ALIAS_ROUTE).address, ALIAS))
    assert evidence(story, ALIAS_ROUTE) == ["refused"]


@pytest.mark.parametrize(
    ("status", "words", "kinds"),
    [
        ("5.2.1", "mailbox disabled", ["refused"]),
        ("5.1.10", "recipient not found", ["refused"]),
        ("5.2.2", "mailbox full", ["full"]),
        ("5.7.1", "blocked for spam", []),
        ("5.1.8", "bad sender", []),
        ("5.4.7", "message expired in the queue", []),
        ("5.3.4", "message too big", []),
    ],
)
def test_what_a_code_means(story: Story, status: str, words: str, kinds: list[str]) -> None:
    """Only what says that nobody is there counts against a route; a blocked sender and a queue never do."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com", status, words=words))
    story.now += QUARTER
    answer = story.run("check", expect=None)
    assert evidence(story, "ana:mail") == kinds
    assert f"ana:mail came back ({status})" in answer.err


def test_a_blocked_sender_says_so(story: Story) -> None:
    """5.7.1 blames our sender: whoever reads cron mails learns where to look."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com", "5.7.1", words="blocked"))
    story.now += QUARTER
    assert "our sender is blocked, look at [mail]" in story.run("check", "-q", expect=None).err


def test_delayed_is_nothing(story: Story) -> None:
    """A report of a delay is remembered and changes nothing."""
    sent = sent_to(story, "ana:mail")
    late = bounce(sent.address, "ana@example.com", "4.4.1", action="delayed", words="connection timed out")
    assert after(story, late) == set()
    assert evidence(story, "ana:mail") == []
    assert noted(story) == ["ana:mail: a message is late, and still tried"]


def auto(story: Story, route: str, sender: str, words: str) -> object:
    return reply(
        sent_to(story, route), sender, words, subject="Automatic reply: out of office", Auto_Submitted="auto-replied"
    )


def until(story: Story, route: str) -> list[str]:
    return [str(at)[:10] for (at,) in story.ask("SELECT until FROM evidence WHERE route = ?", route)]


def test_away_with_a_date(story: Story) -> None:
    """Away until a day: the route does not count until then."""
    after(story, auto(story, "ana:mail", "ana@example.com", "I am out of the office until 2026-11-20."))
    assert evidence(story, "ana:mail") == ["away"]
    assert until(story, "ana:mail")[0] in ("2026-11-20", "2026-11-21")


def test_away_without_a_date_ends(story: Story) -> None:
    """Without a date it counts for three days."""
    after(story, auto(story, "ana:mail", "ana@example.com", "I am out of the office."))
    assert until(story, "ana:mail") == ["2026-11-16"]


def test_away_for_long_is_bounded(story: Story) -> None:
    """A date that is far away is believed for sixty days."""
    after(story, auto(story, "ana:mail", "ana@example.com", "I am out of the office until 2027-02-20."))
    assert until(story, "ana:mail") == ["2027-01-12"]


def test_one_reader_of_an_alias_is_away(story: Story) -> None:
    """The others are there: it is noted."""
    assert after(story, auto(story, ALIAS_ROUTE, "bo@example.com", "I am out of the office until 2026-11-20.")) == set()
    assert evidence(story, ALIAS_ROUTE) == []


def test_left(story: Story) -> None:
    """Somebody who has left does not read their route; an alias of several has one reader less."""
    after(story, auto(story, "ana:mail", "ana@example.com", "Ana has left the company."))
    assert evidence(story, "ana:mail") == ["left"]
    after(story, auto(story, ALIAS_ROUTE, "bo@example.com", "Bo has left the company."))
    assert evidence(story, ALIAS_ROUTE) == ["partial"]


# --------------------------------------------------------------------------- once, and only what is ours


def test_the_same_mail_twice(story: Story) -> None:
    """A mail that is delivered again, or was not marked, acts once."""
    mail = bounce(sent_to(story, "ana:mail").address, "ana@example.com")
    after(story, mail)
    after(story, mail)
    assert evidence(story, "ana:mail") == ["refused"]
    assert unseen(story) == 0


def test_bounces_that_all_have_one_message_id(story: Story) -> None:
    """Some servers write the same Message-ID into all bounces: what is about another message counts."""
    after(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com", own_id="<same@mx.corp.test>"))
    after(story, bounce(sent_to(story, ALIAS_ROUTE).address, ALIAS, own_id="<same@mx.corp.test>"))
    assert evidence(story, ALIAS_ROUTE) == ["refused"]


def test_killed_between_the_commit_and_the_mark(story: Story) -> None:
    """What was committed and not marked is read again, and changes nothing."""
    path = deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    raw = path.read_bytes()
    killed = (
        "import os, sys\n"
        "sys.addaudithook(lambda name, _: os._exit(9) if name == 'os.rename' and marked.append(1) is None else None)\n"
        "marked = []\n"
    )
    story.now += QUARTER
    process = story.spawn("inbox", before=killed)
    process.communicate(timeout=60)
    assert process.returncode == 9
    assert path.read_bytes() == raw, "it is still unseen"
    assert evidence(story, "ana:mail") == ["refused"]
    story.now += QUARTER
    story.check(expect=None)
    assert evidence(story, "ana:mail") == ["refused"]
    assert unseen(story) == 0


def test_forged_bounce(story: Story) -> None:
    """A bounce that names no message of ours kills nobody, is marked as seen, and is one line of news."""
    for to in ("keywatch@example.com", "keywatch+mfrggzdfmztwq2lknnwg23tpoa@example.com"):
        deliver(story, bounce(to, "ana@example.com"))
    story.now += QUARTER
    answer = story.run("check", "-q")
    assert answer.err.splitlines() == ["inbox: 2 about no message of ours: marked as seen, nothing else came of it"]
    assert evidence(story, "ana:mail") == []
    assert unseen(story) == 0


def test_replayed_token(story: Story) -> None:
    """Another bounce with the token of a message of weeks ago is only noted."""
    sent = sent_to(story, "ana:mail")
    story.now += timedelta(days=15)
    deliver(story, bounce(sent.address, "ana@example.com"))
    story.check(expect=None)
    assert "refused" not in evidence(story, "ana:mail")
    assert "it is about an old message, so it is only noted" in noted(story)[0]


def test_replayed_after_somebody_answered(story: Story) -> None:
    """A bounce of a message that went out before the last answer kills nobody."""
    sent = sent_to(story, "ana:mail")
    story.now += timedelta(hours=1)
    story.run("ack", sent.code)
    after(story, bounce(sent.address, "ana@example.com"))
    assert evidence(story, "ana:mail") == ["ack"]


def test_bounce_of_a_superseded_message(story: Story) -> None:
    """What it says of the route counts all the same."""
    sent = sent_to(story, "ana:mail")
    story.now += timedelta(hours=1)
    story.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    after(story, bounce(sent.address, "ana@example.com"))
    assert evidence(story, "ana:mail") == ["refused"]


def test_by_envid_alone(story: Story) -> None:
    """A bounce to the plain sender is matched by the envelope id that our notifier sent."""
    sent = sent_to(story, "ana:mail")
    raw = bounce("keywatch@example.com", "ana@example.com", envid=sent.token)
    after(story, raw)
    assert evidence(story, "ana:mail") == ["refused"]


def test_hostile_mails(story: Story) -> None:
    """Ten megabytes, a thousand levels, wrong charsets, no mail at all: seen once, nobody dead, no traceback."""
    sent = sent_to(story, "ana:mail")
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000))
    huge = reply(sent, "ana@example.com", "I read this.").as_bytes() + b"x" * 75 + b"\n" + (b"y" * 75 + b"\n") * 140_000
    deliver(story, huge)
    deliver(story, f"To: {sent.address}\n".encode() + nested)
    deliver(story, f"To: {sent.address}\nContent-Type: text/plain; charset=klingon\n\n".encode() + b"\xff\xfe\x00ja")
    deliver(story, b"")
    deliver(story, b"\x00" * 4096)
    for corpus in sorted(Path("tests/corpus/mails").glob("hostile-*.eml")):
        deliver(story, corpus.read_bytes())
    story.now += QUARTER
    answer = story.run("check")
    assert "Traceback" not in answer.err
    assert unseen(story) == 0
    assert set(evidence(story, "ana:mail")) <= {"reply"}


def test_a_maildir_that_is_gone(story: Story) -> None:
    """The inbox is in trouble: exit 3 and a sentence; no route is blamed, and no mail is lost."""
    box = story.folder / "box"
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    box.rename(story.folder / "away")
    story.now += QUARTER
    assert "the maildir is not there" in story.run("check", "-q", expect=3).err
    assert evidence(story, "ana:mail") == []
    (story.folder / "away").rename(box)
    story.now += QUARTER
    assert "can be read again" in story.run("check", "-q").err
    assert evidence(story, "ana:mail") == ["refused"]


@pytest.mark.parametrize("status", ["5.1.1", "5.4.1", "5.7.1"])
def test_the_self_proof_comes_back(tmp_path: Path, status: str) -> None:
    """A bounce of the address that nobody has shows that bounces are heard of, whatever its code; no news, no call."""
    with reading(tmp_path, READING.replace("authserv", 'self_proof = "example.com"\nauthserv')) as story:
        (nobody,) = {mail.to for mail in story.inbox() if mail.to.startswith("nobody-")}
        deliver(story, bounce(sent_to(story, "inbox:self-proof").address, nobody, status))
        story.now += QUARTER
        assert "self-proof" not in story.run("check", "-q").err
        assert evidence(story, "inbox:self-proof") == ["refused"]

"""`keywatch inbox`, what doctor says of it, and the same over IMAP."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.inbox.mailing import BOUNCES, READING, bounce, deliver, evidence, reading, reply, sent_to, unseen
from tests.servers.certificates import Certificates
from tests.servers.dovecot import PASSWORD, USER, Dovecot
from tests.story.story import CONFIG, Story, telling

QUARTER = timedelta(minutes=15)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with reading(tmp_path) as told:
        told.now += QUARTER
        yield told


def doctor(story: Story, *args: str) -> dict[str, str]:
    """Mark by sentence, of what is about the inbox; the sentence about the store holds a path."""
    checks = story.run("doctor", "-o", "json", *args, expect=None).json["checks"]
    about = [check for check in checks if not check["what"].startswith("the store")]
    return {one["what"]: one["mark"] for one in about if "inbox" in one["what"] or "bounces" in one["what"]}


# --------------------------------------------------------------------------- the command


def test_it_says_what_each_mail_did(story: Story) -> None:
    """One line a mail, without addresses; what follows, the next check does."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    deliver(story, reply(sent_to(story, "payments-alias"), "cy@example.com", "yes"))
    deliver(story, reply(None, "spam@example.net", "Buy now!"))
    answer = story.run("inbox")
    assert answer.out.splitlines() == [
        "bounce: a message to ana:mail came back (5.1.1): the route is dead, others are told instead",
        "other: about no message of ours",
        "reply: payments-alias: a reply by Cy Park; paygate-api in hand until Mon 16 Nov 2026",
    ]
    assert answer.err.strip() == "3 mails read; `keywatch check` does what follows from it"
    assert unseen(story) == 0
    assert story.run("inbox").err.strip() == "0 mails read"


def test_json(story: Story) -> None:
    """The same for programs: no code of a message, no address."""
    sent = sent_to(story, "ana:mail")
    deliver(story, reply(sent, "ana@example.com", "I read this."))
    said = story.run("inbox", "-o", "json")
    assert said.json["mails"] == [{"mail": "reply", "did": "ana:mail: a reply by Ana Ruiz: it is read", "who": "ana"}]
    assert said.json["problem"] is None
    assert said.json["read_at"] == "2026-11-13T08:15:00Z"
    assert sent.code not in said.out


def test_dry_run(story: Story) -> None:
    """It says what a mail would do, keeps nothing and marks nothing."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    before = story.dump()
    answer = story.run("inbox", "--dry-run")
    assert "the route is dead" in answer.out
    assert "nothing was kept, none is marked as seen" in answer.err
    assert story.dump() == before
    assert unseen(story) == 1


def test_dry_check(story: Story) -> None:
    """A check that only shows leaves the mails alone too."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    story.run("check", "--dry-run", expect=None)
    assert unseen(story) == 1
    assert evidence(story, "ana:mail") == []


def test_it_cannot_be_read(story: Story) -> None:
    """Exit 3 and one sentence."""
    (story.folder / "box").rename(story.folder / "away")
    answer = story.run("inbox", expect=3)
    assert answer.err.splitlines() == ["0 mails read", "inbox: the maildir is not there"]
    assert story.run("inbox", "-o", "json", expect=3).json["problem"] == "the maildir is not there"


def test_without_an_inbox(tmp_path: Path) -> None:
    """Two lines that say what is missing."""
    with telling(tmp_path) as story:
        answer = story.run("inbox", expect=2)
        assert answer.err.splitlines()[0] == "Error: [inbox] is not configured"


def test_mails_that_cannot_be_marked(story: Story) -> None:
    """What was taken in is kept; that it is read again is said, and changes nothing."""
    deliver(story, bounce(sent_to(story, "ana:mail").address, "ana@example.com"))
    cur = story.folder / "box" / "cur"
    cur.rmdir()
    cur.symlink_to("/proc/self/fdinfo")
    answer = story.run("inbox", expect=3)
    assert "its mails are read again, which changes nothing" in answer.err
    assert evidence(story, "ana:mail") == ["refused"]
    cur.unlink()
    cur.mkdir()
    assert "was taken in before" in story.run("inbox").out
    assert evidence(story, "ana:mail") == ["refused"]


# --------------------------------------------------------------------------- doctor


def test_doctor_of_an_inbox(story: Story) -> None:
    """It says when the inbox was last read, and that it answers."""
    assert doctor(story) == {"the inbox was last read 15 min ago": "fine", "the inbox answers": "fine"}


def test_doctor_of_an_inbox_that_is_gone(story: Story) -> None:
    """It cannot be read: a problem before a run has found out, and after."""
    (story.folder / "box").rename(story.folder / "away")
    assert doctor(story)["inbox: the maildir is not there"] == "problem"
    story.run("inbox", expect=3)
    said = doctor(story, "--offline")
    assert list(said.values()) == ["problem"]
    assert "the inbox cannot be read: the maildir is not there; last read" in next(iter(said))


def test_doctor_without_tokens(tmp_path: Path) -> None:
    """Without `[mail] bounces` the matching is weaker, and doctor says so."""
    with reading(tmp_path, READING.replace('bounces = "keywatch+{{token}}@example.com"\n', "")) as story:
        said = "[mail] bounces is not set: bounces are matched by ENVID and Message-ID only, which some of them lack"
        assert doctor(story)[said] == "note"


def test_doctor_of_bounces_that_nobody_reads(tmp_path: Path) -> None:
    """Bounces without an inbox go to an address that nobody reads."""
    config = CONFIG.replace(
        'from = "keywatch@example.com"', 'from = "keywatch@example.com"\nbounces = "keywatch+{{token}}@example.com"'
    )
    with telling(tmp_path, config=config) as story:
        assert doctor(story) == {f"bounces go to {BOUNCES}, and there is no [inbox]: nobody reads them": "note"}


# --------------------------------------------------------------------------- over IMAP


@pytest.fixture
def imap(tmp_path: Path, server: Dovecot, certificates: Certificates) -> Iterator[Story]:
    """The same installation, its inbox on a real Dovecot."""
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    url = f"imaps://{USER.replace('@', '%40')}@{server.host}:{server.port}/INBOX"
    inbox = f'url = "{url}"\npassword = "file:password"\nca = "{certificates.ca}"'
    with reading(tmp_path, READING.replace('url = "maildir:box"', inbox)) as told:
        told.now += QUARTER
        yield told


def test_imap(imap: Story, server: Dovecot) -> None:
    """A bounce in a folder of a mail server kills the route, and is read once."""
    server.deliver(bounce(sent_to(imap, "ana:mail").address, "ana@example.com"))
    assert "the route is dead" in imap.run("inbox").out
    assert evidence(imap, "ana:mail") == ["refused"]
    assert imap.run("inbox").err.strip() == "0 mails read"


def test_imap_refuses_the_login(imap: Story, server: Dovecot) -> None:
    """Exit 3 in a sentence without the password; calls go out, no route is blamed; afterwards it is read again."""
    server.deliver(bounce(sent_to(imap, "ana:mail").address, "ana@example.com"))
    (imap.folder / "password").write_text("canary-of-a-wrong-one", encoding="utf-8")
    answer = imap.run("check", "-q", expect=3)
    assert "the mail server refused the login" in answer.err
    assert "canary" not in answer.err
    assert evidence(imap, "ana:mail") == []
    (imap.folder / "password").write_text(PASSWORD, encoding="utf-8")
    imap.now += QUARTER
    imap.run("check", "-q")
    assert evidence(imap, "ana:mail") == ["refused"]


def test_a_password_that_is_not_there(imap: Story) -> None:
    """The reference is named, and nothing else."""
    os.unlink(imap.folder / "password")  # noqa: PTH108
    assert "cannot read password" in imap.run("inbox", expect=3).err

"""From our own notifier through a real mail server and back: what really bounces is read for what it is."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keywatch.inbox.boxes import Maildir
from keywatch.inbox.reading import Kind, Reading, read
from keywatch.model import Blame, Outgoing, Rendered, Route, Verdict, VerdictKind
from keywatch_mail import MailNotifier
from tests.servers.exim import Exim

BOUNCES = "keywatch+{token}@keywatch.test"
BOX = "keywatch@keywatch.test"
NOW = datetime(2026, 12, 21, 9, tzinfo=UTC)
TOKEN = "mfrggzdfmztwq2lknnwg23tpoa"
OUTGOING = Outgoing(
    rendered=Rendered("Start today: paygate-api (production), expires 19 Jan", "keywatch ack 7KQF2\n", "<p>7KQF2</p>"),
    message_id=f"<{TOKEN}@keywatch.test>",
    token=TOKEN,
    to="",
)


@pytest.fixture
def exim() -> Iterator[Exim]:
    aliases = {
        "old-team": "left-the-company@corp.test",
        "mixed": "alice@corp.test, left-the-company@corp.test",
        "payments-team": "alice@corp.test",
        "whole-team": "left-the-company@corp.test, gone-too@corp.test",
        "full": "bob@corp.test",
        "far": "ana@unreachable.test",
    }
    with Exim(aliases, ("alice@corp.test", "bob@corp.test", BOX), quotas={"bob@corp.test": "1"}) as running:
        yield running


def send(exim: Exim, to: str, bounces: str = BOUNCES) -> Verdict:
    """One mail through the notifier, as `check` sends it."""
    settings = MailNotifier.Settings(
        "keywatch <keywatch@keywatch.test>", exim.host, exim.port, "plain", bounces=bounces
    )
    notifier = MailNotifier(settings)
    try:
        return notifier.send(Route("team-mail", "payments"), replace(OUTGOING, to=to))
    finally:
        notifier.close()


def came_back(exim: Exim) -> Reading:
    """What lies in keywatch's own box, once it is there, read through the box as `check` reads it."""
    exim.wait(BOX)
    (mail,) = Maildir(exim.maildir(BOX)).unread()
    return read(mail.raw, BOUNCES, NOW)


def test_alias_to_somebody_who_left(exim: Exim) -> None:
    """The incident: 250 at once, and within a second a bounce that names the alias and the dead member."""
    began = time.monotonic()
    assert send(exim, "old-team@corp.test").kind is VerdictKind.ACCEPTED
    reading = came_back(exim)
    assert time.monotonic() - began < 5
    assert (reading.kind, reading.code) == (Kind.BOUNCE, "5.1.1")
    assert (reading.token, reading.envid, reading.message_ids) == (TOKEN, TOKEN, (OUTGOING.message_id,))
    assert set(reading.failed) == {"old-team@corp.test", "left-the-company@corp.test"}
    assert reading.original == "old-team@corp.test"


def test_mixed_alias(exim: Exim) -> None:
    """One member reads it, one is gone: the mail arrives and the bounce comes too."""
    assert send(exim, "mixed@corp.test").kind is VerdictKind.ACCEPTED
    reading = came_back(exim)
    assert b"7KQF2" in exim.wait("alice@corp.test")[0]
    assert (reading.kind, reading.token) == (Kind.BOUNCE, TOKEN)
    assert set(reading.failed) == {"mixed@corp.test", "left-the-company@corp.test"}


def test_every_member_gone(exim: Exim) -> None:
    """Both dead members are named."""
    send(exim, "whole-team@corp.test")
    assert {"left-the-company@corp.test", "gone-too@corp.test"} <= set(came_back(exim).failed)


def test_living_alias(exim: Exim) -> None:
    """What arrives does not bounce; nobody asks for a report of success."""
    assert send(exim, "payments-team@corp.test").kind is VerdictKind.ACCEPTED
    assert b"Auto-Submitted: auto-generated" in exim.wait("alice@corp.test")[0]
    time.sleep(0.3)
    assert not exim.maildir(BOX).exists()


def test_nobody_of_that_name(exim: Exim) -> None:
    """550 in the conversation is a refusal of the route, and nothing comes back."""
    verdict = send(exim, "no-such@corp.test")
    assert (verdict.kind, verdict.blame) == (VerdictKind.REFUSED, Blame.ROUTE)
    time.sleep(0.3)
    assert not exim.maildir(BOX).exists()


def test_full_mailbox(exim: Exim) -> None:
    """A mailbox over its quota is a bounce of its own code: somebody may still empty it."""
    assert send(exim, "full@corp.test").kind is VerdictKind.ACCEPTED
    reading = came_back(exim)
    assert (reading.kind, reading.code) == (Kind.BOUNCE, "5.2.2")


def test_domain_that_is_not_there(exim: Exim) -> None:
    """A member at a domain that cannot be routed is a bounce with the code for that."""
    assert send(exim, "far@corp.test").kind is VerdictKind.ACCEPTED
    reading = came_back(exim)
    assert (reading.kind, reading.code) == (Kind.BOUNCE, "5.1.2")
    assert "ana@unreachable.test" in reading.failed


def test_without_tokens_the_message_id_is_left(exim: Exim) -> None:
    """Where `[mail] bounces` is not set, the bounce comes to the sender and still names our message."""
    assert send(exim, "old-team@corp.test", bounces="").kind is VerdictKind.ACCEPTED
    exim.wait(BOX)
    (mail,) = Maildir(exim.maildir(BOX)).unread()
    reading = read(mail.raw, "", NOW)
    assert (reading.kind, reading.token, reading.envid) == (Kind.BOUNCE, "", TOKEN)
    assert reading.message_ids == (OUTGOING.message_id,)

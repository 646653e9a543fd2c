"""An installation that reads its mail from a Maildir, and the mails that come into it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

from tests.story.story import CONFIG, Story, telling

BOUNCES = "keywatch+{token}@example.com"
MX = "mx.example.com"
READING = CONFIG.replace(
    'smtp = "smtp://127.0.0.1:{port}"',
    'smtp = "smtp://127.0.0.1:{port}"\nbounces = "keywatch+{{token}}@example.com"\n\n'
    f'[inbox]\nurl = "maildir:box"\nauthserv = "{MX}"',
).replace('head = "mia"\nmembers', "members")
_NUMBERS = count(1)


@dataclass(frozen=True)
class Sent:
    """One message as the store knows it."""

    id: int
    token: str
    code: str
    message_id: str

    @property
    def address(self) -> str:
        return BOUNCES.replace("{token}", self.token)


@contextlib.contextmanager
def reading(folder: Path, config: str = READING, **more: Any) -> Iterator[Story]:
    """The payments team with an inbox; nobody refuses. The first call went to Ana and to the alias, both unproven."""
    for name in ("tmp", "new", "cur"):
        (folder / "box" / name).mkdir(parents=True)
    with telling(folder, refuses={}, every_days=365, config=config, **more) as story:
        story.at("2026-11-12 12:00").check()
        story.at("2026-11-13 07:30").add()
        story.at("2026-11-13 08:00").check()
        yield story


def deliver(story: Story, mail: EmailMessage | bytes) -> Path:
    """As a mail server does: written in tmp, then moved to new."""
    box, name = story.folder / "box", f"{1795000000 + next(_NUMBERS)}.M1.mx"
    raw = mail if isinstance(mail, bytes) else mail.as_bytes()
    (box / "tmp" / name).write_bytes(raw)
    return (box / "tmp" / name).rename(box / "new" / name)


def unseen(story: Story) -> int:
    return len(list((story.folder / "box" / "new").iterdir()))


def sent_to(story: Story, route: str) -> Sent:
    """The latest message to a route, digests aside."""
    rows = story.ask(
        "SELECT id, token, code, message_id FROM message WHERE route = ? AND kind <> 'digest' ORDER BY id DESC LIMIT 1",
        route,
    )
    assert rows, story.ask("SELECT route, kind FROM message")
    return Sent(*rows[0])


def evidence(story: Story, route: str) -> list[str]:
    """The kinds of evidence about a route, oldest first."""
    return [kind for (kind,) in story.ask("SELECT kind FROM evidence WHERE route = ? ORDER BY id", route)]


def noted(story: Story) -> list[str]:
    """What is remembered of each mail."""
    return [text for (text,) in story.ask("SELECT text FROM event WHERE kind = 'mail' ORDER BY id")]


def reminded(story: Story, person: str) -> list[tuple[str, str]]:
    """Subject and text of the answers that somebody got to their answers."""
    mails = [(str(mail.message["Subject"]).strip(), mail.text) for mail in story.inbox(person)]
    return [mail for mail in mails if mail[0].startswith(("Taken", "Not taken", "Your answer"))]


def bounce(
    to: str,
    failed: str,
    status: str = "5.1.1",
    *,
    action: str = "failed",
    original: str = "",
    words: str = "unknown user",
    envid: str = "",
    own_id: str = "",
) -> bytes:
    """A report by RFC 3464 to `to` about the recipient `failed`."""
    lines = [
        "Return-Path: <>",
        f"Delivered-To: {to}",
        "From: Mail Delivery System <MAILER-DAEMON@mx.corp.test>",
        f"To: {to}",
        "Subject: Undelivered Mail Returned to Sender",
        f"Message-ID: {own_id or f'<bounce-{next(_NUMBERS)}@mx.corp.test>'}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        *("", "--b", "Content-Type: text/plain", "", f"<{failed}>: {words}"),
        *("--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.corp.test"),
        *([f"Original-Envelope-Id: {envid}"] if envid else []),
        *("", f"Final-Recipient: rfc822; {failed}"),
        *([f"Original-Recipient: rfc822;{original}"] if original else []),
        *(f"Action: {action}", f"Status: {status}", f"Diagnostic-Code: smtp; {words}", "", "--b--", ""),
    ]
    return "\n".join(lines).encode()


def reply(
    sent: Sent | None,
    sender: str,
    words: str,
    *,
    to: str = "",
    subject: str = "Re: Start today",
    vouched: bool | None = None,
    **headers: str,
) -> EmailMessage:
    """What a mail program writes; to the token's address, or with `to` elsewhere and by reference alone."""
    mail = EmailMessage()
    mail["Return-Path"] = f"<{sender}>"
    if vouched is not None:
        mail["Authentication-Results"] = f"{MX}; dmarc={'pass' if vouched else 'fail'} header.from=example.com"
    mail["Delivered-To"] = to or (sent.address if sent else "keywatch@example.com")
    mail["From"] = sender
    mail["To"] = mail["Delivered-To"]
    mail["Subject"] = subject
    mail["Message-ID"] = f"<reply-{next(_NUMBERS)}@example.com>"
    if sent:
        mail["In-Reply-To"] = sent.message_id
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(words + "\n")
    return mail

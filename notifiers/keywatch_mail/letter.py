"""Writes one message as mail: what stands in the envelope and every byte between DATA and the final dot.

Subjects and addresses come from configs, rosters and sources, so nothing in them may become a header.
"""

import re
import unicodedata
from dataclasses import dataclass
from email.headerregistry import HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formatdate, parseaddr

from keywatch.model import Outgoing

LONGEST_SUBJECT = 300
"""Characters; phones show about 40."""

_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\\,;:\"]{1,255}")
_REGISTRY = HeaderRegistry()
for _name in ("references", "in-reply-to"):
    _REGISTRY.map_to_type(_name, MessageIDHeader)  # type: ignore[arg-type]  # as plain text a long id would be cut into encoded words
_POLICY = SMTP.clone(header_factory=_REGISTRY)


class NotAnAddressError(ValueError):
    """It cannot be addressed as mail: why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready for the wire."""

    mail_from: str
    to: str
    token: str
    utf8: bool
    """An address is not ASCII: the server must offer SMTPUTF8."""
    data: bytes
    """With CRLF line ends, dots not yet doubled."""


def letter(sender: str, bounces: str, outgoing: Outgoing, *, replies: bool = True) -> Letter:
    """Write `outgoing` from `sender`; with `bounces` the envelope and, with `replies`, the answers carry the token.

    Raises:
        NotAnAddressError: `outgoing.to` is not a mail address.
    """
    if not _ADDRESS.fullmatch(outgoing.to) or _clean(outgoing.to) != outgoing.to:
        raise NotAnAddressError("what it leads to is not a mail address")
    mail_from = bounces.replace("{token}", outgoing.token) if bounces else parseaddr(sender)[1]
    utf8 = not (mail_from + outgoing.to + parseaddr(sender)[1]).isascii()
    message = EmailMessage(policy=_POLICY.clone(utf8=utf8))
    for name, value in _headers(sender, mail_from if bounces and replies else "", outgoing):
        message[name] = value
    # Quoted-printable keeps lines short, dots and letters safe on servers without 8BITMIME.
    message.set_content(_writable(outgoing.rendered.text), cte="quoted-printable")
    if outgoing.rendered.html:
        message.add_alternative(_writable(outgoing.rendered.html), subtype="html", cte="quoted-printable")
    return Letter(mail_from, outgoing.to, outgoing.token, utf8, message.as_bytes())


def _headers(sender: str, replies_to: str, outgoing: Outgoing) -> list[tuple[str, str]]:
    headers = [
        ("Message-ID", _id(outgoing.message_id)),
        ("Date", format_datetime(outgoing.at) if outgoing.at else formatdate(usegmt=True)),
        ("From", _clean(sender)),
        ("To", outgoing.to),
        ("Subject", _clean(outgoing.rendered.subject)[:LONGEST_SUBJECT]),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834: out-of-office answers are wanted, loops are not
    ]
    if replies_to:
        headers.append(("Reply-To", replies_to))
    if outgoing.thread and outgoing.thread != outgoing.message_id:
        headers += [("In-Reply-To", _id(outgoing.thread)), ("References", _id(outgoing.thread))]
    return headers


def _id(text: str) -> str:
    return "".join(c for c in text if "!" <= c <= "~")


def _clean(text: str) -> str:
    """One line without control, format or line-separating characters; runs of white space become one blank."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text)
    return " ".join(plain.split())


def _writable(text: str) -> str:
    """Text that can be encoded: NUL and other controls and halves of surrogate pairs are replaced, lines are kept."""
    lines = re.sub(r"\r\n?|[\u2028\u2029\x85\x0b\x0c\x1c-\x1e]", "\n", text)
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "\N{REPLACEMENT CHARACTER}" for c in lines
    )

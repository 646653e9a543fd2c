"""Says what one mail means: total over any bytes, because a stranger's mail must never stop a run.

Everything that can fail on hostile input is behind `read`, the one quarantine boundary.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from enum import StrEnum

from keywatch.inbox import absence
from keywatch.inbox.bounces import Fate, Report, report
from keywatch.inbox.letters import MOST_IDS, addresses, ids, parse, sender, text, value, values
from keywatch.inbox.words import NOTHING, Answer, answer, written

TOKEN = r"([a-z0-9][a-z0-9_-]{3,63})"  # noqa: S105  # a pattern
_TOKEN_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "Original-Recipient", "To")
"""Who the mail came to, the surest first: the first three are written by our own mail server."""


class Kind(StrEnum):
    """What a mail is. Only REPLY is the act of a person."""

    BOUNCE = "bounce"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    AWAY = "away"
    LEFT = "left"
    AUTO = "auto"
    """Another machine's answer: a ticket, a read receipt, a spam report."""
    REPLY = "reply"
    OTHER = "other"
    """Nothing of ours: it names no message, and asks for nothing."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one mail says. Nothing in it is verified but what `authenticated` says: match it by `token` first."""

    kind: Kind
    token: str = ""
    """Of the message it answers, from the address it came to; lower case."""
    envid: str = ""
    message_ids: tuple[str, ...] = ()
    """Of the message it answers, with brackets: from the returned headers, In-Reply-To, References, in this order."""
    sender: str = ""
    own_id: str = ""
    """Its own Message-ID, or `<sha256:…>` of its bytes where it has none: for reading it only once."""
    code: str = ""
    detail: str = ""
    recipient: str = ""
    failed: tuple[str, ...] = ()
    original: str = ""
    until: datetime | None = None
    words: str = ""
    answer: Answer = NOTHING
    authenticated: bool | None = None
    """Whether our own mail server vouches for the sender; None where it does not say."""

    @property
    def code_words(self) -> tuple[str, ...]:
        """The codes of messages that a person named."""
        return self.answer.codes


def read(raw: bytes, bounces: str, now: datetime, authserv: str = "") -> Reading:
    """Read one mail; never raises.

    `bounces` is the envelope sender with `{token}` in it, or nothing; `authserv` the name our own mail server signs its
    Authentication-Results with: without it they count for nothing, because anybody can write them.
    """
    try:
        return _read(raw, bounces, now, authserv)
    except Exception as problem:  # noqa: BLE001  # the quarantine boundary
        return Reading(Kind.UNREADABLE, own_id=_hash(raw), detail=type(problem).__name__)


def _read(raw: bytes, bounces: str, now: datetime, authserv: str) -> Reading:
    mail = parse(raw)
    ours = _pattern(bounces)
    known = Reading(
        kind=Kind.OTHER,
        token=_token(mail, ours),
        message_ids=tuple(_answered(mail)),
        sender=sender(mail),
        own_id=next(iter(ids(value(mail, "Message-ID"))), _hash(raw)),
        authenticated=_authenticated(mail, authserv),
    )
    if told := report(mail, ours):
        return _reported(known, told)
    subject, said = value(mail, "Subject"), written(text(mail))
    if mail.get_content_type() == "multipart/report" or absence.automatic(mail):
        return _of_a_machine(replace(known, words=said), mail, subject, now)
    asked = answer(subject, said)
    about_us = known.token or known.message_ids or asked.codes
    return replace(known, kind=Kind.REPLY if about_us else Kind.OTHER, words=said, answer=asked)


def _reported(known: Reading, told: Report) -> Reading:
    kinds = {Fate.FAILED: Kind.BOUNCE, Fate.DELAYED: Kind.DELAYED, Fate.DELIVERED: Kind.DELIVERED}
    return replace(
        known,
        kind=kinds[told.fate],
        envid=told.envid,
        message_ids=tuple(dict.fromkeys(told.message_ids + known.message_ids))[:MOST_IDS],
        code=told.code,
        detail=told.detail,
        recipient=told.recipient,
        failed=told.failed,
        original=told.original,
    )


def _of_a_machine(known: Reading, mail: Message, subject: str, now: datetime) -> Reading:
    about_us = known.token or known.message_ids
    if mail.get_content_type() == "multipart/report":
        return replace(known, kind=Kind.AUTO if about_us else Kind.OTHER)
    is_away = absence.away(mail, subject, known.words)
    until = absence.until(f"{subject}\n{known.words}", now) if is_away else None
    if absence.left(subject, known.words):
        return replace(known, kind=Kind.LEFT, until=until)
    if is_away:
        return replace(known, kind=Kind.AWAY, until=until)
    return replace(known, kind=Kind.AUTO if about_us else Kind.OTHER)


def _hash(raw: bytes) -> str:
    return f"<sha256:{hashlib.sha256(raw).hexdigest()}>"


def _pattern(bounces: str) -> re.Pattern[str] | None:
    """Addresses that carry a token, also as mail servers tag them on the way (BATV: `prvs=0123456789=`)."""
    before, mark, after = bounces.partition("{token}")
    if not mark:
        return None
    return re.compile(rf"(?:(?:prvs|btv\d)=[^=@\s]+=)?{re.escape(before)}{TOKEN}{re.escape(after)}", re.IGNORECASE)


def _token(mail: Message, ours: re.Pattern[str] | None) -> str:
    if ours is None:
        return ""
    for name in _TOKEN_HEADERS:
        for said in values(mail, name):
            for address in addresses(said):
                if found := ours.fullmatch(address):
                    return found[1].lower()
    return ""


def _answered(mail: Message) -> list[str]:
    said = [*ids(value(mail, "In-Reply-To")), *reversed(ids(value(mail, "References")))]
    return list(dict.fromkeys(said))[:MOST_IDS]


def _authenticated(mail: Message, authserv: str) -> bool | None:
    """The verdict of the topmost Authentication-Results (RFC 8601), if it is our own server's."""
    top = value(mail, "Authentication-Results")
    name, _, results = re.sub(r"\([^()]*\)", " ", top).partition(";")
    if not authserv or name.split()[:1] != [authserv] or not results:
        return None
    methods = re.findall(r"(?:^|;)\s*(dmarc|dkim|spf)\s*=\s*([a-z]+)([^;]*)", results.lower())
    dmarc = [said for method, said, _ in methods if method == "dmarc" and said in ("pass", "fail")]
    if dmarc:
        return bool(dmarc[0] == "pass")
    domain = sender(mail).rpartition("@")[2]
    if any(said == "pass" and _of(domain, properties) for _, said, properties in methods):
        return True
    return False if any(said == "fail" for _, said, _ in methods) else None


def _of(domain: str, properties: str) -> bool:
    """Whether what was checked is the domain of From, or one above or below it."""
    said = re.findall(r"(?:header\.[di]|smtp\.mailfrom)\s*=\s*\"?([^\s;\"]{1,320})", properties)
    checked = [one.rpartition("@")[2] for one in said]
    return bool(domain) and any(
        one == domain or one.endswith(f".{domain}") or domain.endswith(f".{one}") for one in checked if "." in one
    )

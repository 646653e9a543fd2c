"""What an SMTP answer means: whether the message is refused, deferred or out of reach, and whom that blames.

A route is blamed only for what says that nobody is there; a blocked sender must never make a living route look dead.
Codes: RFC 5321 §4.2, RFC 3463 and the IANA registry of enhanced status codes.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from keywatch.model import Blame, Verdict, VerdictKind

LONGEST_TEXT = 200
TIED = "; a relay may tie the sender to the login: try without [mail] bounces"

_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b[ -]*")
_NOT_YOU = re.compile(r"relay|spam|block|reputation|spf|dkim|dmarc|authenticat|sender", re.IGNORECASE)
_OF_THE_SENDER = ("5.1.7", "5.1.8")
"""Bad sender's address, which stands among the codes of bad recipients."""


class Step(StrEnum):
    """Where in the conversation we are: the same code means different things."""

    CONNECT = "connecting"
    LOGIN = "login"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    SENT = "after the message"


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of the server: its code, and its words in one line."""

    code: int
    enhanced: str
    words: str

    @classmethod
    def read(cls, code: int, reply: bytes | str) -> "Answer":
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        found = _ENHANCED.match(text)
        line = " ".join("".join(c if c.isprintable() else " " for c in _ENHANCED.sub("", text)).split())
        return cls(code, found[1] if found else "", line[:LONGEST_TEXT])

    @property
    def label(self) -> str:
        return f"{self.code} {self.enhanced}".strip() if self.code >= 100 else ""


def verdict(step: Step, answer: Answer, tied: bool = False) -> Verdict:
    """What this answer at this step means. `tied`: the envelope sender is not the From address."""
    if answer.code // 100 == 4:
        nobody = step is Step.RCPT and answer.code != 421
        kind, blame = VerdictKind.DEFERRED, Blame.NOBODY if nobody else Blame.TRANSPORT
    elif answer.code // 100 != 5:
        kind, blame = VerdictKind.UNREACHABLE, Blame.TRANSPORT  # not SMTP, or out of step
    elif step in (Step.CONNECT, Step.LOGIN):
        kind, blame = VerdictKind.UNREACHABLE, Blame.SENDER if answer.code >= 530 else Blame.TRANSPORT
    else:
        kind, blame = VerdictKind.REFUSED, _blamed(step, answer)
    hint = TIED if tied and kind is VerdictKind.REFUSED and blame is Blame.SENDER else ""
    return Verdict(kind, blame, answer.label, f"{answer.words}{hint}")


def _blamed(step: Step, answer: Answer) -> Blame:
    if step is Step.MAIL or answer.enhanced in _OF_THE_SENDER or answer.enhanced.startswith("5.7."):
        return Blame.SENDER
    if answer.enhanced.startswith("5.1.") or answer.enhanced == "5.2.1":
        return Blame.ROUTE
    if step is Step.RCPT and answer.enhanced == "5.4.1" and "recipient" in answer.words.lower():
        return Blame.ROUTE  # how Exchange Online says that there is no such recipient
    if answer.enhanced.startswith(("5.3.", "5.4.", "5.5.")):
        return Blame.TRANSPORT
    if answer.enhanced and answer.enhanced != "5.0.0":
        return Blame.NOBODY  # 5.2.2 is a full mailbox: somebody may empty it
    return _unexplained(step, answer)


def _unexplained(step: Step, answer: Answer) -> Blame:
    """Without an enhanced code only the plain words for "no such mailbox", at RCPT, speak of the recipient."""
    if answer.code in (530, 535, 538) or _NOT_YOU.search(answer.words):
        return Blame.SENDER
    if answer.code in (550, 551, 553):
        return Blame.ROUTE if step is Step.RCPT else Blame.SENDER
    return Blame.TRANSPORT if answer.code < 510 else Blame.NOBODY

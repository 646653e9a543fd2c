"""Reads what mail servers say about a mail of ours: not delivered, late, delivered; to whom, and why.

Most send a report by RFC 3464. Old ones write a letter; those are known by who writes it and by the sentences they use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from keywatch.inbox.letters import addresses, headers, ids, inside, leaves, sender, text, text_of, value, values
from keywatch.text import clean

LONGEST_DETAIL = 200
MOST_RECIPIENTS = 100


class Fate(StrEnum):
    """What became of the mail; of several recipients the worst counts."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Report:
    """What one bounce, or its opposite, says."""

    fate: Fate
    code: str
    """Enhanced status such as `5.1.1` (RFC 3463), nothing where none can be told."""
    detail: str
    recipient: str
    """Who the report is about in its own words: Postfix says the dead member, Exim the alias."""
    failed: tuple[str, ...] = ()
    """Everybody named as not reached, an alias of theirs included."""
    original: str = ""
    """Whom we wrote to, where the report knows: the alias that was expanded."""
    envid: str = ""
    message_ids: tuple[str, ...] = ()


_STATUS = re.compile(r"(?<![\d.])([245]\.[0-7]\.\d{1,3})(?![\d.])")
_MAIL_INSIDE = ("message/rfc822", "message/global", "message/global-headers")
_DELIVERED = ("delivered", "relayed", "expanded")
_GENERIC = re.compile(r"[245]\.0\.0")
_EXPANDED = re.compile(r"(?:generated|expanded) from:? <?([^\s<>()@]{1,64}@[^\s<>()@]{1,255})>?", re.IGNORECASE)
_CAUSES = (
    (
        "5.7.1",
        (
            r"spam|blocked|blacklist|block ?list|reputation|\bspf\b|dkim|dmarc|policy|not permitted to relay"
            r"|relay(ing)? (access )?denied"
        ),
    ),
    (
        "5.2.2",
        (
            r"(mailbox|inbox|account|user'?s?\b.{0,30}) (is |has )?(temporarily )?(full|over ?quota|exceeded)"
            r"|over ?quota"
            r"|quota exceeded|insufficient (disk|storage)|postfach.{0,20}voll|exceeded (its|the|their) (storage )?quota"
        ),
    ),
    (
        "5.2.1",
        r"account (that you tried to reach )?is (disabled|inactive|suspended)|mailbox (is )?(disabled|inactive)",
    ),
    (
        "5.1.2",
        (
            r"host or domain name not found|domain.{0,40}(not found|does not exist|couldn't be found)|unrouteable"
            r"|host unknown|unknown host|couldn't find any host|name service error"
        ),
    ),
    (
        "5.1.1",
        (
            r"unknown user|user unknown|no such (user|mailbox|recipient|person|address)|no mailbox here|unbekannt"
            r"|user.{0,60} not (found|listed|known)|recipient (address )?rejected|recipient not found|not listed in"
            r"|unknown (recipient|address|local)|address(es)? (not|un)known|invalid (recipient|mailbox|address)"
            r"|(mailbox|account|address|user)\b.{0,60} (does not|doesn't|doesn’t) (exist|have)"
            r"|(not|isn't) a valid (mailbox|user|address|recipient)|mailbox (unavailable|not found)"
            r"|(couldn't|could not|wasn't|was not) (be )?found"
        ),
    ),
    (
        "5.4.7",
        (
            r"timed out|timeout|too long|expired|could not be delivered for|connection refused|not responding|gave up"
            r"|given up"
        ),
    ),
)
"""What their sentences mean. Blame of the sender stands first: it must never make a living route look dead."""
_DAEMON = re.compile(
    r"^(mailer-?daemon|postmaster|mail-?delivery|mailerdaemon|mdaemon|microsoftexchange\w*|mailsystem|bounces?"
    r"|mmdf)\b"
)
_LATE = re.compile(
    r"delivery status notification \(delay\)|delayed mail|delivery delayed|(warning|warnung):.{0,40}(delayed"
    r"|not delivered yet|verzögert)"
    r"|has not (yet )?been delivered|will (continue|keep) (to try|trying)|(transient|temporary) non-?fatal"
    r"|you do not need to resend"
    r"|will be retried|delivery is delayed|noch nicht zugestellt",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"failure notice|undeliver(able|ed)|delivery (status notification \(failure\)|failure|failed|has failed"
    r"|to the following)|returned mail"
    r"|returning message to sender|returned to sender|mail delivery (failed|error)|delivery notification"
    r"|(unzustellbar|nicht zugestellt)"
    r"|nondeliverable|non remis|no se (pudo|ha podido) entregar|could ?n.t be delivered|(could not|cannot|can't"
    r"|can not|unable to|not) (be )?deliver(ed)?"
    r"|did not reach|permanent (fatal )?error|address(es)? failed|wasn.t able to deliver|was not delivered"
    r"|no such user|user unknown",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"^(-{2,} ?(below this line|this is a copy|original message|the (headers|body)|unsent message"
    r"|returned message|message header|transcript of"
    r"|[\w ]*copy of|ursprüngliche)|original message(?: headers)?:?\s*$|(your|the) original message|return-path:"
    r"|received: |message-id: )",
    re.IGNORECASE | re.MULTILINE,
)
_NAMED_ID = re.compile(r"(message-id|in-reply-to|references)\S{0,20}:?\s{0,5}<[^<>]{0,300}>", re.IGNORECASE)
_TRANSCRIPT = re.compile(r"^-{2,} ?transcript of", re.IGNORECASE | re.MULTILINE)


def report(mail: Message, ours: re.Pattern[str] | None) -> Report | None:
    """What the mail reports, or None where it is no report. `ours` matches addresses that are keywatch's own."""
    parts = list(leaves(mail))
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            return _standard(mail, list(_blocks(part)), parts)
    return _letter(mail, parts, ours)


def _daemon(mail: Message) -> bool:
    """Whether From is one of the names that mail servers write under."""
    return bool(_DAEMON.match(sender(mail).partition("@")[0]))


def null_sender(mail: Message) -> bool:
    """Whether the envelope sender was `<>`, as our own server wrote it down."""
    return next((path.strip() == "<>" for path in values(mail, "Return-Path")), False)


# --------------------------------------------------------------------------- by RFC 3464


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a report: one about the mail, then one for each recipient."""
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    parsed = part.is_multipart() and part.get_content_type() == "message/delivery-status"
    if parsed and encoding not in ("base64", "quoted-printable"):
        yield from inside(part)[:MOST_RECIPIENTS]
        return
    # The parser takes no report apart that is encoded, and none of RFC 6533: here they are, as the text they were.
    groups = inside(part) or [part]
    carrier = Message()
    carrier["Content-Transfer-Encoding"] = encoding
    carrier.set_payload(b"\n".join(group.as_bytes() for group in groups).decode("ascii", "surrogateescape"))
    for chunk in re.split(r"\n\s*\n", text_of(carrier))[:MOST_RECIPIENTS]:
        yield headers(chunk)


def _standard(mail: Message, blocks: list[Message], parts: list[Message]) -> Report:
    said = [one for one in blocks if value(one, "Action")]
    bad = [one for one in said if _action(one) == "failed"]
    late = [one for one in said if _action(one) == "delayed"]
    fine = [one for one in said if _action(one) in _DELIVERED]
    fate = Fate.FAILED if bad or not (late or fine) else Fate.DELAYED if late else Fate.DELIVERED
    about = next(iter(bad or late or fine or blocks), Message())
    words = _reason_part(text(mail))
    failed = [_recipient(one, "Final-Recipient") or _recipient(one, "Original-Recipient") for one in bad]
    failed += addresses(" ".join(values(mail, "X-Failed-Recipients"))) if fate is Fate.FAILED else []
    expanded = _EXPANDED.search(words)
    return Report(
        fate=fate,
        code=_code(value(about, "Status"), value(about, "Diagnostic-Code"), words, fate),
        detail=clean(value(about, "Diagnostic-Code") or _sentence(words), LONGEST_DETAIL),
        recipient=_recipient(about, "Final-Recipient"),
        failed=tuple(dict.fromkeys(one for one in failed if one))[:MOST_RECIPIENTS],
        original=_recipient(about, "Original-Recipient") or (expanded[1].lower() if expanded else ""),
        envid=next((_xtext(value(one, "Original-Envelope-Id")) for one in blocks if "Original-Envelope-Id" in one), ""),
        message_ids=tuple(_returned(parts)),
    )


def _action(block: Message) -> str:
    return re.split(r"[^a-z]", value(block, "Action").strip().lower(), maxsplit=1)[0]


def _recipient(block: Message, name: str) -> str:
    """The address in `rfc822; <ana@corp.test>`; of another kind of address only what looks like mail."""
    said = value(block, name)
    found = addresses(said.partition(";")[2] or said)
    return found[0] if found else ""


def _xtext(said: str) -> str:
    return clean(re.sub(r"\+([0-9A-F]{2})", lambda pair: chr(int(pair[1], 16)), said.strip()), 200)


def _code(status: str, diagnostic: str, words: str, fate: Fate) -> str:
    """The most telling code: Status, else the diagnosis, else the text, else what their words mean.

    A Status of `5.0.0` tells nothing, and is all that Exim writes.
    """
    found = [match[1] for said in (status, diagnostic, words) for match in [_STATUS.search(said)] if match]
    telling = [code for code in found if not _GENERIC.fullmatch(code)]
    if telling or fate is Fate.DELIVERED:
        return next(iter(telling or found), "")
    spoken = diagnostic if diagnostic and _meaning(diagnostic) else words
    meant = _meaning(spoken)
    if fate is Fate.DELAYED:
        return found[0] if found else "4.0.0" if not meant else f"4{meant[1:]}"
    return meant or next(iter(found), "")


def _meaning(words: str) -> str:
    """The code that these words stand for, or nothing."""
    return next((code for code, cause in _CAUSES if re.search(cause, words, re.IGNORECASE)), "")


def _returned(parts: list[Message]) -> Iterator[str]:
    """The Message-ID of our mail, from the copy of it that came back."""
    for part in parts:
        kind = part.get_content_type()
        if kind in _MAIL_INSIDE:
            yield from ids(" ".join(value(one, "Message-ID") for one in inside(part)[:1]))
        elif kind in ("text/rfc822-headers", "text/rfc822"):
            yield from ids(value(headers(text_of(part)), "Message-ID"))


# --------------------------------------------------------------------------- letters


def _letter(mail: Message, parts: list[Message], ours: re.Pattern[str] | None) -> Report | None:
    """A bounce as a letter: Exim without MIME, qmail, sendmail, old Exchange, Lotus Notes, AOL."""
    named = addresses(" ".join(values(mail, "X-Failed-Recipients")))
    written, subject = text(mail), value(mail, "Subject")
    words = _reason_part(written)
    said = f"{subject}\n{words[:4000]}"
    if not named and not _speaks_of_loss(mail, subject, said):
        return None
    fate = Fate.DELAYED if _LATE.search(said) else Fate.FAILED
    expanded = _EXPANDED.search(words)
    own = {sender(mail), *(addresses(expanded[0]) if expanded else ())}
    found = named + [one for one in addresses(_bare(words)) if one not in own and not (ours and ours.fullmatch(one))]
    failed = tuple(dict.fromkeys(one for one in found if not _DAEMON.match(one)))[:MOST_RECIPIENTS]
    in_text = re.findall(r"^\s*message-id:\s*(<[^\s<>]+>)", written, re.IGNORECASE | re.MULTILINE)
    return Report(
        fate=fate,
        code=_code("", "", said, fate),
        detail=clean(_sentence(words), LONGEST_DETAIL),
        recipient=failed[0] if failed else "",
        failed=failed if fate is Fate.FAILED else (),
        original=expanded[1].lower() if expanded else "",
        message_ids=tuple(dict.fromkeys([*_returned(parts), *ids(" ".join(in_text))])),
    )


def _speaks_of_loss(mail: Message, subject: str, said: str) -> bool:
    """Whether it is a bounce by its sentences; of others than daemons its subject must say so.

    People's responders use the null sender too, and name whom to write to instead.
    """
    if _daemon(mail):
        return bool(_LOST.search(said) or _LATE.search(said))
    return null_sender(mail) and bool(_LOST.search(subject) or _LATE.search(subject))


def _reason_part(written: str) -> str:
    """What the server wrote itself, without the copy of our mail below it; sendmail's transcript belongs to it."""
    start = 0
    for found in _COPY.finditer(written):
        if not _TRANSCRIPT.match(found[0]):
            start = found.start()
            break
    return written[: start or len(written)]


def _bare(words: str) -> str:
    """Message-IDs look like addresses in brackets; those that stand after their name are taken out."""
    return _NAMED_ID.sub(" ", words)


def _sentence(words: str) -> str:
    """The line that says why, where one is known; else the first that is no greeting."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if _STATUS.search(line) or _meaning(line)]
    return next(iter(telling or lines), "")

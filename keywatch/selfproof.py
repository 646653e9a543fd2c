"""Proves that keywatch hears of bounces: once a month a mail to an address that nobody has, which must come back.

It says something about our own inbox and about no route: what becomes of it makes nothing dead.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keywatch.config import Config
from keywatch.model import EvidenceKind, MessageKind, MessageState
from keywatch.outlook import INBOX, SELF_PROOF
from keywatch.read import Asked, Reader
from keywatch.store import Tx
from keywatch.wording import domain

WITHIN = timedelta(hours=24)
"""A bounce that takes longer comes too late to help anybody."""
HEARD = (EvidenceKind.REFUSED, EvidenceKind.PARTIAL)
AT_THE_DOOR = "smtp"
"""The source of what a server says while the mail is handed over."""


def keep(tx: Tx, config: Config, now: datetime) -> datetime | None:
    """Send this month's mail. Returns when the next one is due, or when its bounce should have been heard of."""
    if config.inbox is None or not config.inbox.self_proof:
        return None
    asked = _last(tx.read)
    if asked is None or asked.message.state not in (MessageState.PENDING, MessageState.LEASED):
        key = f"self-proof|{now:%Y-%m}"
        tx.enqueue(MessageKind.TEST, key, SELF_PROOF, "", _body(config.inbox.self_proof), now, domain(config))
    limit = asked.accepted_at + WITHIN if asked and asked.accepted_at else None
    return limit if limit and limit > now else _next_month(now)


def _next_month(now: datetime) -> datetime:
    """When the address changes, as `outlook` counts months."""
    year, month = divmod(now.year * 12 + now.month, 12)
    return datetime(year, month + 1, 1, tzinfo=now.tzinfo or UTC)


def _last(reader: Reader) -> Asked | None:
    return reader.last_of(MessageKind.TEST).get(SELF_PROOF)


def _body(place: str) -> str:
    lines = (
        f"Nobody should be able to read this. It went to an address at {place} that does not exist, so that it comes",
        "back: that shows keywatch that it hears of mails that come back. Nothing expires because of it.",
        "",
        f"You read it? Then mail to unknown addresses at {place} is delivered to you and never comes back. Tell",
        "whoever runs keywatch: [inbox] self_proof needs another domain.",
        "",
    )
    return json.dumps({"subject": "Nobody reads this: a mail that has to come back", "text": "\n".join(lines)})


# --------------------------------------------------------------------------- what became of it


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is known of our ears."""

    sent_at: datetime | None
    """When the last mail was accepted; None: it was not, or none was sent yet."""
    heard_at: datetime | None
    """When a bounce was last heard of."""
    deaf_since: datetime | None
    """When the mail went out whose bounce never came; None: nothing is wrong, as far as is known."""
    refused: str
    """What the server said when it refused the last mail at once; "" = it did not."""


def hearing(config: Config, reader: Reader, now: datetime) -> Hearing | None:
    """How the self-proof stands; None where it is switched off."""
    if config.inbox is None or not config.inbox.self_proof:
        return None
    rows = [row for _, row in reader.testimony([SELF_PROOF])[SELF_PROOF] if row.kind in HEARD and row.at <= now]
    heard_at = max((row.at for row in rows if row.source != AT_THE_DOOR), default=None)
    asked = _last(reader)
    sent_at = asked.accepted_at if asked else None
    if asked and asked.message.state is MessageState.REFUSED:
        refused = next((row.code or "refused" for row in reversed(rows) if row.source == AT_THE_DOOR), "refused")
        return Hearing(None, heard_at, None, refused)
    return Hearing(sent_at, heard_at, _deaf_since(reader, sent_at, heard_at, now), "")


def _deaf_since(reader: Reader, sent_at: datetime | None, heard_at: datetime | None, now: datetime) -> datetime | None:
    """A mail whose bounce never came, this month's or, until a bounce is heard of, the one that was told of."""
    told = reader.subjects().get(SELF_PROOF)
    if told and (heard_at is None or heard_at <= told.opened_at):
        return told.opened_at - WITHIN
    feed = reader.feed(INBOX, INBOX)
    read = feed.complete_at if feed else None
    if sent_at is None or now - sent_at < WITHIN or read is None or read - sent_at < WITHIN:
        return None  # an inbox that is not read is a trouble of its own
    return sent_at if heard_at is None or heard_at < sent_at else None

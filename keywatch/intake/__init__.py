"""Takes in what came by mail: bounces and auto-replies become evidence, answers of people become acks and proofs.

A mail is marked as seen only after what it said is committed; what was taken in once changes nothing a second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keywatch import outlook, plugins
from keywatch.config import Config
from keywatch.errors import KeywatchError
from keywatch.inbox.boxes import MOST_MAILS, Box, open_box, settings
from keywatch.inbox.reading import Kind, Reading, read
from keywatch.intake.answers import answered
from keywatch.intake.cases import Case, Done
from keywatch.intake.reports import reported
from keywatch.model import Event, World
from keywatch.outlook import INBOX
from keywatch.read import FeedRow, Reader
from keywatch.store import Tx
from keywatch.text import clean

EVENT = "mail"
_FAULTS = (KeywatchError, LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError)
"""Mistakes of our own; what the database cannot do stops the run, and the mail is read again by the next."""


@dataclass(frozen=True, slots=True)
class Post:
    """What lay in the inbox, read but not yet believed."""

    feed: FeedRow
    """How it went, to be written down."""
    uids: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    box: Box | None = field(default=None, repr=False)


def due(config: Config, reader: Reader, now: datetime) -> bool:
    """Whether the inbox is to be read now."""
    if config.inbox is None:
        return False
    feed = reader.feed(INBOX, INBOX)
    return feed is None or feed.next_at is None or feed.next_at <= now


def fetch(config: Config, known: FeedRow | None, now: datetime) -> Post:
    """Read what is new. An inbox that cannot be read is a fact, and nothing waits for it; never raises."""
    own, bounces = config.inbox, config.mail.bounces if config.mail else ""
    assert own is not None
    uids, readings, problem, box = list[str](), list[Reading](), "", None
    try:
        box = box_of(config)
        for mail in box.unread():
            readings.append(read(mail.raw, bounces, now, own.authserv))
            uids.append(mail.uid)
    except KeywatchError as failed:
        problem = clean(failed.what.removeprefix("inbox: "))
    feed = FeedRow(
        INBOX,
        INBOX,
        next_at=now if len(uids) == MOST_MAILS else now + own.every,
        tried_at=now,
        complete_at=(known.complete_at if known else None) if problem else now,
        problem=problem,
        answer={"read": len(uids)},
    )
    return Post(feed, tuple(uids), tuple(readings), box)


def box_of(config: Config) -> Box:
    """The box of `[inbox]`; nothing is asked of it yet.

    Raises:
        KeywatchError: its password or its address cannot be used.
    """
    own = config.inbox
    assert own is not None
    password = plugins.resolve(own.password, config.base) if own.password else ""
    return open_box(settings(own.url, password, own.ca))


def take(tx: Tx, config: Config, world: World, post: Post, now: datetime) -> list[str]:
    """Write down what the mails say. Returns what a person who reads cron mails must know, a line each."""
    done = account(tx, config, world, post, now)
    return [one.what for one in done if one.news] + left_over(done)


def account(tx: Tx, config: Config, world: World, post: Post, now: datetime) -> list[Done]:
    """The same, with what each mail did.

    Bounces come first: who answers an older message does not take back that a later one was refused.
    """
    tx.put_feed(post.feed)
    done = []
    for reading in sorted(post.readings, key=lambda one: one.kind is Kind.REPLY):
        one = _quarantined(tx, config, world, reading, now)
        if one.acted:
            world = outlook.world(config, tx.read, now)
        done.append(one)
    return done


def left_over(done: Sequence[Done]) -> list[str]:
    """One line for all mails that led to nothing."""
    counts = {
        "about no message of ours": sum(one.kind is Kind.OTHER for one in done),
        "not readable": sum(one.kind is Kind.UNREADABLE for one in done),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return [f"inbox: {said}: marked as seen, nothing else came of it"] if said else []


def mark(post: Post, *, leave: bool = False) -> str:
    """After the commit: flag the mails as seen, unless `leave`, and let go of the box.

    Returns what went wrong; never raises.
    """
    if post.box is None:
        return ""
    try:
        if post.uids and not leave:
            post.box.seen(post.uids)
    except KeywatchError as problem:
        return f"{problem.what}; its mails are read again, which changes nothing"
    finally:
        post.box.close()
    return ""


# --------------------------------------------------------------------------- one mail


def _quarantined(tx: Tx, config: Config, world: World, reading: Reading, now: datetime) -> Done:
    """What one mail did. A mistake of ours about it is undone and counted: it must not stop this run and all after."""
    try:
        with tx.connection.begin_nested():
            return _one(tx, config, world, reading, now)
    except _FAULTS as problem:
        return Done(Kind.UNREADABLE, f"a mail could not be taken in ({type(problem).__name__})")


def _one(tx: Tx, config: Config, world: World, reading: Reading, now: datetime) -> Done:
    if reading.kind is Kind.UNREADABLE:
        return Done(Kind.UNREADABLE, f"a mail that cannot be read ({reading.detail})")
    ids = reading.message_ids
    message = tx.read.message_by(token=reading.token) or tx.read.message_by(token=reading.envid, message_ids=ids)
    case = Case(tx, config, world, reading, message, now)
    if reading.kind is Kind.OTHER or (message is None and not case.codes):
        return Done(Kind.OTHER, "about no message of ours")
    if tx.read.events(case.key, {EVENT}, limit=1):
        return Done(reading.kind, "was taken in before")
    done = answered(case) if reading.kind is Kind.REPLY else reported(case)
    data = {"own_id": clean(reading.own_id, 200), "mail": reading.kind.value}
    data |= {"route": message.route, "message": str(message.id)} if message else {}
    tx.add_event(Event(now, EVENT, case.key, done.who, done.what, data))
    return done

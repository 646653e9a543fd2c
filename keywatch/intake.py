"""Takes in what came by mail: bounces and auto-replies become evidence, answers of people become acks and proofs.

A mail is marked as seen only after what it said is committed; what was taken in once changes nothing a second time.
"""

from dataclasses import dataclass, field
from datetime import datetime

from keywatch.config import Config
from keywatch.inbox.boxes import Box, Mail
from keywatch.model import World
from keywatch.outlook import INBOX
from keywatch.read import FeedRow, Reader
from keywatch.store import Tx


@dataclass(frozen=True, slots=True)
class Post:
    """What lay in the inbox."""

    feed: FeedRow
    """How it went, to be written down."""
    mails: tuple[Mail, ...] = ()
    box: Box | None = field(default=None, repr=False)


def due(config: Config, reader: Reader, now: datetime) -> bool:
    """Whether the inbox is to be read now."""
    return False


def fetch(config: Config, known: FeedRow | None, now: datetime) -> Post:
    """Read what is new. An inbox that cannot be read is a fact, and nothing waits for it; never raises."""
    return Post(FeedRow(INBOX, INBOX))


def take(tx: Tx, config: Config, world: World, post: Post, now: datetime) -> list[str]:
    """Write down what the mails say. Returns what a person who reads cron mails must know, a line each."""
    return []


def mark(post: Post, *, leave: bool = False) -> str:
    """After the commit: flag the mails as seen, unless `leave`, and let go of the box.

    Returns what went wrong; never raises.
    """
    return ""

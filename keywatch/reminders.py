"""Quiet words to one person: half of what you promised has passed; with this duty you inherit what is open."""

from datetime import datetime

from keywatch.config import Config
from keywatch.model import World
from keywatch.store import Tx


def keep(tx: Tx, config: Config, world: World, now: datetime) -> datetime | None:
    """Say what is due. Returns when something will be due."""
    return None

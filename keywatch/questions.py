"""Asks in quiet times whether somebody reads a route, so that a dead alias is found months before it matters."""

from datetime import datetime

from keywatch.config import Config
from keywatch.model import World
from keywatch.store import Tx


def keep(tx: Tx, config: Config, world: World, now: datetime) -> datetime | None:
    """Ask what is due, and note what nobody answered. Returns when something will be due; None: nothing is asked."""
    return None

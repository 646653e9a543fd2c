"""The end of a run, when the ladder has spoken: what is asked and said besides it, in this order."""

from datetime import UTC, datetime, timedelta

from keywatch import digest, outlook, questions, reminders, troubles
from keywatch.config import Config
from keywatch.findings import FINDING, tell, unheard
from keywatch.model import World
from keywatch.read import text_of
from keywatch.store import Tx

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
COMES_BACK = timedelta(days=8)
"""A mail server gives up after five days; then what it could not deliver is here."""


def times(tx: Tx, config: Config, world: World, now: datetime, began: datetime) -> World:
    """What is asked and said besides the ladder: does somebody read here, what is wrong, what was promised, the week.

    `began` is the start of the run: however long it takes, the week of its digest is the one in which it began.
    Returns the world as it is after that: what nobody answered makes a route suspect.
    """
    known = tx.read.meta("reach_at")
    lost = unheard(tx.read, world, now - COMES_BACK) if known <= text_of(now) else {}
    if any(subject.startswith(FINDING) for subject in lost):
        tell(tx, config, world, now, lost)
    asked = questions.keep(tx, config, world, now)
    if tx.read.meta("reach_at") != known:  # there is new evidence
        world = outlook.world(config, tx.read, now)
    nexts = [asked, troubles.keep(tx, config, world, now, lost)]
    notes, again = reminders.due(tx, config, world, now)
    carried = [note for one in digest.enqueue_due(tx, config, world, began, notes) for note in one.notes]
    reminders.say(tx, config, world, [note for note in notes if note not in carried], now)
    nexts.append(again)
    tx.set_meta("reach_at", text_of(min((at for at in nexts if at), default=NEVER)))
    return world

"""How long a message that was not accepted waits for its next try: ever longer, and never past what it is about."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from keywatch.model import Credential, Episode, World
from keywatch.policy.case import timeline
from keywatch.policy.stages import stages

FIRST = timedelta(minutes=10)
LONGEST = timedelta(hours=6)
SOONEST = timedelta(minutes=1)
SHARE = 8
"""At least so many tries fit into what is left before the expiry."""


def pause(now: datetime, tries: int, owed: Iterable[tuple[Credential, Episode]], world: World) -> timedelta:
    """Ten minutes, doubling up to six hours; at most until the next stage of anything the message speaks of.

    `tries`: how many there were, this one included. Before an expiry it is at most an eighth of what is left.
    """
    waits = [min(FIRST * (1 << min(tries - 1, 8)), LONGEST)]
    for credential, episode in owed:
        if credential.expires_at is None:
            continue
        waits += [stage.due - now for stage in stages(timeline(credential, episode, world), now) if stage.due > now]
        if credential.expires_at > now:
            waits.append(max((credential.expires_at - now) / SHARE, SOONEST))
    return min(waits)

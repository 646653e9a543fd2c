"""A credential of keywatch's own, whose message a person has to answer: it proves the whole way to somebody who reads.

`[keywatch] canary = "30d"` keeps one. It expires after that span, its notices go the ordinary way, and the code of any
of them renews it for another span. Nobody answers: it climbs like any credential, because then no message may be read.

It stands in an environment of its own, so that it blocks no release, and in a service of its own, so that it is no
suspect of another. One stage before start by asks, so that there is usually one message in a span; from there on it has
production's ladder.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keywatch import ledger, outlook
from keywatch.config import Config
from keywatch.config.values import OWN
from keywatch.dates import start_of
from keywatch.model import Basis, Credential, Deadline, Person, State
from keywatch.policy.calendar import DAY, local_day
from keywatch.policy.state import state
from keywatch.read import Reader
from keywatch.report import distance, in_zone
from keywatch.store import Tx

NAME = "keywatch-canary"
LEAD = "1bd"
"""An answer takes minutes; whoever has not given one on the last working day is late."""
LABELS = {
    "env": OWN,
    "service": OWN,
    "lead": LEAD,
    "impact": "nothing stops; but then nobody has shown that keywatch's messages are read",
    "runbook": "take it with the code of this message: that is all there is to do, and it renews it",
}


def is_canary(row: Credential) -> bool:
    """Whether it is keywatch's own."""
    return row.source == OWN


def find(reader: Reader, now: datetime, *, retired: bool = False) -> Credential | None:
    """The canary, if there is one."""
    return next(iter(reader.credentials(now, include_retired=retired, source=OWN)), None)


def keep(tx: Tx, config: Config, now: datetime) -> None:
    """Make it, bring it back, move it to another span, or retire it, as the config says; else change nothing."""
    known = find(tx.read, now, retired=True)
    alive = known is not None and known.retired_at is None
    if config.canary is None:
        if known and alive:
            ledger.record(tx, replace(known, retired_at=now, retired_by="config"), now, "config")
        return
    if known is None or not alive:
        row = _next(config, known or Credential(0, OWN, NAME, NAME, first_seen=now), now)
    else:
        row = _of_span(config, known, known.issued or now)
    row = ledger.resolve(row, config, outlook.world(config, tx.read, now))
    if known is None or replace(row, in_hand=None) != replace(known, in_hand=None):
        ledger.record(tx, row, now, "config")


def answered(tx: Tx, config: Config, row: Credential, giver: Person, now: datetime) -> str:
    """Somebody gave the code of its message: that renews it. Returns what to say of it, a sentence."""
    fresh = ledger.resolve(_next(config, row, now), config, outlook.world(config, tx.read, now))
    ledger.record(tx, fresh, now, giver.key)
    return f"{NAME}: answered by {giver.name}, that is all; it stands until {in_zone(fresh.expires_at, config.zone)}"


def _next(config: Config, row: Credential, now: datetime) -> Credential:
    """Its next version. Its date is no change that `suspects` should name, so `changed_at` stays empty."""
    version = str(int(row.version) + 1) if row.version.isdecimal() else "1"
    row = replace(row, version=version, issued=now, retired_at=None, retired_by="", accepted_until=None, accepted_by="")
    return _of_span(config, row, now)


def _of_span(config: Config, row: Credential, issued: datetime) -> Credential:
    """The row as today's config has it: it expires at a midnight, a span after it was issued."""
    span = config.canary or timedelta(0)
    at = start_of(local_day(config.owners[config.keeper].calendar, issued + span) + DAY, config.zone)
    deadline = Deadline(at, Basis.DECLARED, f"[keywatch] canary = {span.days}d")
    return replace(
        row,
        deadlines=(deadline,),
        expires_at=deadline.at,
        basis=deadline.basis,
        because=deadline.because,
        issued=issued,
        labels=LABELS | {"owner": config.keeper},
        stale_since=None,
        missing_since=None,
    )


# --------------------------------------------------------------------------- how it stands


@dataclass(frozen=True, slots=True)
class Standing:
    """When somebody last answered, and whether it is time that somebody does."""

    said: str
    overdue: bool


def standing(reader: Reader, config: Config, now: datetime) -> Standing:
    """How the canary stands, where the config wants one."""
    row = find(reader, now)
    if row is None:
        return Standing("the canary is not there yet: the next check makes it", overdue=False)
    last = next(iter(reader.events(row, kinds=["renewed"], limit=1)), None)
    who = config.people[last.who].name if last and last.who in config.people else last.who if last else ""
    said = (
        f"the canary was last answered {distance(now, last.at)} by {who}" if last else "nobody has answered the canary"
    )
    word = state(row, now)
    if word in (State.LATE, State.EXPIRED):
        return Standing(f"{said}, and it is {word}: nobody may be reading what keywatch sends", overdue=True)
    if word is State.START:
        return Standing(f"{said}; it asks again now", overdue=False)
    asks = in_zone(row.start_from, config.zone)
    return Standing(f"{said}{'' if last else ' yet'}; it asks from {asks} on", overdue=False)

"""The ends that only a person can give a credential: it is not used any more, or it may expire until a date."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from keywatch import ledger
from keywatch.config import Config
from keywatch.config.table import unknown
from keywatch.errors import KeywatchError
from keywatch.model import MANUAL, Credential
from keywatch.policy.reconcile import Listing
from keywatch.read import Reader
from keywatch.register import Speaker, must_live
from keywatch.store import Tx
from keywatch.text import clean


def retire(tx: Tx, row: Credential, reason: str, who: Speaker, now: datetime) -> None:
    """It is not used any more: its episode ends, and its source may list it for as long as it likes."""
    tx.add_event(who.event(now, "retire", row, clean(reason) or "not used any more"))
    ledger.record(tx, replace(row, retired_at=now, retired_by=who.name), now, who.name)


def accept_risk(
    tx: Tx, row: Credential, until: datetime | None, reason: str, who: Speaker, now: datetime
) -> Credential:
    """Let it expire until a date, in the name of `who`. When that date comes a new episode opens at the old rung.

    Raises:
        KeywatchError: no end, an end in the past, no date to accept, or no reason.
    """
    must_live(row)
    if until is None or until <= now:
        said = "needs an end" if until is None else "would end in the past"
        raise KeywatchError(f"a risk that is accepted {said}", "give a date to come, such as --until 2027-01-31")
    if row.expires_at is None:
        raise KeywatchError(f"{row.name} has no date, so there is no risk to accept", "`keywatch edit NAME --expires`")
    if not clean(reason):
        raise KeywatchError("say why the risk is accepted", "--reason TEXT")
    tx.add_event(who.event(now, "accept-risk", row, f"until {until:%Y-%m-%dT%H:%MZ}: {clean(reason)}"))
    ledger.record(tx, replace(row, accepted_until=until, accepted_by=who.name), now, who.name)
    return tx.read.credentials_by_id([row.id], now)[row.id]


def of_source(reader: Reader, config: Config, source: str, now: datetime) -> list[Credential]:
    """The living rows of a source that is not configured any more.

    Raises:
        KeywatchError: it is configured, it is `manual`, or it has no rows.
    """
    if source == MANUAL:
        raise KeywatchError("what people registered is retired by name", "`keywatch retire NAME`")
    if source in {one.name for one in config.sources}:
        raise KeywatchError(
            f"the source '{source}' is still configured", "remove its [[source]] first, or add --missing"
        )
    return known_source(reader, source, now)


def lost(reader: Reader, source: str, listing: Listing, now: datetime) -> list[Credential]:
    """What a listing of a source does not show, held by the fuse or not, and what was missing before it."""
    rows = known_source(reader, source, now)
    return [row for row in rows if listing.missing(row.ref) or (row.missing_since and row.ref not in listing.refs)]


def known_source(reader: Reader, source: str, now: datetime) -> list[Credential]:
    """The living rows of a source.

    Raises:
        KeywatchError: there are none.
    """
    if rows := reader.credentials(now, source=source):
        return rows
    names: Iterable[str] = sorted({row.source for row in reader.credentials(now)} - {MANUAL})
    raise KeywatchError(unknown("credential of a source", source, names), f"there are: {', '.join(names) or 'none'}")

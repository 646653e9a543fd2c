"""Asks the sources what there is, and writes down what that means. A source that fails takes nothing away."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from keywatch import ledger, plugins
from keywatch.config import Config, SourceConfig, build
from keywatch.errors import KeywatchError
from keywatch.model import Covered, Credential, Event, Found, Gap, World
from keywatch.oncall import PluginRun
from keywatch.policy.reconcile import TWICE, Listing, absence, observe, unfound
from keywatch.read import FeedRow, Reader
from keywatch.store import Tx
from keywatch.text import clean

SOURCE = "source"


@dataclass(slots=True)
class Scan:
    """What one source said in one run."""

    source: SourceConfig
    found: list[Found] = field(default_factory=list)
    covered: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def listing(self) -> Listing:
        gaps = tuple(gap.prefix for gap in self.gaps)
        return Listing(frozenset(item.ref for item in self.found), tuple(self.covered), gaps)


def due(config: Config, reader: Reader, now: datetime) -> list[SourceConfig]:
    """The sources whose time has come; one that was never asked is always due."""
    feeds = {feed.name: feed for feed in reader.feeds() if feed.kind == SOURCE}
    return [
        source
        for source in config.sources
        if source.name not in feeds or (next_at := feeds[source.name].next_at) is None or next_at <= now
    ]


def scan(config: Config, source: SourceConfig, now: datetime) -> Scan:
    """Ask one source. Whatever it raises is a gap over all of it; what was found so far counts."""
    seen = Scan(source)
    try:
        kind = plugins.load("providers", source.kind)
        settings = build(kind.Settings, source.settings, f"source.{source.name}", str(config.path))
        for said in kind(settings).scan(PluginRun(now, source.zone, config.base)):
            match said:
                case Found():
                    seen.found.append(said)
                case Covered():
                    seen.covered.append(said.prefix)
                case Gap():
                    seen.gaps.append(replace(said, reason=clean(said.reason)))
    except KeywatchError as problem:
        seen.gaps.append(Gap("", clean(problem.what)))
    except Exception as problem:  # noqa: BLE001  # a plugin's mistake must not stop a reminder
        seen.gaps.append(Gap("", clean(f"{type(problem).__name__}: {problem}")))
    return seen


def record(tx: Tx, config: Config, world: World, seen: Scan, now: datetime) -> FeedRow:
    """Write down one scan in the transaction of the caller: what was found, what is stale, missing or gone."""
    name, by = seen.source.name, f"source:{seen.source.name}"
    before = tx.read.feed(SOURCE, name)
    first_run = before is None or before.complete_at is None
    rows = {row.ref: row for row in tx.read.credentials(now, include_retired=True, source=name)}
    for item in _unique(seen.found):
        known = rows.get(item.ref)
        if known and known.retired_at and not known.gone_at:
            continue  # a person retired it; the source may list it for as long as it likes
        row = observe(now, known, item, name, first_run=first_run)
        row = ledger.resolve(row, config, world, item.tags)
        _keep(tx, known, row, now, by)
    lost = absence([row for row in rows.values() if not row.retired_at and not _in_doubt(row, before)], seen.listing)
    for row in lost.unseen:
        _keep(tx, row, unfound(row, now, name, missing=False), now, by)
    for row in lost.missing:
        _keep(tx, row, unfound(row, now, name, missing=True), now, by)
    feed = _feed(before, seen, lost.held, now, first_missing=any(row.missing_since is None for row in lost.missing))
    tx.put_feed(feed)
    if feed.problem and (before is None or before.problem != feed.problem):
        tx.add_event(Event(now, "source", by, by, feed.problem))
    return feed


def _in_doubt(row: Credential, before: FeedRow | None) -> bool:
    """Whether a row was first seen in a listing that was held: it must not make the next one look believable."""
    if before is None or not before.answer.get("held") or before.complete_at is None or row.first_seen is None:
        return False
    return row.first_seen > before.complete_at


def _unique(found: Iterable[Found]) -> Iterable[Found]:
    """Each ref once: the last word of a source about an item counts."""
    return {item.ref: item for item in found}.values()


def _keep(tx: Tx, known: Credential | None, row: Credential, now: datetime, by: str) -> None:
    """Write only what changed: a thousand credentials that stay as they are cost a thousand reads."""
    if known is not None and replace(known, in_hand=None) == replace(row, in_hand=None):
        return
    ledger.record(tx, row, now, by)
    if known is None:
        tx.add_event(Event(now, "found", ledger.key(row), by, f"{row.name}, {row.because or 'no date'}"))
    elif known.missing_since is None and row.missing_since:
        tx.add_event(Event(now, "missing", ledger.key(row), by, "its source does not list it any more"))
    elif known.version != row.version:
        tx.add_event(Event(now, "version", ledger.key(row), by, f"version {known.version} → {row.version}"))


def _feed(before: FeedRow | None, seen: Scan, held: str, now: datetime, *, first_missing: bool) -> FeedRow:
    problem = held or "; ".join(gap.reason for gap in seen.gaps[:3])
    more = f" (and {len(seen.gaps) - 3} more)" if len(seen.gaps) > 3 and not held else ""
    again = now + seen.source.every
    return FeedRow(
        SOURCE,
        seen.source.name,
        next_at=max(again, now + TWICE) if first_missing else again,
        tried_at=now,
        complete_at=now if seen.listing.complete and not held else (before.complete_at if before else None),
        problem=problem + more,
        answer={
            "found": len(seen.found),
            "covered": seen.covered[:100],
            "gaps": [{"prefix": gap.prefix, "reason": gap.reason, "transient": gap.transient} for gap in seen.gaps],
            "held": held,
        },
    )

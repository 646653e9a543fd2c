"""One run: collect, reconcile, plan, enqueue, dispatch, record. Everything else is called from here, in that order."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keywatch import (
    canary,
    collect,
    digest,
    intake,
    ledger,
    oncall,
    outlook,
    plugins,
    quiet,
    resolving,
    snapshot,
)
from keywatch.clock import SKEW, Steady, back, resumed
from keywatch.config import Config, SourceConfig, build
from keywatch.dispatch import Dispatcher, Foreseen, Sent, foreseen
from keywatch.errors import ConfigError, Exit, KeywatchError
from keywatch.findings import tell
from keywatch.model import Blame, Credential, Decision, VerdictKind, World
from keywatch.news import news
from keywatch.policy.plan import decide
from keywatch.policy.reconcile import noticed_overdue
from keywatch.read import FeedRow, Reader, instant_of, text_of
from keywatch.store import Store, Tx, owner_name
from keywatch.wording import domain

FEED_LEASE = timedelta(minutes=15)
"""After this another run may take a source over; whichever listing began later counts."""
FAR_APART = timedelta(hours=1)
"""Runs further apart than this retry a deferred message before they end."""
APART = timedelta(seconds=1)
"""Beyond this the database server's clock stands in for the host's."""
PAUSE, REHEARSED_PAUSE = timedelta(seconds=30), timedelta(seconds=1)


@dataclass(slots=True)
class Report:
    """What one run did and found."""

    now: datetime
    feeds: list[FeedRow] = field(default_factory=list)
    """Every source and roster target that is configured."""
    asked: list[str] = field(default_factory=list)
    """The sources that were read in this run."""
    sent: list[Sent] = field(default_factory=list)
    foreseen: list[Foreseen] = field(default_factory=list)
    """What a dry run would have sent."""
    planned: list[tuple[Credential, Decision]] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    clock: str = ""
    """What is wrong with this host's clock."""
    news: list[str] = field(default_factory=list)
    """What went wrong in this run and had not before, one line each; what recovered, too."""
    next_look: datetime | None = None
    """Before this instant no rule will speak, unless something changes."""
    world: World | None = None

    @property
    def exit_code(self) -> Exit:
        if self.uncovered:
            return Exit.BAD
        return Exit.UNKNOWN if self.clock or any(feed.problem for feed in self.feeds) else Exit.WELL


def check(
    config: Config,
    store: Store,
    clock: Callable[[], datetime],
    *,
    rehearsal: bool = False,
    dry_run: bool = False,
    wait: Callable[[timedelta], None] = lambda _: None,
) -> Report:
    """Do everything that is due. `wait` pauses before the retries of a run that comes rarely."""
    refuse_bad_tables(config)
    sys.audit("keywatch.run.started")
    store.examine()
    owner = owner_name()
    clock, problem, said_before = (clock, "", True) if rehearsal else _steady(store, clock, keep=not dry_run)
    report = Report(clock(), clock=problem, news=[] if said_before else [problem])
    due = _due(config, store, report.now, "" if dry_run else owner)
    scans, answers, post = _fetch(config, due, report.now)
    with store.write(plan=True) as tx:
        scans = scans if dry_run else _counting(tx, scans, owner, report)
        report.asked = [scan.source.name for scan in scans]
        if post:
            report.news += intake.take(tx, config, outlook.world(config, tx.read, report.now), post, report.now)
        world = _reconcile(tx, config, due, scans, answers, report.now)
        if dry_run:
            world = quiet.times(tx, config, outlook.world(config, tx.read, report.now), report.now, report.now)
            report.planned = plan(tx, config, world, report.now)
            report.foreseen = foreseen(tx, world, report.now)
            report.feeds, report.world, report.next_look = _feeds(config, tx.read), world, tx.read.next_look()
            tx.rollback()
    if post and (trouble := intake.mark(post, leave=dry_run)):
        report.news.append(trouble)
    if not dry_run:
        far = due.last_run is None or report.now - due.last_run > FAR_APART
        _deliver(config, store, clock, report, (REHEARSED_PAUSE if rehearsal else PAUSE) if far else None, wait)
        _record(config, store, clock(), report)
    report.news += news((due.feeds, report.feeds), report.sent, (due.uncovered, report.uncovered))
    sys.audit("keywatch.run.ended")
    return report


def _steady(store: Store, clock: Callable[[], datetime], *, keep: bool) -> tuple[Steady, str, bool]:
    """A clock that never goes back, what is wrong with the host's, and whether that was said before.

    Raises:
        KeywatchError: it leapt by more than a year (exit 1); nothing is done.
    """
    with store.write() as tx:
        apart = tx.read.shared_clock(clock()) - clock()
        base = Steady(clock, apart if abs(apart) > APART else timedelta(0))
        before, high_water = tx.read.clock_marks()
        steady, by = resumed(base, high_water, before)
        if keep and by != before:
            tx.set_meta("clock_ahead", str(by.total_seconds()) if by else "")
    problem = back(base(), by) if by else ""
    if abs(apart) > SKEW:
        problem = problem or f"this host's clock and the database server's are {abs(apart)} apart; the server's rules"
    return steady, problem, not problem or (bool(by) and by == before)


def refuse_bad_tables(config: Config) -> None:
    """The tables of plugins are config too: a typing mistake in one stops the run before it does anything.

    Raises:
        ConfigError: every problem of every source's and roster's table.
    """
    problems: list[str] = []
    tables = [("providers", one.kind, one.settings, f"source.{one.name}") for one in config.sources]
    tables += [("rosters", one.kind, one.settings, f"rosters.{one.name}") for one in config.rosters.values()]
    for shelf, kind, table, where in tables:
        try:
            build(plugins.load(shelf, kind).Settings, table, where, str(config.path))
        except ConfigError as bad:
            problems += bad.problems
        except KeywatchError as bad:
            problems.append(f"[{where}] kind: {bad.what}; {bad.hint}")
    if problems:
        raise ConfigError(str(config.path), problems)


@dataclass(frozen=True, slots=True)
class Due:
    """What this run has to fetch, and how things stood before it."""

    changed: bool
    """The config is another one than at the last run: everything is looked at anew."""
    sources: list[SourceConfig]
    rosters: dict[str, FeedRow | None]
    """By reference, with what was last known."""
    last_run: datetime | None
    feeds: list[FeedRow]
    uncovered: list[str]
    inbox: bool = False
    """It is to be read."""
    domains: tuple[str, ...] = ()
    """To be looked up."""
    left: bool = False
    """A source with new settings is still held by a run that knows the old ones."""


def _due(config: Config, store: Store, now: datetime, owner: str) -> Due:
    """What is to be fetched, claimed for `owner`; "" claims nothing. What another run holds is left to it."""
    with store.write(plan=True) as tx:  # the same order of locks as where answers are written down
        changed = tx.read.meta("config_hash") != config.digest_hash
        before = Due(
            changed,
            list(config.sources) if changed else collect.due(config, tx.read, now),
            {},
            instant_of(tx.read.meta("last_run") or None),
            _feeds(config, tx.read),
            tx.read.uncovered(),
            domains=resolving.due(config, tx.read, now, changed=changed),
        )
        planning = changed or bool(before.sources) or bool(tx.read.due(now))
        rosters = oncall.due(config, tx.read, now, planning=planning)
        known = {ref: tx.read.feed(oncall.ROSTER, *_target(config, ref)) for ref in rosters}
        inbox = intake.due(config, tx.read, now)
        if not owner:
            return replace(before, rosters=known, inbox=inbox)

        def claims(kind: str, name: str, target: str = "") -> bool:
            return tx.claim_feed(kind, name, target, now, FEED_LEASE, owner, due=False)

        mine = [source for source in before.sources if claims(collect.SOURCE, source.name)]
        left = changed and len(mine) < len(before.sources)  # with its new settings it is read by the next run
        # A plan needs fresh rosters: one that another run is asking at this moment is asked twice rather than not.
        asked = {ref: feed for ref, feed in known.items() if claims(oncall.ROSTER, *_target(config, ref)) or planning}
        inbox = inbox and claims(outlook.INBOX, outlook.INBOX)
        return replace(before, sources=mine, rosters=asked, inbox=inbox, left=left)


def _fetch(config: Config, due: Due, now: datetime) -> tuple[list[collect.Scan], list[FeedRow], intake.Post | None]:
    """Ask the sources, the rosters, the DNS and the inbox; no transaction is open meanwhile."""
    scans, answers = [], []
    for source in due.sources:
        scans.append(collect.scan(config, source, now))
        sys.audit("keywatch.feed.read", collect.SOURCE, source.name)
    for reference, feed in due.rosters.items():
        answers.append(oncall.ask(config, reference, feed, now))
        sys.audit("keywatch.feed.read", oncall.ROSTER, reference)
    answers += resolving.ask(config, due.domains, now)
    known = next((feed for feed in due.feeds if feed.kind == outlook.INBOX), None)
    if not due.inbox:
        return scans, answers, None
    post = intake.fetch(config, known, now)
    sys.audit("keywatch.feed.read", outlook.INBOX, outlook.INBOX)
    return scans, answers, post


def _counting(tx: Tx, scans: list[collect.Scan], owner: str, report: Report) -> list[collect.Scan]:
    """The scans that may be written down; what is dropped is said."""
    kept = [scan for scan in scans if _counts(tx, scan.source.name, owner, report.now)]
    dropped = [scan.source.name for scan in scans if scan not in kept]
    report.news += [f"source {name}: another run has read it since; this listing is dropped" for name in dropped]
    return kept


def _counts(tx: Tx, source: str, owner: str, started: datetime) -> bool:
    """Whether what was read may be written down: not if another run took the source over and has read it since.

    Slow sources outlast a lease; what they said counts all the same while nobody knows better.
    """
    before = tx.read.feed(collect.SOURCE, source)
    if tx.holder(collect.SOURCE, source, "") == owner or before is None or before.tried_at is None:
        return True
    return before.tried_at < started


def _reconcile(
    tx: Tx, config: Config, due: Due, scans: list[collect.Scan], answers: list[FeedRow], now: datetime
) -> World:
    """Write down what sources and rosters said, and what follows for people besides the ladder."""
    oncall.renew(tx, config, [feed for feed in answers if feed.kind == oncall.ROSTER], now)
    world = outlook.world(config, tx.read, now)
    canary.keep(tx, config, now)
    if due.changed:
        ledger.resettle(tx, config, world, now)
        _forget(tx, config)
    for scan in scans:
        collect.record(tx, config, world, scan, now)
    resolving.keep(tx, config, answers, now)
    if not due.left:
        tx.set_meta("config_hash", config.digest_hash)
    learnt = tx.read.meta("reach_at") <= text_of(now)
    if learnt or due.changed or scans or answers or tx.read.due(now) or _first_of_the_day(config, due, now):
        tell(tx, config, world, now)  # it reads every credential, and nothing of it changes otherwise
    return world


def _first_of_the_day(config: Config, due: Due, now: datetime) -> bool:
    before = due.last_run
    return before is None or before.astimezone(config.zone).date() != now.astimezone(config.zone).date()


def _forget(tx: Tx, config: Config) -> None:
    """What is not configured any more is not fetched, so it must not look due; what was known of it stays."""
    known = {(collect.SOURCE, source.name, "") for source in config.sources}
    known |= {(oncall.ROSTER, *_target(config, reference)) for reference in outlook.roster_references(config)}
    known |= {(outlook.INBOX, outlook.INBOX, "")} if config.inbox else set()
    for feed in tx.read.feeds():
        if (feed.kind, feed.name, feed.target) not in known and feed.next_at is not None:
            tx.put_feed(replace(feed, next_at=None))


def _deliver(
    config: Config,
    store: Store,
    clock: Callable[[], datetime],
    report: Report,
    pause: timedelta | None,
    wait: Callable[[timedelta], None],
) -> None:
    """Send until nothing is due; where runs are far apart, what was put off is tried once more before the end."""
    with Dispatcher(store, config, clock, pause) as dispatcher:
        _until_quiet(config, store, clock, dispatcher, report)
        while pause and (tried := _put_off(report)):
            wait(pause)
            _until_quiet(config, store, clock, dispatcher, report)
            if _put_off(report) == tried:
                break


def _feeds(config: Config, reader: Reader) -> list[FeedRow]:
    return [feed for _, feed in outlook.feeds(config, reader) if feed]


def _target(config: Config, reference: str) -> tuple[str, str]:
    roster, target = config.roster(reference)
    return roster.name, target


def _until_quiet(
    config: Config, store: Store, clock: Callable[[], datetime], dispatcher: Dispatcher, report: Report
) -> None:
    """Plan and send until nothing new is due: a refusal widens a call in the same run.

    What is asked and said besides the ladder comes last: by then it is known which routes refused.
    """
    busy = False
    while True:
        now = clock()
        with store.write(plan=True) as tx:
            world = outlook.world(config, tx.read, now)
            planned = plan(tx, config, world, now)
            if done := not busy and not any(decision.notices for _, decision in planned):
                world = quiet.times(tx, config, world, now, report.now)
                planned += plan(tx, config, world, now)
        sys.audit("keywatch.run.planned", len(planned))
        sent = dispatcher.run(world)
        report.planned += planned
        report.sent += sent
        report.world = world
        if done and not sent and not any(decision.notices for _, decision in planned):
            return
        busy = bool(sent)


def plan(tx: Tx, config: Config, world: World, now: datetime) -> list[tuple[Credential, Decision]]:
    """Decide for every credential at which a rule could speak, and write the decisions down."""
    due = {row.id: row for row in tx.read.due(now)}
    for row in due.values():
        noticed = noticed_overdue(row, now)
        over = row.accepted_until is not None and row.accepted_until <= now
        if noticed is not row or over:
            ledger.record(tx, replace(noticed, accepted_until=None) if over else noticed, now, "check")
    episodes = tx.read.episodes(due)
    rows = tx.read.credentials_by_id(due, now)
    for row in rows.values():
        if row.id not in episodes:
            tx.sleep(row.id, row.accepted_until)
    pairs = [(row, episodes[row.id]) for row in rows.values() if row.id in episodes]
    said = [decide(now, row, episode, world) for row, episode in pairs]
    if silences := [silence for decision in said for silence in decision.silent]:
        # Whoever stayed silent is judged first: else the audience would be found too small after it was told.
        hashes = outlook.address_hashes(config, tx.read, world.routes)
        for silence in silences:
            tx.add_evidence(silence, hashes[silence.route])
        world = outlook.world(config, tx.read, now)
        said = [decide(now, row, episode, world) for row, episode in pairs]
    slot = f"{now.astimezone(config.zone):%Y-%m-%d}"
    for (_, episode), decision in zip(pairs, said, strict=True):
        tx.apply(episode.id, decision, now, slot, domain(config))
    return [(row, decision) for (row, _), decision in zip(pairs, said, strict=True) if decision.stage]


def _put_off(report: Report) -> set[int]:
    """The messages whose first try in this run failed in a way that may pass, and that had no second one yet.

    Whoever a second failure widened a call to has a retry of their own, so there may be several rounds.
    """
    may_pass = (VerdictKind.DEFERRED, VerdictKind.UNREACHABLE, VerdictKind.UNKNOWN)
    failed = [s for s in report.sent if s.verdict.kind in may_pass and s.verdict.blame is not Blame.SENDER]
    again = {s.message.id for s in report.sent if s.message.tries > 1}
    return {s.message.id for s in failed if s.message.tries == 1} - again


def _record(config: Config, store: Store, now: datetime, report: Report) -> None:
    with store.write() as tx:
        report.feeds = _feeds(config, tx.read)
        report.uncovered, report.next_look = tx.read.uncovered(), tx.read.next_look()
        tx.set_meta("standing", str(int(report.exit_code)))
        tx.set_meta("digest_at", text_of(digest.next_at(config, now)))
        tx.read.mark_run(report.now, now)
        snapshot.leave(tx, config, now, changed=bool(report.sent or report.planned or report.asked))
        sys.audit("keywatch.snapshot.written")
    sys.audit("keywatch.run.recorded")

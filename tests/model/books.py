"""The oracle's books: what the program has been shown, what people answered, and what is therefore due.

They are kept from what the outside world sees (files, config, mails, answers) and never from the store or its code.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tests.model.days import DAY, HOUR, Dates, Stage, local, midnight, put_off, working_days_after

ADOPTION = 7 * DAY
UNCHANGED, TWICE = DAY, timedelta(minutes=10)
PROOF = 90 * DAY
RENDERED = 14 * DAY
FUSE_COUNT, FUSE_SHARE = 5, 0.2
ANCHOR = date(2026, 10, 5)
"""The first day of the first person of the rotation."""


@dataclass(frozen=True)
class Row:
    """One credential as its source, or whoever registered it, has it now."""

    name: str
    owner: str
    lead: int
    """Working days."""
    expires: datetime
    issued: datetime | None = None
    """Tells the versions apart."""


@dataclass
class Promise:
    """An answer: somebody has it in hand until `until`, or until it was voided."""

    at: datetime
    until: datetime
    person: str
    void_at: datetime | None = None
    moved: bool = False
    """Void because the date came nearer: that breaks no promise."""

    @property
    def ends(self) -> datetime:
        return min(self.until, self.void_at) if self.void_at else self.until


@dataclass
class Known:
    """One credential as the program must believe it to be, with its episode."""

    row: Row
    opened_at: datetime
    adopted_at: datetime | None = None
    moved_at: datetime | None = None
    asked_at: datetime | None = None
    """Renewed without a later date: the question of when."""
    pending: tuple[datetime, datetime] | None = None
    """A later date of the same version, and since when it is seen."""
    missing_since: datetime | None = None
    promises: list[Promise] = field(default_factory=list)
    """Of this episode."""

    @property
    def dates(self) -> Dates:
        return Dates(self.row.expires, self.row.lead, self.row.issued)

    @property
    def expired_when_seen(self) -> bool:
        return self.adopted_at is not None and self.row.expires <= self.adopted_at

    @property
    def adopted_until(self) -> datetime | None:
        """The end of the week in which it is only asked about."""
        if self.adopted_at is None or self.adopted_at < self.row.expires <= self.adopted_at + ADOPTION:
            return None
        return self.adopted_at + ADOPTION

    def holding(self, now: datetime) -> Promise | None:
        last = self.promises[-1] if self.promises else None
        return last if last and now < last.ends else None

    def broken(self, now: datetime) -> list[Promise]:
        """Promises that ended without being extended before."""
        ended = enumerate(self.promises)
        kept = [p for n, p in ended if p.ends <= now and all(q.at >= p.ends for q in self.promises[n + 1 :])]
        return [p for p in kept if not p.moved]

    # ------------------------------------------------------------- what is due

    def due(self, now: datetime) -> list[Stage]:
        """Every stage that must have spoken, the current one last; what a promise answered need not."""
        newest = [p for p in self.promises if not p.moved][-1:]  # it rules, however far an older one reached
        spoken = self.may_speak(now)
        free = newest[0].ends if newest else self.opened_at
        found = (s for s in spoken if s.urgent or s.kind == "renewed" or s.due >= free)
        return sorted(found, key=lambda s: (s.due, s.rung))

    def may_speak(self, now: datetime) -> list[Stage]:
        """Every stage that is due and that no promise silences now."""
        held = self.holding(now) is not None
        found = [s for s in self._stages(now) if s.due <= now]
        if held or self.asked_at:
            found = [s for s in found if s.urgent or (not held and s.kind in ("renewed", "lapsed"))]
        return found

    def _stages(self, now: datetime) -> Iterator[Stage]:
        when, floor = self.dates, self.adopted_until or self.opened_at
        for due, rung in when.before():
            said = due if due >= floor else put_off(floor)
            if said < when.last_at and not (self.moved_at and due <= self.moved_at):
                yield Stage(said, "before", rung)
        for due in when.late(floor, now):
            yield Stage(due, "late", 2)
        yield from self._questions()
        yield from self._end(now, floor)
        for promise in self.broken(now):
            yield Stage(put_off(promise.ends, every_day=promise.ends >= self.row.expires), "lapsed", 1)

    def _questions(self) -> Iterator[Stage]:
        if self.asked_at:
            yield Stage(self.asked_at, "renewed", 0)
        if self.moved_at and self.dates.plan_at <= self.moved_at:
            yield Stage(self.moved_at, "moved", 0)
        if self.adopted_at and self.adopted_until:
            yield Stage(put_off(self.adopted_at, every_day=self.expired_when_seen), "adopted", 1)

    def _end(self, now: datetime, floor: datetime) -> Iterator[Stage]:
        end, opened = self.row.expires, self.opened_at
        if opened < end:
            yield Stage(max(self.dates.last_at, opened), "last", 2)
        if not self.expired_when_seen:
            yield Stage(max(end, opened), "expired", 2)
            if end + 4 * HOUR > opened and not (self.adopted_at and self.adopted_until is None):
                yield Stage(end + 4 * HOUR, "expired", 2)
        for due in self.dates.again(floor if self.expired_when_seen else opened, now):
            yield Stage(due, "again", 2)

    def state(self, now: datetime) -> str:
        """The word that stands beside its name."""
        if now >= self.row.expires:
            return "EXPIRED"
        if self.holding(now):
            return "IN HAND"
        if now >= self.dates.late_at:
            return "LATE"
        near = [due for due, rung in self.dates.before() if rung >= 1]
        if now >= min([*near, self.dates.start_by]):
            return "START"
        return "PLAN" if now >= self.dates.plan_at else "OK"

    def furthest(self, now: datetime, *, begun: bool) -> datetime:
        """The end of the last day that an answer given now may name."""
        today, expires, start = local(now), self.row.expires, self.dates.start_by
        last = working_days_after(today, 1)
        if now >= expires:
            last = today + DAY if begun else last
        elif begun:
            last = max(min(local(expires - DAY), working_days_after(today, 15)), today)
        elif now < start - 3 * DAY:
            last = local(start)
        if self.adopted_until and now < self.adopted_until:
            last = max(last, local(self.adopted_until))
        return midnight(last + DAY)

    # ------------------------------------------------------------- what its owner of a date says

    def seen(self, now: datetime, row: Row) -> "Known":
        """The credential after `row` was shown: it goes on, it moved, or a new episode begins."""
        renewed, same = row.issued != self.row.issued, row.expires == self.row.expires
        self.missing_since = None
        if row.expires < self.row.expires:
            self._moved(now)
        elif same:
            self.asked_at, self.pending = now if renewed else self.asked_at, None
        elif not (renewed or self.asked_at) and not self._settled(now, row):
            self.row = replace(row, expires=self.row.expires)
            return self
        else:
            return Known(row, now)
        self.row = row
        return self

    def _moved(self, now: datetime) -> None:
        held = self.holding(now)
        if held:
            held.void_at, held.moved = now, True
        self.moved_at, self.asked_at, self.pending = now, None, None

    def _settled(self, now: datetime, row: Row) -> bool:
        """A later date alone rules when it stood for a day."""
        if self.pending is None or self.pending[0] != row.expires:
            self.pending = row.expires, now
        return now - self.pending[1] >= UNCHANGED


@dataclass
class Books:
    """All the oracle knows."""

    known: dict[str, Known] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    """Which of them the file showed; the others are people's."""
    complete: bool = False
    held: bool = False
    doubted: set[str] = field(default_factory=set)
    proofs: dict[str, list[datetime]] = field(default_factory=dict)
    """By address: when a person showed that they read it."""
    dead: dict[str, datetime] = field(default_factory=dict)
    """Addresses that were refused since."""
    heard: list[tuple[datetime, tuple[str, ...]]] = field(default_factory=list)
    """When the roster answered, and the rotation it answered with."""
    """When the roster last answered, and what."""

    def listing(self, now: datetime, rows: dict[str, Row], *, blank: bool = False) -> None:
        """What one run saw of the file; a blank one has lost even the row that never expires, and is not believed."""
        before = {name for name in self.listed if name not in self.doubted}
        for name, row in rows.items():
            if name in self.known:
                self.known[name] = self.known[name].seen(now, row)
            else:
                fresh = Known(row, now)
                adopted = not self.complete and fresh.dates.plan_at <= now
                self.known[name] = Known(row, now, now if adopted else None)
                self.doubted |= {name} if self.held else set()
            self.listed.add(name)
        lost = {name for name in before if name not in rows}
        self.held = blank or (len(lost) > FUSE_COUNT and len(lost) > FUSE_SHARE * (len(before) + 1))
        if self.held:
            return
        self.complete, self.doubted = True, set()
        for name in lost:
            since = self.known[name].missing_since
            self.known[name].missing_since = since or now
            if since and now - since >= TWICE:
                del self.known[name]
                self.listed.discard(name)

    def roster(self, now: datetime, rotation: tuple[str, ...]) -> None:
        """The roster answered."""
        self.heard.append((now, rotation))

    def on_duty(self, now: datetime) -> str:
        """Whose week it is, as far as the roster was last heard; "" = nobody can say."""
        heard = [one for one in self.heard if one[0] <= now]
        if not heard or now >= heard[-1][0] + RENDERED:
            return ""
        rotation = heard[-1][1]  # what a later rota says of that time nobody could know then
        # Weeks are handed over at nine, which is local time.
        turn = (local(now - 9 * HOUR) - ANCHOR).days // 7
        return rotation[turn % len(rotation)]

    def refused(self, address: str, at: datetime) -> None:
        self.dead.setdefault(address, at)

    def proven(self, address: str, at: datetime, now: datetime) -> bool:
        """Whether somebody showed that they read it, not too long before `at`, and it was not refused since."""
        return address not in self.dead and any(at - PROOF <= proof <= now for proof in self.proofs.get(address, ()))

"""When: the stages of one episode, each with the instant from which the first run says it.

A stage is a state, not a tick: the *current* one is the latest that is due, so runs may come late, often or rarely.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from keywatch.dates import start_of
from keywatch.model import Ack, Calendar, Credential, Episode, Ladder, Rules
from keywatch.policy import acks
from keywatch.policy.calendar import DAY, is_open, local_day, open_days_after, put_off
from keywatch.policy.deadlines import ADOPTION, HOUR, Dates, before_stages, done_at, first_step_due

EXACTLY = timedelta(microseconds=1)
DAILY = 14
"""Days after expiry on which it is said daily; weekly from then on."""
_UNSAID = 10_000
"""Days before start by that no stage reaches: nothing was said yet."""
_ORDER = (
    "overdue",
    "before",
    "late",
    "renewed",
    "moved",
    "adopted",
    "step",
    "lapsed",
    "last",
    "expired",
    "expired+4h",
    "again",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing to say, from `due` on."""

    key: str
    """With the date it stands for: `7d@2026-12-07`."""
    due: datetime
    rung: int
    kind: str
    """One of _ORDER; the later one wins where two are due at the same instant."""

    @property
    def urgency(self) -> tuple[datetime, int]:
        return self.due, _ORDER.index(self.kind)

    @property
    def after_expiry(self) -> bool:
        return self.kind in ("expired", "expired+4h", "again")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that decides when one episode speaks."""

    credential: Credential
    episode: Episode
    when: Dates
    calendar: Calendar
    rules: Rules
    ladder: Ladder

    @property
    def adopted_until(self) -> datetime | None:
        return self.episode.adopted_at + ADOPTION if self.episode.adopted_at else None

    @property
    def expires_while_adopted(self) -> bool:
        """It expires in the week of its adoption: then the ladder speaks, not the adoption."""
        until = self.adopted_until
        return until is not None and not self.episode.expired_when_seen and self.when.expires_at <= until

    @property
    def floor(self) -> datetime:
        """Before this instant the ordinary stages could not speak."""
        adopted = None if self.expires_while_adopted else self.adopted_until
        known = [self.episode.opened_at, adopted, self.credential.overdue_seen if self.credential.automatic else None]
        return max(moment for moment in known if moment)

    @property
    def ordinary_until(self) -> datetime:
        """From here `last` or `expired` speaks: what was put off beyond it is not said any more."""
        return self.when.last_at if self.ladder.last else self.when.expires_at

    def day(self, moment: datetime) -> str:
        return local_day(self.calendar, moment).isoformat()

    def later(
        self, nominal: datetime, *, every_day: bool = False, exact: bool = False, floor: datetime | None = None
    ) -> datetime:
        """Put off to the next `[policy] at` at or after `nominal` and `floor` (default: this timeline's)."""
        earliest = max(nominal, floor or self.floor)
        return earliest if exact else put_off(self.calendar, self.rules.at, earliest, every_day=every_day)

    @property
    def nearest_said(self) -> int:
        """How many days before start by the tightest call that was told stood; 0 = at or after it."""
        said = [call.stage.partition("@")[0] for call in self.episode.calls if call.told]
        return min((int(kind[:-1]) if kind[:-1].isdecimal() else 0 for kind in said), default=_UNSAID)

    def lapse_at(self, ack: Ack) -> datetime:
        """When it is said that a promise was not kept."""
        return self.later(ack.ends_at, every_day=ack.ends_at >= self.when.expires_at, floor=ack.ends_at)


def stages(line: Timeline, now: datetime) -> list[Stage]:
    """The stages of the episode up to the first ones after `now`, the earliest first. A lapse is alone on its day."""
    found = everything(line, now)
    alone = {line.day(s.due) for s in found if s.kind == "lapsed" and may_speak(line, s, now)}
    return [s for s in found if s.kind not in ("before", "late", "again") or line.day(s.due) not in alone]


def everything(line: Timeline, now: datetime) -> list[Stage]:
    """`stages`, and those whose day belongs to a lapse: nobody is told of them, and their rung is reached."""
    found = [*_before(line), *_late(line, now), *_questions(line), *_end(line, now), *_lapsed(line, now)]
    found += _overdue_step(line)
    return sorted(found, key=lambda stage: stage.urgency)


def current(line: Timeline, now: datetime) -> Stage | None:
    """The stage that holds now: the latest that is due, among those that may speak."""
    due = [stage for stage in stages(line, now) if stage.due <= now and may_speak(line, stage, now)]
    return due[-1] if due else None


def may_speak(line: Timeline, stage: Stage, now: datetime) -> bool:
    """What is in hand is silent but for the end and an overdue step.

    An unconfirmed renewal is one question until the last 24 h.
    """
    urgent = stage.kind == "last" or stage.after_expiry
    if stage.kind == "step":
        return not line.credential.unconfirmed
    if acks.holding(line.episode.acks, now) or _waits_for_lapse(line, stage, now):
        return urgent
    if line.credential.unconfirmed:
        return urgent or stage.kind in ("renewed", "lapsed")
    return True


def _waits_for_lapse(line: Timeline, stage: Stage, now: datetime) -> bool:
    """What came due while it was in hand is said with the lapse, and not on the free day on which the promise ended."""
    if stage.kind not in ("overdue", "before", "late", "adopted"):
        return False
    if acks.holding(line.episode.acks, stage.due) is None:
        return False
    # It may have been another promise that held then: one that was extended or changed hands before its end.
    broken = [ack for ack in _broken(line, now) if stage.due < ack.ends_at]
    return any(now < line.lapse_at(ack) for ack in broken)


def _before(line: Timeline) -> Iterator[Stage]:
    for days, due in before_stages(line.calendar, line.rules, line.when, line.ladder.before):
        if line.episode.moved_at and due <= line.episode.moved_at:
            continue
        key = f"{days}d@{line.day(line.when.start_by - days * DAY)}"
        said = due if due >= line.floor else line.later(due, exact=line.when.exact)
        if said < line.ordinary_until and not _known(line, days, said):
            yield Stage(key, said, _rung_before(days), "before")


def _known(line: Timeline, days: int, said: datetime) -> bool:
    """A stage that had passed when a step was done is no news where something as near was said before."""
    done = done_at(line.credential)
    return done is not None and said <= done and line.nearest_said <= days


def _rung_before(days: int) -> int:
    return 2 if days <= 2 else 1 if days <= 7 else 0


def _reached(line: Timeline, moment: datetime) -> int:
    """The rung of the tightest stage that `moment` has reached, said or not."""
    tight = [line.when.expires_at, line.ordinary_until, *([line.when.late_at] if line.ladder.late else [])]
    if min(tight) <= moment:
        return 2
    wide = before_stages(line.calendar, line.rules, line.when, line.ladder.before)
    return max((_rung_before(days) for days, due in wide if due <= moment), default=0)


def _late(line: Timeline, now: datetime) -> Iterator[Stage]:
    """On each day on which people may be spoken to, from late until the last 24 h."""
    if not line.ladder.late:
        return
    first = max(line.when.late_at, line.floor)
    if line.when.exact and first < line.when.last_at:
        yield Stage(f"late@{line.day(first)}", first, 2, "late")
    day = local_day(line.calendar, first)
    horizon = open_days_after(line.calendar, local_day(line.calendar, max(now, first)), 1)
    while day <= min(horizon, local_day(line.calendar, line.when.last_at)):
        due = start_of(day, line.calendar.zone, line.rules.at)
        if first < due + EXACTLY < line.when.last_at and is_open(line.calendar, day):
            yield Stage(f"late@{day}", due, 2, "late")
        day += DAY


def _questions(line: Timeline) -> Iterator[Stage]:
    """What is said once because something happened, not because a date is near."""
    credential, episode = line.credential, line.episode
    if credential.automatic and credential.overdue_seen:
        due = line.later(credential.overdue_seen)
        if due < line.ordinary_until:
            yield Stage(f"overdue@{line.day(credential.overdue_seen)}", due, 0, "overdue")
    if credential.unconfirmed and credential.changed_at:
        yield Stage(f"renewed@{line.day(credential.changed_at)}", credential.changed_at, 0, "renewed")
    if episode.moved_at and credential.plan_from and credential.plan_from <= episode.moved_at:
        rung = _reached(line, episode.moved_at)
        yield Stage(f"moved@{line.day(line.when.expires_at)}", episode.moved_at, rung, "moved")
    if episode.adopted_at and not line.expires_while_adopted:
        due = line.later(episode.adopted_at, every_day=episode.expired_when_seen, floor=episode.adopted_at)
        yield Stage(f"adopted@{line.day(episode.adopted_at)}", due, 1, "adopted")


def _end(line: Timeline, now: datetime) -> Iterator[Stage]:
    end, floor, seen_dead = line.when.expires_at, line.floor, line.episode.expired_when_seen
    if line.ladder.last and line.episode.opened_at < end:
        yield Stage(f"last@{line.day(line.when.last_at)}", max(line.when.last_at, line.episode.opened_at), 2, "last")
    if not (seen_dead and line.episode.adopted_at):
        yield Stage(f"expired@{line.day(end)}", max(end, line.episode.opened_at), 2, "expired")
        if line.ladder.repeats and not line.expires_while_adopted and end + 4 * HOUR > line.episode.opened_at:
            yield Stage(f"expired+4h@{line.day(end)}", end + 4 * HOUR, 2, "expired+4h")
    days = 1
    while line.ladder.repeats and end + days * DAY <= max(now, floor) + 8 * DAY:
        due = line.later(end + days * DAY, every_day=True, floor=floor if seen_dead else line.episode.opened_at)
        yield Stage(f"expired+{days}d@{line.day(end + days * DAY)}", due, 2, "again")
        days += 1 if days < DAILY else 7


def _lapsed(line: Timeline, now: datetime) -> Iterator[Stage]:
    said: set[str] = set()
    for ack in _broken(line, now):
        due = line.lapse_at(ack)
        key = f"lapsed@{line.day(ack.ends_at - EXACTLY)}"
        while key in said:
            key += "+"
        said.add(key)
        yield Stage(key, due, 0, "lapsed")


def _broken(line: Timeline, now: datetime) -> list[Ack]:
    """Promises that were not kept. One that fell because the deadline came nearer is no broken promise."""
    ended = acks.lapsed(line.episode.acks, now)
    return [ack for ack in ended if not (ack.void_at and ack.void_at == line.episode.moved_at)]


def _overdue_step(line: Timeline) -> Iterator[Stage]:
    """The step that is to be done first, from the end of its day, where somebody had promised the renewal before."""
    left = line.when.left
    if len(left) < 2 or not line.ladder.late:
        return
    # The day itself is still good: a promise may reach to its end.
    over = acks.end_of(line.calendar, local_day(line.calendar, first_step_due(line.calendar, line.when)))
    due = line.later(over)
    if due < line.ordinary_until and any(ack.at < over for ack in line.episode.acks):
        yield Stage(f"step-{left[0].name}@{line.day(over - EXACTLY)}", due, 0, "step")


def promise_of(line: Timeline, stage: Stage, now: datetime) -> Ack | None:
    """The last promise that was broken when `stage` became due."""
    broken = [ack for ack in _broken(line, now) if ack.ends_at <= stage.due]
    return broken[-1] if broken else None

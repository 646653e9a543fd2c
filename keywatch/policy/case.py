"""One episode with everything that bears on it now: its dates, its calls, its promises, and how far silence climbs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from keywatch.dates import start_of
from keywatch.model import Call, Credential, Episode, Owner, World
from keywatch.policy import acks
from keywatch.policy.audience import LAST_RESORT
from keywatch.policy.calendar import local_day, open_days_after, put_off
from keywatch.policy.deadlines import HOUR, dates_of, done_at
from keywatch.policy.stages import Stage, Timeline

SHORTEST_CLIMB = timedelta(minutes=30)
LAST_DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Case:
    """One episode with everything that bears on it at `now`."""

    now: datetime
    credential: Credential
    episode: Episode
    owner: Owner
    world: World
    line: Timeline
    stage: Stage | None
    """The current stage."""

    @property
    def last_call(self) -> Call | None:
        """The latest call that addressed somebody; stages that were passed over told nobody."""
        return next((call for call in reversed(self.episode.calls) if call.told), None)

    @property
    def is_new(self) -> bool:
        return self.stage is not None and all(call.stage != self.stage.key for call in self.episode.calls)

    @property
    def urgent(self) -> bool:
        """The last 24 h (or tenth of the life) have begun, or it has expired."""
        return self.now >= self.line.when.last_at

    @property
    def answered(self) -> bool:
        """Somebody took the last call and the promise holds."""
        held = acks.holding(self.episode.acks, self.now)
        return held is not None and (self.last_call is None or held.at >= self.last_call.at)

    @property
    def answers(self) -> list[datetime]:
        """When somebody spoke up: promised, or said that a step is done."""
        done = done_at(self.credential)
        return [ack.at for ack in self.episode.acks] + ([done] if done else [])

    @property
    def step_apart(self) -> bool:
        """An overdue step speaks while somebody has the renewal in hand: to those it concerns, not to the rungs."""
        held = acks.holding(self.episode.acks, self.now)
        return held is not None and self.stage is not None and self.stage.kind == "step"

    @property
    def ceiling(self) -> int:
        """How far silence alone may climb now."""
        if not self.line.ladder.climbs or self.resting:
            return 0
        if self.urgent:
            return 3 if self.episode.expired_when_seen and self.episode.adopted_at else LAST_RESORT
        late = self.line.when.late_at <= self.now
        return 3 if late and not self.credential.unconfirmed else 2 if late or self.started else 0

    @property
    def started(self) -> bool:
        """START has begun: its answers are waited for."""
        start = self.credential.start_from
        return bool(self.credential.unconfirmed) or (start is not None and start <= self.now)

    @property
    def resting(self) -> bool:
        """The week after adoption, in which it is only asked about, until its last 24 h begin."""
        until, line = self.line.adopted_until, self.line
        if until is None or self.now >= until or line.expires_while_adopted:
            return False
        return self.episode.expired_when_seen or not self.urgent


def timeline(credential: Credential, episode: Episode, world: World) -> Timeline:
    """The timeline of one episode. The credential must have a date."""
    owner, rules = world.owner_of(credential), world.rules
    when = dates_of(credential, owner.calendar, rules)
    return Timeline(credential, episode, when, owner.calendar, rules, rules.ladder(credential.env))


def climb_at(case: Case, rung: int) -> datetime | None:
    """When silence climbs from `rung`; None while no asking call was accepted or the ceiling is reached."""
    told, when, line = _clock(case.episode), case.line.when, case.line
    if told is None or rung >= case.ceiling or case.answered:
        return None
    started = None if case.credential.unconfirmed else case.credential.start_from
    told = max(told, started) if started else told
    goal = when.start_by if told < when.start_by else when.expires_at if told < when.expires_at else None
    shared_out = told + max(SHORTEST_CLIMB, (goal - told) / (case.ceiling - rung + 1)) if goal else None
    if case.urgent:
        return min(told + HOUR, shared_out) if shared_out else told + HOUR
    days = 1 if case.now >= when.late_at else 2
    day = open_days_after(line.calendar, local_day(line.calendar, told), days)
    fixed = start_of(day, line.calendar.zone, line.rules.at)
    # What only LATE allows is put off like everything else: LATE begins at midnight, often of a free day.
    allowed = when.late_at if rung >= 2 and not case.credential.unconfirmed else told
    due = max(min(fixed, shared_out or fixed), allowed)
    return due if when.exact else put_off(line.calendar, line.rules.at, due)


def _clock(episode: Episode) -> datetime | None:
    """Since when silence counts. An adoption asks and does not climb: the first asking call after it counts."""
    asked = [call for call in episode.calls if call.asks]
    after = list(takewhile(lambda call: not call.stage.startswith("adopted@"), reversed(asked)))
    return max(episode.told_at, after[-1].at) if episode.told_at and after else None

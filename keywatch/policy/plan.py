"""What one episode needs said now, to whom, and when to look again. The heart of keywatch.

`decide` is asked again after every answer of the outside world, and says nothing twice: a call has a key, a notice a
(call, route), and cover is judged from what was accepted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from keywatch.dates import start_of
from keywatch.model import (
    Ack,
    Call,
    Credential,
    Decision,
    Episode,
    Evidence,
    EvidenceKind,
    Owner,
    Planned,
    Standing,
    Told,
    World,
)
from keywatch.policy import acks, audience
from keywatch.policy.audience import LAST_RESORT, Ear, covered
from keywatch.policy.calendar import DAY, local_day, open_days_after, put_off
from keywatch.policy.deadlines import HOUR, dates_of, done_at
from keywatch.policy.stages import Stage, Timeline, current, everything, promise_of, stages
from keywatch.policy.state import speaks

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


def decide(now: datetime, credential: Credential, episode: Episode, world: World) -> Decision:
    """What is due of this episode at `now`. Pure; asked again after applying it, it has nothing to add."""
    if credential.expires_at is None or not credential.active or credential.retired_at:
        return Decision(rung=episode.rung, covered=episode.covered)
    if not speaks(credential, now):
        return Decision(rung=episode.rung, covered=episode.covered, next_at=credential.speaks_from)
    episode, void = _without_givers_gone(now, episode, world)
    line = timeline(credential, episode, world)
    case = Case(now, credential, episode, world.owner_of(credential), world, line, current(line, now))
    decision = _speak(case) if case.is_new else _follow(case)
    return replace(decision, void=void, next_at=_look_again(case, decision))


def _without_givers_gone(now: datetime, episode: Episode, world: World) -> tuple[Episode, tuple[int, ...]]:
    """A promise is void when its giver is gone or has no route that is not dead."""
    held = acks.holding(episode.acks, now)
    if held is None or _can_be_held(held, world):
        return episode, ()
    ended = tuple(replace(ack, void_at=now) if ack.id == held.id else ack for ack in episode.acks)
    return replace(episode, acks=ended), (held.id,)


def _can_be_held(ack: Ack, world: World) -> bool:
    person = world.people.get(ack.person)
    return person is not None and audience.reachable(person, world)


# --------------------------------------------------------------------------- a new call


def _speak(case: Case) -> Decision:
    """A stage that was never called: to everybody of its rung, and to more until it would be covered."""
    stage = case.stage
    assert stage is not None
    broken = _broken_promise(case, stage)
    rung, climbed = _rung(case, stage, lapses=broken is not None)
    reach = audience.starting_rung(case.owner, case.world, case.now, 0 if case.step_apart else rung)
    adding = _widened(case, [], _addressed(case, broken, reach), reach)
    asks = _asks(stage, adding, case)
    return Decision(
        stage=stage.key,
        asks=asks,
        notices=tuple(adding),
        superseded=_passed_over(case, stage),
        rung=rung,
        climbed=climbed,
        silent=_silences(case),
        uncovered=not adding,
    )


def _addressed(case: Case, broken: Ack | None, reach: int) -> list[Planned]:
    """Whom a new call is for, before cover widens it: its rungs, who broke a promise, who can do an overdue step."""
    apart = case.step_apart
    adding = [] if apart else list(audience.audience(case.owner, case.world, case.now, reach, pages=case.urgent))
    step = _overdue_step(case)
    giver = broken or (case.episode.acks[-1] if step else None)
    if giver and giver.person in case.world.people:
        adding = _with_giver(case, adding, giver)
    if step:
        adding += _unused(_deputies(case), {planned.route for planned in adding})
    return adding


def _overdue_step(case: Case) -> Stage | None:
    """The overdue step that this call speaks of: alone, or with the lapse that it shares its day with."""
    assert case.stage is not None
    if case.stage.kind == "step":
        return case.stage
    due = [s for s in everything(case.line, case.now) if s.kind == "step" and s.due <= case.now]
    new = [s for s in due if all(call.stage != s.key for call in case.episode.calls)]
    return new[0] if new and case.stage.kind == "lapsed" else None


def _deputies(case: Case) -> list[Planned]:
    """Who is asked for an overdue step beside its giver: the deputy, and where none can be told whoever is on duty."""
    deputy = case.world.people.get(case.credential.details.get("deputy", ""))
    if deputy and deputy.key != case.episode.acks[-1].person and audience.reachable(deputy, case.world):
        why = f"named as deputy for {case.credential.name}"
        routes = audience.routes_of(deputy, case.world)
        return [Planned(route.name, deputy.key, 0, why, duty=False) for route in routes]
    return [one for one in audience.joining(case.owner, case.world, case.now, 0, pages=False) if one.duty]


def _broken_promise(case: Case, stage: Stage) -> Ack | None:
    """The promise after which escalation resumes with this call, whether it says so or passes the lapse over."""
    said = (stage.key, *_passed_over(case, stage))
    lapses = any(key.startswith("lapsed@") for key in said)
    return promise_of(case.line, stage, case.now) if lapses else None


def _rung(case: Case, stage: Stage, *, lapses: bool) -> tuple[int, bool]:
    """The rung of a new call, and whether it includes a climb: max(stage's, climbs, lapses), never falling."""
    reached = [s.rung for s in everything(case.line, case.now) if s.due <= case.now]
    rung = max([case.episode.rung, stage.rung, *([] if case.resting or case.step_apart else reached)])
    if lapses:
        cap = LAST_RESORT if case.urgent and not case.episode.expired_when_seen else 3
        return max(rung, min(case.episode.rung + 1, cap)), True
    if _climb_due(case, case.episode.rung) and case.episode.rung < case.ceiling:
        return max(rung, case.episode.rung + 1), True
    return rung, False


def _with_giver(case: Case, adding: list[Planned], broken: Ack) -> list[Planned]:
    giver = case.world.people[broken.person]
    if not giver.active:
        return adding
    why = f"you promised it until {local_day(case.line.calendar, broken.ends_at - DAY):%-d %b}"
    known = {planned.route for planned in adding}
    routes = (r for r in audience.routes_of(giver, case.world) if r.name not in known)
    return adding + [Planned(route.name, giver.key, 0, why, duty=False) for route in routes]


def _asks(stage: Stage, adding: Sequence[Planned], case: Case) -> bool:
    """PLAN only asks where it rests on unproven routes; everything later asks, and so do questions and lapses."""
    if stage.rung > 0 or case.started or stage.kind in ("adopted", "renewed", "lapsed", "step"):
        return True
    return audience.rests_on_unproven(adding, case.world)


def _passed_over(case: Case, stage: Stage) -> tuple[str, ...]:
    """Stages that were due since the last call and that nobody will be told of any more."""
    called = {call.stage for call in case.episode.calls}
    since = case.last_call.at if case.last_call else case.episode.opened_at
    return tuple(
        s.key
        for s in stages(case.line, case.now)
        if s.key not in called and s.key != stage.key and since < s.due <= case.now and s.urgency <= stage.urgency
    )


def _silences(case: Case) -> tuple[Evidence, ...]:
    """The last call asked and nobody answered: one silence for each person on duty who accepted it."""
    call = case.last_call
    if call is None or not call.asks or any(at >= call.at for at in _answers(case)):
        return ()
    detail = f"{case.credential.name} {call.stage}"
    return tuple(
        Evidence(call.at, told.route, EvidenceKind.SILENCE, "check", detail=detail, person=told.person)
        for told in call.told
        if told.standing is Standing.ACCEPTED and told.duty and told.rung == 0 and told.person
    )


def _answers(case: Case) -> list[datetime]:
    """When somebody spoke up: promised, or said that a step is done."""
    done = done_at(case.credential)
    return [ack.at for ack in case.episode.acks] + ([done] if done else [])


# --------------------------------------------------------------------------- a call that is out


def _follow(case: Case) -> Decision:
    """The current stage was called: climb if nobody answered, widen if nobody who counts accepted."""
    call, quiet = case.last_call, Decision(rung=case.episode.rung, covered=case.episode.covered)
    if call is None or case.answered:
        return quiet
    rung, adding = _climbed(case, call)
    climbed = rung > case.episode.rung
    reach = audience.starting_rung(case.owner, case.world, case.now, rung)
    judged = case.episode.covered == call.stage and not _undone(case, call)
    if not judged:
        adding = _widened(case, call.told, adding, max(reach, *(p.rung for p in adding), 0) if adding else reach)
    covers = judged or covered(audience.accepted(call.told, case.world), case.world)
    waiting = adding or any(told.standing is Standing.PENDING for told in call.told)
    hope = covered(audience.hopeful(call.told, case.world, waiting_counts=_may_wait(case)), case.world)
    return Decision(
        stage=call.stage,
        asks=call.asks,
        notices=tuple(adding),
        rung=rung,
        climbed=climbed,
        silent=_silences(case) if climbed else (),
        uncovered=not (covers or waiting or hope),
        covered=call.stage if covers else "",
    )


def _climbed(case: Case, call: Call) -> tuple[int, list[Planned]]:
    """The rung after the climbs that are due, and who joins by them. A rung without new people does not cost a wait."""
    rung, adding = case.episode.rung, list[Planned]()
    used, heard = {told.route for told in call.told}, {told.person for told in call.told}
    while call.asks and rung < case.ceiling and _climb_due(case, case.episode.rung):
        rung += 1
        reach = audience.starting_rung(case.owner, case.world, case.now, rung)
        adding = _unused(audience.audience(case.owner, case.world, case.now, reach, pages=case.urgent), used)
        if any(planned.person not in heard for planned in adding):
            break
    return rung, adding


def _climb_due(case: Case, rung: int) -> bool:
    due = climb_at(case, rung)
    return due is not None and due <= case.now


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


def _undone(case: Case, call: Call) -> bool:
    """Hard evidence since: what had accepted does not cover any more."""
    dead = [t for t in call.told if t.standing is Standing.ACCEPTED and not audience.alive(t.route, case.world)]
    return bool(dead) and not covered(audience.accepted(call.told, case.world), case.world)


def next_step(
    now: datetime, credential: Credential, episode: Episode, world: World
) -> tuple[datetime, tuple[str, ...]]:
    """What happens next if nobody answers: when, and which people hear of it then who did not before.

    Without a climb ahead it is the next stage, with nobody new. The credential must have a date.
    """
    line = timeline(credential, episode, world)
    case = Case(now, credential, episode, world.owner_of(credential), world, line, current(line, now))
    asked = replace(case, episode=replace(episode, told_at=episode.told_at or now, acks=()))
    climb, rung = climb_at(asked, episode.rung), episode.rung + 1
    following = [s.due for s in stages(line, now) if s.due > now]
    later = min(following, default=case.line.when.expires_at)
    if climb is None or (case.last_call and not case.last_call.asks):
        return later, ()
    heard = {told.person for call in episode.calls[-1:] for told in call.told}
    reach = audience.starting_rung(case.owner, world, now, rung)
    joining = audience.audience(case.owner, world, now, reach, pages=case.urgent)
    return max(climb, now), tuple(dict.fromkeys(p.person or p.route for p in joining if p.person not in heard))


# --------------------------------------------------------------------------- cover


def _widened(case: Case, told: Sequence[Told], adding: list[Planned], reach: int) -> list[Planned]:
    """`adding`, and whoever else it takes until the call would be covered if all of them accept."""
    adding, used = list(adding), {t.route for t in told}
    hope = audience.hopeful(told, case.world, waiting_counts=_may_wait(case))
    for rung in range(reach, LAST_RESORT + 1):
        if covered([*hope, *(Ear(p.route, p.duty) for p in adding)], case.world):
            return adding
        used |= {planned.route for planned in adding}
        adding += _unused(_for_cover(case, rung), used)
    return adding


def _for_cover(case: Case, rung: int) -> tuple[Planned, ...]:
    """Before the last 24 h cover uses a page route only where no other route of the audience is alive."""
    calm = audience.audience(case.owner, case.world, case.now, rung, pages=False)
    if rung < LAST_RESORT or (calm and not case.urgent):
        return calm
    return audience.audience(case.owner, case.world, case.now, rung)


def _unused(planned: Iterable[Planned], used: set[str]) -> list[Planned]:
    return [one for one in planned if one.route not in used]


def _may_wait(case: Case) -> bool:
    """While more than 24 h remain, a deferred notice is retried once before the call is widened."""
    return case.now < case.line.when.expires_at - LAST_DAY


# --------------------------------------------------------------------------- when to look again


def _look_again(case: Case, decision: Decision) -> datetime | None:
    """The earliest instant at which a rule could speak: a stage, a climb, the end of a promise, a change of duty."""
    if decision.uncovered:
        return case.now
    ahead = [stage.due for stage in stages(case.line, case.now)]
    ahead += [ack.ends_at for ack in case.episode.acks]
    ahead += [moment for moment in (case.credential.start_from, case.line.adopted_until) if moment]
    ahead += [
        case.line.when.start_by,
        case.line.when.late_at,
        case.line.when.last_at,
        case.line.when.expires_at - LAST_DAY,
    ]
    ahead += [duty.until for duty in audience.on_duty(case.owner, case.world, case.now) if duty.until]
    after = replace(case, episode=replace(case.episode, rung=decision.rung))
    climb = climb_at(after, decision.rung)
    if climb and not decision.climbed:
        ahead.append(climb)
    return min((moment for moment in ahead if moment > case.now), default=None)

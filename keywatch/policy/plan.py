"""What one episode needs said now, to whom, and when to look again. The heart of keywatch.

`decide` is asked again after every answer of the outside world, and says nothing twice: a call has a key, a notice a
(call, route), and cover is judged from what was accepted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from keywatch.model import (
    Ack,
    Call,
    Credential,
    Decision,
    Episode,
    Evidence,
    EvidenceKind,
    Planned,
    Standing,
    Told,
    World,
)
from keywatch.policy import acks, audience
from keywatch.policy.audience import LAST_RESORT, Ear, covered
from keywatch.policy.calendar import DAY, local_day
from keywatch.policy.case import LAST_DAY, Case, climb_at, timeline
from keywatch.policy.stages import Stage, current, everything, promise_of, stages
from keywatch.policy.state import speaks

CAME_BACK = frozenset({EvidenceKind.PARTIAL, EvidenceKind.FULL, EvidenceKind.LEFT})
"""What a mail server answers after it has accepted; a person's silence takes nothing back."""


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
    if call is None or not call.asks or any(at >= call.at for at in case.answers):
        return ()
    detail = f"{case.credential.name} {call.stage}"
    return tuple(
        Evidence(call.at, told.route, EvidenceKind.SILENCE, "check", detail=detail, person=told.person)
        for told in call.told
        if told.standing is Standing.ACCEPTED and told.duty and told.rung == 0 and told.person
    )


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


def _undone(case: Case, call: Call) -> bool:
    """Hard evidence since: what had accepted does not cover any more."""
    lost = any(told.standing is Standing.ACCEPTED and _lost(told, call, case.world) for told in call.told)
    return lost and not covered(audience.accepted(call.told, case.world), case.world)


def _lost(told: Told, call: Call, world: World) -> bool:
    """Whether what came back since the call takes an acceptance away: it is dead, partly gone, full, left or away."""
    health = world.health_of(told.route)
    came_back = health.because is not None and health.because.kind in CAME_BACK and health.because.at >= call.at
    return not audience.alive(told.route, world) or health.away or (came_back and not health.counts)


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
    new = tuple(dict.fromkeys(p.person or p.route for p in joining if p.person not in heard))
    # A climb that adds nobody says nothing: what is heard next is the next stage.
    return (max(climb, now), new) if new else (later, ())


# --------------------------------------------------------------------------- cover


def _widened(case: Case, told: Sequence[Told], adding: list[Planned], reach: int) -> list[Planned]:
    """`adding`, and whoever else it takes until the call would be covered if all of them accept."""
    adding, used = list(adding), {t.route for t in told}
    hope = audience.hopeful(told, case.world, waiting_counts=_may_wait(case))
    if not covered([*hope, *(Ear(p.route, p.duty) for p in adding)], case.world):
        failed = [one for one in told if one.standing is Standing.FAILED]
        also = {other.route: other for one in failed for other in audience.other_routes(one, case.world)}
        adding += _unused(also.values(), used | {planned.route for planned in adding})
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

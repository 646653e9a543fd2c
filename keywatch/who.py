"""Who would be told for an owner at an instant: rung by rung, by which route, and which row says how alive it is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch import routes
from keywatch.model import Health, HealthState, Owner, Planned, Trust, World
from keywatch.policy.audience import LAST_RESORT, joining, on_call_of, on_duty, starting_rung
from keywatch.report import shown, utc

AHEAD = timedelta(days=7)
"""A proof that ends so soon is said, and every one that ends before the instant that is asked about."""
APART = timedelta(minutes=1)
"""An instant so near is now."""

WHEN = ("on call", "second on call and head", "members", "fallback", "last resort")
"""Who joins at each rung."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One route of one rung."""

    planned: Planned
    health: Health
    told: bool
    """False: it is dead, or another route of the same person is proven."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything about one owner at one instant."""

    owner: Owner
    at: datetime
    heard: tuple[Heard, ...]
    notes: tuple[str, ...]
    starts: int
    """The rung at which a call starts at least: above 0 where the roster does not know."""
    on_duty: tuple[str, ...]
    """Names; empty = whoever is on call then."""
    away: Mapping[str, datetime] = field(default_factory=dict)
    """By route: until when its reader is away."""


def answer(
    owner: Owner, world: World, at: datetime, now: datetime, away: Mapping[str, datetime] | None = None
) -> Answer:
    """Ask the rules themselves, once as it is and once as if every route lived. Routes are judged as of `now`."""
    hopeful = replace(world, health={})
    heard: dict[str, Heard] = {}
    for rung in range(LAST_RESORT + 1):
        real = {planned.route: planned for planned in joining(owner, world, at, rung)}
        for planned in (*joining(owner, hopeful, at, rung), *real.values()):
            if planned.route not in heard or (planned.route in real and not heard[planned.route].told):
                told = planned.route in real
                heard[planned.route] = Heard(planned, world.health_of(planned.route), told)
    names = dict.fromkeys(duty.person.name for duty in on_duty(owner, world, at))
    starts = starting_rung(owner, world, at, 0)
    notes = (*_on_time(at, now), *_notes(owner, world, at), *_on_routes(heard.values(), world, at, now))
    return Answer(owner, at, tuple(heard.values()), notes, starts, tuple(names), away or {})


def _on_time(at: datetime, now: datetime) -> Iterator[str]:
    """What an instant that is not now leaves open."""
    if at > now + APART:
        yield "routes are judged as of now: what is learnt of them until then is not known yet"
    elif at < now - APART:
        yield (
            "that is past: this is who would be told by the config, the roster and the routes of now; "
            "`keywatch why NAME` says who was told"
        )


def _on_routes(heard: Iterable[Heard], world: World, at: datetime, now: datetime) -> Iterator[str]:
    """What is to be known of the routes besides their health."""
    if world.unheard:
        yield f"the inbox has not been read for a day ({world.unheard}): every mail route counts as unproven"
    told = [one for one in heard if one.told]
    for one in told:
        if one.health.partial:
            yield f"{one.planned.route}: some who should read it do not exist any more; `keywatch routes` has the rest"
    ends = sorted(_proofs_end(told, world))
    soon = [(end, name) for end, name in ends if now < end <= max(at, now + AHEAD)]
    if soon:
        names = ", ".join(f"{name} ({routes.day(end, world.owners[world.keeper].calendar.zone)})" for end, name in soon)
        what = "this proof ends" if len(soon) == 1 else "these proofs end"
        yield f"unless somebody answers through it before, {what}: {names}"


def _proofs_end(heard: Iterable[Heard], world: World) -> Iterator[tuple[datetime, str]]:
    rules = world.rules
    for one in heard:
        if one.health.state is HealthState.PROVEN and one.health.proven_at:
            shared = world.routes[one.planned.route].shared
            yield one.health.proven_at + (rules.shared_proof if shared else rules.personal_proof), one.planned.route


def _notes(owner: Owner, world: World, at: datetime) -> Iterator[str]:
    """What keeps an audience from being what one would think."""
    roster = on_call_of(owner, world)
    if roster and roster.trust is not Trust.LIVE:
        because = f": {roster.problem}" if roster.problem else ""
        kind = "answers from what was planned" if roster.trust is Trust.PLANNED else "is not known"
        yield f"the roster {owner.roster} {kind}{because}; more people are told at once"
    duties = on_duty(owner, world, at)
    if roster and not duties:
        yield "whoever is on call then: the roster does not say it for that instant"
    for duty in duties:
        if not duty.person.active:
            yield f"{duty.person.name} is on duty and is not active in the roster"
        elif not any(route.person == duty.person.key and not route.page for route in world.routes.values()):
            yield f"{duty.person.name} is on duty and has no route: give [people] an address"


# --------------------------------------------------------------------------- words


def text(found: Answer, world: World) -> str:
    """For people: one block a rung."""
    zone = found.owner.calendar.zone
    who = " and ".join(found.on_duty) or "whoever is on call"
    lines = [shown(f"{found.owner.name} at {found.at.astimezone(zone):%a %-d %b %Y %H:%M} {zone.key}: {who}")]
    for rung, what in enumerate(WHEN):
        rows = [one for one in found.heard if one.planned.rung == rung]
        lines.append(f"rung {rung}  {what}" if rows else f"rung {rung}  {what}: nobody new")
        lines += [f"  {'→' if one.told else '✗'} {shown(_line(one, found, world, zone))}" for one in rows]
    if found.starts:
        lines.append(f"calls start at rung {found.starts} at least")
    return "\n".join([*lines, *(f"note: {shown(note)}" for note in found.notes)])


def _line(one: Heard, found: Answer, world: World, zone: ZoneInfo) -> str:
    planned, health = one.planned, one.health
    person = world.people.get(planned.person)
    name = f"{person.name}: " if person else ""
    rest = "" if one.told else "; not sent to" if health.state is HealthState.DEAD else "; a proven one is used"
    how = routes.verdict(health, found.away.get(planned.route), zone)
    return f"{name}{planned.why}, by {planned.route}, {how} ({routes.because(health, world.people, zone)}){rest}"


def payload(found: Answer) -> dict[str, Any]:
    """For programs."""
    return {
        "owner": found.owner.name,
        "at": utc(found.at),
        "on_duty": list(found.on_duty),
        "starts_at_rung": found.starts,
        "rungs": [
            {
                "rung": rung,
                "who": what,
                "routes": [_entry(one, found) for one in found.heard if one.planned.rung == rung],
            }
            for rung, what in enumerate(WHEN)
        ],
        "notes": list(found.notes),
    }


def _entry(one: Heard, found: Answer) -> dict[str, Any]:
    return {
        "route": one.planned.route,
        "person": one.planned.person or None,
        "why": one.planned.why,
        "told": one.told,
        "health": one.health.state.value,
        "away": one.health.away,
        "away_until": utc(found.away.get(one.planned.route)),
        "partial": one.health.partial,
        "evidence": routes.evidence(one.health.because),
    }

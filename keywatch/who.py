"""Who would be told for an owner at an instant: rung by rung, by which route, and which row says how alive it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.model import Health, HealthState, Owner, Planned, Trust, World
from keywatch.policy.audience import LAST_RESORT, joining, on_call_of, on_duty, starting_rung
from keywatch.report import shown, utc

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


def answer(owner: Owner, world: World, at: datetime) -> Answer:
    """Ask the rules themselves, once as it is and once as if every route lived."""
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
    return Answer(owner, at, tuple(heard.values()), tuple(_notes(owner, world, at)), starts, tuple(names))


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
        lines += [f"  {'→' if one.told else '✗'} {shown(_line(one, world, zone))}" for one in rows]
    if found.starts:
        lines.append(f"calls start at rung {found.starts} at least")
    return "\n".join([*lines, *(f"note: {shown(note)}" for note in found.notes)])


def _line(one: Heard, world: World, zone: ZoneInfo) -> str:
    planned = one.planned
    person = world.people.get(planned.person)
    name = f"{person.name}: " if person else ""
    rest = "" if one.told else "; not sent to" if one.health.state is HealthState.DEAD else "; a proven one is used"
    return f"{name}{planned.why}, by {planned.route}, {because(one.health, zone)}{rest}"


def because(health: Health, zone: ZoneInfo) -> str:
    """The health of a route with the one row that explains it: `dead (refused 550 5.1.1 on 14 Nov by smtp)`."""
    row = health.because
    away = ", away" if health.away else ""
    if row is None:
        return f"{health.state}{away} (nobody has ever answered through it)"
    what = " ".join(part for part in (row.kind.value, row.code) if part)
    detail = f": {row.detail}" if row.detail else ""
    return f"{health.state}{away} ({what} on {row.at.astimezone(zone):%-d %b %Y} by {row.source}{detail})"


def payload(found: Answer) -> dict[str, Any]:
    """For programs."""
    return {
        "owner": found.owner.name,
        "at": utc(found.at),
        "on_duty": list(found.on_duty),
        "starts_at_rung": found.starts,
        "rungs": [
            {"rung": rung, "who": what, "routes": [_entry(one) for one in found.heard if one.planned.rung == rung]}
            for rung, what in enumerate(WHEN)
        ],
        "notes": list(found.notes),
    }


def _entry(one: Heard) -> dict[str, Any]:
    row = one.health.because
    evidence = {"at": utc(row.at), "kind": row.kind.value, "source": row.source, "code": row.code} if row else None
    return {
        "route": one.planned.route,
        "person": one.planned.person or None,
        "why": one.planned.why,
        "told": one.told,
        "health": one.health.state.value,
        "away": one.health.away,
        "evidence": evidence,
    }

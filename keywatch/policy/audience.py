"""Who is told: the rungs of the ladder, the routes of a person, and whether an audience is enough (cover)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from keywatch.model import Duty, HealthState, OnCall, Owner, Person, Planned, Route, Standing, Told, Trust, World

LAST_RESORT = 4


@dataclass(frozen=True, slots=True)
class Listener:
    """One person and why they hear of it."""

    person: Person
    why: str
    duty: bool = False


def on_call_of(owner: Owner, world: World) -> OnCall | None:
    """What is known of the owner's roster; None for an owner whose people are always on duty."""
    return world.on_call.get(owner.roster, OnCall(owner.roster)) if owner.roster else None


def on_duty(owner: Owner, world: World, now: datetime, level: int | None = None) -> tuple[Duty, ...]:
    """Who is on duty now, at one level or at all; people without a roster always are, at level 1."""
    roster = on_call_of(owner, world)
    if roster is None:
        duties = tuple(Duty(world.people[key], 1, None, None) for key in owner.people if key in world.people)
    else:
        duties = roster.at(now)
    return tuple(duty for duty in duties if level is None or duty.level == level)


def routes_of(person: Person, world: World) -> tuple[Route, ...]:
    """A person's own living routes, page routes aside: the best proven one, without one all of them."""
    own = [
        route
        for route in world.routes.values()
        if route.person == person.key and not route.shared and not route.page and alive(route.name, world)
    ]
    proven = [
        r for r in own if world.health_of(r.name).state is HealthState.PROVEN and not world.health_of(r.name).away
    ]
    if proven:
        return (max(proven, key=lambda r: (_proven_at(r, world), r.name)),)
    return tuple(own)


def other_routes(told: Told, world: World) -> tuple[Planned, ...]:
    """The other living routes of somebody whom one route did not reach; nobody new hears of it."""
    why = f"you could not be reached by {told.route}"
    own = (route for route in world.routes.values() if route.person == told.person and told.person)
    return tuple(
        Planned(route.name, told.person, told.rung, why, told.duty)
        for route in own
        if not route.shared and not route.page and route.name != told.route and alive(route.name, world)
    )


def _proven_at(route: Route, world: World) -> float:
    proven_at = world.health_of(route.name).proven_at
    return proven_at.timestamp() if proven_at else 0.0


def alive(route: str, world: World) -> bool:
    """Whether a route is sent to at all."""
    return world.health_of(route).state is not HealthState.DEAD


def reachable(person: Person, world: World) -> bool:
    """Whether somebody is active and has a route that is not dead."""
    return person.active and bool(routes_of(person, world))


def starting_rung(owner: Owner, world: World, now: datetime, rung: int) -> int:
    """`rung`, widened by what the roster does not know: failure only widens."""
    roster = on_call_of(owner, world)
    if rung >= LAST_RESORT:
        return rung
    first = [reachable(duty.person, world) for duty in on_duty(owner, world, now, 1)]
    trust = roster.trust if roster else Trust.LIVE
    wide = rung if trust is Trust.LIVE else min(rung + 1, LAST_RESORT - 1)
    if trust is Trust.UNKNOWN or not any(first):
        return max(wide, 2)
    return wide if all(first) else max(wide, 1)


def members_of(owner: Owner, world: World) -> tuple[Person, ...]:
    """The members said in the config, else everybody the roster knows."""
    roster = on_call_of(owner, world)
    if owner.members or roster is None:
        keys = owner.members or owner.people
        return tuple(world.people[key] for key in keys if key in world.people)
    known = {p.key: p for p in (*roster.members, *(duty.person for duty in roster.duties))}
    return tuple(known.values())


def fallback_of(owner: Owner, world: World, now: datetime) -> tuple[Person, ...]:
    """The fallback people; none named: those of `[keywatch] owner`."""
    if owner.fallback:
        return tuple(world.people[key] for key in owner.fallback if key in world.people)
    keeper = world.owners[world.keeper]
    return (*(duty.person for duty in on_duty(keeper, world, now)), *members_of(keeper, world))


def _listeners(owner: Owner, world: World, now: datetime, rung: int) -> Iterator[Listener]:
    """The people who join at exactly this rung."""
    name = owner.name
    if rung == 0:
        yield from _duties(owner, world, now)
    elif rung == 1:
        for duty in on_duty(owner, world, now, 2):
            yield Listener(duty.person, f"second on call for {name}{_until(duty, owner)}", duty=True)
        if owner.head in world.people:
            yield Listener(world.people[owner.head], f"head of {name}")
    elif rung == 2:
        for person in members_of(owner, world):
            yield Listener(person, f"member of {name}")
    elif rung == 3:
        for person in fallback_of(owner, world, now):
            yield Listener(person, f"fallback of {name}", duty=True)


def _duties(owner: Owner, world: World, now: datetime) -> Iterator[Listener]:
    for duty in on_duty(owner, world, now, 1):
        role = "on call for" if owner.roster else "responsible for"
        yield Listener(duty.person, f"{role} {owner.name}{_until(duty, owner)}", duty=True)


def _until(duty: Duty, owner: Owner) -> str:
    if duty.until is None:
        return ""
    return f" until {duty.until.astimezone(owner.calendar.zone):%a %-d %b %H:%M}"


def joining(owner: Owner, world: World, now: datetime, rung: int, *, pages: bool = True) -> Iterator[Planned]:
    """The notices that join at exactly `rung`: dead routes never, page routes only on the last one."""
    if rung == LAST_RESORT:
        for name in world.last_resort:
            route = world.routes[name]
            if alive(name, world) and (pages or not route.page):
                yield Planned(name, route.person, rung, "last resort", duty=True)
        return
    if rung == 0:
        for name in owner.routes:
            if alive(name, world) and not world.routes[name].page:
                yield Planned(name, world.routes[name].person, rung, f"a route of {owner.name}", duty=False)
    for listener in _listeners(owner, world, now, rung):
        if listener.person.active:
            for route in routes_of(listener.person, world):
                yield Planned(route.name, listener.person.key, rung, listener.why, listener.duty)


def audience(owner: Owner, world: World, now: datetime, rung: int, *, pages: bool = True) -> tuple[Planned, ...]:
    """Everybody up to and including `rung`, each route once, with the first reason that named it."""
    found: dict[str, Planned] = {}
    for step in range(rung + 1):
        for planned in joining(owner, world, now, step, pages=pages):
            known = found.get(planned.route)
            if known is None:
                found[planned.route] = planned
            elif planned.duty and not known.duty:
                found[planned.route] = Planned(known.route, known.person, known.rung, known.why, duty=True)
    return tuple(found.values())


# --------------------------------------------------------------------------- cover


@dataclass(frozen=True, slots=True)
class Ear:
    """One route of a call that accepted, or would."""

    route: str
    duty: bool


def covered(ears: Sequence[Ear], world: World) -> bool:
    """Whether these acceptances are enough: one proven personal route, or two that do not share a fate with duty."""
    counting = [ear for ear in ears if ear.route in world.routes and world.health_of(ear.route).counts]
    for ear in counting:
        route = world.routes[ear.route]
        if not route.shared and route.person and world.health_of(ear.route).state is HealthState.PROVEN:
            return True
    return any(
        (one.duty or other.duty) and not share_a_fate(world.routes[one.route], world.routes[other.route])
        for n, one in enumerate(counting)
        for other in counting[n + 1 :]
    )


def share_a_fate(one: Route, other: Route) -> bool:
    """Two routes fail together unless they are of two people, or one person's by two transports."""
    if one.name == other.name:
        return True
    if one.shared or other.shared:
        return False
    if (one.person or one.name) != (other.person or other.name):
        return False
    return one.transport == other.transport


def hopeful(told: Iterable[Told], world: World, *, waiting_counts: bool) -> list[Ear]:
    """Notices that accepted or still may; hard evidence since then undoes an acceptance."""
    hope = {Standing.PENDING, Standing.ACCEPTED} | ({Standing.WAITING} if waiting_counts else set())
    return [Ear(t.route, t.duty) for t in told if t.standing in hope and alive(t.route, world)]


def accepted(told: Iterable[Told], world: World) -> list[Ear]:
    """Notices that were accepted and not disproved since."""
    return [Ear(t.route, t.duty) for t in told if t.standing is Standing.ACCEPTED and alive(t.route, world)]


def rests_on_unproven(planned: Sequence[Planned], world: World) -> bool:
    """Whether no proven personal route that counts is among them, so that an answer is worth asking for."""
    healths = {p.route: world.health_of(p.route) for p in planned if p.person and not world.routes[p.route].shared}
    return not any(health.counts and health.state is HealthState.PROVEN for health in healths.values())

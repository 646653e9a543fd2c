"""Who is to be asked in quiet times whether they read a route, and when, so that a dead alias is found early.

Spans are counted in whole days of an owner's calendar: a question that is answered an hour late comes an hour late only
once. A question goes out at `[policy] at` of a working day; whoever became due between two slots waits for the next.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from keywatch.dates import start_of
from keywatch.model import Duty, Health, HealthState, Owner, Person, Route, World
from keywatch.policy.audience import alive, on_call_of, on_duty, routes_of
from keywatch.policy.calendar import local_day, put_off

SHARED_EVERY, PERSON_EVERY = timedelta(days=28), timedelta(days=14)
AHEAD = timedelta(days=7)
"""How long before a duty begins its person is asked at the earliest."""
HOLDS_FOR = timedelta(days=14)
"""A proof that ends sooner is to be renewed."""
PATIENCE = timedelta(days=14)
"""How long a shared route may leave its question unanswered."""
LEVELS = (1, 2)
REASONS = 3
"""What one question names at most."""


@dataclass(frozen=True, slots=True)
class Circle:
    """What the rules of asking look at."""

    world: World
    owners: Collection[str]
    """Those that own a credential which may speak."""
    issued: Mapping[str, Collection[str]]
    """By route: the owners of the credentials whose issuer writes there."""
    asked: Mapping[str, datetime]
    """When each route was last asked at its present address."""
    since: datetime
    """The run before: a slot after it has not been looked at yet."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Asking:
    """One route that is to be asked."""

    route: str
    at: datetime
    """The slot."""
    person: str
    """Who is asked; "" = whoever reads it."""
    why: tuple[str, ...]
    """Ends the sentence "keywatch writes here …", or "You are …" where it is a person."""


def askings(circle: Circle) -> list[Asking]:
    """Every route that is to be asked now or later, once each, with its slot; in the order of the slots."""
    return sorted((*_shared(circle), *_people(circle)), key=lambda one: (one.at, one.route))


def holds(health: Health, window: timedelta, at: datetime) -> bool:
    """Whether the last human act on a route still proves it at `at`, and nothing learnt since speaks against it.

    It does so too while the inbox cannot be read, when the health of a mail route says less.
    """
    end = _proof_end(health, window)
    return end is not None and end >= at


def _proof_end(health: Health, window: timedelta) -> datetime | None:
    doubted = health.state in (HealthState.SUSPECT, HealthState.DEAD)
    return None if doubted or health.proven_at is None else health.proven_at + window


def _slot(owners: Iterable[Owner], earliest: datetime | None, circle: Circle) -> datetime:
    """The first slot of any of these owners on or after that day and after the run before."""
    return min(_slot_of(owner, earliest, circle) for owner in owners)


def _slot_of(owner: Owner, earliest: datetime | None, circle: Circle) -> datetime:
    moment = max(circle.since, _midnight(owner, earliest)) if earliest else circle.since
    return put_off(owner.calendar, circle.world.rules.at, moment)


def _midnight(owner: Owner, moment: datetime) -> datetime:
    return start_of(local_day(owner.calendar, moment), owner.calendar.zone)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((one for one in moments if one), default=None)


# --------------------------------------------------------------------------- shared routes


def is_shared(route: Route) -> bool:
    """Whether a question to it goes to nobody in particular. What wakes somebody is never asked."""
    return not route.page and (route.shared or not route.person)


def depending(route: str, circle: Circle) -> tuple[Owner, ...]:
    """The owners that lose something when nobody reads this shared route."""
    world = circle.world
    names = [name for name in world.owners if name in circle.owners and route in world.owners[name].routes]
    names += [name for name in circle.issued.get(route, ()) if name not in names]
    if route in world.last_resort and circle.owners and world.keeper not in names:
        names.append(world.keeper)
    return tuple(world.owners[name] for name in names)


def unanswered_at(accepted_at: datetime, owners: Sequence[Owner], at: time) -> datetime:
    """When a question has been open too long: as the day begins, so that it is said in that day's slot.

    Days go from slot to slot here: what a run at night asked belongs to the day before.
    """
    into_the_day = timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
    days = [(local_day(owner.calendar, accepted_at - into_the_day) + PATIENCE, owner) for owner in owners]
    return min(start_of(day, owner.calendar.zone) for day, owner in days)


def _shared(circle: Circle) -> Iterator[Asking]:
    """Once in four weeks from the last question or a sign of life long after it; at once what never had either."""
    for route in circle.world.routes.values():
        owners = depending(route.name, circle) if is_shared(route) and alive(route.name, circle.world) else ()
        if owners:
            proven, asked = circle.world.health_of(route.name).proven_at, circle.asked.get(route.name)
            # An answer proves no more than its question asked: the next one comes four weeks after that one.
            answered = proven is not None and asked is not None and asked <= proven < asked + PATIENCE
            last = asked if answered else _latest(proven, asked)
            slot = _slot(owners, last + SHARED_EVERY if last else None, circle)
            yield Asking(route.name, slot, "", _why(route.name, owners, circle))


def _why(route: str, owners: Sequence[Owner], circle: Circle) -> tuple[str, ...]:
    users = [owner.name for owner in owners if route in owner.routes]
    said = [f"of what {' and '.join(users)} must renew"] if users else []
    return (*said, "when nobody else can be reached") if route in circle.world.last_resort else tuple(said)


# --------------------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class _Need:
    """Why one person should have proven a route lately."""

    owner: Owner
    why: str
    earliest: datetime | None
    """Not before that day; None = now."""
    route: str = ""
    """The very route that has to be proven; "" = any of theirs."""


def _people(circle: Circle) -> Iterator[Asking]:
    """Whoever is on duty now or soon, or in the last resort, and whose proof does not hold."""
    needs: dict[str, list[_Need]] = {}
    people: dict[str, Person] = {}
    for person, need in (*_of_duty(circle), *_of_routes(circle)):
        if person.active:
            people[person.key] = person
            needs.setdefault(person.key, []).append(need)
    for key, found in needs.items():
        if asking := _of_person(people[key], found, circle):
            yield asking


def _of_duty(circle: Circle) -> Iterator[tuple[Person, _Need]]:
    world = circle.world
    for name in circle.owners:
        owner = world.owners[name]
        roster = on_call_of(owner, world)
        duties = on_duty(owner, world, circle.now) if roster is None else roster.duties
        for duty in duties:
            if duty.level in LEVELS and (duty.until is None or duty.until > circle.now):
                begins = duty.start - AHEAD if duty.start else None
                ends = [_proof_end(world.health_of(one.name), world.rules.personal_proof) for one in _own(duty, world)]
                renew = _latest(*ends)
                earliest = _latest(begins, renew - HOLDS_FOR if renew else None)
                yield duty.person, _Need(owner, _duty(duty, owner, circle.now), earliest)


def _own(duty: Duty, world: World) -> list[Route]:
    """Every route of the person on duty; one that is dead proves nothing."""
    return [one for one in world.routes.values() if one.person == duty.person.key and not one.shared and not one.page]


def _duty(duty: Duty, owner: Owner, now: datetime) -> str:
    zone = owner.calendar.zone
    role = "responsible for" if not owner.roster else "on call for" if duty.level == 1 else "second on call for"
    if duty.start and duty.start > now:
        return f"{role} {owner.name} from {duty.start.astimezone(zone):%a %-d %b}"
    return f"{role} {owner.name}" + (f" until {duty.until.astimezone(zone):%a %-d %b}" if duty.until else "")


def _of_routes(circle: Circle) -> Iterator[tuple[Person, _Need]]:
    """What nothing else stands in for: routes of the last resort (those that page: `keywatch test`) and of issuers."""
    world = circle.world
    needed = [(name, world.keeper, "in the last resort") for name in world.last_resort if circle.owners]
    needed += [
        (name, owner, f"the one to whom an issuer of {owner} writes")
        for name, owners in circle.issued.items()
        for owner in owners
    ]
    for name, owner, why in needed:
        route = world.routes[name]
        person = world.people.get(route.person)
        if person and not route.page and not route.shared and alive(name, world):
            end = _proof_end(world.health_of(name), world.rules.personal_proof)
            yield person, _Need(world.owners[owner], why, end - HOLDS_FOR if end else None, name)


def _of_person(person: Person, needs: Sequence[_Need], circle: Circle) -> Asking | None:
    """One question for all needs that have come by its slot, where the person was not asked for the longest."""
    mine = [name for name, route in circle.world.routes.items() if route.person == person.key]
    last = _latest(*(circle.asked.get(name) for name in mine))
    again = last + PERSON_EVERY if last else None
    slots = [(_slot([need.owner], _latest(need.earliest, again), circle), need) for need in needs]
    at = min(slot for slot, _ in slots)
    ripe = [need for slot, need in slots if slot <= at]
    names = [need.route for need in ripe if need.route] or [one.name for one in routes_of(person, circle.world)]
    if not names:
        return None
    route = min(names, key=lambda name: circle.asked[name].timestamp() if name in circle.asked else 0.0)
    return Asking(route, at, person.key, tuple(dict.fromkeys(need.why for need in ripe))[:REASONS])

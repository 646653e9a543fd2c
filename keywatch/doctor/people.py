"""Whether there is somebody to tell, at every instant of the next two weeks, and to the very last resort."""

from collections.abc import Iterator
from datetime import datetime

from keywatch.doctor.values import Check, Mark, Patient, names
from keywatch.model import HealthState, Owner, Trust, World
from keywatch.outlook import RENDERED_FOR
from keywatch.policy.audience import on_call_of, reachable
from keywatch.report import in_zone


def last_resort(patient: Patient) -> Iterator[Check]:
    """Two people and two transports, so that one lost phone or one dead mail server is not the end."""
    world = patient.world
    alive = [world.routes[name] for name in world.last_resort if world.health_of(name).state is not HealthState.DEAD]
    people, transports = {route.person for route in alive if route.person}, {route.transport for route in alive}
    if len(people) < 2 or len(transports) < 2:
        what = f"the last resort has {len(people)} people and {len(transports)} transports ({names(transports)})"
        yield Check(Mark.PROBLEM, what, "[keywatch] last_resort needs routes of two people, by two transports")
    else:
        yield Check(Mark.FINE, f"the last resort reaches {names(people)} by {names(transports)}")


def owners(patient: Patient) -> Iterator[Check]:
    """Somebody who can be reached is on call for every owner at every instant of the next 14 days."""
    for owner in patient.config.owners.values():
        roster = on_call_of(owner, patient.world)
        problems = list(_duty(owner, patient)) if roster else list(_people(owner, patient.world))
        if roster and roster.trust is not Trust.LIVE:
            because = roster.problem or "its last answer does not reach to now"
            problems.insert(
                0, Check(Mark.PROBLEM, f"{owner.name}: the roster {owner.roster} is {roster.trust}: {because}")
            )
        yield from problems or [Check(Mark.FINE, f"{owner.name}: somebody is on call for the next 14 days")]


def _people(owner: Owner, world: World) -> Iterator[Check]:
    if not any(reachable(world.people[key], world) for key in owner.people):
        yield Check(Mark.PROBLEM, f"{owner.name}: none of its people can be reached", "give one of them a mail address")


def _duty(owner: Owner, patient: Patient) -> Iterator[Check]:
    zone, roster = owner.calendar.zone, on_call_of(owner, patient.world)
    if roster is None or roster.trust is Trust.UNKNOWN:
        return
    for start, until in gaps(owner, patient.world, patient.now, patient.now + RENDERED_FOR):
        what = f"{owner.name}: nobody who can be reached is on call {in_zone(start, zone)} to {in_zone(until, zone)}"
        yield Check(Mark.PROBLEM, what, f"mend the roster {owner.roster}, or give its people addresses")


def gaps(owner: Owner, world: World, start: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The spans of `[start, until)` in which no reachable person is on duty at level 1."""
    roster = on_call_of(owner, world)
    duties = [duty for duty in roster.duties if duty.level == 1 and reachable(duty.person, world)] if roster else []
    until = min(until, roster.known_until) if roster and roster.known_until else until
    edge = start
    for begins, ends in sorted((duty.start or start, duty.until or until) for duty in duties):
        if begins > edge:
            yield edge, min(begins, until)
        edge = max(edge, ends)
        if edge >= until:
            return
    if edge < until:
        yield edge, until


def unknown_owners(patient: Patient) -> Iterator[Check]:
    unknown: dict[str, int] = {}
    for row in patient.rows:
        if row.owner and row.owner not in patient.config.owners:
            unknown[row.owner] = unknown.get(row.owner, 0) + 1
    for name, count in sorted(unknown.items()):
        what = f"{count} credentials say that their owner is '{name}', and the config has no such owner"
        yield Check(Mark.PROBLEM, what, f"write [owners.{name}], or `keywatch edit NAME --owner OWNER`")

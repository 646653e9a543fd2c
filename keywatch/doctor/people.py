"""Whether there is somebody to tell, at every instant of the next two weeks, and to the very last resort."""

from collections.abc import Iterator
from datetime import datetime

from keywatch.doctor.values import Check, Mark, Patient, names
from keywatch.model import Owner, Trust, World
from keywatch.outlook import RENDERED_FOR, SELF_PROOF
from keywatch.policy.asking import holds
from keywatch.policy.audience import on_call_of, reachable
from keywatch.report import distance, in_zone


def last_resort(patient: Patient) -> Iterator[Check]:
    """Two proven people and two transports, so that one lost phone or one dead mail server is not the end."""
    world = patient.world
    proven = [world.routes[name] for name in world.last_resort if _proven(name, patient)]
    people, transports = {route.person for route in proven if route.person}, {route.transport for route in proven}
    if len(people) >= 2 and len(transports) >= 2:
        yield Check(Mark.FINE, f"the last resort reaches {names(people)} by {names(transports)}, all proven")
        return
    who = f"{len(people)} of 2 proven people ({names(people)})"
    yield Check(
        Mark.PROBLEM,
        f"the last resort has {who} and {len(transports)} of 2 proven transports ({names(transports)})",
        _last_resort_hint([name for name in world.last_resort if not _proven(name, patient)], patient),
    )


def _proven(name: str, patient: Patient) -> bool:
    """Whether a person acted through it lately; an inbox that cannot be read now takes nothing back."""
    world, rules = patient.world, patient.config.rules
    window = rules.shared_proof if world.routes[name].shared else rules.personal_proof
    return holds(world.health_of(name), window, patient.now)


def _last_resort_hint(unproven: list[str], patient: Patient) -> str:
    """What would make it two of each: other routes where there are too few, else an answer through those there are."""
    routes = [patient.world.routes[name] for name in patient.world.last_resort]
    people, transports = {route.person for route in routes if route.person}, {route.transport for route in routes}
    lines = []
    if len(people) < 2 or len(transports) < 2:
        there = f"it has {len(people)} and {len(transports)} ({names(transports)})"
        lines.append(f"[keywatch] last_resort needs routes of two people by two transports: {there}")
    for name in unproven:
        state = patient.world.health_of(name).state
        lines.append(f"`keywatch test {name}` sends a message whose code proves it; it is {state}")
    return "\n".join(lines)


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


def ears(patient: Patient) -> Iterator[Check]:
    """Whether the mail to nobody came back: where bounces are not heard of, dead routes look like living ones."""
    from keywatch import selfproof  # brings the store with it

    found = selfproof.hearing(patient.config, patient.reader, patient.now)
    if found is None:
        return
    heard = f"a bounce was last heard of {distance(patient.now, found.heard_at)}" if found.heard_at else ""
    if found.refused:
        what = f"the mail to nobody was refused at once ({found.refused}): that shows that the server knows its"
        hint = "give [inbox] self_proof a domain whose server takes every mail and returns it later"
        yield Check(Mark.NOTE, f"{what} addresses, and nothing about bounces that come later", hint)
    elif found.deaf_since:
        what = f"the mail to nobody of {in_zone(found.deaf_since, patient.config.zone)} never came back"
        hint = f"see whether bounces reach [inbox]; `keywatch test {SELF_PROOF}` sends another one"
        yield Check(Mark.PROBLEM, f"{what}: keywatch does not hear of bounces", hint)
    elif found.sent_at and (found.heard_at is None or found.heard_at < found.sent_at):
        yield Check(
            Mark.NOTE, f"the mail to nobody went out {distance(patient.now, found.sent_at)}; it has to come back"
        )
    else:
        yield Check(Mark.FINE, heard) if heard else Check(Mark.NOTE, "the mail to nobody was not sent yet")


def unknown_owners(patient: Patient) -> Iterator[Check]:
    unknown: dict[str, int] = {}
    for row in patient.rows:
        if row.owner and row.owner not in patient.config.owners:
            unknown[row.owner] = unknown.get(row.owner, 0) + 1
    for name, count in sorted(unknown.items()):
        what = f"{count} credentials say that their owner is '{name}', and the config has no such owner"
        yield Check(Mark.PROBLEM, what, f"write [owners.{name}], or `keywatch edit NAME --owner OWNER`")

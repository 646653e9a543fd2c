"""What every roster says: who is on call now and next, where nobody is, and who of it cannot be reached.

The facts and words of `keywatch rosters`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.config import Config
from keywatch.doctor import gaps
from keywatch.model import Duty, OnCall, Person, Trust, World
from keywatch.outlook import RENDERED_FOR, roster_references
from keywatch.report import distance, shown, utc

HEAD = ("ROSTER", "TRUST", "LAST READ", "ON CALL NOW", "NEXT", "GAPS IN 14 DAYS", "USED BY", "WRONG")
CSV = ("reference", "kind", "trust", "as_of", "known_until", "on_call", "until", "next", "next_at", "gaps", "owners",
       "unreachable", "problem")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """One roster, or one target of it."""

    reference: str
    kind: str
    """The plugin that reads it."""
    known: OnCall
    zone: ZoneInfo
    """That of its first owner: hand-overs are shown in it."""
    owners: tuple[str, ...]
    now: tuple[Duty, ...]
    """By level."""
    following: tuple[Duty, ...]
    """For each level the next shift of somebody else."""
    gaps: tuple[tuple[datetime, datetime], ...]
    """When nobody who can be reached is on call at level 1, as far as it is known, at most 14 days ahead."""
    lost: tuple[tuple[Person, str], ...]
    """Who cannot be reached, and why."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """What keeps it from being what one would think."""
        found = [self.known.problem] if self.known.problem else []
        if self.known.trust is not Trust.UNKNOWN and not self.now:
            found.append("it names nobody for now")
        return (*found, *(f"{person.name} {why}" for person, why in self.lost))


def read(config: Config, world: World, now: datetime) -> list[Facts]:
    """Everything known of each roster, those with trouble first."""
    found = [_facts(reference, config, world, now) for reference in roster_references(config)]
    return sorted(found, key=lambda one: (not one.wrong, not one.gaps, one.reference))


def _facts(reference: str, config: Config, world: World, now: datetime) -> Facts:
    owners = [owner for owner in config.owners.values() if owner.roster == reference]
    known = world.on_call.get(reference, OnCall(reference))
    there = known.trust is not Trust.UNKNOWN
    current = tuple(sorted(known.at(now), key=lambda duty: duty.level)) if there else ()
    return Facts(
        reference=reference,
        kind=config.roster(reference)[0].kind,
        known=known,
        zone=owners[0].calendar.zone,
        owners=tuple(owner.name for owner in owners),
        now=current,
        following=tuple(_following(known, current, now)) if there else (),
        gaps=tuple(gaps(owners[0], world, now, now + RENDERED_FOR)) if there else (),
        lost=tuple(_lost(known, world, now)),
    )


def _following(known: OnCall, current: Sequence[Duty], now: datetime) -> Iterator[Duty]:
    for level in sorted({duty.level for duty in known.duties}):
        mine = {duty.person.key for duty in current if duty.level == level}
        ahead = [duty for duty in known.duties if duty.level == level and duty.start and duty.start > now]
        others = [duty for duty in ahead if duty.person.key not in mine]
        yield from sorted(others, key=lambda duty: duty.start or now)[:1]


def _lost(known: OnCall, world: World, now: datetime) -> Iterator[tuple[Person, str]]:
    """Everybody of it whom nothing leads to, whether or not they are on call soon."""
    ahead = [duty.person for duty in known.duties if duty.until is None or duty.until > now]
    for person in {one.key: one for one in (*known.members, *ahead)}.values():
        if not person.active:
            yield person, "is not active"
        elif not (own := [name for name, route in world.routes.items() if route.person == person.key]):
            yield person, "has no route: give [people] an address"
        elif all(world.health_of(name).state == "dead" for name in own):
            yield person, f"has only dead routes ({', '.join(own)})"


# --------------------------------------------------------------------------- words


def row(one: Facts, now: datetime) -> tuple[str, ...]:
    """One line of the table, under `HEAD`."""
    return (
        one.reference,
        one.known.trust.value,
        distance(now, one.known.as_of) if one.known.as_of else "never",
        "; ".join(_now(duty, one.zone) for duty in one.now) or "nobody is known",
        "; ".join(_next(duty, one.zone) for duty in one.following) or "nobody else is known",
        "; ".join(_span(gap, one.zone) for gap in one.gaps) or ("none" if one.now else "not known"),
        ", ".join(one.owners),
        "; ".join(one.wrong) or "nothing",
    )


def text(one: Facts, now: datetime) -> str:
    """Everything about one roster, for people."""
    known, zone = one.known, one.zone
    read = f"read {distance(now, known.as_of)}" if known.as_of else "never read"
    until = f", known until {_at(known.known_until, zone)}" if known.known_until else ""
    lines = [f"{one.reference} ({one.kind}) is {known.trust}: {read}{until}", f"used by {', '.join(one.owners)}"]
    if known.trust is not Trust.LIVE:
        lines.append("more people than these are told at once while it does not answer")
    lines += [f"now: {_now(duty, zone)}" for duty in one.now] or ["now: nobody is known, so whoever is on call"]
    lines += [f"next: {_next(duty, zone)}" for duty in one.following] or ["next: nobody else is known"]
    lines += [f"gap: nobody who can be reached is on call {_span(gap, zone)}" for gap in one.gaps]
    lines += [f"wrong: {what}" for what in one.wrong]
    return "\n".join(shown(lines[0]) if n == 0 else f"  {shown(line)}" for n, line in enumerate(lines))


def _now(duty: Duty, zone: ZoneInfo) -> str:
    return f"{duty.person.name}{_level(duty)}{f' until {_at(duty.until, zone)}' if duty.until else ''}"


def _next(duty: Duty, zone: ZoneInfo) -> str:
    return f"{duty.person.name}{_level(duty)}{f' from {_at(duty.start, zone)}' if duty.start else ''}"


def _level(duty: Duty) -> str:
    return f" (level {duty.level})" if duty.level > 1 else ""


def _span(gap: tuple[datetime, datetime], zone: ZoneInfo) -> str:
    return f"{_at(gap[0], zone)} to {_at(gap[1], zone)}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %-d %b %H:%M}"


def entry(one: Facts) -> dict[str, Any]:
    """One roster for programs."""
    return {
        "reference": one.reference,
        "kind": one.kind,
        "trust": one.known.trust.value,
        "as_of": utc(one.known.as_of),
        "known_until": utc(one.known.known_until),
        "problem": one.known.problem,
        "timezone": one.zone.key,
        "now": [_duty(duty) for duty in one.now],
        "next": [_duty(duty) for duty in one.following],
        "gaps": [{"start": utc(start), "until": utc(until)} for start, until in one.gaps],
        "owners": list(one.owners),
        "unreachable": [{"person": person.key, "name": person.name, "why": why} for person, why in one.lost],
    }


def _duty(duty: Duty) -> dict[str, Any]:
    person = {"person": duty.person.key, "name": duty.person.name, "level": duty.level}
    return person | {"start": utc(duty.start), "until": utc(duty.until)}


def plain_row(one: Facts) -> tuple[str, ...]:
    """The `CSV` fields of one roster; instants in UTC."""
    first, ahead = one.now[:1], one.following[:1]
    return (
        one.reference,
        one.kind,
        one.known.trust.value,
        utc(one.known.as_of) or "",
        utc(one.known.known_until) or "",
        " ".join(duty.person.key for duty in one.now),
        "".join(utc(duty.until) or "" for duty in first),
        "".join(duty.person.key for duty in ahead),
        "".join(utc(duty.start) or "" for duty in ahead),
        " ".join(f"{utc(start)}/{utc(until)}" for start, until in one.gaps),
        " ".join(one.owners),
        " ".join(person.key for person, _ in one.lost),
        one.known.problem,
    )

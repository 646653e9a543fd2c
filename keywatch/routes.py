"""What is known of every route: does a living human read it, which row says so, and what hangs on it.

The facts and words of `keywatch routes`; one row of evidence is worded here for all who quote one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch import outlook
from keywatch.config import Config
from keywatch.model import (
    PROOFS,
    Credential,
    Evidence,
    EvidenceKind,
    Health,
    HealthState,
    MessageKind,
    Person,
    Route,
    World,
)
from keywatch.policy.reach import concerned, hanging
from keywatch.policy.state import state, worst_first
from keywatch.read import Asked, Reader, Subject
from keywatch.report import in_zone, shown, utc

WORST = (HealthState.DEAD, HealthState.SUSPECT, HealthState.UNPROVEN, HealthState.PROVEN)
BOUNCES = frozenset({EvidenceKind.REFUSED, EvidenceKind.UNRESOLVED, EvidenceKind.FULL, EvidenceKind.PARTIAL})
"""What came back, of whatever weight."""
LEARNT = {
    EvidenceKind.FULL: "the mailbox is full",
    EvidenceKind.LEFT: "its reader has left",
    EvidenceKind.AWAY: "its reader is away",
    EvidenceKind.PARTIAL: "some of its readers are gone",
    EvidenceKind.UNRESOLVED: "its domain takes no mail",
    EvidenceKind.RESOLVED: "its domain takes mail again",
    EvidenceKind.EXONERATED: "its refusal is put down to the transport",
    EvidenceKind.UNANSWERED: "nobody answered whether it is read",
}
"""Evidence in words where its kind says it all."""
ACTED = {EvidenceKind.ACK: "answered", EvidenceKind.REPLY: "replied", EvidenceKind.ATTESTED: "said that it is read"}
HEAD = ("HEALTH", "ROUTE", "BECAUSE", "LAST PROOF", "LAST BOUNCE", "HANGS ON IT")
CSV = ("health", "partial", "away_until", "route", "kind", "person", "because", "because_at", "proven_at", "proven_by",
       "bounced_at", "bounce", "asked_at", "answered_at", "owners", "credentials", "trouble_since")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """One route."""

    route: Route
    health: Health
    rows: tuple[Evidence, ...]
    """What was learnt at its present address, oldest first."""
    past: tuple[tuple[str, Evidence], ...]
    """All that was ever learnt, each row with the keyed hash of the address it was learnt at."""
    address: str
    """The keyed hash of the present one."""
    owners: tuple[str, ...]
    """Whose people would be told by it."""
    hangs: tuple[Credential, ...]
    """Worst first."""
    issued: tuple[str, ...]
    """Names of the credentials whose issuer writes there."""
    asked: Asked | None
    trouble: Subject | None
    away_until: datetime | None

    def last(self, kinds: Collection[EvidenceKind]) -> Evidence | None:
        """The latest row of some kinds, at the present address."""
        return next((row for row in reversed(self.rows) if row.kind in kinds), None)

    @property
    def answer(self) -> Evidence | None:
        """The first proof after the last question."""
        asked = self.asked.message.created_at if self.asked else None
        return next((row for row in self.rows if asked and row.at >= asked and row.kind in PROOFS), None)

    @property
    def kind(self) -> str:
        if self.route.name.startswith("issuer:"):
            return "issuer"
        return "page" if self.route.page else "shared" if self.route.shared else "personal"


def read(config: Config, reader: Reader, world: World, now: datetime) -> list[Facts]:
    """Everything known of each route, worst first; the address that nobody has is left out."""
    names = [name for name in world.routes if name != outlook.SELF_PROOF]
    hashes = outlook.address_hashes(config, reader, {name: world.routes[name] for name in names})
    testimony, asked, open_ones = reader.testimony(names), reader.last_of(MessageKind.QUESTION), reader.subjects()
    rows = sorted(reader.credentials(now), key=lambda row: worst_first(row, now))
    found = []
    for name in names:
        route, past = world.routes[name], tuple(testimony[name])
        mine = tuple(row for address, row in past if address == hashes[name] and row.at <= now)
        found.append(
            Facts(
                route=route,
                health=world.health_of(name),
                rows=mine,
                past=past,
                address=hashes[name],
                owners=concerned(route, world, rows),
                hangs=hanging(route, world, rows),
                issued=world.issuers.get(name, ()),
                asked=asked.get(name),
                trouble=open_ones.get(f"route:{name}"),
                away_until=_away_until(mine, now),
            )
        )
    return sorted(found, key=_rank)


def away(config: Config, reader: Reader, world: World, now: datetime) -> dict[str, datetime]:
    """Until when the readers of routes are away, by route."""
    routes = {name: world.routes[name] for name, health in world.health.items() if health.away}
    found = reader.evidence(outlook.address_hashes(config, reader, routes)) if routes else {}
    return {name: until for name, rows in found.items() if (until := _away_until(rows, now))}


def _away_until(rows: Iterable[Evidence], now: datetime) -> datetime | None:
    ahead = [row.until for row in rows if row.kind is EvidenceKind.AWAY and row.until and row.until > now]
    return max(ahead, default=None)


def _rank(one: Facts) -> tuple[int, bool, int, str]:
    return WORST.index(one.health.state), not one.health.partial, -len(one.hangs), one.route.name


# --------------------------------------------------------------------------- one row of evidence in words


def said(row: Evidence, people: Mapping[str, Person], say: Callable[[str], str] = str) -> str:
    """One row of evidence as a clause; `say` makes what comes from outside fit for where it is written."""
    words = say(" ".join(word for word in (row.code, row.detail) if word))
    if row.kind in PROOFS:
        who = say(people[row.person].name if row.person in people else row.person) or "somebody"
        return f"{who} {words or ACTED[row.kind]}"
    if row.kind is EvidenceKind.REFUSED:
        return f"{'bounced' if row.source == 'inbox' else 'refused'} {words}".rstrip()
    if row.kind is EvidenceKind.SILENCE:
        return f"nobody answered {say(row.detail.replace('@', ' of '))}"
    return LEARNT[row.kind] + (f": {words}" if words else "")


def because(health: Health, people: Mapping[str, Person], zone: ZoneInfo) -> str:
    """The one row that explains a verdict, with its day: `refused 550 5.1.1, 14 Nov 2026`."""
    row = health.because
    if row is None:
        return "nobody has ever answered through it"
    old = "; that is too long ago" if health.state is HealthState.UNPROVEN else ""
    return f"{said(row, people)}, {day(row.at, zone)}{old}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """`14 Nov 2026`."""
    return f"{at.astimezone(zone):%-d %b %Y}"


def verdict(health: Health, away_until: datetime | None, zone: ZoneInfo) -> str:
    """`proven, partial, away until 3 Dec 2026`."""
    away = [f"away until {day(away_until, zone)}" if away_until else "away"] if health.away else []
    return ", ".join([health.state.value, *(["partial"] if health.partial else []), *away])


# --------------------------------------------------------------------------- all of them


def row(one: Facts, world: World, zone: ZoneInfo) -> tuple[str, ...]:
    """One line of the table, under `HEAD`."""
    proof, bounce = one.last(PROOFS), one.last(BOUNCES)
    return (
        verdict(one.health, one.away_until, zone),
        one.route.name,
        _because(one, world, zone),
        day(proof.at, zone) if proof else "never",
        day(bounce.at, zone) if bounce else "never",
        _hangs(one),
    )


def _because(one: Facts, world: World, zone: ZoneInfo) -> str:
    if world.unheard and one.route.mail and one.health.state is HealthState.UNPROVEN and one.health.because:
        return f"the inbox is not read; before that: {said(one.health.because, world.people)}"
    return because(one.health, world.people, zone)


def _hangs(one: Facts) -> str:
    if not one.hangs:
        return "nothing" if not one.owners else f"nothing of {', '.join(one.owners)}"
    owners = f" of {', '.join(one.owners)}" if one.owners else ""
    issued = f", {len(one.issued)} whose issuer writes there" if one.issued else ""
    return f"{len(one.hangs)}{owners}{issued}"


def entry(one: Facts) -> dict[str, Any]:
    """One route for programs."""
    return {
        "route": one.route.name,
        "kind": one.kind,
        "person": one.route.person or None,
        "mail": one.route.mail or None,
        "transport": one.route.transport,
        "health": one.health.state.value,
        "partial": one.health.partial,
        "away_until": utc(one.away_until),
        "because": evidence(one.health.because),
        "last_proof": evidence(one.last(PROOFS)),
        "last_bounce": evidence(one.last(BOUNCES)),
        "last_question": {
            "asked_at": utc(one.asked.message.created_at),
            "accepted_at": utc(one.asked.accepted_at),
            "answer": evidence(one.answer),
        }
        if one.asked
        else None,
        "owners": list(one.owners),
        "credentials": [row.name for row in one.hangs],
        "issuer_of": list(one.issued),
        "trouble": {"since": utc(one.trouble.opened_at), "told_at": utc(one.trouble.told_at)} if one.trouble else None,
    }


def evidence(row: Evidence | None) -> dict[str, Any] | None:
    """One row of evidence for programs."""
    if row is None:
        return None
    return {
        "at": utc(row.at),
        "kind": row.kind.value,
        "source": row.source,
        "code": row.code,
        "detail": row.detail,
        "person": row.person or None,
        "until": utc(row.until),
    }


def plain_row(one: Facts) -> tuple[str, ...]:
    """The `CSV` fields of one route; instants in UTC."""
    why, proof, bounce = one.health.because, one.last(PROOFS), one.last(BOUNCES)
    asked = one.asked.message.created_at if one.asked else None
    answered = one.answer.at if one.answer else None
    flat: tuple[object, ...] = (
        one.health.state.value,
        "yes" if one.health.partial else "",
        utc(one.away_until),
        one.route.name,
        one.kind,
        one.route.person,
        why.kind.value if why else "",
        utc(why.at) if why else "",
        utc(proof.at) if proof else "",
        proof.person if proof else "",
        utc(bounce.at) if bounce else "",
        bounce.code if bounce else "",
        utc(asked),
        utc(answered),
        " ".join(one.owners),
        len(one.hangs),
        utc(one.trouble.opened_at) if one.trouble else "",
    )
    return tuple(str(value if value is not None else "") for value in flat)


# --------------------------------------------------------------------------- one of them


def text(one: Facts, world: World, zone: ZoneInfo, now: datetime) -> str:
    """Everything about one route, for people."""
    lines = [f"{one.route.name} is {verdict(one.health, one.away_until, zone)}: {_because(one, world, zone)}"]
    lines.append(f"  {_leads(one, world)}")
    if one.trouble:
        told = f", last said {in_zone(one.trouble.told_at, zone)}" if one.trouble.told_at else ""
        lines.append(f"  people are told of it since {in_zone(one.trouble.opened_at, zone)}{told}")
    if one.asked:
        answered = f"answered {day(one.answer.at, zone)}" if one.answer else "no answer yet"
        lines.append(f"  last asked whether it is read: {day(one.asked.message.created_at, zone)}, {answered}")
    if one.issued:
        lines.append(f"  the issuer of {', '.join(one.issued)} writes there")
    lines += _below(one, zone, now, world)
    return "\n".join(shown(line) if line[0] != " " else f"  {shown(line)}" for line in lines)


def _below(one: Facts, zone: ZoneInfo, now: datetime, world: World) -> Iterable[str]:
    owners = f", as people of {', '.join(one.owners)} are told by it" if one.owners else ""
    yield f"{_count(len(one.hangs), 'credential')} {'hangs' if len(one.hangs) == 1 else 'hang'} on it{owners}"
    for credential in one.hangs:
        start = f", start by {day(credential.start_by, zone)}" if credential.start_by else ""
        yield f"  {state(credential, now)} {credential.name} ({credential.env or 'production'}){start}"
    yield _count(len(one.past), "row") + " of evidence" if one.past else "no evidence of any kind yet"
    yield from (f"  {line}" for line in history(one, world.people, zone))


def _leads(one: Facts, world: World) -> str:
    where = one.route.mail or f"by {one.route.transport}"
    if one.route.person:
        person = world.people.get(one.route.person)
        whose = f"of {person.name if person else one.route.person}"
    else:
        whose = "the address that an issuer writes to" if one.kind == "issuer" else "read by whoever"
    wakes = "; it wakes somebody, so only the last resort uses it" if one.route.page else ""
    return f"{where}, {whose}{wakes}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def history(one: Facts, people: Mapping[str, Person], zone: ZoneInfo) -> Sequence[str]:
    """All evidence, oldest first, with a line wherever the route came to lead to another address."""
    lines, before = list[str](), ""
    for address, row in one.past:
        if before and address != before:
            lines.append("it leads to another address from here on: what was learnt before does not count")
        by = "" if row.kind in PROOFS else f", by {row.source}"
        until = f" until {day(row.until, zone)}" if row.until else ""
        lines.append(f"{in_zone(row.at, zone)} {said(row, people)}{until}{by}")
        before = address
    if before and before != one.address:
        lines.append("its address was changed since: nothing is known of the new one, so it is unproven")
    return lines

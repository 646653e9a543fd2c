"""Asks in quiet times whether somebody reads a route, so that a dead alias is found months before it matters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keywatch import outlook, selfproof
from keywatch.config import Config
from keywatch.dates import start_of
from keywatch.model import Credential, Evidence, EvidenceKind, MessageKind, MessageState, Route, World
from keywatch.policy.asking import Asking, Circle, askings, depending, is_shared, unanswered_at
from keywatch.policy.audience import alive
from keywatch.policy.calendar import local_day
from keywatch.read import Asked, instant_of
from keywatch.store import Tx
from keywatch.text import clean
from keywatch.wording import CODE, domain

SOURCE = "question"
NAMED = 10
"""Credentials a question names; the rest is a count."""
OWED = (MessageState.PENDING, MessageState.LEASED)


@dataclass(frozen=True, slots=True)
class Open:
    """The last question to a route at its present address."""

    asked: Asked
    address: str
    """The keyed hash of where it went."""


def keep(tx: Tx, config: Config, world: World, now: datetime) -> datetime | None:
    """Ask what is due, and note what nobody answered. Returns when something will be due; None: nothing is asked."""
    nexts = [selfproof.keep(tx, config, now)]
    if config.questions:
        last = _last(tx, config, world, now)
        circle = _circle(tx, world, last, now)
        nexts += [_note_unanswered(tx, circle, last), _ask(tx, config, circle)]
    return min((at for at in nexts if at), default=None)


def _last(tx: Tx, config: Config, world: World, now: datetime) -> dict[str, Open]:
    """The last question to each route, unless it went to another address, was taken back, or lies in the future.

    What a clock that was ahead has asked must not keep keywatch from asking until then.
    """
    asked = tx.read.last_of(MessageKind.QUESTION)
    found = {name: one for name, one in asked.items() if name in world.routes and one.message.created_at <= now}
    hashes = outlook.address_hashes(config, tx.read, {name: world.routes[name] for name in found})
    return {
        name: Open(one, hashes[name])
        for name, one in found.items()
        if one.message.address_hash in ("", hashes[name]) and one.message.state is not MessageState.SUPERSEDED
    }


def _circle(tx: Tx, world: World, last: Mapping[str, Open], now: datetime) -> Circle:
    """The quick answer, without a look at the credentials: whoever could be asked, so never too late."""
    before = instant_of(tx.read.meta("last_run") or None) or now
    asked = {name: _asked_at(one.asked, now) for name, one in last.items()}
    return Circle(world, tuple(world.owners), dict.fromkeys(world.issuers, world.owners), asked, min(before, now), now)


def _asked_at(asked: Asked, now: datetime) -> datetime:
    """A question that is still on its way is not asked again."""
    return now if asked.message.state in OWED else asked.accepted_at or asked.message.created_at


# --------------------------------------------------------------------------- asking


def _ask(tx: Tx, config: Config, circle: Circle) -> datetime | None:
    """Enqueue every question whose slot has come. Returns the next slot."""
    if any(one.at <= circle.now for one in askings(circle)):
        circle = _exact(tx, circle)
        due = [one for one in askings(circle) if one.at <= circle.now]
        called = _called_today(tx, config, circle.now) if any(one.person for one in due) else set()
        asked = dict(circle.asked)
        for one in due:
            if not one.person or one.route not in called:
                _enqueue(tx, config, circle, one)
                asked[one.route] = circle.now
        circle = replace(circle, asked=asked)
    return min((one.at for one in askings(replace(circle, since=circle.now))), default=None)


def _exact(tx: Tx, circle: Circle) -> Circle:
    """Only those who own something that may speak."""
    world, rows = circle.world, [row for row in tx.read.credentials(circle.now) if row.active]
    by_name: dict[str, list[Credential]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    issued = {
        route: tuple(dict.fromkeys(world.owner_of(row).name for name in names for row in by_name.get(name, ())))
        for route, names in world.issuers.items()
    }
    owners = {world.owner_of(row).name for row in rows}
    return replace(circle, owners=tuple(name for name in world.owners if name in owners), issued=issued)


def _called_today(tx: Tx, config: Config, now: datetime) -> set[str]:
    """The routes that were called since midnight: an answer to that proves them as well."""
    today = start_of(now.astimezone(config.zone).date(), config.zone)
    return {name for event in tx.read.events(kinds=["called"], since=today) for name in event.data["routes"].split()}


def _enqueue(tx: Tx, config: Config, circle: Circle, one: Asking) -> None:
    route, day = circle.world.routes[one.route], f"{circle.now.astimezone(config.zone):%Y-%m-%d}"
    body = _body(config, circle, route, one)
    tx.enqueue(
        MessageKind.QUESTION, f"question|{route.name}|{day}", route.name, one.person, body, circle.now, domain(config)
    )


# --------------------------------------------------------------------------- nobody answered


def _note_unanswered(tx: Tx, circle: Circle, last: Mapping[str, Open]) -> datetime | None:
    """Write down, once for each question, that a shared route did not answer. Returns when the next may be due."""
    nexts = []
    for name, one in last.items():
        owners = depending(name, circle) if is_shared(circle.world.routes[name]) else ()
        proven_at, accepted_at = circle.world.health_of(name).proven_at, one.asked.accepted_at
        answered = proven_at is not None and proven_at >= one.asked.message.created_at
        if one.asked.message.state is MessageState.REFUSED:
            accepted_at = one.asked.message.created_at  # it came back: nobody can answer it
        if not owners or accepted_at is None or answered or not alive(name, circle.world):
            continue  # one that was never accepted has asked nobody
        limit = unanswered_at(accepted_at, owners, circle.world.rules.at)
        if limit > circle.now:
            nexts.append(limit)
        elif not _noted(tx, name, one.address, accepted_at):
            day = f"{local_day(owners[0].calendar, accepted_at):%-d %b}"
            tx.add_evidence(Evidence(circle.now, name, EvidenceKind.UNANSWERED, SOURCE, detail=day), one.address)
    return min(nexts, default=None)


def _noted(tx: Tx, route: str, address: str, since: datetime) -> bool:
    rows = tx.read.evidence({route: address})[route]
    return any(row.kind is EvidenceKind.UNANSWERED and row.at >= since for row in rows)


# --------------------------------------------------------------------------- words


def _body(config: Config, circle: Circle, route: Route, one: Asking) -> str:
    issued = circle.world.issuers.get(route.name, ())
    reply = ", or just reply to this mail," if route.mail and config.inbox else ","
    person = circle.world.people.get(one.person)
    by = "" if person else " --by YOUR-NAME"
    lines = (
        *(_to_person(person.name, route, one.why) if person else _to_whoever(route, one.why, issued)),
        "",
        f"If you read this, type the line below where keywatch runs{reply} or tell the code {CODE}",
        "to whoever runs keywatch, on the phone if you like:",
        "",
        f"    keywatch ack {CODE}{by}",
        "",
        *(() if person else (_consequence(circle, route), "")),
    )
    still = f"Do you read {route.name}?" if person else f"Still read here: {route.name}?"
    return json.dumps({"subject": f"{still} Answer with {CODE}", "text": "\n".join(lines)})


def _to_person(name: str, route: Route, why: Sequence[str]) -> tuple[str, ...]:
    return (
        f"{name}, do you read {route.name}? You are {' and '.join(why)}.",
        "",
        "What must be renewed in time is said to you there. Nothing expires because of this message: it asks in quiet",
        "times, so that a route that nobody reads is found before it matters.",
    )


def _to_whoever(route: Route, why: Sequence[str], issued: Sequence[str]) -> tuple[str, ...]:
    lines = [f"To whoever reads {_place(route)}: does anybody still read this?", ""]
    if why:
        lines.append(f"keywatch writes here {' and '.join(why)}.")
    if issued:
        more = f" and {len(issued) - NAMED} more" if len(issued) > NAMED else ""
        names = ", ".join(clean(name, 80) for name in issued[:NAMED])
        lines.append(f"The issuer of {names}{more} writes to this address{' too' if why else ''}.")
    lines.append("Nothing expires because of this message: it asks once in four weeks, in quiet times, so that an")
    lines.append("address that nobody reads is found before it matters.")
    return tuple(lines)


def _place(route: Route) -> str:
    """A route that is only an issuer's has no name but its address."""
    return route.mail if route.name.startswith("issuer:") else route.name


def _consequence(circle: Circle, route: Route) -> str:
    names = [owner.name for owner in depending(route.name, circle)]
    return f"If nobody answers within two weeks, {' and '.join(names)} will be asked to name another route."

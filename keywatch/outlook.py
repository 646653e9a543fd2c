"""Puts together what the rules may ask: who is who, who is on call, which routes a living human reads.

Everything here is read: from the config, and from what earlier runs left in the store.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keywatch import plugins
from keywatch.config import Config
from keywatch.config.table import is_address
from keywatch.errors import KeywatchError
from keywatch.model import Duty, Health, HealthState, OnCall, Person, Route, Trust, World
from keywatch.policy.health import health
from keywatch.read import FeedRow, Reader

INBOX = "inbox"
"""The kind and the name of the feed."""
SELF_PROOF = "inbox:self-proof"
"""The route to an address that nobody has."""
UNHEARD_AFTER = timedelta(hours=24)
RENDERED_FOR = timedelta(days=14)
"""How far ahead duties are rendered, so that a silent roster still answers what was planned."""


def roster_references(config: Config) -> tuple[str, ...]:
    """Every roster target some owner asks for, as owners write it."""
    return tuple(dict.fromkeys(owner.roster for owner in config.owners.values() if owner.roster))


def world(config: Config, reader: Reader, now: datetime) -> World:
    """Everything the rules may ask, as it is known at `now`."""
    answers = {ref: on_call(ref, _feed(config, reader, ref), now) for ref in roster_references(config)}
    issuers = _issuers(config, reader)
    extra = [*(route for route, _ in issuers), *_proving(config, reader, now)]
    seen = config.world(answers, {}, extra_routes=extra)
    unheard = _unheard(config, reader, now)
    healths = _healths(config, reader, seen.routes, now)
    if unheard:
        # Whether what is sent now bounces is not known, so who proved a mail route once is not enough.
        healths = {name: _unsure(health) if seen.routes[name].mail else health for name, health in healths.items()}
    issued = {route.name: tuple(names) for route, names in issuers}
    return replace(seen, health=healths, issuers=issued, unheard=unheard)


def _unsure(health: Health) -> Health:
    return replace(health, state=HealthState.UNPROVEN) if health.state is HealthState.PROVEN else health


def _issuers(config: Config, reader: Reader) -> list[tuple[Route, list[str]]]:
    """The addresses that issuers write to: a route of the config where it has that address, else one of their own."""
    known = {route.mail.casefold(): route for route in config.routes.values() if route.mail}
    return [
        (known.get(address) or Route(f"issuer:{address}", shared=True, mail=address), names)
        for address, names in reader.issuers().items()
        if is_address(address)  # a source may say anything
    ]


def _proving(config: Config, reader: Reader, now: datetime) -> list[Route]:
    """An address that nobody has, another one each month: a mail to it must bounce."""
    if config.inbox is None or not config.inbox.self_proof:
        return []
    month = f"{SELF_PROOF}|{now:%Y-%m}"
    nobody = hmac.new(bytes.fromhex(reader.meta("key")), month.encode(), hashlib.sha256).hexdigest()[:16]
    return [Route(SELF_PROOF, shared=True, mail=f"nobody-{nobody}@{config.inbox.self_proof}")]


def _unheard(config: Config, reader: Reader, now: datetime) -> str:
    """Why answers by mail cannot be known of; "" = they can, or there is no inbox."""
    feed = reader.feed(INBOX, INBOX) if config.inbox else None
    if feed is None or not feed.problem:
        return ""
    read = feed.complete_at
    return feed.problem if read is None or now - read >= UNHEARD_AFTER else ""


def _feed(config: Config, reader: Reader, reference: str) -> FeedRow | None:
    roster, target = config.roster(reference)
    return reader.feed("roster", roster.name, target)


def on_call(reference: str, feed: FeedRow | None, now: datetime) -> OnCall:
    """What a rendered roster says: live while its last fetch worked, planned while its window holds, else unknown."""
    if feed is None or feed.complete_at is None:
        return OnCall(reference, problem=(feed.problem if feed else "") or "it was never read")
    answer = feed.answer
    until = _instant(answer.get("until"))
    trust = Trust.PLANNED if feed.problem else Trust.LIVE
    if until is None or until <= now:
        trust = Trust.UNKNOWN
    return OnCall(
        reference,
        duties=tuple(_duty(row) for row in answer.get("duties", ())),
        trust=trust,
        as_of=feed.complete_at,
        known_until=until,
        members=tuple(_person(row) for row in answer.get("members", ())),
        problem=feed.problem,
    )


def rendered(duties: Iterable[Duty], members: Iterable[Person], until: datetime) -> dict[str, Any]:
    """Duties as the JSON a feed keeps; `on_call` reads it back."""
    return {
        "until": until.isoformat(),
        "duties": [
            _person_row(duty.person) | {"level": duty.level, "start": _text(duty.start), "until": _text(duty.until)}
            for duty in duties
        ],
        "members": [_person_row(person) for person in members],
    }


def _person_row(person: Person) -> dict[str, Any]:
    return {"key": person.key, "name": person.name, "mail": person.mail, "active": person.active}


def _person(row: Mapping[str, Any]) -> Person:
    return Person(row["key"], row["name"], row.get("mail", ""), row.get("active", True))


def _duty(row: Mapping[str, Any]) -> Duty:
    return Duty(_person(row), row["level"], _instant(row.get("start")), _instant(row.get("until")))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def feeds(config: Config, reader: Reader) -> list[tuple[str, FeedRow | None]]:
    """Every source, every roster and the inbox that is configured now, with what was last fetched from it."""
    found = [(f"source {source.name}", reader.feed("source", source.name)) for source in config.sources]
    for reference in roster_references(config):
        roster, target = config.roster(reference)
        found.append((f"roster {reference}", reader.feed("roster", roster.name, target)))
    return [*found, (INBOX, reader.feed(INBOX, INBOX))] if config.inbox else found


# --------------------------------------------------------------------------- routes


def address_hash(key: str, route: Route, base: Path) -> str:
    """A keyed hash of where a route leads: an edited address starts as unproven. Only a prefix of it is kept."""
    return hmac.new(bytes.fromhex(key), _address(route, base).encode(), hashlib.sha256).hexdigest()[:32]


def _address(route: Route, base: Path) -> str:
    """The address; for a command or a reference that cannot be resolved now, the reference itself."""
    if route.mail:
        return route.mail.casefold()
    if route.url.startswith("cmd:"):
        return route.url
    try:
        return plugins.resolve(route.url, base)
    except KeywatchError:
        return route.url


def address_hashes(config: Config, reader: Reader, routes: Mapping[str, Route]) -> dict[str, str]:
    """The keyed hash of every route's present address."""
    key = reader.meta("key")
    return {name: address_hash(key, route, config.base) for name, route in routes.items()}


def _healths(config: Config, reader: Reader, routes: Mapping[str, Route], now: datetime) -> dict[str, Health]:
    evidence = reader.evidence(address_hashes(config, reader, routes))
    known = {name: route for name, route in routes.items() if evidence[name] and name != SELF_PROOF}
    return {name: health(route, evidence[name], now, config.rules) for name, route in known.items()}

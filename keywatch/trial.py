"""Sends a real message that asks for nothing but an answer: its code proves that somebody reads the route."""

import json
import secrets
from collections.abc import Sequence
from datetime import datetime

from keywatch.config import Config
from keywatch.config.table import unknown
from keywatch.dispatch import Dispatcher, Sent
from keywatch.errors import KeywatchError
from keywatch.model import MessageKind, Route, World
from keywatch.store import Store
from keywatch.wording import CODE, domain


def routes_of(world: World, name: str) -> tuple[Route, ...]:
    """The route of that name, or every route a person has that wakes nobody; dead ones too.

    Raises:
        KeywatchError: neither a route nor a person, or a person without a route.
    """
    if name in world.routes:
        return (world.routes[name],)
    wanted = name.casefold()
    for one in world.people.values():
        if wanted in (one.key.casefold(), one.name.casefold(), one.mail.casefold()):
            own = tuple(r for r in world.routes.values() if r.person == one.key and not r.page and not r.shared)
            if not own:
                raise KeywatchError(f"{one.name} has no route of their own", "give them `mail = ` in [people]")
            return own
    known = (*world.routes, *world.people)
    raise KeywatchError(unknown("route or person", name, known), f"there are: {', '.join(world.routes)}")


def send(store: Store, config: Config, world: World, dispatcher: Dispatcher, routes: Sequence[Route]) -> list[Sent]:
    """Put one test for each route into the outbox and send what is due, in its order; returns the tests.

    Whatever else was due goes out with them: there is one outbox.
    """
    with store.write() as tx:
        now = dispatcher.clock()
        ids = {
            tx.enqueue(
                MessageKind.TEST,
                _key(route, now),
                route.name,
                route.person,
                _body(route, world, config),
                now,
                domain(config),
            )
            for route in routes
        }
    tests: list[Sent] = []
    while len(tests) < len(ids) and (sent := dispatcher.next(world)) is not None:
        tests += [sent] if sent.message.id in ids else []
    return tests


def _key(route: Route, now: datetime) -> str:
    return f"test|{route.name}|{now.isoformat()}|{secrets.token_hex(4)}"


def _body(route: Route, world: World, config: Config) -> str:
    person = world.people.get(route.person)
    greeting = f"{person.name}, this" if person and not route.shared else f"To whoever reads {route.name}: this"
    reply = ", just reply," if route.mail and config.inbox else ","
    by = "" if route.person else " --by YOUR-NAME"
    lines = (
        f"{greeting} is a test. Nothing expires because of it.",
        "",
        f"It asks whether a person reads this. If you do, type this where keywatch runs{reply} or tell whoever",
        f"sent the test the code {CODE}, on the phone if you like:",
        "",
        f"    keywatch ack {CODE}{by}",
        "",
    )
    return json.dumps({"subject": f"Test: do you read {route.name}? Answer with {CODE}", "text": "\n".join(lines)})

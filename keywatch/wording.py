"""What a message says, and what stands in when the words fail: a text that cannot be made never keeps a notice back."""

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from email.utils import parseaddr

from keywatch import render
from keywatch.config import Config
from keywatch.model import Call, Message, MessageKind, Outgoing, Rendered, Route, VerdictKind, World
from keywatch.read import Attempt, Item, Reader
from keywatch.render.entries import worst
from keywatch.store import Tx
from keywatch.wire import POISON

CODE = "$CODE$"
"""Stands for the message's code in bodies that were made before the code was."""
UNKNOWN_TRIES = 8
"""After so many tries with an unknown end the text itself is suspected."""
LAST_DAY = timedelta(hours=24)

log = logging.getLogger("keywatch")


def outgoing(
    config: Config, message: Message, route: Route, items: Sequence[Item], world: World, reader: Reader, now: datetime
) -> Outgoing:
    """All a notifier needs for the next try of a claimed message. Never raises for what is to be said."""
    thread, replies = "", config.inbox is not None and bool(route.mail)
    if message.kind is MessageKind.NOTICE:
        thread = f"<episode-{items[0].episode.id}-{reader.meta('store_uuid')}@{domain(config)}>"
    if poisoned(reader.attempts(message.id)):
        rendered = _plain(message, route, items, world, now, replies)
    else:
        try:
            rendered = _worded(message, route, items, world, now, replies)
        except Exception as problem:  # noqa: BLE001  # a poisoned text must not keep a notice from its reader
            log.warning("message.poisoned message=%s problem=%s", message.id, type(problem).__name__)
            rendered = _plain(message, route, items, world, now, replies)
    return Outgoing(rendered, message.message_id, message.token, route.mail, thread, now)


def poisoned(attempts: Iterable[Attempt]) -> int:
    """How often a message failed by its own text: by a notifier that could not send it, or without any known end."""
    ended = [one.verdict for one in attempts if one.verdict]
    unknown = sum(verdict.kind is VerdictKind.UNKNOWN and verdict.code != POISON for verdict in ended)
    return sum(verdict.code == POISON for verdict in ended) + unknown // UNKNOWN_TRIES


def tell_last_resort(
    tx: Tx, config: Config, message: Message, items: Sequence[Item], world: World, now: datetime
) -> None:
    """A notice that could not be put into words: the last resort hears of it, once, in the plainest ones."""
    names = ", ".join(item.credential.name for item in items)
    subject = f"keywatch could not tell {message.person or message.route} of {names}"
    lines = [f"A message by {message.route} cannot be sent as it is. It speaks of:", ""]
    lines += [*map(_line, items), "", "Tell them. What became of it: keywatch why NAME", ""]
    body = json.dumps({"subject": subject, "text": "\n".join(lines)})
    for name in world.last_resort:
        if name != message.route and name in world.routes:
            key, person = f"poison|{message.id}|{name}", world.routes[name].person
            tx.enqueue(MessageKind.FINDING, key, name, person, body, now, domain(config))


def in_the_last_day(items: Iterable[Item], now: datetime) -> bool:
    """Whether anything a message speaks of expires within a day, or has."""
    dates = [item.credential.expires_at for item in items]
    return any(date is not None and date - now <= LAST_DAY for date in dates)


def domain(config: Config) -> str:
    """The right side of our Message-IDs: the sender's."""
    address = parseaddr(config.mail.sender)[1] if config.mail else ""
    return address.rpartition("@")[2] or "keywatch.invalid"


def letter(
    message: Message, route: Route, items: Sequence[Item], world: World, now: datetime, replies: bool = False
) -> render.Letter:
    """The facts of one message: who the reader is to it, how to take it, and one entry a credential.

    With `replies` somebody reads what is answered by mail.
    """
    entries = worst([render.entry(item, _call(item).told, world, now, route.name) for item in items])
    asks = any(entry.asks for entry in entries)
    take = _take(message, route) if asks else ""
    return render.Letter(_greeting(route, items, world), take, entries, replies=replies and asks)


def _worded(
    message: Message, route: Route, items: Sequence[Item], world: World, now: datetime, replies: bool
) -> Rendered:
    if message.kind is MessageKind.NOTICE:
        return render.letter(letter(message, route, items, world, now, replies))
    texts = {key: value.replace(CODE, message.code) for key, value in json.loads(message.body).items()}
    return Rendered(texts["subject"], texts["text"], texts.get("html", ""))


def _plain(
    message: Message, route: Route, items: Sequence[Item], world: World, now: datetime, replies: bool
) -> Rendered:
    """The built-in text; where the facts themselves cannot be worked out, names, dates and the code."""
    try:
        return render.plain(letter(message, route, items, world, now, replies))
    except Exception as problem:  # noqa: BLE001  # whatever it is, somebody must hear of these
        log.warning("message.bare message=%s problem=%s", message.id, type(problem).__name__)
    names = ", ".join(item.credential.name for item in items)
    subject = f"keywatch: look at {names}" if names else f"keywatch: a {message.kind.value} that could not be worded"
    lines = [_line(item) for item in items]
    return Rendered(subject, "\n".join([*lines, "", _take(message, route) if items else "keywatch status", ""]))


def _line(item: Item) -> str:
    date = item.credential.expires_at
    return f"{item.credential.name}: {f'expires {date:%Y-%m-%d %H:%M} UTC' if date else 'no date'}"


def _call(item: Item) -> Call:
    return next(call for call in item.episode.calls if call.stage == item.stage)


def _greeting(route: Route, items: Sequence[Item], world: World) -> str:
    count = f"{len(items)} credentials need you." if len(items) > 1 else "One credential needs you."
    person = world.people.get(route.person)
    if route.shared or person is None:
        return f"To whoever reads {route.name}: {count[0].lower()}{count[1:]}"
    why = items[0].why  # a role, or a clause of its own: "you promised it until 9 Dec"
    return f"{person.name}, {why if why.startswith('you ') else f'you are {why}'}. {count}"


def _take(message: Message, route: Route) -> str:
    return f"keywatch ack {message.code}" + (" --by YOUR-NAME" if not route.person else "")

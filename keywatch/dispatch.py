"""Sends what is owed: claim one message, try it, settle it. A kill at any instant loses nothing.

No transaction is open while the network is; the attempt is in the store before the first byte goes out.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keywatch import outlook, wording
from keywatch.config import Config
from keywatch.model import (
    Blame,
    Event,
    Evidence,
    EvidenceKind,
    Message,
    MessageKind,
    Outgoing,
    Route,
    Verdict,
    VerdictKind,
    World,
)
from keywatch.policy.audience import alive
from keywatch.policy.health import doubted, transport_failed
from keywatch.policy.retry import FIRST, pause
from keywatch.read import Item
from keywatch.store import Store, Tx, owner_name
from keywatch.wire import Wire

LEASE = timedelta(minutes=3)
"""Several times what one attempt may take; a claim whose process is dead is free at once anyway."""
TICK = timedelta(microseconds=1)
"""What takes a refusal back is later than it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt of this run, as `check` reports it."""

    message: Message
    verdict: Verdict
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One message a run would send now."""

    message: Message
    route: Route
    items: tuple[Item, ...] = ()


def foreseen(tx: Tx, world: World, now: datetime) -> list[Foreseen]:
    """What would be sent now. It claims every message to find out: the caller must roll the transaction back."""
    found = []
    while (claimed := tx.claim(now, LEASE, "dry-run")) is not None:
        message, items = claimed[0], tuple(tx.read.items(claimed[0].id, now))
        route = world.routes.get(message.route)
        if route is not None and (items or message.kind is not MessageKind.NOTICE):
            found.append(Foreseen(message, route, items))
    return found


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, as the judgement on its transport needs it."""

    message_id: int
    route: Route
    kind: VerdictKind
    refused: bool
    """By the route, which no transport was blamed for lately."""


@dataclass(slots=True)
class Dispatcher:
    """Sends messages for one run; notifiers and their connections are opened when first needed."""

    store: Store
    config: Config
    clock: Callable[[], datetime]
    retry_in_run: timedelta | None = None
    """Runs are far apart: a deferred message is tried once more in this run, after this pause."""
    owner: str = field(default_factory=owner_name)
    wire: Wire = field(init=False)
    _tried: list[Tried] = field(default_factory=list)
    _broken: set[str] = field(default_factory=set)
    """Transports that refuse nearly everybody in this run: what they say blames no route."""

    def __post_init__(self) -> None:
        self.wire = Wire(self.config)

    def __enter__(self) -> "Dispatcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.__exit__()

    def run(self, world: World) -> list[Sent]:
        """Send what is due, up to the first refusal of a route: what is planned after it knows of it."""
        sent: list[Sent] = []
        while (one := self.next(world)) is not None:
            sent.append(one)
            if one.verdict.kind is VerdictKind.REFUSED and one.verdict.blame is Blame.ROUTE:
                break
        return sent

    def next(self, world: World) -> Sent | None:
        """Claim, try and settle one message; None when nothing is due."""
        claimed = self._claim(world)
        if claimed is None:
            return None
        message, n, route, items, outgoing = claimed
        sys.audit("keywatch.message.sending", message.id, n)
        verdict = self.wire.send(route, outgoing)
        sys.audit("keywatch.message.sent", message.id, n, verdict.kind.value)
        verdict = self._settle(message, n, route, verdict, items, world)
        sys.audit("keywatch.message.settled", message.id, n)
        return Sent(message, verdict, items)

    def _claim(self, world: World) -> tuple[Message, int, Route, tuple[Item, ...], Outgoing] | None:
        """The next message that is still owed, in words; what is not owed any more is dropped on the way."""
        while True:
            now = self.clock()
            with self.store.write() as tx:
                if (claimed := tx.claim(now, LEASE, self.owner)) is None:
                    return None
                message, n = claimed
                items = tuple(tx.read.items(message.id, now))
                route = world.routes.get(message.route)
                if route is not None and self._owed(tx, message, items, world):
                    outgoing = wording.outgoing(self.config, message, route, items, world, tx.read, now)
                    tx.addressed(message.id, outlook.address_hash(tx.read.meta("key"), route, self.config.base))
                    return message, n, route, items, outgoing
            with self.store.write(plan=True) as tx:  # apart from the claim: locks are taken in one order everywhere
                tx.abandon(message.id, n, self.owner, now)

    @staticmethod
    def _owed(tx: Tx, message: Message, items: Sequence[Item], world: World) -> bool:
        """Whether a claimed message is still to go out: dead routes are only tested, what was mended is not said."""
        if message.kind is MessageKind.TEST:
            return True
        about = json.loads(message.body).get("about", "") if message.kind is MessageKind.FINDING else ""
        if about and not tx.read.subjects().keys() & set(about.split("\n")):
            return False
        return alive(message.route, world) and (bool(items) or message.kind is not MessageKind.NOTICE)

    # ------------------------------------------------------------- the books

    def _settle(
        self, message: Message, n: int, route: Route, verdict: Verdict, items: Sequence[Item], world: World
    ) -> Verdict:
        """Write down what became of an attempt; returns it as it is believed."""
        now = self.clock()
        with self.store.write() as tx:
            believed = self._believed(tx, route, now)
            if self._is_refusal(verdict) and route.transport in self._broken and not believed:
                verdict = replace(verdict, blame=Blame.TRANSPORT)
            again = now + self._pause(n, verdict, items, world, now)
            if not tx.settle(message.id, n, self.owner, verdict, now, again):
                return verdict
            if kind := _proof_against(verdict):
                self._note(tx, route, Evidence(now, route.name, kind, _source(route), verdict.code, verdict.text))
            refused = self._is_refusal(verdict) and not believed
            self._tried.append(Tried(message.id, route, verdict.kind, refused))
            self._break(tx, route.transport, now)
            failed = wording.poisoned(tx.read.attempts(message.id)) if items else 0
            if failed > 1 or (failed and wording.in_the_last_day(items, now)):
                wording.tell_last_resort(tx, self.config, message, items, world, now)
        return verdict

    def _note(self, tx: Tx, route: Route, row: Evidence) -> None:
        at = outlook.address_hash(tx.read.meta("key"), route, self.config.base)
        tx.add_evidence(replace(row, person=route.person), at)

    def _break(self, tx: Tx, transport: str, now: datetime) -> None:
        """Where most of a transport's routes refuse in one run it is to blame: they live, and are tried again."""
        mine = [one for one in self._tried if one.route.transport == transport]
        refused = {one.route.name: one for one in mine if one.refused}
        accepted = {one.route.name for one in mine if one.kind is VerdictKind.ACCEPTED}
        if transport in self._broken or not transport_failed(len(refused), len(accepted)):
            return
        words = f"{len(refused)} routes of one transport refused at once"
        for one in (one for one in mine if one.refused):
            row = Evidence(now + TICK, one.route.name, EvidenceKind.EXONERATED, _source(one.route), detail=words)
            self._note(tx, one.route, row)
            tx.reopen(one.message_id, now + FIRST, now)
        self._broken.add(transport)
        words = f"{words} ({transport}): it is to blame, not they"
        tx.add_event(Event(now, "transport", "transport", "keywatch", words))

    @staticmethod
    def _is_refusal(verdict: Verdict) -> bool:
        return verdict.kind is VerdictKind.REFUSED and verdict.blame is Blame.ROUTE

    def _believed(self, tx: Tx, route: Route, now: datetime) -> bool:
        """Whether a refusal of this route is its own, whatever others say: it refused a day ago or more already."""
        at = outlook.address_hash(tx.read.meta("key"), route, self.config.base)
        return doubted(tx.read.evidence({route.name: at})[route.name], now)

    def _pause(self, n: int, verdict: Verdict, items: Sequence[Item], world: World, now: datetime) -> timedelta:
        """Until the next try: once within this run where runs are far apart, else ever longer."""
        if n == 1 and self.retry_in_run is not None and verdict.blame is not Blame.SENDER:
            return self.retry_in_run
        return pause(now, n, [(item.credential, item.episode) for item in items], world)


def _source(route: Route) -> str:
    return "smtp" if route.mail else "apprise"


def _proof_against(verdict: Verdict) -> EvidenceKind | None:
    """What an answer says about the route itself; a blocked sender or a transport that is down says nothing."""
    if verdict.kind is VerdictKind.REFUSED and verdict.blame is Blame.ROUTE:
        return EvidenceKind.REFUSED
    return EvidenceKind.FULL if "5.2.2" in verdict.code else None

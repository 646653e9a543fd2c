"""One mail next to all that is known of the message it speaks of, and what came of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from keywatch import outlook
from keywatch.config import Config
from keywatch.inbox.reading import Kind, Reading
from keywatch.model import PROOFS, Evidence, EvidenceKind, Message, Person, Route, World
from keywatch.store import Tx


@dataclass(frozen=True, slots=True)
class Done:
    """What one mail did."""

    kind: Kind
    what: str
    """A sentence without addresses and without anything the mail says."""
    news: bool = False
    """Whoever reads cron mails must know it."""
    who: str = ""
    """The person who answered."""
    acted: bool = False
    """It wrote evidence or a promise."""


@dataclass(frozen=True, slots=True)
class Case:
    """One mail that may be about a message of ours."""

    tx: Tx
    config: Config
    world: World
    reading: Reading
    message: Message | None
    """The one it names by envelope token, envelope id or Message-ID."""
    now: datetime

    @property
    def key(self) -> str:
        """What it is remembered by. Not its Message-ID alone: some mail servers write the same into all bounces."""
        said = (self.reading.own_id, self.reading.kind.value, self.reading.code, str(self.message and self.message.id))
        return f"mail:{hashlib.sha256('|'.join(said).encode('utf-8', 'replace')).hexdigest()[:32]}"

    @property
    def codes(self) -> dict[str, Message]:
        """The messages whose codes it names; what is no code of ours is left out."""
        found = {code: self.tx.read.message_by_code(code) for code in self.reading.code_words}
        return {code: message for code, message in found.items() if message}

    @property
    def route(self) -> Route | None:
        """The route its message went to, while the config has it."""
        return self.world.routes.get(self.message.route) if self.message else None

    @property
    def by_token(self) -> bool:
        """Whether it came to the address that stood in that message's envelope alone."""
        return self.message is not None and self.reading.token == self.message.token

    @property
    def from_route(self) -> bool:
        """Whether its sender is the very address that the route leads to."""
        return self.route is not None and bool(self.route.mail) and self.route.mail.casefold() == self.reading.sender

    @property
    def giver(self) -> Person | None:
        """The one person whose address its sender is."""
        people, sender = self.world.people, self.reading.sender
        keys = {person.key for person in people.values() if person.mail and person.mail.casefold() == sender}
        own = [route for route in self.world.routes.values() if not route.shared]
        keys |= {route.person for route in own if route.mail.casefold() == sender}
        known = [people[key] for key in keys if key in people]
        return known[0] if sender and len(known) == 1 else None

    @property
    def shared(self) -> bool:
        """Whether several people may be behind the route."""
        return self.route is not None and self.route.shared

    def sent_at(self) -> datetime:
        """When the message last went out."""
        assert self.message is not None
        tries = self.tx.read.attempts(self.message.id)
        return max((one.started_at for one in tries), default=self.message.created_at)

    def add(self, kind: EvidenceKind, detail: str, person: str | None = None, until: datetime | None = None) -> None:
        """Write evidence about the address that the message went to; None: it is about whose route it is."""
        assert self.message is not None
        assert self.route is not None
        present = outlook.address_hash(self.tx.read.meta("key"), self.route, self.config.base)
        code = "" if kind in PROOFS else self.reading.code
        who = self.route.person if person is None else person
        row = Evidence(self.now, self.route.name, kind, "inbox", code, detail, who, until)
        self.tx.add_evidence(row, self.message.address_hash or present)

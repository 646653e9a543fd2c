"""Making messages with names that never change, and taking back what is not sent yet."""

import base64
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, select, update

from keywatch.model import MessageKind, MessageState
from keywatch.store.tables import EPISODE, MESSAGE, NOTICE
from keywatch.store.writing import Writing

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No I, L, O, U, 0 or 1: a code is read out on the phone."""


class Mint(Writing):
    """New messages, and superseded ones."""

    def enqueue(
        self, kind: MessageKind, key: str, route: str, person: str, body: str, now: datetime, domain: str
    ) -> int | None:
        """Make a digest, a finding or a test. Returns its id; None if a message of that key was made before."""
        return self.mint(kind, key, "", route, person, body, now, domain)

    def mint(
        self, kind: MessageKind, key: str, slot: str, route: str, person: str, body: str, now: datetime, domain: str
    ) -> int | None:
        """Write a message row with its token, Message-ID and code; None if the key is taken."""
        taken = select(MESSAGE.c.id).where(MESSAGE.c.key == key)
        while self.connection.execute(taken).scalar_one_or_none() is None:
            token = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
            made = self.insert(MESSAGE).values(
                kind=kind,
                key=key,
                slot=slot,
                route=route,
                person=person,
                state=MessageState.PENDING,
                token=token,
                message_id=f"<{token}@{domain}>",
                code="".join(secrets.choice(CODE_LETTERS) for _ in range(5)),
                created_at=now,
                tries=0,
                next_at=now,
                lease_owner="",
                frozen=False,
                body=body,
                address_hash="",
            )
            written = self.connection.execute(made.on_conflict_do_nothing().returning(MESSAGE.c.id))
            if (message := written.scalar_one_or_none()) is not None:
                return int(message)
        return None

    def supersede(self, now: datetime, which: ColumnElement[bool]) -> None:
        """Take back those of these notices that wait to be sent, and messages that are then left with nothing."""
        waiting = select(MESSAGE.c.id).where(MESSAGE.c.state == MessageState.PENDING)
        unsent = which & NOTICE.c.superseded_at.is_(None) & NOTICE.c.message_id.in_(waiting)
        taken = self.connection.execute(
            update(NOTICE).where(unsent).values(superseded_at=now).returning(NOTICE.c.message_id)
        )
        self.drop_empty(set(taken.scalars()))

    def drop_empty(self, messages: set[Any]) -> None:
        """Supersede pending notice messages without a live notice."""
        live = exists().where(NOTICE.c.message_id == MESSAGE.c.id, NOTICE.c.superseded_at.is_(None))
        if messages:
            self.connection.execute(
                update(MESSAGE)
                .where(
                    MESSAGE.c.id.in_(messages),
                    MESSAGE.c.kind == MessageKind.NOTICE,
                    MESSAGE.c.state == MessageState.PENDING,
                    ~live,
                )
                .values(state=MessageState.SUPERSEDED, next_at=None)
            )

    def drop_passed(self, now: datetime, message_id: int) -> None:
        """Take back the notices of a pending message that were overtaken while it was on the wire.

        Their episode has ended, or a tighter stage of it was planned on the same route.
        """
        ended = NOTICE.c.episode_id.in_(select(EPISODE.c.id).where(EPISODE.c.ended_at.is_not(None)))
        later = NOTICE.alias("later")
        same = (later.c.episode_id == NOTICE.c.episode_id) & (later.c.route == NOTICE.c.route)
        overtaken = exists().where(same, later.c.id > NOTICE.c.id)
        self.supersede(now, (NOTICE.c.message_id == message_id) & (ended | overtaken))

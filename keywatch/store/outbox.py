"""The outbox: claim one message, settle it. The attempt is written before the send, so a kill loses nothing."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select, update

from keywatch.model import Blame, Message, MessageKind, MessageState, Verdict, VerdictKind
from keywatch.read import text_of
from keywatch.store.lease import is_gone
from keywatch.store.mint import Mint
from keywatch.store.tables import ATTEMPT, EPISODE, MESSAGE, NOTICE

WORDS_OF_OTHERS = 500
"""How many characters of another server's answer are kept."""


class Outbox(Mint):
    """Claiming and settling."""

    def claim(self, now: datetime, lease: timedelta, owner: str) -> tuple[Message, int] | None:
        """Take the message that waits longest, notices before digests, with the number of this attempt; None: nothing.

        From here the message is frozen. What a dead process held is free at once, what another one holds when its
        lease ends; its open attempt then counts as unknown.
        """
        clock = self.read.shared_clock(now)
        self._recover(now, clock)
        first = (
            select(MESSAGE.c.id)
            .where(MESSAGE.c.state == MessageState.PENDING, MESSAGE.c.next_at <= now)
            .order_by(case((MESSAGE.c.kind == MessageKind.NOTICE, 0), else_=1), MESSAGE.c.next_at, MESSAGE.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = self.connection.execute(
            update(MESSAGE)
            .where(MESSAGE.c.id == first.scalar_subquery())
            .values(
                state=MessageState.LEASED,
                frozen=True,
                tries=MESSAGE.c.tries + 1,
                lease_owner=owner,
                lease_until=clock + lease,
            )
            .returning(MESSAGE.c.id, MESSAGE.c.tries)
        ).one_or_none()
        if taken is None:
            return None
        self.connection.execute(
            self.insert(ATTEMPT).values(
                message_id=taken.id, n=taken.tries, started_at=now, verdict="", blame="", code="", text=""
            )
        )
        message = self.read.message(taken.id)
        assert message is not None
        return message, int(taken.tries)

    def addressed(self, message_id: int, address_hash: str) -> None:
        """Note where a claimed message goes, before it goes."""
        self.connection.execute(update(MESSAGE).where(MESSAGE.c.id == message_id).values(address_hash=address_hash))

    def _recover(self, now: datetime, clock: datetime) -> None:
        """Put back what nobody holds any more. Leases go by `clock`, everything else by `now`."""
        columns = (MESSAGE.c.id, MESSAGE.c.tries, MESSAGE.c.lease_owner, MESSAGE.c.lease_until, MESSAGE.c.next_at)
        held = select(*columns).where(MESSAGE.c.state == MessageState.LEASED)
        seen = self.connection.execute(held).all()
        # Only what is free is locked: whoever settles a live one waits for its row with the planning lock in hand.
        free = [one.id for one in seen if _is_free(one, clock)]
        if free:
            taken = held.where(MESSAGE.c.id.in_(free)).with_for_update(skip_locked=True)
            for message in self.connection.execute(taken).all():
                if _is_free(message, clock):  # nobody took it meanwhile
                    unknown = Verdict(VerdictKind.UNKNOWN, text="the run that sent it ended before it was settled")
                    self._close_attempt(message.id, message.tries, unknown, now)
                    self._put_back(message.id, message.next_at, now)

    def settle(
        self, message_id: int, n: int, owner: str, verdict: Verdict, now: datetime, next_at: datetime | None = None
    ) -> bool:
        """Write down what became of attempt `n`. `next_at`: when to try again unless it is accepted or refused.

        Returns False when the lease was lost meanwhile: then nothing is written.

        Raises:
            ValueError: it is to be tried again, and `next_at` does not say when.
        """
        refused = verdict.kind is VerdictKind.REFUSED and verdict.blame is Blame.ROUTE
        again = verdict.kind is not VerdictKind.ACCEPTED and not refused
        if again and next_at is None:
            raise ValueError("a message that is to be tried again needs the instant of its next try")
        self.take_turns()
        if not self._still_held(message_id, n, owner):
            return False
        self._close_attempt(message_id, n, verdict, now)
        if again:
            assert next_at is not None
            self._put_back(message_id, next_at, now)
        else:
            self._finish(message_id, now if verdict.kind is VerdictKind.ACCEPTED else None)
        self._look_again(message_id, now)
        return True

    def reopen(self, message_id: int, next_at: datetime, now: datetime) -> None:
        """A refused message is owed again: its transport was to blame. Until it is accepted it covers nothing."""
        refused = (MESSAGE.c.id == message_id) & (MESSAGE.c.state == MessageState.REFUSED)
        opened = update(MESSAGE).where(refused).values(state=MessageState.PENDING, next_at=next_at)
        if self.connection.execute(opened.returning(MESSAGE.c.id)).first() is not None:
            last = select(func.max(ATTEMPT.c.n)).where(ATTEMPT.c.message_id == message_id).scalar_subquery()
            self.connection.execute(
                update(ATTEMPT)
                .where(ATTEMPT.c.message_id == message_id, ATTEMPT.c.n == last)
                .values(blame=Blame.TRANSPORT)
            )
            self.drop_passed(now, message_id)
            self._look_again(message_id, now)

    def came_back(self, message_id: int, now: datetime) -> None:
        """An accepted message bounced: its acceptance counts no more, whoever is to blame; the rules look again."""
        accepted = (MESSAGE.c.id == message_id) & (MESSAGE.c.state == MessageState.ACCEPTED)
        undone = update(MESSAGE).where(accepted).values(state=MessageState.REFUSED, accepted_at=None)
        if self.connection.execute(undone.returning(MESSAGE.c.id)).first() is not None:
            spoken_of = select(NOTICE.c.episode_id).where(NOTICE.c.message_id == message_id)
            judged = EPISODE.c.id.in_(spoken_of) & EPISODE.c.ended_at.is_(None)
            self.connection.execute(update(EPISODE).where(judged).values(covered=""))
            self._look_again(message_id, now)
            self.set_meta("reach_at", text_of(now))

    def abandon(self, message_id: int, n: int, owner: str, now: datetime) -> None:
        """Drop a claimed message that is not owed any more, or whose route is gone; the rules look again."""
        self.take_turns()
        if not self._still_held(message_id, n, owner):
            return
        self._close_attempt(
            message_id, n, Verdict(VerdictKind.UNKNOWN, text="not owed any more; nothing was sent"), now
        )
        live = (NOTICE.c.message_id == message_id) & NOTICE.c.superseded_at.is_(None)
        self.connection.execute(update(NOTICE).where(live).values(superseded_at=now))
        self.connection.execute(
            update(MESSAGE)
            .where(MESSAGE.c.id == message_id)
            .values(state=MessageState.SUPERSEDED, next_at=None, lease_owner="", lease_until=None)
        )
        self._look_again(message_id, now)

    def _still_held(self, message_id: int, n: int, owner: str) -> bool:
        held = select(MESSAGE.c.id).where(
            MESSAGE.c.id == message_id,
            MESSAGE.c.state == MessageState.LEASED,
            MESSAGE.c.lease_owner == owner,
            MESSAGE.c.tries == n,
        )
        return self.connection.execute(held.with_for_update()).first() is not None

    def _close_attempt(self, message_id: int, n: int, verdict: Verdict, now: datetime) -> None:
        self.connection.execute(
            update(ATTEMPT)
            .where(ATTEMPT.c.message_id == message_id, ATTEMPT.c.n == n, ATTEMPT.c.ended_at.is_(None))
            .values(
                ended_at=now,
                verdict=verdict.kind,
                blame=verdict.blame,
                code=verdict.code,
                text=" ".join(verdict.text.split())[:WORDS_OF_OTHERS],
            )
        )

    def _put_back(self, message_id: int, next_at: datetime, now: datetime) -> None:
        """To be tried again, unless all it speaks of is over."""
        self.connection.execute(
            update(MESSAGE)
            .where(MESSAGE.c.id == message_id)
            .values(state=MessageState.PENDING, next_at=next_at, lease_owner="", lease_until=None)
        )
        self.drop_passed(now, message_id)

    def _finish(self, message_id: int, accepted_at: datetime | None) -> None:
        """Accepted: the climb clock of the episodes it asks about starts. Otherwise refused."""
        state = MessageState.ACCEPTED if accepted_at else MessageState.REFUSED
        self.connection.execute(
            update(MESSAGE)
            .where(MESSAGE.c.id == message_id)
            .values(state=state, accepted_at=accepted_at, next_at=None, lease_owner="", lease_until=None)
        )
        if accepted_at:
            asked = select(NOTICE.c.episode_id).where(
                NOTICE.c.message_id == message_id, NOTICE.c.asks.is_(True), NOTICE.c.superseded_at.is_(None)
            )
            clock = EPISODE.c.id.in_(asked) & EPISODE.c.told_at.is_(None) & EPISODE.c.ended_at.is_(None)
            self.connection.execute(update(EPISODE).where(clock).values(told_at=accepted_at))

    def _look_again(self, message_id: int, now: datetime) -> None:
        spoken_of = (
            select(EPISODE.c.credential_id)
            .join(NOTICE, NOTICE.c.episode_id == EPISODE.c.id)
            .where(NOTICE.c.message_id == message_id, EPISODE.c.ended_at.is_(None))
        )
        self.touch(now, self.connection.execute(spoken_of.distinct()).scalars().all())


def _is_free(message: Any, clock: datetime) -> bool:
    """Whether nobody holds a leased message any more: its lease has run out, or its holder is certainly dead."""
    return bool(message.lease_until <= clock or is_gone(message.lease_owner))

"""Episodes, acks, and writing a decision down so that applying it twice changes nothing."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects import sqlite

from keywatch.model import AckKind, Decision, Event, MessageKind, MessageState, Outcome, Planned
from keywatch.read import Subject, text_of
from keywatch.store.mint import Mint
from keywatch.store.tables import ACK, CREDENTIAL, EPISODE, FEED, MESSAGE, NOTICE

UNCOVERED = EPISODE.c.uncovered_since.type


class Planning(Mint):
    """What a plan writes."""

    def believe(self, now: datetime) -> None:
        """A clock was ahead and is right again: nothing of what it did at times that have not come may keep us silent.

        Stages it said are forgotten (their messages stay as history), promises given then are void, and everything is
        looked at, fetched and sent anew.
        """
        run = self.connection.execute
        open_ = select(EPISODE.c.id).where(EPISODE.c.ended_at.is_(None))
        early = NOTICE.c.episode_id.in_(open_) & (NOTICE.c.at > now)
        gone = run(delete(NOTICE).where(early).returning(NOTICE.c.message_id, NOTICE.c.episode_id)).all()
        self.drop_empty({one.message_id for one in gone if one.message_id is not None})
        again = EPISODE.c.id.in_({one.episode_id for one in gone})
        run(update(EPISODE).where(again).values(covered="", uncovered_since=None))
        run(update(EPISODE).where(EPISODE.c.id.in_(open_), EPISODE.c.told_at > now).values(told_at=None))
        run(update(EPISODE).where(EPISODE.c.id.in_(open_), EPISODE.c.opened_at > now).values(opened_at=now))
        run(update(ACK).where(ACK.c.at > now).values(at=now, void_at=now))
        run(update(MESSAGE).where(MESSAGE.c.state == MessageState.PENDING, MESSAGE.c.next_at > now).values(next_at=now))
        fetched = FEED.c.next_at.is_not(None)
        run(update(FEED).where(fetched).values(next_at=now, tried_at=None, lease_until=None, lease_owner=""))
        self.set_meta("reach_at", text_of(now))
        self.touch(now)

    def open_subject(self, subject: str, cause: str, now: datetime) -> Subject:
        """Open the episode of a route, a source or a roster; there must be none that is open."""
        made = self._episode(subject, now, deadline=now, version=cause)
        made_id = int(self.connection.execute(made.returning(EPISODE.c.id)).scalar_one())
        return Subject(made_id, subject, cause, now, 0, None)

    def open_episode(
        self,
        credential_id: int,
        deadline: datetime,
        version: str,
        opened_at: datetime,
        rung: int = 0,
        adopted_at: datetime | None = None,
        expired_when_seen: bool = False,
    ) -> int:
        """Open the episode of a credential; where one is open already, that one stays. Returns its id."""
        subject = f"credential:{credential_id}"
        made = self._episode(
            subject,
            opened_at,
            credential_id=credential_id,
            deadline=deadline,
            version=version,
            rung=rung,
            adopted_at=adopted_at,
            expired_when_seen=expired_when_seen,
        )
        self.connection.execute(made.on_conflict_do_nothing())
        found = select(EPISODE.c.id).where(EPISODE.c.subject == subject, EPISODE.c.ended_at.is_(None))
        return int(self.connection.execute(found).scalar_one())

    def _episode(self, subject: str, opened_at: datetime, **columns: Any) -> sqlite.Insert:
        """A row that begins an episode; of something that is no credential unless the columns say more."""
        blank = {"credential_id": None, "rung": 0, "expired_when_seen": False, "covered": "", "outcome": ""}
        return self.insert(EPISODE).values(subject=subject, opened_at=opened_at, ended_by="", **{**blank, **columns})

    def change_episode(self, episode_id: int, **columns: Any) -> None:
        """Set columns of an episode, such as `deadline`, `moved_at` or `version`."""
        self.connection.execute(update(EPISODE).where(EPISODE.c.id == episode_id).values(**columns))

    def end_episode(self, episode_id: int, outcome: Outcome, by: str, at: datetime) -> None:
        """End an episode, and take back what of it was not yet accepted and is not on the wire now."""
        self.connection.execute(
            update(EPISODE)
            .where(EPISODE.c.id == episode_id, EPISODE.c.ended_at.is_(None))
            .values(ended_at=at, outcome=outcome, ended_by=by)
        )
        self.supersede(at, NOTICE.c.episode_id == episode_id)

    def add_ack(
        self,
        episode_id: int,
        kind: AckKind,
        person: str,
        at: datetime,
        until: datetime,
        note: str = "",
        by: str = "",
        route: str = "",
        message_id: int | None = None,
    ) -> int:
        """Write a promise down; the climb clock stops and the rules look again. Returns its id."""
        made = self.insert(ACK).values(
            episode_id=episode_id,
            kind=kind,
            person=person,
            at=at,
            until=until,
            note=note,
            by=by,
            route=route,
            message_id=message_id,
        )
        ack = int(self.connection.execute(made.returning(ACK.c.id)).scalar_one())
        self.change_episode(episode_id, told_at=None)
        self.touch(at, self._credentials_of([episode_id]))
        return ack

    def void_ack(self, ack_id: int, at: datetime) -> None:
        """End a promise early; the rules look again."""
        self._void([ack_id], at)
        episodes = self.connection.execute(select(ACK.c.episode_id).where(ACK.c.id == ack_id)).scalars().all()
        self.touch(at, self._credentials_of(episodes))

    def apply(self, episode_id: int, decision: Decision, now: datetime, slot: str, domain: str) -> None:
        """Write down what the rules decided of one episode. A notice that exists already is left as it is.

        `slot` groups a route's notices into one message (a day of the owner); `domain` ends new Message-IDs.
        `decision.silent` is not written: only the caller knows the hashes `add_evidence` needs.
        """
        subject = self._subject(episode_id)
        passed = [stage for stage in decision.superseded if self._pass_over(episode_id, stage, now)]
        new = [p for p in decision.notices if self._notice(episode_id, decision, p, now, slot, domain)]
        self._follow_up(episode_id, decision, now)
        if passed:
            self.add_event(Event(now, "superseded", subject, text=", ".join(passed)))
        if new:
            told = ", ".join(f"{p.person or 'everybody'} by {p.route}" for p in new)
            data = {"stage": decision.stage, "rung": str(decision.rung), "routes": " ".join(p.route for p in new)}
            self.add_event(Event(now, "called", subject, text=f"{decision.stage} to {told}", data=data))

    def _subject(self, episode_id: int) -> str:
        found = select(CREDENTIAL.c.source, CREDENTIAL.c.ref).join(EPISODE).where(EPISODE.c.id == episode_id)
        source, ref = self.connection.execute(found).one()
        return f"{source}:{ref}"

    def _pass_over(self, episode_id: int, stage: str, now: datetime) -> bool:
        """Record a stage that nobody is told of, as a notice without a route."""
        said = exists().where(NOTICE.c.episode_id == episode_id, NOTICE.c.stage == stage)
        if self.connection.execute(select(said)).scalar_one():
            return False
        nobody = Planned(route="", person="", rung=0, why="", duty=False)
        return self._insert_notice(episode_id, stage, nobody, False, now) is not None

    def _notice(
        self, episode_id: int, decision: Decision, planned: Planned, now: datetime, slot: str, domain: str
    ) -> bool:
        notice = self._insert_notice(episode_id, decision.stage, planned, decision.asks, now)
        if notice is None:
            return False
        message = self._growing(planned.route, slot) or self._next_of_slot(planned, slot, now, domain)
        self.connection.execute(update(NOTICE).where(NOTICE.c.id == notice).values(message_id=message))
        wider = (NOTICE.c.episode_id == episode_id) & (NOTICE.c.route == planned.route) & (NOTICE.c.id != notice)
        self.supersede(now, wider & (NOTICE.c.stage != decision.stage))
        return True

    def _insert_notice(self, episode_id: int, stage: str, planned: Planned, asks: bool, now: datetime) -> int | None:
        made = self.insert(NOTICE).values(
            episode_id=episode_id,
            stage=stage,
            route=planned.route,
            rung=planned.rung,
            person=planned.person,
            why=planned.why,
            duty=planned.duty,
            asks=asks,
            at=now,
            superseded_at=None if planned.route else now,
        )
        made = made.on_conflict_do_nothing(index_elements=["episode_id", "stage", "route"])
        return self.connection.execute(made.returning(NOTICE.c.id)).scalar_one_or_none()

    def _growing(self, route: str, slot: str) -> int | None:
        """The route's message of this slot that may still grow; locked, so that nobody claims it half grown."""
        found = select(MESSAGE.c.id).where(
            MESSAGE.c.route == route,
            MESSAGE.c.slot == slot,
            MESSAGE.c.kind == MessageKind.NOTICE,
            MESSAGE.c.state == MessageState.PENDING,
            MESSAGE.c.frozen.is_(False),
        )
        return self.connection.execute(found.order_by(MESSAGE.c.id).limit(1).with_for_update()).scalar_one_or_none()

    def _next_of_slot(self, planned: Planned, slot: str, now: datetime, domain: str) -> int:
        same = select(func.count()).where(
            MESSAGE.c.route == planned.route, MESSAGE.c.slot == slot, MESSAGE.c.kind == MessageKind.NOTICE
        )
        n = self.connection.execute(same).scalar_one() + 1
        key = f"{planned.route}|{slot}|{n}"
        message = self.mint(MessageKind.NOTICE, key, slot, planned.route, planned.person, "", now, domain)
        if message is None:
            raise LookupError(f"the key of a message is taken: {key}")
        return message

    def _follow_up(self, episode_id: int, decision: Decision, now: datetime) -> None:
        """The rung (it never falls), the climb clock, cover, promises that end, and when to look again."""
        columns: dict[str, Any] = {
            "rung": case((EPISODE.c.rung < decision.rung, decision.rung), else_=EPISODE.c.rung),
            "uncovered_since": func.coalesce(EPISODE.c.uncovered_since, literal(now, UNCOVERED))
            if decision.uncovered
            else None,
        }
        if decision.climbed:
            columns["told_at"] = now
        if decision.covered:
            columns["covered"] = decision.covered
        self.change_episode(episode_id, **columns)
        self._void(decision.void, now)
        self.connection.execute(
            update(CREDENTIAL)
            .where(CREDENTIAL.c.id.in_(self._credentials_of([episode_id])))
            .values(next_at=decision.next_at)
        )

    def _void(self, acks: Collection[int], at: datetime) -> None:
        if acks:
            open_ones = ACK.c.id.in_(list(acks)) & or_(ACK.c.void_at.is_(None), ACK.c.void_at > at)
            self.connection.execute(update(ACK).where(open_ones).values(void_at=at))

    def _credentials_of(self, episodes: Collection[int]) -> list[int]:
        found = select(EPISODE.c.credential_id).where(EPISODE.c.id.in_(list(episodes)))
        return list(self.connection.execute(found).scalars())

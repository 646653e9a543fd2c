"""Reading episodes: the calls and acks the rules decide on, and how each notice stands."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from keywatch.model import Blame, Call, Episode, MessageState, Outcome, Standing, Told, VerdictKind
from keywatch.read.queries import Queries
from keywatch.read.rows import Ended, NoticeRow, Row, ack_of, columns, instant_of, verdict_of

_NOTICE = ", ".join(
    (
        columns("notice", "n"),
        "m.state, m.accepted_at",
        "(SELECT count(*) FROM attempt f WHERE f.message_id = n.message_id AND f.ended_at IS NOT NULL) AS finished",
        "l.verdict AS last_verdict, l.blame AS last_blame, l.code AS last_code, l.text AS last_text",
    )
)
_NOTICES = """FROM notice n LEFT JOIN message m ON m.id = n.message_id
LEFT JOIN attempt l ON l.message_id = n.message_id AND l.n = (SELECT max(x.n) FROM attempt x
    WHERE x.message_id = n.message_id AND x.ended_at IS NOT NULL)
WHERE """
_MAY_PASS = (VerdictKind.DEFERRED, VerdictKind.UNREACHABLE, VerdictKind.UNKNOWN)


class Episodes(Queries):
    """What is known of episodes, open and ended."""

    def episodes(self, credential_ids: Collection[int]) -> dict[int, Episode]:
        """The open episodes by credential, in three queries whatever the count."""
        condition, value = self.among("e.credential_id", credential_ids)
        rows = self.rows(
            columns("episode", "e"), f"FROM episode e WHERE e.ended_at IS NULL AND {condition} ORDER BY e.id", [value]
        )
        built = self.assembled(rows)
        return {row["credential_id"]: built[row["id"]] for row in rows}

    def last_episodes(self, credential_id: int) -> list[Ended]:
        """The ended episodes of a credential, the latest first."""
        rows = self.rows(
            columns("episode", "e"),
            "FROM episode e WHERE e.credential_id = ? AND e.ended_at IS NOT NULL ORDER BY e.ended_at DESC, e.id DESC",
            [credential_id],
        )
        built = self.assembled(rows)
        return [
            Ended(built[row["id"]], instant_of(row["ended_at"]), Outcome(row["outcome"]), row["ended_by"])
            for row in rows
        ]

    def told(self, episode_id: int) -> list[NoticeRow]:
        """Every notice of an episode, oldest first, with what became of it."""
        rows = self.rows(_NOTICE, f"{_NOTICES} n.episode_id = ? AND n.route <> '' ORDER BY n.id", [episode_id])
        return [
            NoticeRow(
                stage=row["stage"],
                at=instant_of(row["at"]),
                asks=bool(row["asks"]),
                told=_told(row),
                why=row["why"],
                message=row["message_id"],
                verdict=verdict_of(row["last_verdict"], row["last_blame"], row["last_code"], row["last_text"]),
            )
            for row in rows
        ]

    def answered_by(self, episode_id: int) -> dict[int, str]:
        """By promise of an episode (its id): the route whose message it answered; "" = it was given by name."""
        rows = self.rows("a.id, a.route", "FROM ack a WHERE a.episode_id = ?", [episode_id])
        return {row["id"]: row["route"] for row in rows}

    def assembled(self, rows: Collection[Row]) -> dict[int, Episode]:
        """Episodes by id from their rows, with calls and acks."""
        condition, value = self.among("n.episode_id", [row["id"] for row in rows])
        calls = _calls(self.rows(_NOTICE, f"{_NOTICES} {condition} ORDER BY n.id", [value]))
        condition, value = self.among("a.episode_id", [row["id"] for row in rows])
        acks = defaultdict(list)
        for row in self.rows(columns("ack", "a"), f"FROM ack a WHERE {condition} ORDER BY a.at, a.id", [value]):
            acks[row["episode_id"]].append(ack_of(row))
        return {
            row["id"]: Episode(
                id=row["id"],
                opened_at=instant_of(row["opened_at"]),
                deadline=instant_of(row["deadline"]),
                version=row["version"],
                rung=row["rung"],
                told_at=instant_of(row["told_at"]),
                adopted_at=instant_of(row["adopted_at"]),
                expired_when_seen=bool(row["expired_when_seen"]),
                moved_at=instant_of(row["moved_at"]),
                uncovered_since=instant_of(row["uncovered_since"]),
                covered=row["covered"],
                calls=calls.get(row["id"], ()),
                acks=tuple(acks[row["id"]]),
            )
            for row in rows
        }


def _calls(notices: list[Row]) -> Mapping[int, tuple[Call, ...]]:
    """Notices (oldest first) as calls. A stage that was recorded but never said is a call that told nobody."""
    by_stage: dict[tuple[int, str], list[Row]] = {}
    for row in notices:
        by_stage.setdefault((row["episode_id"], row["stage"]), []).append(row)
    calls: dict[int, list[Call]] = defaultdict(list)
    for (episode_id, stage), rows in by_stage.items():
        at: datetime = min(instant_of(row["at"]) for row in rows)
        told = tuple(_told(row) for row in rows if row["route"])
        calls[episode_id].append(Call(stage, at, any(row["asks"] for row in rows), told))
    return {episode_id: tuple(found) for episode_id, found in calls.items()}


def _told(row: Row) -> Told:
    return Told(
        route=row["route"],
        person=row["person"],
        rung=row["rung"],
        standing=standing_of(
            row["state"], bool(row["superseded_at"]), row["finished"], row["last_verdict"], row["last_blame"]
        ),
        accepted_at=instant_of(row["accepted_at"]),
        duty=bool(row["duty"]),
    )


def standing_of(state: str | None, superseded: bool, finished: int, verdict: str | None, blame: str | None) -> Standing:
    """How a notice stands: from its message's state, its finished attempts and the verdict of the last one."""
    if superseded or state == MessageState.SUPERSEDED:
        return Standing.SUPERSEDED
    if state == MessageState.ACCEPTED:
        return Standing.ACCEPTED
    if state == MessageState.REFUSED:
        return Standing.FAILED
    if finished == 0:
        return Standing.PENDING
    waiting = finished == 1 and verdict in _MAY_PASS and blame != Blame.SENDER
    return Standing.WAITING if waiting else Standing.FAILED

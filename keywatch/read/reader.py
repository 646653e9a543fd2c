"""The reader itself: messages, evidence, events and feeds beside credentials and episodes, and "is anything due?"."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from keywatch.clock import LEAP, SKEW
from keywatch.model import PRODUCTION, Credential, Event, Evidence, Message, MessageKind, MessageState
from keywatch.read.credentials import Credentials
from keywatch.read.episodes import Episodes
from keywatch.read.opening import connect, path_of, place_of, verify
from keywatch.read.rows import (
    Asked,
    Attempt,
    Counts,
    FeedRow,
    Item,
    Subject,
    columns,
    event_of,
    evidence_of,
    feed_of,
    instant_of,
    message_of,
    text_of,
    verdict_of,
)

_DUE = """CASE WHEN
   EXISTS (SELECT 1 FROM feed WHERE next_at <= ?)
OR EXISTS (SELECT 1 FROM credential WHERE next_at <= ? AND retired_at IS NULL)
OR EXISTS (SELECT 1 FROM message WHERE state IN ('pending', 'leased') AND (next_at <= ? OR lease_until <= ?))
OR EXISTS (SELECT 1 FROM meta WHERE name = 'reach_at' AND value <= ?)
THEN 1 ELSE 0 END AS due"""


class Reader(Credentials, Episodes):
    """Every question keywatch asks its store. Each answer is a frozen value; every instant is aware UTC."""

    known: dict[str, str] | None = None
    """The values of `meta`, where they were read at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self, name: str, default: str = "") -> str:
        """One value about the store itself."""
        if self.known is not None:
            return self.known.get(name, default)
        rows = self.rows("value", "FROM meta WHERE name = ?", [name])
        return str(rows[0]["value"]) if rows else default

    def shared_clock(self, now: datetime) -> datetime:
        """The time that all hosts of a store agree on: the database server's; in a file or a rehearsal it is `now`."""
        if self.dialect != "postgresql" or self.meta("rehearsal") == "1":
            return now
        return instant_of(self.rows("clock_timestamp() AS now", "")[0]["now"]) or now

    def clock_marks(self) -> tuple[timedelta, datetime | None]:
        """How far runs were put ahead of the clock, and the latest time that any of them reached."""
        return timedelta(seconds=float(self.meta("clock_ahead") or 0)), instant_of(self.meta("high_water") or None)

    def remember(self) -> None:
        """Read all values at once and answer from them, for one transaction; its writer tells of changes."""
        self.known = {row["name"]: str(row["value"]) for row in self.rows("name, value", "FROM meta")}

    def evidence(self, routes: Mapping[str, str]) -> dict[str, tuple[Evidence, ...]]:
        """The evidence about each route at its present address (route → keyed hash), oldest first."""
        found = self.testimony(routes)
        return {route: tuple(row for at, row in found[route] if at == address) for route, address in routes.items()}

    def testimony(self, routes: Collection[str]) -> dict[str, list[tuple[str, Evidence]]]:
        """All evidence about each route, with the keyed hash of the address it led to then, oldest first."""
        condition, value = self.among("v.route", routes)
        rest = f"FROM evidence v WHERE {condition} ORDER BY v.at, v.id"
        found: dict[str, list[tuple[str, Evidence]]] = {route: [] for route in routes}
        for row in self.rows(columns("evidence", "v"), rest, [value]):
            found[row["route"]].append((row["address_hash"], evidence_of(row)))
        return found

    # ----------------------------------------------------------------- feeds

    def feed(self, kind: str, name: str, target: str = "") -> FeedRow | None:
        """What was last fetched from a source, a roster target or an inbox."""
        rows = self.rows(
            columns("feed", "f"), "FROM feed f WHERE f.kind = ? AND f.name = ? AND f.target = ?", [kind, name, target]
        )
        return feed_of(rows[0]) if rows else None

    def feeds(self) -> list[FeedRow]:
        """Every feed."""
        rows = self.rows(columns("feed", "f"), "FROM feed f ORDER BY f.kind, f.name, f.target")
        return [feed_of(row) for row in rows]

    def subjects(self) -> dict[str, Subject]:
        """The open episodes of routes, sources and rosters, by subject (`route:NAME`)."""
        rows = self.rows(
            "e.id, e.subject, e.version, e.opened_at, e.rung, e.told_at",
            "FROM episode e WHERE e.credential_id IS NULL AND e.ended_at IS NULL ORDER BY e.id",
        )
        return {
            row["subject"]: Subject(
                row["id"],
                row["subject"],
                row["version"],
                instant_of(row["opened_at"]),
                row["rung"],
                instant_of(row["told_at"]),
            )
            for row in rows
        }

    def tellings(self, since: datetime) -> dict[str, list[tuple[str, datetime, MessageState]]]:
        """The open subjects last said after `since`: the routes of those messages, when, and what became of each."""
        told = {name: row.told_at for name, row in self.subjects().items() if row.told_at and row.told_at >= since}
        found: dict[str, list[tuple[str, datetime, MessageState]]] = {}
        rows = told and self.rows(
            "m.route, m.state, m.created_at, m.body",
            "FROM message m WHERE m.kind = ? AND m.created_at >= ? ORDER BY m.id",
            [MessageKind.FINDING, since],
        )
        for row in rows or ():
            at = instant_of(row["created_at"])
            for name in json.loads(row["body"]).get("about", "").split("\n"):
                if name in told and at >= told[name]:
                    found.setdefault(name, []).append((row["route"], at, MessageState(row["state"])))
        return found

    def issuers(self) -> dict[str, list[str]]:
        """Addresses that issuers write to (lower case), each with the credentials they write about."""
        rows = self.rows(
            "c.name, c.details",
            "FROM credential c WHERE c.retired_at IS NULL AND c.details LIKE ? ORDER BY c.name",
            ["%issuer_writes_to%"],
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            if address := json.loads(row["details"]).get("issuer_writes_to"):
                found.setdefault(address.casefold(), []).append(row["name"])
        return found

    # ----------------------------------------------------------------- messages

    def message(self, message_id: int) -> Message | None:
        """One message."""
        rows = self.rows(columns("message", "m"), "FROM message m WHERE m.id = ?", [message_id])
        return message_of(rows[0]) if rows else None

    def message_by_code(self, code: str) -> Message | None:
        """The message a person means by its code, however it was typed: case, spaces and hyphens do not matter."""
        plain = "".join(letter for letter in code.upper() if letter.isalnum())
        rows = self.rows(columns("message", "m"), "FROM message m WHERE m.code = ?", [plain])
        return message_of(rows[0]) if rows else None

    def message_by(self, *, token: str = "", message_ids: Collection[str] = ()) -> Message | None:
        """The message that an answer names: by the token of its envelope, else by the first of these Message-IDs."""
        for column, value in [("token", token), *(("message_id", one) for one in message_ids)]:
            if "\x00" in value:
                continue  # no database takes it, and nothing of ours has it
            if value and (rows := self.rows(columns("message", "m"), f"FROM message m WHERE m.{column} = ?", [value])):
                return message_of(rows[0])
        return None

    def key_of(self, message_id: int) -> str:
        """What makes a message unique; "" = there is none of that id."""
        rows = self.rows("key", "FROM message WHERE id = ?", [message_id])
        return str(rows[0]["key"]) if rows else ""

    def last_of(self, kind: MessageKind) -> dict[str, Asked]:
        """The latest message of a kind to each route."""
        rows = self.rows(
            f"{columns('message', 'm')}, m.accepted_at",
            "FROM message m WHERE m.id IN (SELECT max(id) FROM message WHERE kind = ? GROUP BY route)",
            [kind.value],
        )
        accepted = {row["route"]: instant_of(row.pop("accepted_at")) for row in rows}
        return {row["route"]: Asked(message_of(row), accepted[row["route"]]) for row in rows}

    def items(self, message_id: int, now: datetime, *, superseded: bool = False) -> list[Item]:
        """The live notices of a message, in the order in which they joined it.

        With `superseded` those too that were taken back: a copy of the message may have arrived all the same.
        """
        live = "" if superseded else " AND n.superseded_at IS NULL"
        notices = self.rows(
            columns("notice", "n"), f"FROM notice n WHERE n.message_id = ?{live} ORDER BY n.id", [message_id]
        )
        condition, value = self.among("e.id", {row["episode_id"] for row in notices})
        rows = {
            row["id"]: row for row in self.rows(columns("episode", "e"), f"FROM episode e WHERE {condition}", [value])
        }
        episodes = self.assembled(rows.values())
        credentials = self.credentials_by_id({row["credential_id"] for row in rows.values()}, now)
        return [
            Item(
                credential=credentials[rows[notice["episode_id"]]["credential_id"]],
                episode=episodes[notice["episode_id"]],
                stage=notice["stage"],
                asks=bool(notice["asks"]),
                rung=notice["rung"],
                why=notice["why"],
                at=instant_of(notice["at"]),
                person=notice["person"],
                ended_at=instant_of(rows[notice["episode_id"]]["ended_at"]),
            )
            for notice in notices
        ]

    def attempts(self, message_id: int) -> list[Attempt]:
        """Every try to deliver a message, oldest first."""
        return list(self.attempts_of([message_id]).get(message_id, ()))

    def attempts_of(self, message_ids: Collection[int]) -> dict[int, tuple[Attempt, ...]]:
        """Every try to deliver each of these messages, oldest first; what was never tried is left out."""
        condition, value = self.among("a.message_id", message_ids)
        found: dict[int, list[Attempt]] = {}
        for row in self.rows(
            f"a.message_id, {columns('attempt', 'a')}", f"FROM attempt a WHERE {condition} ORDER BY a.n", [value]
        ):
            verdict = verdict_of(row["verdict"], row["blame"], row["code"], row["text"])
            started, ended = instant_of(row["started_at"]), instant_of(row["ended_at"])
            found.setdefault(row["message_id"], []).append(Attempt(row["n"], started, ended, verdict))
        return {message: tuple(tries) for message, tries in found.items()}

    def sent_to(self, routes: Collection[str]) -> dict[str, list[tuple[datetime, str]]]:
        """Where each route led: when a message to it was written, and the keyed hash of where it went; oldest first."""
        condition, value = self.among("m.route", routes)
        rest = f"FROM message m WHERE m.address_hash <> '' AND {condition} ORDER BY m.created_at, m.id"
        found: dict[str, list[tuple[datetime, str]]] = {route: [] for route in routes}
        for row in self.rows("m.route, m.created_at, m.address_hash", rest, [value]):
            found[row["route"]].append((instant_of(row["created_at"]), row["address_hash"]))
        return found

    # ----------------------------------------------------------------- the timeline and the whole

    def events(
        self,
        credential: Credential | str | None = None,
        kinds: Collection[str] | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """The timeline, oldest first; with `limit` the latest ones. A Credential means its name and `source:ref`."""
        conditions, values = ["1 = 1"], list[Any]()
        if credential is not None:
            texts = [credential] if isinstance(credential, str) else [credential.name, _key(credential)]
            condition, value = self.among("v.credential", texts)
            conditions.append(condition)
            values.append(value)
        if kinds is not None:
            condition, value = self.among("v.kind", kinds)
            conditions.append(condition)
            values.append(value)
        if since is not None:
            conditions.append("v.at >= ?")
            values.append(since)
        rest = f"FROM event v WHERE {' AND '.join(conditions)} ORDER BY v.at DESC, v.id DESC"
        if limit is not None:
            rest += " LIMIT ?"
            values.append(limit)
        return [event_of(row) for row in reversed(self.rows(columns("event", "v"), rest, values))]

    def counts(self) -> Counts:
        """The store in a few numbers."""
        envs: dict[str, int] = {}
        for row in self.rows(
            "env, count(*) AS n", "FROM credential WHERE retired_at IS NULL GROUP BY env ORDER BY env"
        ):
            env = row["env"] or PRODUCTION
            envs[env] = envs.get(env, 0) + row["n"]
        tried = "EXISTS (SELECT 1 FROM attempt a WHERE a.message_id = m.id AND a.ended_at IS NOT NULL)"
        messages = self.rows(
            f"count(*) AS pending, count(CASE WHEN {tried} THEN 1 END) AS waiting",
            "FROM message m WHERE m.state IN ('pending', 'leased')",
        )[0]
        uncovered = self.rows("count(*) AS n", "FROM episode WHERE ended_at IS NULL AND uncovered_since IS NOT NULL")[0]
        return Counts(envs, messages["pending"], messages["waiting"], uncovered["n"])

    def uncovered(self) -> list[str]:
        """The names of the credentials whose call reached nobody who counts."""
        rows = self.rows(
            "c.name",
            "FROM credential c JOIN episode e ON e.credential_id = c.id "
            "WHERE e.ended_at IS NULL AND e.uncovered_since IS NOT NULL ORDER BY c.name",
        )
        return [row["name"] for row in rows]

    def next_look(self) -> datetime | None:
        """The earliest instant at which a rule could speak of any credential; it may be early, never late."""
        return instant_of(self.rows("min(next_at) AS at", "FROM credential WHERE retired_at IS NULL")[0]["at"])

    def idle(self, now: datetime, config_hash: str) -> bool:
        """Whether a run at `now` has nothing to do: nothing fetched, said, sent or reclaimed, the same config."""
        if self.meta("config_hash") != config_hash or not self._in_step(now):
            return False
        return not self.rows(_DUE, "", [now, now, now, now, text_of(now)])[0]["due"]

    def _in_step(self, now: datetime) -> bool:
        """Whether the clock goes on from the last run: else a run has to look at it."""
        behind, high_water = self.clock_marks()
        return not behind and (high_water is None or high_water - SKEW <= now <= high_water + LEAP)

    def mark_run(self, started: datetime, now: datetime) -> None:
        """Note that a run was here: the only write of this module, one statement. The high water never falls."""
        # Hosts share this value: one whose clock is wrong must not move it.
        shared = self.shared_clock(now)
        started, now = min(started, shared), min(now, shared)
        self.execute(
            "INSERT INTO meta (name, value) VALUES ('last_run', ?), ('high_water', ?) ON CONFLICT (name) DO UPDATE "
            "SET value = CASE WHEN meta.name = 'high_water' AND meta.value > excluded.value "
            "THEN meta.value ELSE excluded.value END",
            [text_of(started), text_of(now)],
        )


def _key(credential: Credential) -> str:
    return f"{credential.source}:{credential.ref}"


def open_reader(url: str) -> Reader:
    """A reader of an existing store.

    Raises:
        StoreError: missing, empty, not a store, newer or older than this program (exit 3). Nothing is created.
    """
    dialect = "sqlite" if path_of(url) else "postgresql"
    reader = Reader(connect(url), dialect, place_of(url))
    try:
        verify(reader, place_of(url))
    except BaseException:
        reader.close()
        raise
    return reader

"""Credentials, feeds, evidence, events: what goes in comes out, as UTC, on both databases."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from keywatch.model import (
    AckKind,
    Basis,
    Credential,
    Deadline,
    Event,
    Evidence,
    EvidenceKind,
    InHand,
    MessageKind,
    Outcome,
)
from keywatch.read import FeedRow, instant_of, open_reader, stored, text_of
from keywatch.store import Store, owner_name

KOLKATA = timezone(timedelta(hours=5, minutes=30))
AT = datetime(2026, 12, 19, 5, tzinfo=UTC)

FULL = Credential(
    id=0,
    source="vault-prod",
    ref="secret/payments/paygate",
    name="paygate-api",
    version="7",
    active=False,
    never=True,
    automatic=True,
    deadlines=(Deadline(AT, Basis.ENFORCED, "notAfter"), Deadline(AT + timedelta(1), Basis.AGE, "größer “90d”")),
    expires_at=datetime(2026, 12, 19, 10, 30, tzinfo=KOLKATA),
    basis=Basis.ENFORCED,
    because="notAfter",
    issued=AT - timedelta(90),
    problem="x",
    labels={"owner": "pay", "impact": "cards 'stop'; % ? :x"},
    overrides={"expires": "2026-12-19"},
    details={"owner": "pay", "url": "https://x"},
    owner="pay",
    env="staging",
    service="checkout",
    lead="approval=15bd,issue=1bd",
    usual_left=timedelta(days=30),
    pending=Deadline(AT, Basis.DECLARED, "later"),
    unconfirmed="8",
    retired_by="ana",
    accepted_by="bo",
    **{
        name: AT + timedelta(minutes=n, microseconds=n)
        for n, name in enumerate(
            (
                *("plan_from", "start_from", "start_by", "late_at", "speaks_from", "next_at", "first_seen"),
                *("adopted_at", "overdue_seen", "pending_since", "never_since", "stale_since", "missing_since"),
                *("gone_at", "retired_at", "accepted_until", "changed_at"),
            )
        )
    },
)


def test_the_two_formats_of_an_instant(file: Path) -> None:
    """`stored` writes exactly what SQLModel writes, and `instant_of` reads it back as aware UTC."""
    assert stored(AT.astimezone(KOLKATA)) == "2026-12-19 05:00:00.000000"
    assert stored(AT.astimezone(KOLKATA), "postgresql") == AT
    assert instant_of("2026-12-19 05:00:00.000000") == instant_of(AT.astimezone(KOLKATA)) == AT
    assert instant_of(AT.astimezone(KOLKATA)).tzinfo is UTC
    assert instant_of(None) is None
    assert text_of(datetime(2, 1, 1, tzinfo=UTC)) == "0002-01-01 00:00:00.000000"
    with Store(f"sqlite:///{file}") as store, store.write() as tx:
        tx.save(FULL)
    raw = sqlite3.connect(file)
    assert raw.execute("SELECT expires_at, late_at FROM credential").fetchone() == (
        stored(AT),
        stored(FULL.late_at or AT),
    )
    raw.close()
    with pytest.raises(ValueError, match="offset"):
        stored(datetime(2026, 12, 19))


def test_a_credential_survives_being_stored(store: Store, now: datetime) -> None:
    """Every field comes back, instants as UTC, whatever zone and text went in; saving again updates the row."""
    with store.write() as tx:
        identity = tx.save(FULL)
        changed = replace(FULL, id=identity, active=True, retired_at=None, labels={}, usual_left=None, pending=None)
        assert tx.read.credentials(now, include_retired=True) == [replace(FULL, id=identity)]
        assert tx.save(changed) == identity
    with store.write() as tx:
        assert tx.read.credentials(now) == [changed]
        assert changed.expires_at is not None
        assert tx.read.credentials(now)[0].expires_at.tzinfo is UTC  # type: ignore[union-attr]
        with pytest.raises(LookupError):
            tx.save(replace(changed, id=99))


def test_vocabularies_are_checked_by_the_database(store: Store, add: Any) -> None:
    """Table models do not validate: a word outside its vocabulary is refused by a CHECK."""
    _, episode = add()
    with pytest.raises(Exception, match=r"(?i)check"), store.write() as tx:
        tx.change_episode(episode, outcome="nonsense")


def test_filters(store: Store, now: datetime) -> None:
    """The filters of `list`; no environment counts as production, and retired ones are asked for."""
    rows = [("a", "", "pay", "web"), ("b", "production", "pay", ""), ("c", "staging", "ops", "web")]
    with store.write() as tx:
        for name, env, owner, service in rows:
            tx.save(Credential(0, "manual", name, name, env=env, owner=owner, service=service))
        tx.save(Credential(0, "vault", "d", "d", retired_at=now))

        def names(**filters: Any) -> str:
            return "".join(c.name for c in tx.read.credentials(now, **filters))

        assert names() == "abc"
        assert names(include_retired=True) == "abcd"
        assert names(env="production") == names(env="") == "ab"
        assert names(env="staging") == "c"
        assert names(owner="pay") == "ab"
        assert names(service="web", owner="pay") == "a"
        assert names(source="vault", include_retired=True) == "d"
        assert names(names=["a", "c", "z"]) == "ac"
        assert names(names=[]) == ""
        assert tx.read.counts().by_env == {"production": 2, "staging": 1}


def test_find(store: Store, now: datetime) -> None:
    """NAME is a name or source:ref, else an ending after / or :, else any ending; retired ones come last."""
    with store.write() as tx:
        for source, ref, name in [
            ("vault", "secret/pay/gate", "paygate"),
            ("vault", "secret/mail/gate", "mailgate"),
            ("manual", "paygate_100%", "paygate_100%"),
            ("aws", "x/gate", "paygate"),
        ]:
            tx.save(Credential(0, source, ref, name))
        tx.save(Credential(0, "old", "secret/gone", "gone", retired_at=now))
        tx.save(Credential(0, "old", "secret/mailgate", "mailgate", retired_at=now))

        def refs(name: str) -> list[str]:
            return sorted(f"{c.source}:{c.ref}" for c in tx.read.find(name, now))

        assert refs("paygate") == ["aws:x/gate", "vault:secret/pay/gate"]
        assert refs("vault:secret/pay/gate") == ["vault:secret/pay/gate"]
        assert refs("pay/gate") == ["vault:secret/pay/gate"]
        assert refs("mailgate") == ["vault:secret/mail/gate"], "a live one hides a retired one"
        assert refs("gone") == ["old:secret/gone"]
        assert refs("00%") == ["manual:paygate_100%"]
        assert refs("gate") == ["aws:x/gate", "vault:secret/mail/gate", "vault:secret/pay/gate"]
        assert refs("nothing") == refs("") == refs("pay%") == refs("Paygate") == []


def test_due_and_touch(store: Store, now: datetime) -> None:
    """What an input touches is due now; nothing is due by itself without an instant, and retired ones never."""
    soon = now + timedelta(hours=1)
    with store.write() as tx:
        ids = {
            name: tx.save(Credential(0, "m", name, name, owner=owner, next_at=at, retired_at=retired))
            for name, owner, at, retired in [
                ("a", "pay", now, None),
                ("b", "pay", soon, None),
                ("c", "ops", None, None),
                ("d", "ops", now, now),
            ]
        }

        def due(at: datetime) -> str:
            return "".join(c.name for c in tx.read.due(at))

        assert due(now - timedelta(microseconds=1)) == ""
        assert due(now) == "a"
        assert due(soon.astimezone(KOLKATA)) == "ab"
        tx.touch(now, [ids["c"]])
        assert due(now) == "ac"
        tx.touch(now, [])
        assert due(now) == "ac"
        tx.touch(now, owner="pay")
        assert due(now) == "abc"
        tx.touch(now - timedelta(days=1))
        assert due(now - timedelta(days=1)) == "abc"
        tx.touch(soon, range(1, 40_000))
        assert due(now) == "", "any number of ids at once"


def test_in_hand_is_the_promise_that_holds(store: Store, add: Any, now: datetime) -> None:
    """The newest ack of the open episode, until it ends or is void: an older one does not come back."""
    credential, episode = add()
    day = timedelta(days=1)

    def hand(at: datetime) -> InHand | None:
        with store.write() as tx:
            return tx.read.credentials(at)[0].in_hand

    with store.write() as tx:
        tx.add_ack(episode, AckKind.ACK, "ana", now, now + day, "", "ana", "ana-mail", None)
        second = tx.add_ack(episode, AckKind.BEGUN, "bo", now + day / 2, now + 3 * day, "", "bo", "", None)
    assert hand(now + day / 2) == InHand("bo", now + 3 * day, begun=True)
    assert hand(now + 3 * day) is None
    with store.write() as tx:
        tx.void_ack(second, now + day / 2)
    assert hand(now) == InHand("ana", now + day, begun=False)
    assert hand(now + day / 2) is None
    assert hand(now + day) is None
    with store.write() as tx:
        tx.end_episode(episode, Outcome.RENEWED, "ana", now)
        assert tx.read.credentials(now)[0].in_hand is None
        assert tx.read.credentials_by_id([credential], now)[credential].in_hand is None


def test_evidence_is_of_a_route_at_an_address(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """An edited address starts without evidence; a new fact makes the rules look at what hangs on the route."""
    first = Evidence(now, "ana-mail", EvidenceKind.ACK, "ack", "7KQF2", "d", "ana", None)
    later = replace(first, at=now + timedelta(1), kind=EvidenceKind.AWAY, until=now + timedelta(9))
    touched, episode = add()
    untouched, _ = add("other")
    plan(episode, call("ana-mail"))
    with store.write() as tx:
        tx.touch(now + timedelta(days=30))
        tx.add_evidence(later, "h1")
        tx.add_evidence(first, "h1")
        assert tx.read.evidence({"ana-mail": "h1", "bo-mail": "h1"}) == {"ana-mail": (first, later), "bo-mail": ()}
        assert tx.read.evidence({"ana-mail": "h2"}) == {"ana-mail": ()}
        assert tx.read.evidence({}) == {}
        assert [c.id for c in tx.read.due(now + timedelta(1))] == [touched] != [untouched]


def test_events(store: Store, now: datetime) -> None:
    """The timeline comes oldest first; a limit keeps the latest."""
    rows = [
        Event(now + timedelta(hours=n), kind, "manual:a" if n % 2 else "manual:b", "ana", "t", {"k": "ü"})
        for n, kind in enumerate(["called", "acked", "called", "renewed"])
    ]
    a = Credential(1, "manual", "a", "a")
    with store.write() as tx:
        for event in rows:
            tx.add_event(event)
        assert tx.read.events() == rows
        assert tx.read.events(a) == tx.read.events("manual:a") == [rows[1], rows[3]]
        assert tx.read.events(kinds=["called", "renewed"], since=now + timedelta(hours=1)) == [rows[2], rows[3]]
        assert tx.read.events(limit=2) == rows[2:]
        assert tx.read.events(limit=0) == []


def test_feeds_are_claimed_once(store: Store, now: datetime) -> None:
    """One run fetches a feed that is due; a lease that ran out frees it; putting the answer gives it back."""
    lease, hour = timedelta(minutes=10), timedelta(hours=1)
    with store.write() as tx:
        tx.set_meta("rehearsal", "1")  # leases go by the instants given here, also on PostgreSQL
        assert tx.read.feed("source", "vault") is None
        assert tx.claim_feed("source", "vault", "", now, lease, "me")
        assert not tx.claim_feed("source", "vault", "", now, lease, "another")
        assert tx.claim_feed("source", "vault", "", now + lease, lease, "another"), "the holder died"
        row = FeedRow("source", "vault", "", now + hour, now, now, "", {"covered": ["a/"], "gaps": []})
        tx.put_feed(row)
        assert tx.read.feed("source", "vault") == row
        assert not tx.claim_feed("source", "vault", "", now, lease, "me"), "not due"
        assert tx.claim_feed("source", "vault", "", now + hour, lease, "me")
        assert tx.claim_feed("roster", "vault", "x", now, lease, "me")
        assert [f.kind for f in tx.read.feeds()] == ["roster", "source"]


def test_a_feed_of_a_dead_run_is_free_at_once(store: Store, now: datetime) -> None:
    """Only the lease's owner may write down what it read; a dead process has lost it at once, a living one has not."""
    host, boot, _, started = owner_name().rsplit(":", 3)
    lease, dead = timedelta(minutes=10), f"{host}:{boot}:999999999:{started}"
    with store.write() as tx:
        assert tx.claim_feed("source", "vault", "", now, lease, dead)
        assert tx.holder("source", "vault", "") == dead
        assert tx.claim_feed("source", "vault", "", now, lease, owner_name())
        assert tx.holder("source", "vault", "") == owner_name()
        assert not tx.claim_feed("source", "vault", "", now, lease, "elsewhere:boot:1:1")
        assert tx.claim_feed("source", "vault", "", now, lease, owner_name()), "it is its own"
        tx.put_feed(FeedRow("source", "vault", next_at=now + lease))
        assert tx.holder("source", "vault", "") == ""


def test_idle(store: Store, add: Any, now: datetime) -> None:
    """A run is idle when no feed, credential or message is due and the config is the same."""
    soon = now + timedelta(minutes=5)
    credential, _ = add()
    with store.write() as tx:
        tx.set_meta("config_hash", "c1")
        assert not tx.read.idle(now, "c1"), "a credential is due"
        tx.touch(soon, [credential])
        assert tx.read.idle(now, "c1")
        assert not tx.read.idle(now, "c2"), "the config changed"
        assert not tx.read.idle(soon, "c1")
        tx.put_feed(FeedRow("source", "v", next_at=now))
        assert not tx.read.idle(now, "c1"), "a feed is due"
        tx.put_feed(FeedRow("source", "v", next_at=soon))
        assert tx.read.idle(now, "c1")
        tx.enqueue(MessageKind.DIGEST, "d1", "r", "", "{}", now, "kw.example")
        assert not tx.read.idle(now, "c1"), "a message is due"
        tx.claim(now, timedelta(minutes=1), "me")
        assert not tx.read.idle(now, "c1"), "a message is on the wire or was lost there"


def test_an_idle_run_writes_one_value(url: str, store: Store, add: Any, now: datetime) -> None:
    """idle writes nothing, mark_run the time of the run; the clock's high water never falls."""
    add()
    with store.write() as tx:
        tx.set_meta("rehearsal", "1")  # PostgreSQL's own time is not asked
    with open_reader(url) as reader:
        before = _dump(reader)
        reader.idle(now, "x")
        assert _dump(reader) == before
        reader.mark_run(now + timedelta(days=1), now + timedelta(days=1))
        reader.mark_run(now, now)
        after = _dump(reader)
        kept = [row for row in after.pop("meta") if "last_run" not in row and "high_water" not in row]
        assert kept == before.pop("meta")
        assert after == before
        assert reader.meta("last_run") == text_of(now)
        assert reader.meta("high_water") == text_of(now + timedelta(days=1))


def _dump(reader: Any) -> dict[str, list[Any]]:
    tables = ("credential", "episode", "ack", "message", "notice", "attempt", "evidence", "event", "feed")
    rows = {t: reader.rows("*", f"FROM {t} ORDER BY 1") for t in tables}
    return rows | {"meta": sorted(map(str, reader.rows("name, value", "FROM meta ORDER BY name")))}

"""Writing decisions down: once, into one message per route and slot, and never narrower than before."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from keywatch.model import AckKind, MessageKind, MessageState, Outcome, Standing, Verdict, VerdictKind
from keywatch.store import Store
from keywatch.store.mint import CODE_LETTERS

NOW = datetime(2026, 12, 7, 9, tzinfo=UTC)
LEASE, HOUR = timedelta(minutes=5), timedelta(hours=1)


def messages(store: Store) -> list[Any]:
    with store.write() as tx:
        rows = tx.read.rows("id", "FROM message ORDER BY id")
        return [tx.read.message(row["id"]) for row in rows]


def episode_of(store: Store, credential: int) -> Any:
    with store.write() as tx:
        return tx.read.episodes([credential]).get(credential)


def test_a_decision_becomes_a_call(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """The notices of a decision stand in the episode as one call, each pending, with its message made."""
    credential, episode = add()
    plan(episode, call("ana-mail", "bo-sms", rung=1, climbed=True, uncovered=True, covered="x"))
    found = episode_of(store, credential)
    (spoken,) = found.calls
    assert (spoken.stage, spoken.at, spoken.asks) == ("7d@2026-12-07", now, True)
    assert [(t.route, t.person, t.rung, t.standing, t.duty) for t in spoken.told] == [
        ("ana-mail", "ana", 0, Standing.PENDING, True),
        ("bo-sms", "bo", 0, Standing.PENDING, True),
    ]
    assert (found.rung, found.told_at, found.uncovered_since, found.covered) == (1, now, now, "x")
    with store.write() as tx:
        assert tx.read.credentials(now)[0].next_at == now + timedelta(days=1)
        (event,) = tx.read.events("manual:paygate-api")
        assert (event.kind, event.text) == ("called", "7d@2026-12-07 to ana by ana-mail, bo by bo-sms")


def test_names_of_a_message(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """Token, Message-ID and code are fixed with the row; a code has no letter that is misheard, and is found again."""
    _, episode = add()
    plan(episode, call("ana-mail"))
    (message,) = messages(store)
    assert len(message.token) == 26
    assert message.message_id == f"<{message.token}@kw.example>"
    assert len(message.code) == 5
    assert set(message.code) <= set(CODE_LETTERS)
    assert not set("ILOU01") & set(CODE_LETTERS)
    assert (message.state, message.next_at, message.tries) == (MessageState.PENDING, now, 0)
    with store.write() as tx:
        typed = f" {message.code[:2].lower()}-{message.code[2:]} "
        assert tx.read.message_by_code(typed) == tx.read.message_by_code(message.code) == message
        assert tx.read.message_by_code("") is None


def test_applying_twice_changes_nothing(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """The same decision again adds no notice, message or event."""
    credential, episode = add()
    decision = call("ana-mail", superseded=("14d@2026-11-30",), uncovered=True, climbed=True)
    plan(episode, decision)
    before = (episode_of(store, credential), messages(store))
    plan(episode, decision)
    assert (episode_of(store, credential), messages(store)) == before
    with store.write() as tx:
        assert [e.kind for e in tx.read.events()] == ["superseded", "called"]


def at_once(url: str, *decisions: tuple[int, Any]) -> None:
    """Each decision by a planner of its own, all at the same time, several times over."""
    ready, problems = threading.Barrier(len(decisions)), list[BaseException]()

    def check(episode: int, decision: Any) -> None:
        try:
            with Store(url) as own:
                ready.wait()
                for _ in range(5):
                    with own.write(plan=True) as tx:
                        tx.read.episodes([1])
                        tx.apply(episode, decision, NOW, "2026-12-07", "kw.example")
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=check, args=pair) for pair in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_two_planners_at_once_plan_once(url: str, store: Store, add: Any, call: Any) -> None:
    """Checks that read, decide and insert at the same time tell everybody once, in one message."""
    credential, episode = add()
    at_once(url, *[(episode, call("ana-mail", "bo-mail"))] * 4)
    assert len(messages(store)) == 2
    assert len(episode_of(store, credential).calls[0].told) == 2
    with store.write() as tx:
        assert len(tx.read.events()) == 1


def test_planners_of_different_credentials_share_a_message(url: str, store: Store, add: Any, call: Any) -> None:
    """Two checks that plan different credentials for one person at the same time still make one message."""
    at_once(url, *[(add(f"c{n}")[1], call("ana-mail")) for n in range(4)])
    (message,) = messages(store)
    with store.write() as tx:
        assert len(tx.read.items(message.id, NOW)) == 4


def test_one_message_per_route_and_slot(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """What is due on a route in one slot goes into one message; another slot or a claimed message gets a new one."""
    (_, first), (_, second), (_, third) = add("a"), add("b"), add("c")
    plan(first, call("ana-mail"))
    plan(second, call("ana-mail", "bo-mail"))
    assert len(messages(store)) == 2
    with store.write() as tx:
        message, _ = tx.claim(now, LEASE, "me") or pytest.fail("nothing to claim")
        assert [(i.credential.name, i.stage, i.asks, i.why, i.person) for i in tx.read.items(message.id, now)] == [
            ("a", "7d@2026-12-07", True, "owner", "ana"),
            ("b", "7d@2026-12-07", True, "owner", "ana"),
        ]
    plan(third, call("ana-mail"))
    assert [m.route for m in messages(store)] == ["ana-mail", "bo-mail", "ana-mail"], "the claimed one is frozen"
    plan(first, call("ana-mail", stage="2d@2026-12-08"), slot="2026-12-08")
    assert len(messages(store)) == 4
    keys = _keys(store)
    assert keys == [
        *("ana-mail|2026-12-07|1", "bo-mail|2026-12-07|1", "ana-mail|2026-12-07|2", "ana-mail|2026-12-08|1"),
    ]


def _keys(store: Store) -> list[str]:
    with store.write() as tx:
        return [row["key"] for row in tx.read.rows("key", "FROM message ORDER BY id")]


def test_a_message_that_was_tried_does_not_grow(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """Deferred once, a message keeps its content: what becomes due later goes into a new one."""
    (_, first), (_, second) = add("a"), add("b")
    plan(first, call("ana-mail"))
    with store.write() as tx:
        message, n = tx.claim(now, LEASE, "me") or pytest.fail("nothing to claim")
        tx.settle(message.id, n, "me", Verdict(VerdictKind.DEFERRED), now, now + HOUR)
    plan(second, call("ana-mail"))
    assert len(messages(store)) == 2


def test_a_tighter_stage_supersedes_what_was_not_sent(store: Store, add: Any, plan: Any, call: Any) -> None:
    """A wider stage still unsent on the same route is taken back when a tighter one joins; other routes keep theirs."""
    credential, episode = add()
    plan(episode, call("ana-mail", "bo-mail"))
    plan(episode, call("ana-mail", stage="2d@2026-12-08"), slot="2026-12-08")
    wider, tighter = episode_of(store, credential).calls
    assert [t.standing for t in wider.told] == [Standing.SUPERSEDED, Standing.PENDING]
    assert [t.standing for t in tighter.told] == [Standing.PENDING]
    assert [m.state for m in messages(store)] == [MessageState.SUPERSEDED, MessageState.PENDING, MessageState.PENDING]


def test_a_message_shared_by_episodes_outlives_one_of_them(
    store: Store, add: Any, plan: Any, call: Any, now: datetime
) -> None:
    """Taking back one notice of a message leaves the others in it."""
    (_, first), (_, second) = add("a"), add("b")
    plan(first, call("ana-mail"))
    plan(second, call("ana-mail"))
    with store.write() as tx:
        tx.end_episode(first, Outcome.RENEWED, "ana", now)
    (message,) = messages(store)
    assert message.state is MessageState.PENDING
    with store.write() as tx:
        assert [i.credential.name for i in tx.read.items(message.id, now)] == ["b"]
        tx.end_episode(second, Outcome.RETIRED, "ana", now)
    assert messages(store)[0].state is MessageState.SUPERSEDED


@pytest.mark.parametrize("overtaken_by", ["the end", "a tighter stage"])
def test_what_is_overtaken_on_the_wire_is_not_tried_again(
    store: Store, add: Any, plan: Any, call: Any, now: datetime, overtaken_by: str
) -> None:
    """A message whose episode ends, or is called more urgently, while it is sent is not retried when that try fails."""
    _, episode = add()
    plan(episode, call("ana-mail"))
    with store.write() as tx:
        message, n = tx.claim(now, LEASE, "me") or pytest.fail("nothing to claim")
    if overtaken_by == "the end":
        with store.write() as tx:
            tx.end_episode(episode, Outcome.RENEWED, "ana", now)
    else:
        plan(episode, call("ana-mail", stage="2d@2026-12-08"), slot="2026-12-08")
    assert messages(store)[0].state is MessageState.LEASED
    with store.write() as tx:
        assert tx.settle(message.id, n, "me", Verdict(VerdictKind.DEFERRED), now, now + HOUR)
    assert messages(store)[0].state is MessageState.SUPERSEDED


def test_stages_passed_over_are_recorded(store: Store, add: Any, plan: Any, call: Any) -> None:
    """A stage nobody is told of any more is a call that told nobody, before the one that spoke."""
    credential, episode = add()
    plan(episode, call("ana-mail", superseded=("30d@2026-11-10", "14d@2026-11-26")))
    calls = episode_of(store, credential).calls
    assert [(c.stage, len(c.told), c.asks) for c in calls] == [
        ("30d@2026-11-10", 0, False),
        ("14d@2026-11-26", 0, False),
        ("7d@2026-12-07", 1, True),
    ]
    with store.write() as tx:
        assert [n.told.route for n in tx.read.told(episode)] == ["ana-mail"]


def test_the_rung_never_falls_and_cover_comes_and_goes(
    store: Store, add: Any, plan: Any, call: Any, now: datetime
) -> None:
    """A later decision cannot lower the rung; uncovered keeps its first instant until it is covered."""
    credential, episode = add()
    kolkata = timezone(timedelta(hours=5, minutes=30))
    plan(episode, call(rung=3, uncovered=True), now.astimezone(kolkata))
    plan(episode, call(rung=1, uncovered=True), now + HOUR)
    found = episode_of(store, credential)
    assert (found.rung, found.uncovered_since) == (3, now)
    with store.write() as tx:
        assert tx.read.counts().uncovered == 1
    plan(episode, call(rung=3, next_at=None))
    assert episode_of(store, credential).uncovered_since is None
    with store.write() as tx:
        assert tx.read.credentials(now)[0].next_at is None


def test_an_ack_stops_the_clock_and_can_be_void(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """An ack clears the climb clock and makes the rules look again; a decision can end it, once."""
    credential, episode = add()
    plan(episode, call("ana-mail", climbed=True))
    with store.write() as tx:
        ack = tx.add_ack(episode, AckKind.ACK, "ana", now + HOUR, now + 9 * HOUR, "n", "ana", "ana-mail", 1)
        assert [c.id for c in tx.read.due(now + HOUR)] == [credential]
    found = episode_of(store, credential)
    assert found.told_at is None
    assert [(a.id, a.kind, a.person, a.until, a.void_at, a.note, a.by) for a in found.acks] == [
        (ack, AckKind.ACK, "ana", now + 9 * HOUR, None, "n", "ana")
    ]
    plan(episode, call(void=(ack,)), now + 2 * HOUR)
    plan(episode, call(void=(ack,)), now + 3 * HOUR)
    assert episode_of(store, credential).acks[0].void_at == now + 2 * HOUR


def test_one_open_episode_per_credential(store: Store, add: Any, now: datetime) -> None:
    """Opening twice keeps the first; after its end a new one opens, and the old one is history with its outcome."""
    credential, episode = add()
    deadline = now + timedelta(days=99)
    with store.write() as tx:
        assert tx.open_episode(credential, deadline, "2", now) == episode
        tx.end_episode(episode, Outcome.RENEWED, "ana", now + HOUR)
        tx.end_episode(episode, Outcome.RETIRED, "bo", now + 2 * HOUR)
        second = tx.open_episode(credential, deadline, "2", now, rung=2, adopted_at=now, expired_when_seen=True)
        assert second != episode
        found = tx.read.episodes([credential, 99])
        assert list(found) == [credential]
        opened = found[credential]
        assert (opened.id, opened.rung, opened.adopted_at, opened.expired_when_seen) == (second, 2, now, True)
        (ended,) = tx.read.last_episodes(credential)
        assert (ended.episode.id, ended.outcome, ended.ended_by, ended.ended_at) == (
            *(episode, Outcome.RENEWED, "ana", now + HOUR),
        )
        tx.change_episode(second, moved_at=now, deadline=now + HOUR)
        assert replace(opened, moved_at=now, deadline=now + HOUR) == tx.read.episodes([credential])[credential]


def test_episodes_cost_the_same_number_of_queries(store: Store, add: Any, plan: Any, call: Any) -> None:
    """Reading the episodes of many credentials takes as many statements as of one."""
    ids = []
    for n in range(12):
        credential, episode = add(f"c{n}")
        plan(episode, call("ana-mail", "bo-mail"))
        ids.append(credential)
    with store.write() as tx:
        assert _statements(tx.read, ids[:1]) == _statements(tx.read, ids) == 3
        assert len(tx.read.episodes(ids)) == 12


def _statements(reader: Any, ids: list[int]) -> int:
    seen: list[str] = []
    execute = reader.execute
    reader.execute = lambda sql, values=(): (seen.append(sql), execute(sql, values))[1]
    reader.episodes(ids)
    del reader.execute
    return len(seen)


def test_a_digest_is_made_once(store: Store, now: datetime) -> None:
    """A digest, a finding or a test is one message per key."""
    with store.write() as tx:
        first = tx.enqueue(MessageKind.DIGEST, "digest|pay|2026-W50", "ana-mail", "ana", '{"a": 1}', now, "kw.example")
        assert first is not None
        assert tx.enqueue(MessageKind.DIGEST, "digest|pay|2026-W50", "bo", "", "", now, "kw.example") is None
        message = tx.read.message(first)
        assert message is not None
        assert (message.kind, message.body, message.person) == (MessageKind.DIGEST, '{"a": 1}', "ana")


def test_an_exception_undoes_all(store: Store, add: Any, call: Any, now: datetime) -> None:
    """A transaction that fails in the middle leaves nothing behind."""
    credential, episode = add()

    def fail() -> None:
        with store.write(plan=True) as tx:
            tx.apply(episode, call("ana-mail"), now, "2026-12-07", "kw.example")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert episode_of(store, credential).calls == ()
    assert messages(store) == []

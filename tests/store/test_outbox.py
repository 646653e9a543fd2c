"""The outbox: each message is sent once per lease, a kill loses nothing, and settling is fenced."""

import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch.model import Blame, Message, MessageKind, MessageState, Standing, Verdict, VerdictKind
from keywatch.read import standing_of
from keywatch.store import Store, is_gone, owner_name

LEASE, HOUR = timedelta(minutes=5), timedelta(hours=1)
ACCEPTED, DEFERRED = Verdict(VerdictKind.ACCEPTED), Verdict(VerdictKind.DEFERRED, code="451", text="try\r\nlater")
REFUSED = Verdict(VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.1", "no such user")
DOMAIN = "kw.example"


def claim(store: Store, now: datetime, owner: str = "me") -> tuple[Message, int] | None:
    with store.write() as tx:
        return tx.claim(now, LEASE, owner)


def claimed(store: Store, now: datetime, owner: str = "me") -> tuple[Message, int]:
    return claim(store, now, owner) or pytest.fail("nothing to claim")


def settle(store: Store, message: int, n: int, verdict: Verdict, now: datetime, **how: Any) -> bool:
    with store.write() as tx:
        return tx.settle(message, n, how.get("owner", "me"), verdict, now, how.get("next_at"))


def standing(store: Store, episode: int) -> Standing:
    with store.write() as tx:
        return tx.read.told(episode)[-1].told.standing


@pytest.fixture
def waiting(add: Any, plan: Any, call: Any) -> tuple[int, int]:
    """A credential and an episode with one message to ana."""
    credential, episode = add()
    plan(episode, call("ana-mail"))
    return credential, episode


def test_a_claim_is_exclusive_and_written_down(store: Store, waiting: Any, now: datetime) -> None:
    """A claimed message has an open attempt and is offered to nobody else while its lease lives."""
    message, n = claimed(store, now)
    assert (message.state, message.tries, n) == (MessageState.LEASED, 1, 1)
    assert claim(store, now + LEASE - timedelta(seconds=1), "other") is None
    with store.write() as tx:
        (attempt,) = tx.read.attempts(message.id)
        assert (attempt.n, attempt.started_at, attempt.ended_at, attempt.verdict) == (1, now, None, None)
        assert tx.read.counts().pending == 1
        assert tx.read.counts().waiting == 0
    assert standing(store, waiting[1]) is Standing.PENDING


def test_accepted(store: Store, waiting: Any, now: datetime) -> None:
    """An accepted asking call starts the climb clock, once, and makes the rules look again."""
    credential, episode = waiting
    message, n = claimed(store, now)
    assert settle(store, message.id, n, ACCEPTED, now + HOUR)
    with store.write() as tx:
        found = tx.read.episodes([credential])[credential]
        assert found.told_at == now + HOUR
        (told,) = found.calls[0].told
        assert (told.standing, told.accepted_at) == (Standing.ACCEPTED, now + HOUR)
        assert [c.id for c in tx.read.due(now + HOUR)] == [credential]
        (row,) = tx.read.told(episode)
        assert (row.message, row.verdict, row.stage) == (message.id, ACCEPTED, "7d@2026-12-07")
        assert tx.read.counts().pending == 0
    assert claim(store, now + timedelta(days=9)) is None


@pytest.mark.parametrize(("asks", "clock"), [(False, None), (True, "first")])
def test_the_climb_clock(store: Store, add: Any, plan: Any, call: Any, now: datetime, asks: bool, clock: Any) -> None:
    """Only a call that asks starts the clock, and a later acceptance does not restart it."""
    credential, episode = add()
    plan(episode, call("ana-mail", "bo-mail", asks=asks))
    for hours in (1, 2):
        message, n = claimed(store, now)
        settle(store, message.id, n, ACCEPTED, now + hours * HOUR)
    with store.write() as tx:
        assert tx.read.episodes([credential])[credential].told_at == (now + HOUR if clock else None)


def test_refused(store: Store, waiting: Any, now: datetime) -> None:
    """A refusal that blames the route ends the message and hastens the rules."""
    credential, episode = waiting
    message, n = claimed(store, now)
    assert settle(store, message.id, n, REFUSED, now + HOUR)
    assert standing(store, episode) is Standing.FAILED
    with store.write() as tx:
        assert tx.read.message(message.id).state is MessageState.REFUSED  # type: ignore[union-attr]
        assert tx.read.attempts(message.id)[0].verdict == REFUSED
        assert [c.id for c in tx.read.due(now + HOUR)] == [credential]
        assert tx.read.episodes([credential])[credential].told_at is None
    assert claim(store, now + timedelta(days=9)) is None


def test_deferred_waits_once_then_fails_and_goes_on(store: Store, waiting: Any, now: datetime) -> None:
    """Deferred once is waiting, twice is failed, and it is tried again for as long as it is wanted."""
    credential, episode = waiting
    seen = []
    for n in (1, 2, 3):
        message, tries = claimed(store, now + n * HOUR)
        seen.append(standing(store, episode))
        assert tries == n
        assert settle(store, message.id, n, DEFERRED, now + n * HOUR, next_at=now + (n + 1) * HOUR)
        seen.append(standing(store, episode))
        assert claim(store, now + (n + 1) * HOUR - timedelta(seconds=1)) is None
    assert seen == [
        *(Standing.PENDING, Standing.WAITING, Standing.WAITING, Standing.FAILED, Standing.FAILED, Standing.FAILED),
    ]
    with store.write() as tx:
        assert tx.read.attempts(message.id)[2].verdict == Verdict(VerdictKind.DEFERRED, code="451", text="try later"), (
            "the words of others on one line"
        )
        assert (tx.read.counts().pending, tx.read.counts().waiting) == (1, 1)
        assert [c.id for c in tx.read.due(now + 3 * HOUR)] == [credential]


@pytest.mark.parametrize(
    ("state", "superseded", "finished", "verdict", "blame", "expected"),
    [
        ("pending", True, 0, None, None, Standing.SUPERSEDED),
        ("superseded", False, 0, None, None, Standing.SUPERSEDED),
        ("accepted", False, 1, "accepted", "", Standing.ACCEPTED),
        ("refused", False, 1, "refused", "route", Standing.FAILED),
        ("leased", False, 0, None, None, Standing.PENDING),
        ("pending", False, 1, "deferred", "", Standing.WAITING),
        ("leased", False, 1, "unreachable", "transport", Standing.WAITING),
        ("pending", False, 1, "unknown", "", Standing.WAITING),
        ("pending", False, 1, "deferred", "sender", Standing.FAILED),
        ("pending", False, 1, "refused", "sender", Standing.FAILED),
        ("leased", False, 2, "deferred", "", Standing.FAILED),
    ],
)
def test_standing(state: str, superseded: bool, finished: int, verdict: str, blame: str, expected: Standing) -> None:
    """How a notice stands, from the state of its message and its finished attempts."""
    assert standing_of(state, superseded, finished, verdict, blame) is expected


def test_a_retry_needs_its_instant(store: Store, waiting: Any, now: datetime) -> None:
    """A message to be tried again without an instant would be lost: refused, and nothing is written."""
    message, n = claimed(store, now)
    with pytest.raises(ValueError, match="next try"):
        settle(store, message.id, n, DEFERRED, now)
    assert settle(store, message.id, n, ACCEPTED, now)


def test_settling_is_fenced(store: Store, waiting: Any, now: datetime) -> None:
    """Who lost the lease writes nothing: neither another owner, nor an older attempt, nor a second time."""
    _, episode = waiting
    with store.write() as tx:
        tx.set_meta("rehearsal", "1")  # the lease goes by the instants given here, also on PostgreSQL
    message, n = claimed(store, now)
    assert not settle(store, message.id, n, ACCEPTED, now, owner="other")
    again, second = claimed(store, now + LEASE, "me")
    assert (again.id, second) == (message.id, 2)
    assert not settle(store, message.id, n, ACCEPTED, now + LEASE), "the first attempt of the same owner"
    with store.write() as tx:
        first, open_one = tx.read.attempts(message.id)
        assert first.verdict is not None
        assert first.verdict.kind is VerdictKind.UNKNOWN
        assert open_one.verdict is None
    assert standing(store, episode) is Standing.WAITING
    assert settle(store, message.id, second, ACCEPTED, now + LEASE)
    assert not settle(store, message.id, second, REFUSED, now + LEASE)
    assert standing(store, episode) is Standing.ACCEPTED


def test_the_order_of_claims(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """Notices before everything else, then what waits longest; what is not due yet waits."""
    _, episode = add()
    with store.write() as tx:
        tx.enqueue(MessageKind.DIGEST, "same", "digest", "", "{}", now, DOMAIN)
        tx.enqueue(MessageKind.DIGEST, "future", "future", "", "{}", now + HOUR, DOMAIN)
        tx.enqueue(MessageKind.FINDING, "old", "old", "", "{}", now - HOUR, DOMAIN)
    plan(episode, call("ana-mail"))
    assert [claimed(store, now)[0].route for _ in range(3)] == ["ana-mail", "old", "digest"]
    assert claim(store, now) is None


def test_two_claimers_never_share_a_message(url: str, store: Store, now: datetime) -> None:
    """Many dispatchers at once: each message goes to exactly one of them."""
    with store.write() as tx:
        made = [tx.enqueue(MessageKind.TEST, f"k{n}", f"r{n}", "", "{}", now, DOMAIN) for n in range(24)]
    taken: list[int] = []
    problems: list[BaseException] = []

    def dispatch(owner: str) -> None:
        try:
            with Store(url) as own:
                while found := claim(own, now, owner):
                    taken.append(found[0].id)
                    assert settle(own, found[0].id, found[1], ACCEPTED, now, owner=owner)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=dispatch, args=(f"worker{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(taken) == made


CLAIM_AND_WAIT = """
import sys
from datetime import datetime, timedelta
from keywatch.store import Store, owner_name
with Store(sys.argv[1]) as store:
    with store.write() as tx:
        message, n = tx.claim(datetime.fromisoformat(sys.argv[2]), timedelta(minutes=5), owner_name())
    print(message.id, n, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="without /proc a lease must run out")
def test_a_killed_claimer_is_taken_over_at_once(url: str, store: Store, waiting: Any, now: datetime) -> None:
    """SIGKILL between claim and settle: the next run sends the same message, with the same Message-ID, at once."""
    _, episode = waiting
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT, url, now.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        message_id, _ = map(int, process.stdout.readline().split())
        assert claim(store, now) is None, "it lives"
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: not yet reaped
        with store.write() as tx:
            before = tx.read.message(message_id)
        again, n = claimed(store, now, "next run")
    assert before is not None
    assert (again.id, again.message_id, n) == (message_id, before.message_id, 2)
    with store.write() as tx:
        assert [a.verdict.kind for a in tx.read.attempts(message_id) if a.verdict] == [VerdictKind.UNKNOWN]
    assert standing(store, episode) is Standing.WAITING


def test_only_a_process_that_can_be_judged_is_called_dead(tmp_path: Path) -> None:
    """Dead: same host, and its pid is gone, reused or of an earlier boot. Anybody else's lease must run out."""
    me = owner_name()
    host, boot, pid, started = me.rsplit(":", 3)
    assert not is_gone(me)
    assert is_gone(f"{host}:{boot}:{pid}:{int(started) + 1}"), "the pid is another process now"
    assert is_gone(f"{host}:{boot}:999999999:1")
    assert is_gone(f"{host}:an-earlier-boot:{pid}:{started}")
    assert not is_gone(f"elsewhere:{boot}:999999999:1")
    assert not is_gone(f"{host.partition('/')[0]}/4026539999:{boot}:999999999:1"), "another container"
    for nonsense in ("", "me", "a:b:c:d", f"{host}::5:1"):
        assert not is_gone(nonsense)
    assert not is_gone(owner_name(proc=tmp_path), proc=tmp_path), "without /proc nothing is known"

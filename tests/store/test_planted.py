"""Rules that no other test held when their breach was planted: `python -m tests.mutants`."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import ledger, oncall
from keywatch.config import Config, load
from keywatch.model import AckKind, Credential, Outcome
from keywatch.read import FeedRow
from keywatch.store import Store
from tests.story.story import CONFIG, telling

DAY = timedelta(days=1)
LISTED = """
[[source]]
name = "listed"
kind = "file"
path = "creds.csv"
every = "0"
"""
PLUGIN = '''
"""A plugin of somebody else."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timezone

from keywatch.model import Basis, Covered, Deadline, Found


@dataclass(frozen=True)
class Settings:
    taken: str = ""


class Provider:
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def scan(self, run):
        if not self.settings.taken:
            raise RuntimeError("a mistake")
        with sqlite3.connect(run.path("keywatch.db")) as store:
            store.execute("UPDATE feed SET lease_owner = 'elsewhere:boot:1:1' WHERE name = 'foreign'")
            if self.settings.taken == "and read":
                store.execute("UPDATE feed SET tried_at = '2099-01-01 00:00:00.000000' WHERE name = 'foreign'")
        store.close()
        at = datetime(2026, 12, 19, tzinfo=timezone.utc)
        yield Found(ref="x", version="1", name="x", deadlines=(Deadline(at, Basis.DECLARED, "said"),))
        yield Covered("")


class Roster:
    Settings = Settings

    def __init__(self, settings):
        pass

    def shifts(self, run, target, start, until):
        raise RuntimeError("a mistake")
'''


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a provider and a roster, both called `foreign`, is installed."""
    folder = tmp_path / "packages"
    about = folder / "keywatch_foreign-1.dist-info"
    about.mkdir(parents=True)
    (folder / "keywatch_foreign.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: keywatch-foreign\nVersion: 1\n")
    entries = "[keywatch.providers]\nforeign = keywatch_foreign:Provider\n"
    entries += "[keywatch.rosters]\nforeign = keywatch_foreign:Roster\n"
    (about / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("keywatch_foreign", None)


def paygate(store: Store, credential: int, now: datetime) -> Credential:
    with store.write() as tx:
        return tx.read.credentials_by_id([credential], now)[credential]


def record(store: Store, row: Credential, now: datetime) -> None:
    with store.write() as tx:
        ledger.record(tx, row, now, "mia")


def rung(store: Store, credential: int) -> int:
    with store.write() as tx:
        return tx.read.episodes([credential])[credential].rung


# --------------------------------------------------------------------------- episodes that turn


@pytest.fixture
def climbed(store: Store, add: Any) -> int:
    """A credential whose episode has climbed to rung 2."""
    credential, episode = add()
    with store.write() as tx:
        tx.change_episode(episode, rung=2)
    return int(credential)


def test_an_accepted_risk_comes_back_at_its_rung(store: Store, climbed: int, now: datetime) -> None:
    """The episode that opens when an accepted risk ends has the rung of the one that the risk ended."""
    row = paygate(store, climbed, now)
    record(store, replace(row, accepted_until=now + DAY, accepted_by="mia"), now)
    record(store, row, now + DAY)
    assert rung(store, climbed) == 2


def test_a_renewal_starts_from_nothing(store: Store, climbed: int, now: datetime) -> None:
    """A new version with a later date ends the episode, and the next one opens at rung 0."""
    row = paygate(store, climbed, now)
    assert row.expires_at
    record(store, replace(row, version="2", expires_at=row.expires_at + 90 * DAY), now)
    assert rung(store, climbed) == 0


def test_the_risk_of_an_older_version_is_forgotten(store: Store, climbed: int, now: datetime) -> None:
    """Renewed while its risk was accepted: what opens then is another version's, and starts at rung 0."""
    row = paygate(store, climbed, now)
    record(store, replace(row, accepted_until=now + DAY, accepted_by="mia"), now)
    record(store, replace(row, version="2"), now + DAY)
    assert rung(store, climbed) == 0


def test_a_promise_falls_with_its_date(store: Store, add: Any, now: datetime) -> None:
    """The deadline comes nearer: a promise that was made for the old one is void from that instant."""
    credential, episode = add()
    with store.write() as tx:
        tx.add_ack(episode, AckKind.BEGUN, "ana", now, now + 5 * DAY)
    row = paygate(store, credential, now)
    assert row.expires_at
    record(store, replace(row, expires_at=row.expires_at - DAY), now + timedelta(hours=1))
    with store.write() as tx:
        (ack,) = tx.read.episodes([credential])[credential].acks
    assert ack.void_at == now + timedelta(hours=1)


@pytest.mark.parametrize(("change", "outcome"), [({"retired": True}, Outcome.RETIRED), ({}, Outcome.RENEWED)])
def test_an_end_is_an_event(store: Store, add: Any, now: datetime, change: dict[str, bool], outcome: Outcome) -> None:
    """Whatever ends an episode leaves a row in the timeline: what it was, and by whom."""
    credential, _ = add()
    row = paygate(store, credential, now)
    assert row.expires_at
    renewed = replace(row, version="2", expires_at=row.expires_at + DAY)
    record(store, replace(row, retired_at=now, retired_by="mia") if change else renewed, now)
    with store.write() as tx:
        assert [(e.kind, e.who) for e in tx.read.events(kinds=(outcome.value,))] == [(outcome.value, "mia")]


# --------------------------------------------------------------------------- what changes for a credential


@pytest.fixture
def configured(tmp_path: Path) -> Config:
    """The payments team of the stories."""
    (tmp_path / "keywatch.toml").write_text(CONFIG.format(port=25, every_days=7))
    return load(tmp_path / "keywatch.toml", {})


def test_a_changed_rota_is_looked_at(store: Store, add: Any, configured: Config, now: datetime) -> None:
    """Who is on call changed: the rules look again at the credentials of that roster's owners, and at no others."""
    payments, _ = add(owner="payments", next_at=now + DAY)
    add("other", owner="platform", next_at=now + DAY)
    before = FeedRow("roster", "payments", "", tried_at=now - DAY, complete_at=now - DAY, answer={"duties": []})
    with store.write() as tx:
        tx.put_feed(before)
        oncall.renew(tx, configured, [replace(before, tried_at=now)], now)
        assert tx.read.due(now) == []
        duty = {"key": "bo", "name": "Bo Lind", "level": 1, "start": None, "until": None}
        oncall.renew(tx, configured, [replace(before, tried_at=now, answer={"duties": [duty]})], now)
        assert [row.id for row in tx.read.due(now)] == [payments]


def test_a_lead_time_nobody_can_read(configured: Config, now: datetime) -> None:
    """The default lead time is in charge, and the credential says what could not be read."""
    row = Credential(0, "vault", "x", "x", expires_at=now + 90 * DAY, labels={"lead": "soon", "owner": "payments"})
    found = ledger.resolve(row, configured, configured.world({}, {}))
    assert found.start_by is not None
    assert "soon" in found.problem
    assert found.labels["lead"] == "soon"


# --------------------------------------------------------------------------- what is on the wire


def test_what_is_dropped_is_looked_at_again(store: Store, add: Any, plan: Any, call: Any, now: datetime) -> None:
    """A message whose route left the config is dropped: the rules look again at once, so that others are told."""
    credential, episode = add()
    plan(episode, call("ana-mail"))
    later = now + timedelta(hours=1)
    with store.write() as tx:
        message, n = tx.claim(later, timedelta(minutes=3), "me") or pytest.fail("nothing to claim")
        assert tx.read.due(later) == []
        tx.abandon(message.id, n, "me", later)
        assert [row.id for row in tx.read.due(later)] == [credential]


def test_a_retry_is_the_same_message(tmp_path: Path) -> None:
    """Only the answer of the server is lost: what arrives twice has one Message-ID, that of the store."""
    with telling(tmp_path, start="2026-11-13 07:30", refuses={"ana@example.com": "drop"}, every_days=365) as story:
        story.add()
        for moment in ("2026-11-13 08:00", "2026-11-13 15:00"):
            story.at(moment).check()
        arrived = [str(mail.message["Message-ID"]) for mail in story.inbox("ana")]
        assert len(arrived) > 1
        assert [(name,) for name in set(arrived)] == story.ask(
            "SELECT message_id FROM message WHERE route = 'ana:mail'"
        )


def test_silence_is_written_down(tmp_path: Path) -> None:
    """A call that asked is not answered until the next one: evidence about the route of whoever was on duty, once."""
    with telling(tmp_path, start="2026-11-13 07:30", refuses={}, every_days=365) as story:
        story.add()
        story.at("2026-11-13 08:00").check()
        assert story.ask("SELECT route, kind FROM evidence") == []
        story.at("2026-11-18 08:00").check()
        assert story.ask("SELECT route, kind FROM evidence") == [("ana:mail", "silence")]


# --------------------------------------------------------------------------- what a run may not believe


def test_a_misspelt_environment_is_not_quiet(tmp_path: Path) -> None:
    """An environment that is not configured counts as production, so that its ladder speaks in full."""
    (tmp_path / "creds.csv").write_text("name,expires,owner,env\npaygate-api,2027-12-19,payments,stagign\n")
    with telling(tmp_path, config=CONFIG + LISTED) as story:
        story.check()
        assert story.ask("SELECT env FROM credential") == [("",)]


def test_an_acceptance_leaves_no_evidence(tmp_path: Path) -> None:
    """A server that takes a message says nothing about who reads the route."""
    with telling(tmp_path, start="2026-11-13 07:30", refuses={}) as story:
        story.add()
        assert story.at("2026-11-13 08:00").check()
        assert story.ask("SELECT kind FROM evidence") == []


@pytest.mark.usefixtures("foreign")
def test_a_plugin_that_breaks_stops_nothing(tmp_path: Path) -> None:
    """A provider and a roster that raise what nobody expects: the other source is read, and both are named."""
    (tmp_path / "creds.csv").write_text("name,expires,owner\npaygate-api,2027-12-19,payments\n")
    broken = '[[source]]\nname = "foreign"\nkind = "foreign"\n\n[rosters.odd]\nkind = "foreign"\n'
    config = (CONFIG + broken + LISTED).replace(
        '[owners.platform]\npeople = ["li"]', '[owners.platform]\nroster = "odd"'
    )
    with telling(tmp_path, config=config) as story:
        said = story.run("check", expect=3).err
        assert "source foreign: RuntimeError: a mistake" in said
        assert "roster odd: nonsense: RuntimeError: a mistake" in said
        assert story.ask("SELECT name FROM credential") == [("paygate-api",)]


@pytest.mark.usefixtures("foreign")
def test_whoever_lost_a_feed_writes_nothing_of_it(tmp_path: Path) -> None:
    """While a run reads a source, its lease ends and another run takes and reads it: the other one's word counts."""
    taken = '[[source]]\nname = "foreign"\nkind = "foreign"\ntaken = "and read"\n'
    with telling(tmp_path, config=CONFIG + taken) as story:
        said = story.run("check", expect=None).err
        assert "source foreign: another run has read it since; this listing is dropped" in said
        assert story.ask("SELECT name FROM credential") == []
        assert story.ask("SELECT lease_owner FROM feed WHERE name = 'foreign'") == [("elsewhere:boot:1:1",)]


@pytest.mark.usefixtures("foreign")
def test_a_source_slower_than_its_lease_is_read_all_the_same(tmp_path: Path) -> None:
    """Another run took it over and knows nothing yet: runs that overlap for ever must not drop every listing."""
    taken = '[[source]]\nname = "foreign"\nkind = "foreign"\ntaken = "over"\n'
    with telling(tmp_path, config=CONFIG + taken) as story:
        story.check(expect=None)
        assert story.ask("SELECT name FROM credential") == [("x",)]

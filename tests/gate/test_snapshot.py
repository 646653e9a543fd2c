"""The file a run leaves behind: whole or not at all, private, without secrets, and enough for a gate."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import gate, snapshot
from keywatch.errors import Exit, KeywatchError
from keywatch.model import Duty, Person
from keywatch.outlook import rendered
from keywatch.read import FeedRow
from tests.cli_read.house import HOSTILE, NOW, TOML, House, make
from tests.servers.web import Page, WebServer

CANARY = "canary-4f1d-never-to-be-seen"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("OPS_PHONE_URL", f"json://{CANARY}@example.com")
    made = make(tmp_path, TOML + f'[routes.room]\nurl = "json://user:{CANARY}@example.com/x"\nshared = true\n')
    made.put("near", 30, owner="payments", service="checkout", runbook="https://wiki/near")
    made.put("far", 300, owner="payments", service="checkout")
    made.put("nobodys", 300)
    made.put("broken", problem="cannot read 'soon'", owner="payments")
    made.put("slow", 150, owner="platform", lead="120d")
    made.put("undated", owner="platform", env="staging")
    made.put("off", 5, owner="platform", active=False)
    made.ran()
    return made


def leave(house: House, *, changed: bool = True, later: timedelta = timedelta(0)) -> Any:
    """Leave one; its content, or None where nothing was written."""
    path = snapshot.place(house.config)
    path.unlink(missing_ok=True)
    with house.store as store, store.write() as tx:
        snapshot.leave(tx, house.config, house.now + later, changed=changed)
    return json.loads(path.read_text()) if path.exists() else None


def test_it_names_what_is_near_in_trouble_or_nobodys(house: House) -> None:
    """And counts the rest: what a gate asks about must be complete up to the horizon, and no longer than needed."""
    made = leave(house)
    assert {one["name"] for one in made["credentials"]} == {"near", "nobodys", "broken", "slow"}
    assert made["counts"] == {"production": 5, "staging": 1}
    assert made["groups"] == [
        ["production", "", "", 1],
        ["production", "payments", "", 1],
        ["production", "payments", "checkout", 2],
        ["production", "platform", "", 1],
        ["staging", "platform", "", 1],
    ]
    assert (made["schema"], made["at"], made["horizon"]) == (1, "2026-11-21T09:00:00Z", "2027-03-21T09:00:00Z")


def test_it_says_whom_to_tell_when_the_store_is_gone(house: House) -> None:
    """Planned duties with their addresses, and the names of the routes."""
    with house.store as store, store.write() as tx:
        duty = Duty(Person("ana", "Ana", "ana@example.com"), 1, NOW, NOW + timedelta(days=2))
        answer = rendered([duty], [], NOW + timedelta(days=14))
        _, target = house.config.roster("payments")
        tx.put_feed(FeedRow("roster", "payments", target, complete_at=NOW, answer=answer))
    made = leave(house)
    assert [duty["mail"] for duty in made["duties"]] == ["ana@example.com", "bo@example.com", "li@example.com"]
    assert made["duties"][0]["until"] == "2026-11-23T09:00:00Z"
    assert "room" in made["routes"]
    assert made["last_resort"] == ["li:mail", "ops-phone"]


def test_no_secret_and_no_url_of_a_route_is_in_it(house: House) -> None:
    """It is copied to CI: a route's URL is a secret wherever it came from."""
    leave(house)
    text = snapshot.place(house.config).read_text()
    assert CANARY not in text
    assert "json://" not in text


def test_only_its_owner_can_read_it_and_no_draft_stays(house: House) -> None:
    """Mode 0600 from the first byte, and a rename."""
    leave(house)
    path = snapshot.place(house.config)
    assert path.name == "keywatch.db.snapshot.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob(".*snapshot*"))


def test_without_a_change_one_in_six_hours_is_enough(house: House) -> None:
    """An idle timer writes nothing; but one that was deleted comes back."""
    assert leave(house) is not None
    path = snapshot.place(house.config)
    before = path.stat().st_mtime_ns
    for hours, rewritten in ((5, False), (6, True)):
        with house.store as store, store.write() as tx:
            snapshot.leave(tx, house.config, NOW + timedelta(hours=hours), changed=False)
        assert (path.stat().st_mtime_ns != before) is rewritten
    assert leave(house, changed=False, later=timedelta(hours=7)) is not None


def test_a_disk_that_refuses_is_a_warning(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on, and what stood there before stays."""
    path = snapshot.place(house.config)
    path.mkdir()
    with caplog.at_level(logging.WARNING, "keywatch"), house.store as store, store.write() as tx:
        snapshot.leave(tx, house.config, NOW, changed=True)
        assert tx.read.meta("snapshot_at") == ""
    assert "snapshot.failed" in caplog.text
    assert not list(path.parent.glob(".*snapshot*"))


def test_a_gate_answers_the_same_from_it(house: House) -> None:
    """Whatever is asked within the horizon, store and snapshot give the same findings and count the same."""
    hand = house.put(HOSTILE, 10, owner="payments", service="checkout", env="live")
    house.hold(hand)
    leave(house)
    with house.store as store, store.write() as tx:
        stored = gate.of_store(tx.read, house.config, NOW)
    taken = gate.of_snapshot(snapshot.fetch(str(snapshot.place(house.config))))
    for question in (
        gate.Question(),
        gate.Question(within=timedelta(days=119)),
        gate.Question(within=timedelta(days=60), service="checkout", in_hand_warns=True),
        gate.Question(env="stage", owner="platform"),
        gate.Question(owner="payments", service="checkout", within=timedelta(days=1)),
    ):
        one, other = gate.judge(stored, question, NOW), gate.judge(taken, question, NOW)
        assert (one.judged, one.exit_code) == (other.judged, other.exit_code)
        assert [(f.rule, f.level, f.message) for f in one.findings] == [
            (f.rule, f.level, f.message) for f in other.findings
        ]
    assert gate.judge(taken, gate.Question(), NOW).findings


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def test_it_comes_over_http(house: House, web: WebServer) -> None:
    """From wherever the run copied it."""
    leave(house)
    web.pages["/s.json"] = Page(body=snapshot.place(house.config).read_bytes())
    assert snapshot.fetch(web.url("/s.json?token=x")).at == NOW


@pytest.mark.parametrize(
    "page",
    [
        Page(404),
        Page(body=b"<html>"),
        Page(body=b"[1]"),
        Page(body=b"{}"),
        Page(body=b"\xff\xfe"),
        Page(body=b"[" * 100_000),
        Page(body=b'{"schema": 2}'),
        Page(body=b" " * (snapshot.LARGEST + 1)),
    ],
    ids=["404", "html", "list", "empty", "binary", "deep", "newer", "large"],
)
def test_what_is_no_snapshot_is_exit_3(web: WebServer, page: Page) -> None:
    """Not found, not ours, of a newer keywatch, too large: the gate could not find out; the URL is not repeated."""
    web.pages["/s"] = page
    with pytest.raises(KeywatchError) as caught:
        snapshot.fetch(web.url(f"/s?token={CANARY}"))
    assert caught.value.exit_code is Exit.UNKNOWN
    assert CANARY not in caught.value.what + caught.value.hint


def test_nobody_answers_is_exit_3(tmp_path: Path) -> None:
    """A server that is down, a file that is not there."""
    for where in ("http://127.0.0.1:9/x", str(tmp_path / "none.json"), str(tmp_path)):
        with pytest.raises(KeywatchError) as caught:
            snapshot.fetch(where)
        assert caught.value.exit_code is Exit.UNKNOWN


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "gopher://x"])
def test_other_schemes_are_refused(url: str) -> None:
    """Only http and https, exit 2."""
    with pytest.raises(KeywatchError) as caught:
        snapshot.fetch(url)
    assert caught.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw["credentials"][0].update(expires_at="soon"),
        lambda raw: raw["credentials"][0].update(expires_at="2026-12-19T00:00:00"),
        lambda raw: raw["credentials"][0].update(name=7),
        lambda raw: raw["credentials"][0].pop("automatic"),
        lambda raw: raw.update(zone="Mars/Olympus"),
        lambda raw: raw.update(groups=[["production", "x"]]),
        lambda raw: raw.update(at=None),
        lambda raw: raw.update(credentials=None),
    ],
    ids=["date", "naive", "number", "missing", "zone", "groups", "at", "none"],
)
def test_a_damaged_snapshot_is_never_green(house: House, tmp_path: Path, spoil: Any) -> None:
    """Every part of it that does not fit is exit 3, never a credential less."""
    raw = leave(house)
    spoil(raw)
    (tmp_path / "bad.json").write_text(json.dumps(raw))
    with pytest.raises(KeywatchError) as caught:
        snapshot.fetch(str(tmp_path / "bad.json"))
    assert caught.value.exit_code is Exit.UNKNOWN

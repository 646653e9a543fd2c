"""`keywatch gate` as CI calls it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from keywatch import snapshot
from keywatch.cli import main
from tests.cli_read.house import HOSTILE, House, make


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = make(tmp_path)
    made.put("paygate-api", 10, owner="payments", service="checkout")
    made.ran()
    return made


def test_exit_codes(house: House) -> None:
    """1 blocked, 0 passes, 2 unknown environment, 3 nothing judged."""
    assert house.run("gate").code == 1
    assert house.run("gate", "--within", "2d").code == 0
    assert house.run("gate", "--env", "staging", "--allow-empty").code == 0
    assert house.run("gate", "--env", "staging").code == 3
    assert house.run("gate", "--env", "prodution").code == 2
    assert house.run("gate", "--within", "14").code == 2


def test_json(house: House) -> None:
    """The shape other tools rely on."""
    said = house.run("gate", "-o", "json").json
    assert (said["schema"], said["blocked"], said["judged"]) == (1, True, 1)
    assert {one["rule"] for one in said["findings"]} >= {"KW002"}
    assert {"rule", "credential", "owner", "message", "level"} <= set(said["findings"][0])


def test_inside_github_actions_it_annotates(house: House) -> None:
    """Without -o; an explicit -o wins."""
    env = {"GITHUB_ACTIONS": "true"}
    assert house.run("gate", env=env).out.startswith("::error title=KW")
    assert "::error" not in house.run("gate", "-o", "text", env=env).out
    assert "::error" not in house.run("gate").out


def test_an_exception_needs_a_reason_and_is_recorded(house: House) -> None:
    """Who let what pass, and why, stands in the timeline; without a reason nothing happens."""
    assert house.run("gate", "--except", "paygate-api").code == 2
    passed = house.run("gate", "--except", "paygate-api", "--reason", "PAY-431 carries the new key")
    assert passed.code == 0
    assert "PAY-431 carries the new key" in passed.out
    with house.store as store, store.write() as tx:
        events = tx.read.events("manual:paygate-api", kinds=["gate-except"])
    assert {event.text for event in events} == {"PAY-431 carries the new key"}
    assert all(event.who for event in events)
    assert house.run("gate").code == 1, "only that one run"


def test_an_exception_that_changes_nothing_is_not_recorded(house: House) -> None:
    """A pipeline that keeps its --except after the renewal fills no timeline."""
    house.put("fine", 300, owner="payments")
    assert "needs no exception" in house.run("gate", "--except", "fine", "--reason", "x").out
    with house.store as store, store.write() as tx:
        assert not tx.read.events(kinds=["gate-except"])


def test_from_a_snapshot_without_an_installation(house: House, tmp_path: Path) -> None:
    """In a folder with nothing but the snapshot: the same answer; a rehearsal's may be asked for another time."""
    with house.store as store, store.write() as tx:
        snapshot.leave(tx, house.config, house.now, changed=True)
    elsewhere = House(tmp_path / "ci", house.now)
    elsewhere.folder.mkdir()
    taken = elsewhere.folder / "taken.json"
    snapshot.place(house.config).rename(taken)
    said = elsewhere.run("gate", "--from", str(taken), "-o", "json")
    assert (said.code, said.json["judged"]) == (1, 1)
    late = House(elsewhere.folder, house.now + timedelta(hours=27)).run("gate", "--from", str(taken), "--service", "x")
    assert late.code == 3
    raw = json.loads(taken.read_text())
    taken.write_text(json.dumps({**raw, "rehearsal": False}))
    assert elsewhere.run("gate", "--from", str(taken)).code == 2, "another clock only for a rehearsal"
    assert elsewhere.run("gate").code == 2, "no config here"


def test_a_snapshot_is_judged_without_opening_the_store(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline runs beside a config whose store it cannot reach: nothing is resolved, and nothing waits for it."""
    with house.store as store, store.write() as tx:
        snapshot.leave(tx, house.config, house.now, changed=True)
    place, seen = snapshot.place(house.config), tmp_path / "resolved"
    raw = json.loads(place.read_text())
    place.write_text(json.dumps({**raw, "rehearsal": False}))
    toml = house.folder / "keywatch.toml"
    text = toml.read_text()
    assert "\nstore = " not in text
    toml.write_text(text.replace("[keywatch]\n", f'[keywatch]\nstore = "cmd:touch {seen}"\n'))
    monkeypatch.delenv("KEYWATCH_NOW", raising=False)
    monkeypatch.chdir(house.folder)
    with pytest.raises(SystemExit) as done:
        main(["gate", "--from", str(place), "--max-age", "9000d"])
    assert done.value.code in (0, 1, 3)
    assert not seen.exists()
    with pytest.raises(SystemExit):
        main(["list"])
    assert seen.exists(), "the commands that need the store do resolve it"


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_hostile_name_is_harmless_in_every_form(house: House, form: str) -> None:
    """No escape, no direction mark, no line of its own."""
    house.put(HOSTILE, 1, owner="payments")
    out = house.run("gate", "-o", form).out
    assert not set(out) & set("\x1b\u202e\x9b\r\t")
    assert all(not line.startswith(("=cmd", "[31m")) for line in out.splitlines())


def test_there_is_no_store(house: House) -> None:
    """It could not find out, and makes none."""
    database = house.folder / "keywatch.db"
    for file in house.folder.glob("keywatch.db*"):
        file.unlink()
    assert house.run("gate").code == 3
    assert not database.exists()

"""The commands that only read, through the command line, over a real store."""

import csv
import io
import json
import os
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import oncall, outlook
from keywatch.model import Decision, Evidence, EvidenceKind, Planned
from tests.cli_read.house import FORMULA, HOSTILE, NOW, TOML, House, make
from tests.servers.smtp import SmtpServer

HIDDEN = set("\x1b\u202e\x9b\r\t")
DAY = timedelta(days=1)


@pytest.fixture
def full(house: House) -> House:
    """One of each kind."""
    house.put("paygate-api", 28, owner="payments", lead="21bd", env="production", service="checkout")
    house.hold(house.put("sftp", 12, owner="payments"))
    house.put("dead", -3, owner="platform")
    house.put("calm", 300, owner="platform", env="staging")
    house.put("undated", owner="platform")
    house.put(HOSTILE, 90, owner="payments", approver=FORMULA)
    house.put(FORMULA, 95, owner="payments")
    house.put("old", 50, retired_at=NOW, retired_by="mia")
    house.ran()
    return house


def dead_alias(house: House) -> None:
    """payments-alias refused a mail a week ago, and Ana answered through her own route yesterday."""
    config = house.config
    with house.store as store, store.write() as tx:
        for route, kind, source, code, ago in (
            ("payments-alias", EvidenceKind.REFUSED, "smtp", "550 5.1.1", 7),
            ("ana:mail", EvidenceKind.ACK, "ack", "", 1),
        ):
            hashed = outlook.address_hash(tx.read.meta("key"), config.routes[route], config.base)
            tx.add_evidence(Evidence(NOW - ago * DAY, route, kind, source, code), hashed)


def last_resort_answered(house: House) -> None:
    """Li by mail and Bo on the pager showed yesterday that they hear."""
    config = house.config
    with house.store as store, store.write() as tx:
        for name in config.last_resort:
            hashed = outlook.address_hash(tx.read.meta("key"), config.routes[name], config.base)
            tx.add_evidence(Evidence(NOW - DAY, name, EvidenceKind.ACK, "ack", "", ""), hashed)


def rendered(house: House) -> None:
    """The rosters were read, as a check does it."""
    config = house.config
    with house.store as store, store.write() as tx:
        for reference in outlook.roster_references(config):
            tx.put_feed(oncall.ask(config, reference, None, NOW - timedelta(minutes=10)))


# --------------------------------------------------------------------------- list, show


def test_list_is_worst_first_and_ends_with_the_next_step(full: House) -> None:
    """What burns stands on top; the next command stands below, on stderr."""
    said = full.run("list", "-o", "json")
    names = [one["name"] for one in said.json["credentials"]]
    assert names[:3] == ["dead", "paygate-api", "sftp"]
    assert names[-1] == "calm"
    assert "old" not in names
    assert said.err == "7 credentials, 2 need action; first: `keywatch show dead`\n"


def test_list_json_has_the_fields_others_rely_on(full: House) -> None:
    """The names of the surface; instants with Z."""
    (one,) = full.run("list", "-o", "json", "--state", "late").json["credentials"]
    wanted = {"name", "source", "ref", "env", "owner", "service", "state", "expires_at", "start_by", "lead_time"}
    assert wanted | {"in_hand", "stale_since", "basis", "because", "last_good_day", "marks", "late_at"} <= set(one)
    assert (one["start_by"], one["start_by_day"]) == ("2026-11-19T23:00:00Z", "2026-11-20")
    (held,) = full.run("list", "-o", "json", "--state", "in-hand").json["credentials"]
    assert held["in_hand"] == {"person": "ana", "until": "2026-11-24T09:00:00Z", "begun": True}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--owner", "platform"), {"dead", "undated", "calm"}),
        (("--env", "stage"), {"calm"}),
        (("--service", "checkout"), {"paygate-api"}),
        (("--within", "30d"), {"dead", "paygate-api", "sftp"}),
        (("--state", "expired", "--state", "undated"), {"dead", "undated"}),
        (("--service", "nowhere"), set()),
    ],
    ids=lambda value: "-".join(sorted(value)) or "none",
)
def test_list_filters(full: House, filters: tuple[str, ...], names: set[str]) -> None:
    """Each filter narrows."""
    assert {one["name"] for one in full.run("list", "-o", "json", *filters).json["credentials"]} == names


def test_list_of_an_owner_that_nobody_knows(full: House) -> None:
    """A typing mistake is no empty list."""
    answer = full.run("list", "--owner", "paymnts")
    assert answer.code == 2
    assert "no owner 'paymnts' (did you mean 'payments'?)" in str(answer.result.exception)


def test_list_shows_retired_ones_when_asked(full: House) -> None:
    """With who retired it; otherwise they are gone from sight."""
    assert "retired by mia" in full.run("list", "--retired").out
    assert "mia" not in full.run("list").out


def test_the_table_is_whole_in_a_pipe(full: House) -> None:
    """No truncation, no colour, one line a credential."""
    lines = full.run("list").out.splitlines()
    assert lines[0].split() == [
        "NAME",
        "ENV",
        "OWNER",
        "STATE",
        "EXPIRES",
        "START",
        "BY",
        "LEAD",
        "LAST",
        "TOLD",
        "ACK",
    ]
    assert len(lines) == 8
    assert "✘ LATE" in lines[2]
    assert "ana until 2026-11-24" in lines[3]


@pytest.mark.parametrize("output", ["table", "json", "csv", "md"])
def test_hostile_names_in_every_form(full: House, output: str) -> None:
    """No control character, no direction mark, no line of its own."""
    out = full.run("list", "-o", output).out
    assert not set(out.replace("\r\n", "\n")) & HIDDEN
    if output == "md":
        assert "<b>" not in out
        assert len(out.splitlines()) == 9


def test_csv_has_no_formula(full: House) -> None:
    """A spreadsheet opens it and calculates nothing; the names of the columns are those of JSON."""
    rows = list(csv.DictReader(io.StringIO(full.run("list", "-o", "csv").out)))
    assert len(rows) == 7
    assert all(not value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    assert rows[1]["start_by_day"] == "2026-11-20"


def test_show(full: House) -> None:
    """Everything of one, hostile labels included."""
    out = full.run("show", "paygate-api").out
    for part in (
        "✘ LATE",
        "21bd",
        "payments",
        "manual:paygate-api",
        "2026-12-19 10:00 in 28 d",
        "expires = 2026-12-19",
    ):
        assert part in out
    assert full.run("show", "paygate-api", "-o", "json").json["credential"]["name"] == "paygate-api"
    hostile = full.run("show", HOSTILE)
    assert not set(hostile.out + hostile.err) & HIDDEN
    missing = full.run("show", "paygate")
    assert (missing.code, "paygate-api" in missing.error) == (2, True)


# --------------------------------------------------------------------------- status


def test_status(full: House) -> None:
    """Well only where the last run is young, its result was well, and every feed answered."""
    assert full.run("status").code == 3, "the roster was never read"
    rendered(full)
    said = full.run("status", "-o", "json")
    assert (said.code, said.json["exit_code"], said.json["age_seconds"]) == (0, 0, 900)
    assert said.json["states"]["LATE"] == 1
    assert full.run("status", "--max-age", "10m").code == 3
    full.ran(standing=1)
    assert full.run("status").code == 1
    full.ran(standing=3)
    assert full.run("status").code == 3


def test_status_names_who_was_not_reached(full: House) -> None:
    """An uncovered call is 1, and outranks everything."""
    with full.store as store, store.write() as tx:
        row = tx.read.find("dead", NOW)[0]
        tx.change_episode(tx.read.episodes([row.id])[row.id].id, uncovered_since=NOW)
    said = full.run("status")
    assert said.code == 1
    assert "dead" in said.out


def test_nagios(full: House) -> None:
    """0 ok, 1 a feed in trouble, 2 nobody reached or no run, 3 no store; one line with performance data."""
    assert full.run("status", "-o", "nagios").code == 1
    rendered(full)
    said = full.run("status", "-o", "nagios")
    assert said.code == 0
    assert said.out.startswith("KEYWATCH OK - last run 15 min ago | age=900s;;93600 uncovered=0;;0 waiting=0")
    assert said.out.count("\n") == 1
    assert full.run("status", "-o", "nagios", "--max-age", "5m").code == 2
    for file in full.folder.glob("keywatch.db*"):
        file.unlink()
    gone = full.run("status", "-o", "nagios", env={"KEYWATCH_NOW": ""})
    assert (gone.code, gone.out.startswith("KEYWATCH UNKNOWN - ")) == (3, True)


def test_status_without_a_run(house: House) -> None:
    """A store that no check ever saw is not well."""
    assert house.run("status").code == 3


# --------------------------------------------------------------------------- who, why


def test_who_shows_rungs_routes_and_the_row_that_explains(full: House) -> None:
    """The alias is dead, and says since when and by which code; Ana is proven by her answer."""
    rendered(full)
    dead_alias(full)
    out = full.run("who", "payments").out
    assert "payments at Sat 21 Nov 2026 10:00 Europe/Madrid: Ana Ruiz" in out
    assert "✗ a route of payments, by payments-alias, dead (refused 550 5.1.1, 14 Nov 2026); not sent to" in out
    assert (
        "→ Ana Ruiz: on call for payments until Mon 23 Nov 09:00, by ana:mail, proven (somebody answered, 20 Nov 2026)"
        in out
    )
    rungs = full.run("who", "payments", "-o", "json").json["rungs"]
    assert [[one["route"] for one in rung["routes"]] for rung in rungs] == [
        ["payments-alias", "ana:mail"],
        ["mia:mail"],
        ["bo:mail"],
        ["li:mail"],
        ["ops-phone"],
    ]
    alias, ana = rungs[0]["routes"]
    assert (alias["told"], alias["health"], alias["evidence"]["code"]) == (False, "dead", "550 5.1.1")
    assert (ana["told"], ana["health"], ana["evidence"]["kind"]) == (True, "proven", "ack")


def duty(house: House, at: str) -> list[str]:
    found: list[str] = house.run("who", "payments", "--at", at, "-o", "json").json["on_duty"]
    return found


def test_who_at_another_instant_asks_the_roster(full: House) -> None:
    """Inside and past the rendered window; a week later it is Bo."""
    rendered(full)
    assert duty(full, "2026-11-24") == ["bo"]
    assert duty(full, "2027-03-08T12:00:00Z") == ["Ana Ruiz"]
    assert duty(full, "2027-03-15T12:00:00Z") == ["bo"]


def test_who_past_what_the_roster_knows(tmp_path: Path) -> None:
    """An owner whose roster does not answer: whoever is on call, and more people are told at once."""
    toml = TOML.replace('people = ["ana", "bo"]\nanchor = 2026-10-05', "people = []\nanchor = 2026-10-05")
    house = make(tmp_path, toml)
    said = house.run("who", "payments", "--at", "2027-03-08")
    assert "whoever is on call" in said.out
    assert "calls start at rung 2 at least" in said.out


def test_who_of_nobody(full: House) -> None:
    """An unknown owner lists the known ones."""
    said = full.run("who", "paymnts")
    assert (said.code, "payments, platform" in said.error) == (2, True)


def call(house: House, name: str) -> None:
    """What a check would have planned and sent: to a dead alias and to Ana."""
    with house.store as store, store.write(plan=True) as tx:
        row = tx.read.find(name, NOW)[0]
        episode = tx.read.episodes([row.id])[row.id]
        told = (
            Planned("payments-alias", "", 0, "a route of payments", False),
            Planned("ana:mail", "ana", 0, "on call for payments", True),
        )
        decision = Decision(stage="late@2026-11-21", asks=True, notices=told, next_at=NOW + DAY, rung=2)
        tx.apply(episode.id, decision, NOW, "2026-11-21", "kw.example")


def test_why_tells_the_story(full: House) -> None:
    """Each notice with its stage, its reader and what became of it, and what comes next."""
    rendered(full)
    call(full, "paygate-api")
    said = full.run("why", "paygate-api")
    assert "  2026-11-21 10:00 late of 2026-11-21, asks for an answer\n" in said.out
    assert "    … Ana Ruiz by ana:mail (unproven), on call for payments: not sent yet\n" in said.out
    assert "    … payments-alias (unproven), a route of payments: not sent yet\n" in said.out
    assert said.out.splitlines()[-1].startswith("next: ")
    made = full.run("why", "paygate-api", "-o", "json").json
    (only,) = made["episode"]["calls"]
    assert [one["standing"] for one in only["notices"]] == ["pending", "pending"]
    assert made["next"]["at"] is not None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("undated", "nobody gave it a date"),
        ("old", "it was retired on 2026-11-21 10:00 by mia"),
        ("sftp", "Ana Ruiz has it in hand"),
        ("dead", "the first message (expired+2d): the next `keywatch check` says it"),
        ("calm", "next: Fri 3 Sep 2027 09:00: the first message (7d before start by): bo, li, mia"),
    ],
)
def test_why_says_why_it_is_silent(full: House, name: str, sentence: str) -> None:
    """Every credential has an answer to "what comes next"."""
    rendered(full)
    assert sentence in full.run("why", name).out


def test_why_of_a_hostile_name(full: House) -> None:
    """In text and JSON alike."""
    for output in ("text", "json"):
        assert not set(full.run("why", HOSTILE, "-o", output).out) & HIDDEN


# --------------------------------------------------------------------------- doctor


def problems(house: House, *args: str, **env: str) -> list[str]:
    said = house.run("doctor", "-o", "json", *args, env=env).json
    return [one["what"] for one in said["checks"] if one["mark"] == "problem"]


def test_doctor_is_green_where_all_is_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody on call, two proven people by two proven transports, a run, every secret there."""
    house.put("a", 300, owner="payments", env="production")
    house.ran()
    rendered(house)
    env = {"OPS_PHONE_URL": "json://example.com"}
    monkeypatch.setenv("OPS_PHONE_URL", env["OPS_PHONE_URL"])
    (unproven,) = problems(house, "--offline", **env)
    assert "0 of 2 proven people" in unproven
    last_resort_answered(house)
    with SmtpServer({}) as server:
        toml = house.folder / "keywatch.toml"
        toml.write_text(toml.read_text(encoding="utf-8").replace(":2525", f":{server.port}"), encoding="utf-8")
        house.ran()
        assert problems(house, **env) == []
        assert house.run("doctor", env=env).code == 0
    (down,) = problems(house, **env)
    assert down.startswith(f"no mail can leave now: localhost:{server.port} does not answer")


def test_doctor_names_what_is_wrong(full: House) -> None:
    """Each trouble is one line, and the exit code is 1."""
    full.put("strange", 90, owner="growth", source="vault", ref="secret/x")
    full.ran(ago=timedelta(hours=30))
    dead_alias(full)
    said = "\n".join(problems(full))
    for part in (
        "the last check was 30 h ago",
        "owner is 'growth'",
        "of the source 'vault', which is not configured any more",
        "route payments-alias is dead (550 5.1.1 on 2026-11-14)",
        "the environment variable OPS_PHONE_URL is not set",
    ):
        assert part in said
    assert full.run("doctor").code == 1


def test_doctor_sees_gaps_in_the_rota(full: House) -> None:
    """A shift of somebody without an address is a gap, with its span."""
    toml = full.folder / "keywatch.toml"
    toml.write_text(TOML.replace('[people.bo]\nmail = "bo@example.com"', "[people.bo]").replace('person = "bo"', ""))
    rendered(full)
    said = "\n".join(problems(full))
    assert "nobody who can be reached is on call 2026-11-23 09:00 to 2026-11-30 09:00" in said
    assert "the last resort has 0 of 2 proven people" in said


def test_doctor_groups_what_has_no_labels_and_writes_the_rule(house: House) -> None:
    """The block is TOML that keywatch reads, and it fits every credential of the largest group."""
    for number in range(3):
        house.put(f"p{number}", 90, source="vault", ref=f"secret/payments/[x]/p{number}")
    house.put("q", 90, source="vault", ref="secret/q")
    made = house.run("doctor", "-o", "json", "--offline").json["checks"]
    (block,) = [one["hint"] for one in made if "largest group" in one["what"]]
    rule = tomllib.loads(block)["assign"][0]
    assert rule == {"match": "vault:secret/payments/[[]x]/*", "owner": "payments", "env": "production"}
    assert any(
        "4 credentials have no owner: 3 in vault:secret/payments/[x]/, 1 in vault:secret/" in one["what"]
        for one in made
    )
    (house.folder / "keywatch.toml").write_text(f"{TOML}\n{block}\n")
    config = house.config
    assert all(config.assign("vault", f"secret/payments/[x]/p{number}")["owner"] == "payments" for number in range(3))
    assert config.assign("vault", "secret/q") == {}


def test_doctor_sees_what_everybody_can_read(house: House) -> None:
    """A file a secret is read from, the store itself, and a config with a URL in it."""
    secret = house.folder / "phone"
    secret.write_text("json://example.com")
    secret.chmod(0o644)
    (house.folder / "keywatch.db").chmod(0o644)
    toml = house.folder / "keywatch.toml"
    toml.write_text(TOML.replace("env:OPS_PHONE_URL", "file:phone") + '[routes.room]\nurl = "json://example.com/t"\n')
    toml.chmod(0o644)
    said = "\n".join(problems(house))
    for name in ("phone", "keywatch.db", "keywatch.toml"):
        assert f"can read {house.folder / name}" in said
    for name in ("phone", "keywatch.db", "keywatch.toml"):
        (house.folder / name).chmod(0o600)
    assert "can read" not in "\n".join(problems(house))


def test_doctor_asks_sources_unless_offline(house: House) -> None:
    """What would keep a scan from being complete, in the provider's own sentence."""
    toml = house.folder / "keywatch.toml"
    toml.write_text(TOML + '[[source]]\nname = "partners"\nkind = "file"\npath = "missing.toml"\n')
    said = problems(house)
    assert any("missing.toml" in one for one in said)
    assert not any("missing.toml" in one for one in problems(house, "--offline"))
    assert any("source partners: it was never read" in one for one in said)


# --------------------------------------------------------------------------- plugins, completion


def test_plugins_lists_what_is_installed(house: House) -> None:
    """With the keys of each config table; it needs no config."""
    made = house.run("plugins", "-o", "json", env={"KEYWATCH_CONFIG": ""}).json["plugins"]
    found = {(one["kind"], one["name"]): one["keys"] for one in made}
    assert "people" in found["roster", "rotation"]
    assert {"address", "mounts", "token"} <= set(found["provider", "vault"])
    assert ("notifier", "mail") in found
    assert "vault" in house.run("plugins").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(house: House, shell: str) -> None:
    """Each shell gets its own, for the command `keywatch`."""
    out = house.run("completion", shell).out
    assert "_KEYWATCH_COMPLETE" in out


def completed(house: House, words: str) -> list[str]:
    """What a bash completes after these words."""
    env = {"_KEYWATCH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    script = f"import os; os.environ.update({env!r})"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nfrom keywatch.cli import main\nmain([])"],
        capture_output=True,
        text=True,
        check=False,
        cwd=house.folder,
        env={**os.environ, "KEYWATCH_CONFIG": str(house.folder / "keywatch.toml")},
    )
    assert "Traceback" not in done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_completion_of_names(full: House) -> None:
    """The names of the store, read-only; a name that would break the shell's line is left out."""
    assert completed(full, "keywatch show pay") == ["paygate-api"]
    assert "dead" in completed(full, "keywatch why ")
    assert not any("evil" in name for name in completed(full, "keywatch show "))
    assert completed(full, "keywatch who pl") == ["platform"]


def test_completion_without_a_store_is_silent(house: House) -> None:
    """A traceback in the middle of a command line helps nobody."""
    for file in house.folder.glob("keywatch.db*"):
        file.unlink()
    assert completed(house, "keywatch show ") == []
    assert not list(house.folder.glob("keywatch.db*"))


def test_json_everywhere_says_its_schema(full: House) -> None:
    """Programs may check it first."""
    rendered(full)
    commands: list[list[Any]] = [
        ["list"], ["show", "dead"], ["gate"], ["suspects"], ["status"], ["who", "payments"], ["why", "dead"],
        ["doctor", "--offline"], ["plugins"],
    ]  # fmt: skip
    for command in commands:
        assert json.loads(full.run(*command, "-o", "json").out)["schema"] == 1, command

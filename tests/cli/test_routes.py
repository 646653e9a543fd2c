"""`keywatch routes`: which routes a living human reads, which row says so, and what hangs on each."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keywatch import outlook
from keywatch.model import Evidence, EvidenceKind, MessageKind
from keywatch.read import FeedRow
from tests.cli_read.house import HOSTILE, NOW, TOML, House
from tests.test_imports import HEAVY, loaded

DAY = timedelta(days=1)
INBOX = '[inbox]\nurl = "maildir:post"\nself_proof = "example.com"\n'


def learn(house: House, route: str, kind: EvidenceKind, ago: float, **fields: Any) -> None:
    """One row about a route at its present address, `ago` days old."""
    config = house.config
    with house.store as store, store.write() as tx:
        world = outlook.world(config, tx.read, NOW)
        at = outlook.address_hash(tx.read.meta("key"), world.routes[route], config.base)
        tx.add_evidence(Evidence(NOW - ago * DAY, route, kind, fields.pop("source", "inbox"), **fields), at)


def entries(house: House, *args: str) -> dict[str, dict[str, Any]]:
    return {one["route"]: one for one in house.run("routes", "-o", "json", *args).json["routes"]}


@pytest.fixture
def full(house: House) -> House:
    """One of each health, and three credentials."""
    house.put("paygate-api", 28, owner="payments", lead="21bd", env="production")
    house.put("sftp", 300, owner="payments")
    house.put("ads", 300, owner="platform")
    learn(house, "payments-alias", EvidenceKind.REFUSED, 7, source="smtp", code="550 5.1.1", detail="no such user")
    learn(house, "ana:mail", EvidenceKind.ACK, 1, person="ana", detail="answered the notice of 2026-11-20")
    learn(house, "mia:mail", EvidenceKind.REPLY, 100, person="mia")
    learn(house, "li:mail", EvidenceKind.FULL, 2, code="552 5.2.2")
    return house


def test_worst_first_and_each_with_the_row_that_explains_it(full: House) -> None:
    """Dead, suspect, unproven, proven; a proof that is too old is said to be just that."""
    said = full.run("routes")
    rows = [line.split("  ")[0] for line in said.out.splitlines()[1:]]
    assert rows == ["dead", "suspect", "unproven", "unproven", "unproven", "proven"]
    table = " ".join(said.out.split())
    assert "dead payments-alias refused 550 5.1.1 no such user, 14 Nov 2026 never 14 Nov 2026 2 of payments" in table
    assert "suspect li:mail the mailbox is full: 552 5.2.2, 19 Nov 2026" in table
    assert "mia replied, 13 Aug 2026; that is too long ago" in table
    assert "Ana Ruiz answered the notice of 2026-11-20, 20 Nov 2026" in table
    assert "ops-phone nobody has ever answered through it" in table
    assert said.err == "6 routes, 1 is dead or partly so; first: `keywatch routes payments-alias`\n"
    assert said.code == 0, "doctor judges, this shows"


def test_what_hangs_on_a_route(full: House) -> None:
    """The credentials of every owner whose people would be told by it; a page route hangs on who keeps keywatch."""
    found = entries(full)
    assert found["payments-alias"]["credentials"] == ["paygate-api", "sftp"]
    assert found["payments-alias"]["owners"] == ["payments"]
    assert set(found["li:mail"]["credentials"]) == {"paygate-api", "sftp", "ads"}, "fallback there, responsible here"
    assert found["bo:mail"]["owners"] == ["payments", "platform"]
    assert found["ops-phone"]["owners"] == ["platform"], "Bo's, too; but it wakes him, so only the last resort uses it"


def test_one_route_with_all_that_hangs_on_it(full: House) -> None:
    """Worst first with what it needs now, and every row that was ever learnt."""
    out = full.run("routes", "payments-alias").out
    assert out.splitlines()[:5] == [
        "payments-alias is dead: refused 550 5.1.1 no such user, 14 Nov 2026",
        "  payments-alerts@example.com, read by whoever",
        "2 credentials hang on it, as people of payments are told by it",
        "  LATE paygate-api (production), start by 20 Nov 2026",
        "  OK sftp (production), start by 10 Sep 2027",
    ]
    assert out.splitlines()[5:] == ["1 row of evidence", "  2026-11-14 10:00 refused 550 5.1.1 no such user, by smtp"]


def test_a_new_address_is_a_new_route(full: House) -> None:
    """What was learnt at the old address is shown as such, and counts neither for nor against the new one."""
    config = full.folder / "keywatch.toml"
    config.write_text(config.read_text().replace("payments-alerts@example.com", "payments@example.com"))
    shown = full.run("routes", "payments-alias")
    assert shown.out.startswith("payments-alias is unproven: nobody has ever answered through it\n")
    assert "its address was changed since: nothing is known of the new one" in shown.out
    learn(full, "payments-alias", EvidenceKind.ATTESTED, 0.5, person="ana")
    lines = full.run("routes", "payments-alias").out.splitlines()
    assert lines[-2:] == [
        "  it leads to another address from here on: what was learnt before does not count",
        "  2026-11-20 22:00 Ana Ruiz said that it is read",
    ]
    made = full.run("routes", "payments-alias", "-o", "json").json["routes"][0]
    assert [row["present_address"] for row in made["history"]] == [False, True]
    assert made["last_bounce"] is None


def test_marks_of_a_route(full: House) -> None:
    """Partly dead, and away until a day, stand beside the health."""
    learn(full, "ana:mail", EvidenceKind.AWAY, 0.5, until=NOW + 12 * DAY)
    learn(full, "bo:mail", EvidenceKind.PARTIAL, 3, code="5.1.1")
    assert full.run("routes", "ana:mail").out.startswith("ana:mail is proven, away until 3 Dec 2026: Ana Ruiz answered")
    assert full.run("routes", "bo:mail").out.startswith("bo:mail is suspect, partial: some of its readers are gone")
    found = entries(full)
    assert (found["ana:mail"]["away_until"], found["bo:mail"]["partial"]) == ("2026-12-03T09:00:00Z", True)
    assert list(found)[:2] == ["payments-alias", "bo:mail"]


def test_the_last_question_and_its_answer(full: House) -> None:
    """When a route was last asked whether it is read, and who said so; an older proof is no answer."""
    with full.store as store, store.write() as tx:
        for route in ("bo:mail", "ana:mail", "mia:mail"):
            body = '{"subject": "still read?", "text": "still read?"}'
            tx.enqueue(MessageKind.QUESTION, f"question|{route}", route, "", body, NOW - 2 * DAY, "example.com")
    learn(full, "mia:mail", EvidenceKind.ATTESTED, 101, person="mia")
    assert "  last asked whether it is read: 19 Nov 2026, no answer yet" in full.run("routes", "mia:mail").out
    assert "  last asked whether it is read: 19 Nov 2026, answered 20 Nov 2026" in full.run("routes", "ana:mail").out
    found = {name: one["last_question"] for name, one in entries(full).items()}
    assert found["li:mail"] is None
    assert found["bo:mail"] == {"asked_at": "2026-11-19T09:00:00Z", "accepted_at": None, "answer": None}
    assert found["ana:mail"]["answer"]["person"] == "ana"


def test_routes_of_issuers_and_of_nobody(house: House) -> None:
    """An address that an issuer writes to is one of them; the address that proves the bounces is not."""
    (house.folder / "keywatch.toml").write_text(TOML + INBOX)
    house.run("add", "cert", "--expires", "2027-11-21", "--issuer-writes-to", "certs@example.com")
    found = entries(house)
    mine = found["issuer:certs@example.com"]
    assert (mine["kind"], mine["credentials"], mine["owners"]) == ("issuer", ["cert"], ["platform"])
    assert not [name for name in found if name.startswith("inbox:")]
    assert "the issuer of cert writes there" in house.run("routes", "issuer:certs@example.com").out


def test_an_inbox_that_is_not_read(full: House) -> None:
    """Then no mail route is proven, and the table says why in a word, not that a proof is old."""
    (full.folder / "keywatch.toml").write_text(TOML + INBOX)
    with full.store as store, store.write() as tx:
        feed = FeedRow("inbox", "inbox")
        tx.put_feed(replace(feed, tried_at=NOW, complete_at=NOW - 2 * DAY, problem="no such folder"))
    said = full.run("routes", "ana:mail").out
    assert said.startswith("ana:mail is unproven: the inbox is not read; before that: Ana Ruiz answered the notice")
    assert "the inbox has not been read for a day (no such folder)" in full.run("routes").err
    assert full.run("routes", "-o", "json").json["unheard"] == "no such folder"
    assert "the inbox has not been read for a day (no such folder)" in full.run("who", "payments").out


def test_csv_and_json_for_programs(full: House) -> None:
    """A field each; instants in UTC."""
    rows = list(csv.DictReader(io.StringIO(full.run("routes", "-o", "csv").out)))
    assert len(rows) == 6
    assert (rows[0]["route"], rows[0]["bounced_at"], rows[0]["bounce"]) == (
        "payments-alias",
        "2026-11-14T09:00:00Z",
        "550 5.1.1",
    )
    made = full.run("routes", "-o", "json").json
    assert made["schema"] == 1
    assert made["routes"][0]["because"]["at"] == "2026-11-14T09:00:00Z"
    assert "OPS_PHONE_URL" not in full.run("routes", "-o", "json").out, "where a URL leads is a secret"


def test_a_hostile_bounce(full: House) -> None:
    """What a stranger's mail server writes moves no cursor and starts no formula."""
    learn(full, "bo:mail", EvidenceKind.REFUSED, 1, code="550", detail=HOSTILE)
    for args in ((), ("bo:mail",), ("-o", "csv")):
        out = full.run("routes", *args).out
        assert not {"\x1b", "\x9b", "‮"} & set(out)


def test_doctor_judges_them(full: House) -> None:
    """Dead, partly dead and a full mailbox are problems; somebody who only did not answer calls is a note; the address
    of an issuer is to be changed there."""
    full.run("add", "cert", "--expires", "2027-11-21", "--issuer-writes-to", "certs@example.com")
    learn(full, "issuer:certs@example.com", EvidenceKind.REFUSED, 1, code="550 5.1.1")
    learn(full, "bo:mail", EvidenceKind.PARTIAL, 3)
    for ago in (1, 2, 3):
        learn(full, "mia:mail", EvidenceKind.SILENCE, ago, source="check", detail="sftp late@2026-11-18")
    checks = full.run("doctor", "--offline", "-o", "json").json["checks"]
    found = {one["what"]: one for one in checks if one["what"].startswith(("route", "some who"))}
    assert found["route issuer:certs@example.com is dead (550 5.1.1 on 2026-11-20)"]["hint"].startswith(
        "the issuer of cert writes to certs@example.com: change it there; "
    )
    assert found["some who should read route bo:mail do not exist any more"]["mark"] == "problem"
    (full_box,) = (one for what, one in found.items() if "li:mail is suspect (the mailbox is full" in what)
    (silent,) = (one for what, one in found.items() if "mia:mail is suspect (nobody answered sftp late of" in what)
    assert (full_box["mark"], silent["mark"]) == ("problem", "note")


@pytest.mark.parametrize(
    ("name", "hint"), [("payments-alais", "did you mean payments-alias?"), ("zzz", "there are: ana:mail")]
)
def test_a_route_that_is_not_there(full: House, name: str, hint: str) -> None:
    """A typing mistake is exit 2 with what is near."""
    said = full.run("routes", name)
    assert said.code == 2
    assert hint in said.error


def test_a_person_or_an_address_means_its_route(full: House) -> None:
    """People type what they know."""
    assert full.run("routes", "ana").out == full.run("routes", "ana@example.com").out
    assert full.run("routes", "ana").out.startswith("ana:mail is ")


def test_it_is_quick(full: House) -> None:
    """Nothing heavy is imported: in an outage somebody waits for it."""
    for args in (["routes"], ["routes", "ana:mail"], ["rosters"]):
        assert sorted(loaded(full, args, (0,)) & set(HEAVY)) == []

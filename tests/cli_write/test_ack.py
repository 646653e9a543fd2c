"""`ack`: a promise with a date, and the only thing that proves a route."""

from datetime import UTC, datetime
from typing import Any

import pytest

from keywatch import config
from keywatch.model import MessageKind
from keywatch.store import Store
from tests.cli_write.keyboard import Keyboard

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
SEVEN = "2026-11-13T08:00:30Z"
"""A Friday, 09:00 in Madrid, seven days before start by (Fri 20 Nov); Bo is on call."""


@pytest.fixture
def called(kw: Keyboard) -> Keyboard:
    """paygate-api has been called at the 7d stage: Bo, the head and the alias were told."""
    kw.add()
    assert {one["route"] for one in kw.check(SEVEN)} == {"bo:mail", "mia:mail", "payments-alias"}
    kw.at = "2026-11-13T10:00:00Z"
    return kw


def proofs(kw: Keyboard) -> list[tuple[str, str]]:
    return kw.select("SELECT route, person FROM evidence WHERE kind = 'ack' ORDER BY id")


def notices(kw: Keyboard, at: str) -> list[dict[str, Any]]:
    """What a run says about credentials; the digest aside."""
    return [one for one in kw.check(at) if one["kind"] == "notice"]


def test_the_code_takes_it_and_proves_the_route(called: Keyboard) -> None:
    """No name is needed: the code says who it went to. The answer names the end and what happens then."""
    done = called.ok("ack", called.code_for("bo@example.com").lower())
    assert "paygate-api: in hand, bo begins by Mon 16 Nov" in done.out
    assert "by then, it is said again Tue 17 Nov 09:00, also to Ana Ruiz" in done.out
    assert called.known()["paygate-api"]["in_hand"] == {"person": "bo", "until": "2026-11-16T23:00:00Z", "begun": False}
    assert proofs(called) == [("bo:mail", "bo")]
    assert "bo:mail is proven" in done.err


def test_it_is_said_again_when_that_was_announced(called: Keyboard) -> None:
    """Not a minute earlier, and to those it named."""
    taken = called.ok("ack", called.code_for("bo@example.com"), "-o", "json").json["taken"][0]
    assert taken["resumes_at"] == "2026-11-17T08:00:00Z"
    assert notices(called, "2026-11-17T07:59:00Z") == []
    again = notices(called, "2026-11-17T08:00:30Z")
    assert "ana:mail" in {one["route"] for one in again}
    assert {notice["stage"] for one in again for notice in one["notices"]} == {"lapsed@2026-11-16"}


def test_begun_reaches_further(called: Keyboard) -> None:
    """Without --until five working days; a note is kept; --until names the last day."""
    done = called.ok("ack", called.code_for("bo@example.com"), "--begun", "--note", "PAY-431")
    assert "bo has begun, done by Fri 20 Nov" in done.out
    done = called.ok("ack", called.code_for("bo@example.com"), "--begun", "--until", "2026-12-01")
    assert "done by Tue 1 Dec" in done.out
    notes = called.select("SELECT kind, note, by FROM ack ORDER BY id")
    assert notes == [("begun", "PAY-431", "root"), ("begun", "", "root")]


def test_the_same_answer_twice_is_one_promise(called: Keyboard) -> None:
    """Pressing return twice adds nothing to the episode."""
    code = called.code_for("bo@example.com")
    first, second = (called.ok("ack", code).out for _ in range(2))
    assert first == second
    assert called.select("SELECT count(*) FROM ack") == [(1,)]


def test_a_shared_route_needs_a_name(called: Keyboard) -> None:
    """Its code alone does not say who takes it: exit 2; with --by or a login that is a person it is well."""
    code = called.code_for("payments-alerts@example.com")
    assert "--by NAME" in called.refused("ack", code)
    called.login = "ana"
    assert "Ana Ruiz begins by" in called.ok("ack", code).out
    called.login = "root"
    assert "bo begins by" in called.ok("ack", code, "--by", "bo").out
    assert proofs(called) == [("payments-alias", "ana"), ("payments-alias", "bo")]


def test_a_code_read_out_on_the_phone_is_taken_by_another(called: Keyboard) -> None:
    """--by takes it; the route it went to is proven all the same."""
    assert "Ana Ruiz begins by" in called.ok("ack", called.code_for("bo@example.com"), "--by", "ana").out
    assert proofs(called) == [("bo:mail", "ana")]


def test_by_name_proves_nothing(called: Keyboard) -> None:
    """It is recorded with who and at which login; no evidence is written, and the answer says so."""
    assert "--by NAME" in called.refused("ack", "paygate-api")
    done = called.ok("ack", "paygate-api", "--by", "ana")
    assert "proves no route" in done.err
    assert proofs(called) == []
    assert called.select("SELECT who, data FROM event WHERE kind = 'ack'") == [("ana", '{"login": "root"}')]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--until", "2026-12-18"], "give 2026-11-20 or earlier"),
        (["--until", "2026-11-12"], "in the past"),
        (["--begun", "--until", "2026-12-19"], "give 2026-12-04 or earlier"),
        (["--until", "tomorrow"], "cannot read"),
        (["--until", "20261116"], "cannot read"),
        (["--until", "2026-02-30"], "cannot read"),
        (["--by", "zoe"], "nobody is called"),
        (["--only", "other"], "it speaks of: paygate-api"),
    ],
)
def test_a_date_out_of_bounds_changes_nothing(called: Keyboard, options: list[str], said: str) -> None:
    """Exit 2 naming the last possible day; neither a promise nor a proof is written."""
    assert said in called.refused("ack", called.code_for("bo@example.com"), *options)


@pytest.mark.parametrize("code", ["22222", "nothing", "paygate-apo", "", "\x1b[31m"])
def test_an_unknown_code_or_name(called: Keyboard, code: str) -> None:
    """Exit 2, nothing changed, and no escape of it is printed."""
    assert "\x1b" not in called.refused("ack", code)


def test_a_message_that_never_left_has_no_code(kw: Keyboard) -> None:
    """Whoever knows it did not read it there; once it was tried, a copy may have arrived."""
    settings = config.load(kw.folder / "keywatch.toml", {})
    with Store(settings.store) as store, store.write() as tx:
        tx.enqueue(MessageKind.TEST, "k", "ana:mail", "ana", '{"subject": "s", "text": "t"}', NOW, "example.com")
    ((code,),) = kw.select("SELECT code FROM message")
    assert "no message has the code" in kw.refused("ack", code)
    kw.server.rules.recipients["ana@example.com"] = "drop"
    kw.check("2026-09-01T12:00:00Z")
    assert "ana:mail is proven" in kw.ok("ack", code).err


def test_with_several_each_takes_as_much_as_it_can(kw: Keyboard) -> None:
    """D is shortened per credential and said; a D that none allows is refused; --only takes one."""
    kw.add()
    kw.add("second", expires="2026-12-23")
    kw.check(SEVEN)
    kw.at = "2026-11-13T10:00:00Z"
    code = kw.code_for("bo@example.com")
    assert "2026-11-24 or earlier" in kw.refused("ack", code, "--until", "2026-12-01")
    taken = kw.ok("ack", code, "--until", "2026-11-23", "-o", "json").json["taken"]
    assert {one["credential"]: one["day"] for one in taken} == {"paygate-api": "2026-11-20", "second": "2026-11-23"}
    done = kw.ok("ack", code, "--only", "second", "--until", "2026-11-18", "--by", "mia")
    assert "paygate-api" not in done.out
    hands = {name: row["in_hand"]["person"] for name, row in kw.known().items()}
    assert hands == {"paygate-api": "bo", "second": "mia"}
    assert "Fri 20 Nov is the last day that paygate-api allows" in kw.ok("ack", code, "--until", "2026-11-23").out


def test_what_is_over_is_said_to_be_over(called: Keyboard) -> None:
    """The route is proven, the renewed credential is not taken again."""
    called.ok("renew", "paygate-api", "--expires", "2027-12-19")
    done = called.ok("ack", called.code_for("bo@example.com"))
    assert "over already (renewed)" in done.err
    assert proofs(called) == [("bo:mail", "bo")]
    assert called.select("SELECT count(*) FROM ack") == [(0,)]


def test_the_code_of_an_overtaken_message_still_counts(kw: Keyboard) -> None:
    """The mail server's answer was lost and the message superseded later; the copy that arrived can be used."""
    kw.add()
    kw.server.rules.recipients["bo@example.com"] = "drop"
    kw.check(SEVEN)
    first = kw.code_for("bo@example.com")
    kw.server.rules.recipients.clear()
    kw.check("2026-11-18T08:00:30Z")
    assert kw.code_for("bo@example.com") != first
    assert kw.select("SELECT state FROM message WHERE code = ?", first) == [("superseded",)]
    kw.at = "2026-11-18T09:00:00Z"
    done = kw.ok("ack", first)
    assert "paygate-api: in hand, bo" in done.out
    assert "overtook" in done.err


def test_an_old_code_does_not_revive_a_dead_route(called: Keyboard) -> None:
    """It went out before the refusal, so it says nothing of the route now; a promise without a living route is none."""
    code = called.code_for("bo@example.com")
    called.server.rules.recipients["bo@example.com"] = "550 5.1.1 no such user"
    called.check("2026-11-18T08:00:30Z")
    called.at = "2026-11-18T09:00:00Z"
    assert "no living route" in called.refused("ack", code)
    done = called.ok("ack", code, "--by", "ana")
    assert "stays dead" in done.err
    assert proofs(called) == []
    called.server.rules.recipients.clear()
    called.ok("test", "bo")
    assert "was dead and lives again" in called.ok("ack", called.code_for("bo@example.com")).err
    assert "bo begins by" in called.ok("ack", code).out


def test_there_is_nothing_to_take_without_a_date(kw: Keyboard) -> None:
    """Exit 2 and why."""
    kw.ok("add", "x", "--owner", "payments")
    assert "has no date" in kw.refused("ack", "x", "--by", "ana")
    kw.add()
    kw.ok("accept-risk", "paygate-api", "--until", "2026-10-01", "--by", "mia", "--reason", "r")
    assert "accepted risk" in kw.refused("ack", "paygate-api", "--by", "ana")


def test_a_promise_ends_with_its_day_in_the_owners_zone(called: Keyboard) -> None:
    """Midnight in Madrid after that day, not in UTC."""
    called.ok("ack", "paygate-api", "--by", "bo", "--until", "2026-11-16")
    (until,) = called.select("SELECT until FROM ack")[0]
    assert datetime.fromisoformat(until).isoformat() == "2026-11-16T23:00:00"

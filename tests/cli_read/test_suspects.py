"""In an outage the answer is a plain yes or a plain no, and never a false all-clear."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keywatch import suspects
from keywatch.errors import Exit
from keywatch.model import Credential
from tests.cli_read.house import FORMULA, HOSTILE, House

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(name: str = "paygate-api", hours: float | None = 1000, **fields: Any) -> Credential:
    at = NOW + hours * HOUR if hours is not None else None
    values = {"service": "checkout", "expires_at": at} | fields
    return Credential(abs(hash(name)) % 10**6, "vault", name, name, **values)


def ask(*rows: Credential, service: str = "checkout", last_run: datetime | None = NOW - HOUR) -> suspects.Answer:
    return suspects.answer(rows, NOW, service=service, since=2 * HOUR, max_age=26 * HOUR, last_run=last_run)


def reasons(*rows: Credential) -> list[str]:
    return [reason for one in ask(*rows).suspects for reason in one.reasons]


@pytest.mark.parametrize(
    ("suspect", "reason"),
    [
        (row(hours=0), "expired 0 min ago"),
        (row(hours=-900), "expired 37 d ago"),
        (row(hours=47), "expires in 47 h"),
        (row(changed_at=NOW - HOUR), "its version or date changed 1 h ago"),
        (row(missing_since=NOW - HOUR), "its source stopped listing it 1 h ago"),
        (row(retired_at=NOW - HOUR, retired_by="source:vault"), "retired 1 h ago by source:vault"),
    ],
    ids=["now", "long ago", "soon", "changed", "missing", "gone"],
)
def test_suspects(suspect: Credential, reason: str) -> None:
    """Expired, about to, changed or taken away: each may be what broke."""
    found = ask(suspect, row("other"))
    assert [one.reasons for one in found.suspects] == [(reason,)]
    assert found.exit_code is Exit.BAD


@pytest.mark.parametrize(
    "innocent",
    [
        row(hours=49),
        row(hours=None),
        row(hours=None, never=True),
        row(changed_at=NOW - 3 * HOUR),
        row(retired_at=NOW - 3 * HOUR),
        row(hours=1, automatic=True, speaks_from=NOW - HOUR),
        row(hours=-1, active=False),
        row(changed_at=NOW - HOUR, first_seen=NOW - HOUR),
    ],
    ids=["later", "undated", "never", "changed before", "retired before", "robot", "inactive", "registered"],
)
def test_no_suspects(innocent: Credential) -> None:
    """A daily token in its last hours, or what was changed before it began, is not named."""
    assert reasons(innocent, row("other")) == []


def test_a_robot_that_is_overdue_is_a_suspect() -> None:
    """It was to renew itself and did not."""
    robot = row(hours=1, automatic=True, speaks_from=NOW - HOUR, overdue_seen=NOW - HOUR)
    assert reasons(robot) == ["expires in 1 h"]


def test_another_service_is_not_asked_about() -> None:
    """`--service` narrows, whatever the case; without it every service is meant."""
    dead = row(hours=-1, service="Checkout")
    assert reasons(dead, row("x", -1, service="search")) == ["expired 1 h ago"]
    assert len(ask(dead, row("x", -1, service="search"), service="").suspects) == 2


@pytest.mark.parametrize(
    "found",
    [
        ask(row(service="search")),
        ask(row(), last_run=None),
        ask(row(), last_run=NOW - 27 * HOUR),
        ask(row(stale_since=NOW - HOUR)),
        ask(row(missing_since=NOW - 9 * HOUR)),
        ask(row(hours=None, problem="cannot read 'soon'")),
        ask(),
    ],
    ids=["unknown service", "no run", "old run", "stale", "missing", "unreadable", "nothing"],
)
def test_a_no_that_rests_on_nothing_is_no_all_clear(found: suspects.Answer) -> None:
    """It prints its no and exits 3."""
    assert (found.suspects, found.exit_code) == ((), Exit.UNKNOWN)


def test_a_suspect_outranks_a_doubt() -> None:
    """1 outranks 3."""
    assert ask(row(hours=-1, stale_since=NOW - HOUR), last_run=None).exit_code is Exit.BAD


def test_the_checkout_post_mortem(house: House) -> None:
    """40 minutes went into the database; here one line says: not a credential."""
    for number in range(33):
        house.put(f"api-{number}", 100 + number, service="checkout", owner="payments")
    house.put("paygate-api", 12.5, service="checkout", owner="payments")
    for number in range(3):
        house.put(f"undated-{number}", service="checkout", owner="payments")
    house.ran()
    said = house.run("suspects", "--service", "checkout")
    assert said.code == 0
    assert said.out == "none of 37 expired or changed since 08:00; next paygate-api in 12 d; 3 without a date\n"


def test_the_stale_one_keeps_it_from_being_an_all_clear(house: House) -> None:
    """The same words, and exit 3, with what cannot be known."""
    house.put("paygate-api", 12.5, service="checkout")
    house.put("other", 90, service="checkout", stale_since=house.now - HOUR)
    house.ran()
    said = house.run("suspects", "--service", "checkout")
    assert said.code == 3
    first, second = said.out.splitlines()
    assert first == "none of 2 expired or changed since 08:00; next paygate-api in 12 d; 1 stale"
    assert second.startswith("cannot be sure:")
    assert "other" in second


def test_the_call(house: House) -> None:
    """Payments are down: the suspect with whom to call, who must approve, and what to do, on one screen."""
    house.put(
        "paygate-api", -0.1, owner="platform", service="checkout", approver="PayGate merchant support",
        emergency="+34 900 000 000", runbook="https://wiki/paygate", impact="card payments stop",
    )  # fmt: skip
    house.ran()
    said = house.run("suspects", "--service", "checkout")
    assert said.code == 1
    for part in ("paygate-api", "expired 2 h ago", "platform", "bo <bo@example.com>", "PayGate merchant support"):
        assert part in said.out
    assert "+34 900 000 000" in said.out
    assert "https://wiki/paygate" in said.out
    made = house.run("suspects", "--service", "checkout", "-o", "json").json
    assert made["suspects"][0]["reasons"] == ["expired 2 h ago"]
    assert made["suspects"][0]["on_call"][0] == {"person": "bo", "name": "bo", "mail": "bo@example.com"}
    assert (made["schema"], made["exit_code"]) == (1, 1)


def test_an_unknown_service_lists_the_known_ones(house: House) -> None:
    """A typing mistake in an outage must not read as "all is well"."""
    house.put("a", 90, service="checkout")
    house.ran()
    said = house.run("suspects", "--service", "chekout")
    assert said.code == 3
    assert "there are: checkout" in said.out


@pytest.mark.parametrize("output", ["text", "json"])
def test_hostile_names_are_harmless(house: House, output: str) -> None:
    """The screen of an incident call is the last place for somebody's escape codes."""
    house.put(HOSTILE, -1, service=FORMULA, approver="\x1b[2J\u202e")
    house.ran()
    out = house.run("suspects", "-o", output).out
    assert not set(out) & set("\x1b\u202e\x9b\r\t")


def test_a_row_is_never_judged_by_another_clock() -> None:
    """The same rows a second before and at the expiry: no, then yes."""
    at = row(hours=0)
    assert "expired" in reasons(at)[0]
    assert "expires" in reasons(replace(at, expires_at=NOW + timedelta(seconds=1)))[0]

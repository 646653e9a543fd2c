"""The gate's rules, one by one. What it cannot know is never a yes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywatch import gate
from keywatch.errors import Exit, KeywatchError
from keywatch.gate import Facts, Question
from keywatch.model import Credential, InHand
from keywatch.snapshot import group_of

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ENVS = {"production": ("prod", "live"), "staging": ("stage",)}


def row(name: str = "paygate-api", days: float | None = 400, **fields: Any) -> Credential:
    """A credential that expires in `days` days, owned and, unless told otherwise, not to be started yet."""
    at = NOW + days * DAY if days is not None else None
    start = at - 7 * DAY if at else None
    values: dict[str, Any] = {
        "ref": name,
        "owner": "payments",
        "expires_at": at,
        "start_by": start,
        "late_at": max(start + DAY, NOW + DAY / 24) if start else None,
    }
    return Credential(hash(name) % 10**6, "manual", name=name, **values | fields)


def facts(*rows: Credential, taken: datetime | None = NOW - timedelta(minutes=15), **fields: Any) -> Facts:
    groups: dict[Any, int] = {}
    for one in rows:
        groups[group_of(one)] = groups.get(group_of(one), 0) + 1
    return Facts(taken, rows, {"payments"}, ENVS, {"": ZoneInfo("UTC")}, groups, **fields)


def rules(*rows: Credential, **question: Any) -> list[tuple[str, str]]:
    answer = gate.judge(facts(*rows), Question(**question), NOW)
    return [(str(one.rule), one.level) for one in answer.findings]


def test_far_from_its_expiry_it_passes() -> None:
    """Nothing to say of a credential that is owned and not due."""
    answer = gate.judge(facts(row()), Question(), NOW)
    assert (answer.exit_code, answer.findings, answer.judged) == (Exit.WELL, (), 1)
    assert "next to start: paygate-api by 2027-12-19" in gate.text(answer)


def test_expired_is_kw001_alone() -> None:
    """What has expired is not also "inside the window" or late."""
    assert rules(row(days=-1)) == [("KW001", "error")]
    assert rules(row(days=0)) == [("KW001", "error")]
    assert rules(row(days=-1, in_hand=InHand("ana", NOW + DAY, True)), in_hand_warns=True) == [("KW001", "error")]


def test_inside_the_window_is_kw002_to_the_instant() -> None:
    """The window counts clock time from now, its end included."""
    assert rules(row(days=14)) == [("KW002", "error")]
    assert rules(row(days=14.01)) == []
    assert rules(row(days=14.01), within=15 * DAY) == [("KW002", "error")]


def test_in_hand_warns_only_where_that_is_asked() -> None:
    """A promise turns KW002 into a warning with --in-hand warn, and only while it holds."""
    held = row(days=5, in_hand=InHand("ana", NOW + DAY, True))
    assert rules(held) == [("KW002", "error")]
    assert rules(held, in_hand_warns=True) == [("KW002", "warning")]
    lapsed = replace(held, in_hand=InHand("ana", NOW, True))
    assert ("KW002", "error") in rules(lapsed, in_hand_warns=True)


def test_late_is_kw003_unless_in_hand() -> None:
    """Start by has passed and nobody has it: that blocks whatever the window is; in hand is not late."""
    late = row(days=60, late_at=NOW)
    assert rules(late) == [("KW003", "error")]
    assert rules(replace(late, in_hand=InHand("ana", NOW + DAY, True))) == []
    assert sorted(rules(row(days=5, late_at=NOW))) == [("KW002", "error"), ("KW003", "error")]


def test_an_unreadable_date_is_kw005() -> None:
    """There is a date, and nobody can read it: that is not "no date"."""
    assert rules(row(days=None, problem="cannot read 'soon'")) == [("KW005", "error")]


@pytest.mark.parametrize("owner", ["", "payment"])
def test_nobody_who_is_known_owns_it_is_kw006(owner: str) -> None:
    """Without an owner, or with one the config does not know."""
    assert rules(row(owner=owner)) == [("KW006", "error")]


def test_undated_and_never_never_block() -> None:
    """They are counted and listed elsewhere, also where nobody owns them."""
    assert rules(row(days=None, owner=""), row("n", None, never=True, owner="")) == []


def test_a_robot_that_is_not_overdue_is_silent_for_kw002() -> None:
    """A daily token is always inside the window; only when its renewal is overdue does it count."""
    robot = row(days=1, automatic=True, late_at=None, speaks_from=NOW - DAY)
    assert rules(robot) == []
    assert rules(replace(robot, overdue_seen=NOW - timedelta(hours=1))) == [("KW002", "error")]
    assert rules(replace(robot, expires_at=NOW)) == [("KW001", "error")]


def test_an_accepted_risk_warns() -> None:
    """Somebody took it in their own name until a date: the release is told, not stopped."""
    taken = row(days=-1, accepted_until=NOW + DAY, accepted_by="mia")
    assert rules(taken) == [("KW001", "warning")]
    assert rules(replace(taken, accepted_until=NOW)) == [("KW001", "error")]


def test_only_the_asked_environment_is_judged() -> None:
    """No environment counts as production; staging does not; aliases mean the same."""
    staging, none = row("s", -1, env="staging"), row("n", -1, env="")
    assert rules(staging, none) == [("KW001", "error")]
    assert rules(staging, none, env="prod") == [("KW001", "error")]
    assert gate.judge(facts(staging, none), Question(env="stage"), NOW).judged == 1
    with pytest.raises(KeywatchError, match="no environment is called 'prd'") as caught:
        gate.judge(facts(), Question(env="prd"), NOW)
    assert caught.value.exit_code is Exit.USAGE
    assert "production, staging" in caught.value.hint


def test_owner_and_service_narrow_the_question() -> None:
    """A team's release is judged by what it owns, or uses."""
    mine, other = row("a", -1, service="Checkout"), row("b", -1, owner="growth")
    assert gate.judge(facts(mine, other), Question(owner="payments"), NOW).judged == 1
    assert rules(mine, other, service="checkout") == [("KW001", "error")]


def test_nothing_judged_is_no_yes() -> None:
    """A filter with a typing mistake must not open the gate; --allow-empty says that it is meant."""
    assert gate.judge(facts(row()), Question(service="chekout"), NOW).exit_code is Exit.UNKNOWN
    assert gate.judge(facts(row()), Question(service="chekout", allow_empty=True), NOW).exit_code is Exit.WELL


@pytest.mark.parametrize("taken", [None, NOW - timedelta(hours=26, seconds=1), NOW + timedelta(hours=2)])
def test_old_data_are_never_green(taken: datetime | None) -> None:
    """No check yet, one too long ago, one that is still to come: none of them is a yes."""
    answer = gate.judge(facts(row(), taken=taken), Question(), NOW)
    assert (answer.exit_code, bool(answer.problems)) == (Exit.UNKNOWN, True)
    assert json.loads(gate.payload(answer))["blocked"] is True
    assert gate.judge(facts(row(), taken=NOW - timedelta(hours=26)), Question(), NOW).exit_code is Exit.WELL


def test_a_source_that_is_silent_for_too_long_is_never_green() -> None:
    """A check that runs but does not see the credential at its source has old data of it."""
    fresh, old = row(stale_since=NOW - timedelta(hours=3)), row(stale_since=NOW - timedelta(hours=27))
    assert gate.judge(facts(fresh), Question(), NOW).exit_code is Exit.WELL
    assert gate.judge(facts(old), Question(), NOW).exit_code is Exit.UNKNOWN


def test_blocked_outranks_unknown() -> None:
    """What is known to be expired blocks with 1, however old the data are."""
    assert gate.judge(facts(row(days=-1), taken=None), Question(), NOW).exit_code is Exit.BAD


def test_past_the_horizon_of_a_snapshot_is_unknown() -> None:
    """A snapshot says nothing of what expires later, so a wider window cannot be answered from it."""
    taken = facts(row(), horizon=NOW + 120 * DAY)
    assert gate.judge(taken, Question(within=120 * DAY), NOW).exit_code is Exit.WELL
    assert gate.judge(taken, Question(within=120 * DAY), NOW + timedelta(seconds=1)).exit_code is Exit.UNKNOWN


def test_an_exception_passes_this_one_only() -> None:
    """The hotfix that carries the new key must be able to ship; everything else still blocks."""
    rows = (row("a", -1, owner=""), row("b", -1))
    answer = gate.judge(facts(*rows), Question(excepted=("a",)), NOW)
    assert [one.credential.name for one in answer.findings] == ["b"]
    assert [str(one.rule) for one in answer.excepted] == ["KW001", "KW006"]
    both = gate.judge(facts(*rows), Question(excepted=("manual:a", "b")), NOW)
    assert both.exit_code is Exit.WELL
    assert "let pass: KW001 a, hotfix" in gate.text(both, "hotfix")
    assert json.loads(gate.payload(both, "hotfix"))["excepted"][0]["reason"] == "hotfix"


def test_an_exception_for_nobody_is_a_mistake() -> None:
    """In a store every credential has its name; a snapshot need not hold one that is far off."""
    with pytest.raises(KeywatchError, match="no credential is called 'c'"):
        gate.judge(facts(row("a")), Question(excepted=("c",)), NOW)
    taken = facts(row("a"), horizon=NOW + 120 * DAY)
    answer = gate.judge(taken, Question(excepted=("c",)), NOW)
    assert (answer.exit_code, len(answer.notes)) == (Exit.WELL, 1)
    twins = (row("x/a", ref="x/a"), replace(row("y/a", ref="y/a"), id=7))
    with pytest.raises(KeywatchError, match="could be 2 credentials"):
        gate.judge(facts(*twins), Question(excepted=("a",)), NOW)


def test_worst_first() -> None:
    """Expired before late before what only lacks an owner; warnings last."""
    rows = (
        row("owner", owner=""),
        row("late", 60, late_at=NOW),
        row("held", 5, in_hand=InHand("ana", NOW + DAY, True)),
        row("dead", -1),
    )
    answer = gate.judge(facts(*rows), Question(in_hand_warns=True), NOW)
    assert [one.credential.name for one in answer.findings] == ["dead", "late", "owner", "held"]


def test_one_line_says_what_when_whose_and_what_to_do() -> None:
    """A person in a hurry needs nothing else."""
    held = row(days=5, late_at=NOW, details={"runbook": "https://wiki/paygate"})
    lines = gate.text(gate.judge(facts(held), Question(), NOW)).splitlines()
    assert len(lines) == 3
    for part in ("KW002 error", "paygate-api", "expires 2026-11-26 09:00 (in 5 d)", "start by 2026-11-19 09:00"):
        assert part in lines[1]
    assert "owner payments" in lines[1]
    assert "https://wiki/paygate" in lines[1]
    assert "keywatch renew paygate-api --expires DATE" in lines[1]


def test_github_gets_ten_annotations_of_a_level_and_all_the_text() -> None:
    """GitHub drops what is more; the worst come first, the rest stand in the log."""
    rows = [row(f"n{n:02}", -1 - n) for n in range(14)]
    lines = gate.annotations(gate.judge(facts(*rows), Question(), NOW)).splitlines()
    assert sum(line.startswith("::error title=KW001") for line in lines) == 10
    assert sum("KW001 error" in line for line in lines) == 14


@given(st.text(min_size=1))
def test_no_name_breaks_a_line(name: str) -> None:
    """Whatever a credential is called, each finding stays one line and one command."""
    answer = gate.judge(facts(row(name, -1)), Question(), NOW)
    assert len(gate.text(answer).split("\n")) == 2
    lines = gate.annotations(answer).split("\n")
    assert [line.startswith("::") for line in lines] == [True, False, False]
    assert json.loads(gate.payload(answer))["findings"][0]["credential"] == name

"""What the vault provider makes of answers that a healthy server does not give: outages, proxies, other vendors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from keywatch.declared import EXPIRES
from keywatch.model import Basis, Covered, Found, Gap, Scanned
from keywatch.testing import LentRun
from keywatch_vault import VaultProvider, VaultSettings
from keywatch_vault.reading import found
from tests.servers.canned import Answer, Asked, Canned, canned

EMPTY = Answer(404, {"errors": []})
NOW = datetime(2026, 11, 20, tzinfo=UTC)
DATED = {"current_version": 1, "versions": {"1": {}}, "custom_metadata": {"expires": "2027-01-01"}}


def scan(run: LentRun, answer: Callable[[Asked], Answer], **settings: object) -> tuple[list[Scanned], Canned]:
    with canned(lambda asked: Answer(200, {"data": {}}) if "lookup-self" in asked.path else answer(asked)) as server:
        looked = VaultProvider(VaultSettings(server.address, token="t", **settings))  # type: ignore[arg-type]
        return list(looked.scan(run)), server


def metadata(**fields: object) -> Found:
    return found("secret/a/b", {"current_version": 3, **fields}, EXPIRES, NOW, ZoneInfo("UTC"))


def test_a_listing_is_tried_again(run: LentRun) -> None:
    """503 twice and then an answer is an answer; LIST is among the methods worth a retry."""
    answers = [
        Answer(503, {"errors": ["standby"]}),
        Answer(503, {"errors": ["standby"]}),
        Answer(200, {"data": {"keys": ["a"]}}),
    ]

    def answer(asked: Asked) -> Answer:
        return (answers.pop(0) if answers else EMPTY) if asked.method == "LIST" else Answer(200, {"data": DATED})

    scanned, server = scan(run, answer)
    assert [type(item) for item in scanned] == [Found, Covered]
    assert [asked.method for asked in server.asked if asked.method == "LIST"] == ["LIST"] * 4


def test_retry_after_is_obeyed(run: LentRun) -> None:
    """A server that asks for a second of peace gets it."""
    times: list[datetime] = []
    limited = [Answer(429, {"errors": ["quota"]}, {"Retry-After": "1"})]

    def answer(asked: Asked) -> Answer:
        times.append(datetime.now(UTC))
        return limited.pop() if limited else EMPTY

    scanned, _ = scan(run, answer)
    assert scanned == [Covered("secret/")]
    assert (times[1] - times[0]).total_seconds() >= 1


def test_a_server_that_ignores_paging(run: LentRun) -> None:
    """Vault sends the whole list every time: learnt once, then one LIST for each folder, and no double names."""
    tree = {"/": ["a", "b/", "c/"], "/b/": ["y", "x"], "/c/": ["z"]}

    def answer(asked: Asked) -> Answer:
        if asked.method != "LIST":
            return Answer(200, {"data": DATED})
        path = asked.path.partition("?")[0].removeprefix("/v1/secret/metadata").rstrip("/") + "/"
        return Answer(200, {"data": {"keys": tree[path]}})

    scanned, server = scan(LentRun(run.now, run.base, threads=1), answer)
    refs = [item.ref for item in scanned if isinstance(item, Found)]
    assert sorted(refs) == ["secret/a", "secret/b/x", "secret/b/y", "secret/c/z"]
    assert sum(asked.method == "LIST" for asked in server.asked) == 4


def test_a_page_that_is_not_vault(run: LentRun) -> None:
    """A proxy's login page comes with status 200 and says nothing about any secret."""
    scanned, _ = scan(run, lambda _: Answer(200, "<html>Sign in</html>"))
    assert [(gap.prefix, gap.transient) for gap in scanned if isinstance(gap, Gap)] == [("secret/", True)]


def test_one_sick_mount_does_not_hide_the_others(run: LentRun) -> None:
    """The server lives and one mount answers 500: that mount is a gap, and is not asked for each of its secrets."""

    def answer(asked: Asked) -> Answer:
        if "/sick/" in asked.path and asked.method != "LIST":
            return Answer(500, {"errors": ["internal error"]})
        if asked.method == "LIST":
            keys = ["f/", "g/"] if asked.path.endswith("/metadata") else ["a", "b"]
            return EMPTY if "after" in asked.path else Answer(200, {"data": {"keys": keys}})
        return Answer(200, {"data": DATED})

    scanned, server = scan(LentRun(run.now, run.base, threads=1), answer, mounts=("sick", "well"))
    assert len([item for item in scanned if isinstance(item, Found)]) == 4
    assert [(gap.prefix, gap.transient) for gap in scanned if isinstance(gap, Gap)] == [("sick/", True)]
    assert sum(asked.method == "GET" and "/sick/" in asked.path for asked in server.asked) == 5


def test_a_path_that_would_lead_out_of_the_metadata(run: LentRun) -> None:
    """`..` in a name is resolved by HTTP clients: followed, it would read a value."""

    names = [["../"], ["data"]]

    def answer(asked: Asked) -> Answer:
        listing = asked.method == "LIST" and "after" not in asked.path and names
        return Answer(200, {"data": {"keys": names.pop(0)}}) if listing else EMPTY

    scanned, server = scan(run, answer)
    assert [type(item) for item in scanned] == [Covered, Gap]
    assert all(asked.path.startswith(("/v1/secret/metadata", "/v1/auth/token/lookup-self")) for asked in server.asked)


def test_nobody_listens(run: LentRun) -> None:
    """A server that is down is a transient gap for everything; its address carries no token."""
    with canned(lambda _: EMPTY) as server:
        pass
    (gap,) = VaultProvider(VaultSettings(server.address, token="hvs.verysecrettoken")).scan(run)
    assert isinstance(gap, Gap)
    assert (gap.prefix, gap.transient) == ("", True)
    assert "hvs." not in gap.reason


def test_a_secret_that_vanishes_is_no_error(run: LentRun) -> None:
    """It was listed and is gone when looked at: simply not found."""
    keys = Answer(200, {"data": {"keys": ["a"]}})
    scanned, _ = scan(run, lambda asked: keys if asked.method == "LIST" and "after" not in asked.path else EMPTY)
    assert scanned == [Covered("secret/")]


def test_upgrading_mount_is_transient(run: LentRun) -> None:
    """A mount on its way from version 1 to 2 answers 400 for a while."""
    scanned, _ = scan(run, lambda _: Answer(400, {"errors": ["Upgrading from non-versioned to versioned data."]}))
    assert [(gap.prefix, gap.transient) for gap in scanned if isinstance(gap, Gap)] == [("secret/", True)]


def test_an_unreadable_deletion_time_is_a_problem() -> None:
    """It is never silently "no deletion"."""
    item = metadata(versions={"3": {"deletion_time": "tomorrow"}})
    assert "versions.3.deletion_time" in item.problem
    assert item.active


@pytest.mark.parametrize("zero", ["", "0001-01-01T00:00:00Z"])
def test_no_deletion(zero: str) -> None:
    """Empty and Go's zero time mean that the version is not deleted."""
    item = metadata(versions={"3": {"deletion_time": zero}})
    assert (item.active, item.deadlines, item.problem) == (True, (), "")


def test_only_the_current_version_counts() -> None:
    """Older versions are deleted all the time."""
    versions = {
        "2": {"deletion_time": "2020-01-01T00:00:00Z"},
        "3": {"created_time": "2026-01-01T00:00:00.123456789+02:00"},
    }
    item = metadata(versions=versions, updated_time="2026-10-01T00:00:00Z", custom_metadata=None)
    assert item.active
    assert item.issued == datetime(2025, 12, 31, 22, 0, 0, 123456, tzinfo=UTC)


def test_two_dates_and_a_deletion() -> None:
    """The earliest declared date rules and names the other; the deletion stands beside it."""
    item = metadata(
        custom_metadata={
            "expires": "2027-03-01",
            "valid-until": "2027-02-01",
            "renewal": "automatic",
            "name": "Pay\ngate",
        },
        versions={"3": {"deletion_time": "2026-12-01T00:00:00Z"}},
    )
    assert [(d.basis, d.at.month) for d in item.deadlines] == [(Basis.DECLARED, 2), (Basis.DELETION, 12)]
    assert "custom_metadata.expires = 2027-03-01" in item.deadlines[0].because
    assert (item.automatic, item.name) == (True, "Pay gate")


def test_login_is_tried_once(run: LentRun) -> None:
    """Each try uses up a secret id, so a failing login is not repeated; neither id shows in the reason."""

    def answer(asked: Asked) -> Answer:
        return Answer(503, {"errors": ["sealed"]})

    with canned(answer) as server:
        settings = VaultSettings(server.address, role_id="role-x", secret_id="secret-y")
        (gap,) = VaultProvider(settings).scan(run)
    assert isinstance(gap, Gap)
    assert gap.transient
    assert [asked.path for asked in server.asked] == ["/v1/auth/approle/login"]
    assert json.loads(server.asked[0].body) == {"role_id": "role-x", "secret_id": "secret-y"}
    assert "role-x" not in gap.reason
    assert "secret-y" not in gap.reason

"""The vault provider against a real OpenBao server; what it asked for is read from the server's audit log."""

import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keywatch.model import Basis, Covered, Found, Gap, Scanned
from keywatch.testing import LentRun, ProviderContract
from keywatch_vault import VaultProvider, VaultSettings
from tests.servers.bao import Bao, bao

pytestmark = pytest.mark.server

ALLOWED = re.compile(
    r"(list|read) [a-z]+/metadata/.*"
    r"|read auth/token/lookup-self|update auth/token/revoke-self|update auth/approle/login|update sys/capabilities-self"
)
READ = 'path "secret/metadata/*" { capabilities = ["list", "read"] }'


def provider(server: Bao, token: str | None = None, **settings: object) -> VaultProvider:
    """A provider whose token has the policy that keywatch itself prints, and no other right."""
    bare = VaultProvider(VaultSettings(server.address, **{"ca": server.ca, **settings}))  # type: ignore[arg-type]
    token = server.token(bare.permissions()) if token is None else token
    settings = {"ca": server.ca, "token": token, **settings}
    return VaultProvider(VaultSettings(server.address, **settings))  # type: ignore[arg-type]


def found(scanned: Iterable[Scanned]) -> dict[str, Found]:
    return {item.ref: item for item in scanned if isinstance(item, Found)}


def rest(scanned: Iterable[Scanned]) -> list[Scanned]:
    return [item for item in scanned if not isinstance(item, Found)]


@pytest.fixture
def checked(server: Bao) -> Iterator[Bao]:
    """A server of which nothing but metadata was asked when the test is over."""
    yield server
    assert server.log.stat().st_size, "an empty audit log would prove nothing"
    asked = [f"{operation} {path}" for operation, path in server.asked()]
    assert [entry for entry in asked if not ALLOWED.fullmatch(entry)] == []


class TestContract(ProviderContract):
    """The rules of every provider."""

    plugin = "keywatch_vault"
    heavy = ("hvac", "requests")

    @pytest.fixture
    def provider(self, checked: Bao) -> VaultProvider:
        checked.put("payments/paygate", password=self.canary)
        checked.note(
            "payments/paygate",
            expires="2026-12-19",
            owner="payments",
            token=self.canary,
            runbook="hvs.CAESIJlU02LQZq4m0aXxA4wV",
            impact="x" * 500,
        )
        checked.note("free", expires="never")
        checked.note("odd", expires="hvs.CAESIJlU02LQZq4m0aXxA4wV", name="AKIAIOSFODNN7EXAMPLE")
        checked.note("folder/deep/one", expires_at="2027-01-01T08:00:00+02:00")
        return provider(checked)


def test_a_secret_in_all_its_parts(checked: Bao, run: LentRun) -> None:
    """Path, version, date with its quotable reason, and labels come from the metadata alone."""
    checked.put("payments/paygate")
    checked.put("payments/paygate")
    checked.note(
        "payments/paygate", **{"Expiry-Date": "2026-12-19", "owner": "payments", "lead-time": "21bd", "x": "y"}
    )
    scanned = list(provider(checked).scan(run))
    item = found(scanned)["secret/payments/paygate"]
    assert (item.version, item.name, item.active, item.never) == ("2", "paygate", True, False)
    assert [(d.at, d.basis) for d in item.deadlines] == [(datetime(2026, 12, 19, tzinfo=UTC), Basis.DECLARED)]
    assert item.deadlines[0].because == "custom_metadata.Expiry-Date = 2026-12-19"
    assert item.labels == {"owner": "payments", "lead": "21bd"}
    assert item.issued is not None
    assert rest(scanned) == [Covered("secret/")]
    assert set(checked.asked()) == {
        ("read", "auth/token/lookup-self"),
        ("list", "secret/metadata/"),
        ("list", "secret/metadata/payments/"),
        ("read", "secret/metadata/payments/paygate"),
    }


def test_the_audit_log_would_show_a_value_being_asked_for(server: Bao) -> None:
    """What the other tests rely on: a request that they forbid stands in the log, also when it is denied."""
    token = server.token(READ)
    with pytest.raises(AssertionError, match="403"):
        server.api("GET", "secret/data/a", token=token)
    assert server.asked() == [("read", "secret/data/a")]
    assert not ALLOWED.fullmatch("read secret/data/a")


def test_an_empty_mount_is_covered(checked: Bao, run: LentRun) -> None:
    """404 without a word means that there is nothing: whatever was there before is missing."""
    assert list(provider(checked).scan(run)) == [Covered("secret/")]


def test_a_mount_that_is_not_there_is_a_gap(checked: Bao, run: LentRun) -> None:
    """404 "no handler for route" proves nothing about the secrets that were there; other mounts go on."""
    checked.note("a", expires="2027-01-01")
    scanned = list(provider(checked, mounts=("secret", "lost")).scan(run))
    assert "secret/a" in found(scanned)
    assert [gap for gap in rest(scanned) if isinstance(gap, Gap) and gap.prefix == "lost/" and not gap.transient]


def test_names_that_are_secret_and_folder(checked: Bao, run: LentRun) -> None:
    """`foo` and `foo/bar` are two credentials; special characters in a path are no obstacle."""
    for path in ("foo", "foo/bar", "with space", "50%25", "naïve", "q?a#b"):
        checked.api(
            "POST",
            f"secret/metadata/{path.replace('?', '%3F').replace('#', '%23')}",
            {"custom_metadata": {"expires": "2027-01-01"}},
        )
    scanned = found(provider(checked).scan(run))
    assert {"secret/foo", "secret/foo/bar", "secret/with space", "secret/naïve", "secret/q?a#b"} <= set(scanned)
    assert len(scanned) == 6


def test_deleted_and_undeleted(checked: Bao, run: LentRun) -> None:
    """A deleted or destroyed version is kept as inactive; undeleted it is active again in the same version."""
    run = LentRun(datetime(2126, 1, 1, tzinfo=UTC), run.base)  # the server's clock is not ours
    for path in ("soft", "back", "destroyed", "never-written"):
        checked.note(path, expires="2127-01-01")
        if path != "never-written":
            checked.put(path)
    for path in ("soft", "back"):
        checked.api("DELETE", f"secret/data/{path}")
    checked.api("PUT", "secret/undelete/back", {"versions": [1]})
    checked.api("PUT", "secret/destroy/destroyed", {"versions": [1]})
    scanned = found(provider(checked).scan(run))
    assert {ref: (item.active, item.version) for ref, item in scanned.items()} == {
        "secret/soft": (False, "1"),
        "secret/back": (True, "1"),
        "secret/destroyed": (False, "1"),
        "secret/never-written": (True, "0"),
    }
    assert all(item.deadlines for item in scanned.values())


def test_a_coming_deletion_is_a_deadline(checked: Bao, run: LentRun) -> None:
    """`delete_version_after` hides the value on its day, whatever a person declared."""
    checked.api("POST", "secret/metadata/a", {"custom_metadata": {"expires": "never"}, "delete_version_after": "120h"})
    checked.put("a")
    item = found(provider(checked).scan(run))["secret/a"]
    assert item.active
    assert [d.basis for d in item.deadlines] == [Basis.DELETION]
    assert not item.never
    assert item.issued is not None
    assert round((item.deadlines[0].at - item.issued).total_seconds() / 3600) == 120


def test_metadata_edits_are_no_renewal(checked: Bao, run: LentRun) -> None:
    """Another owner moves `updated_time`, and neither the version nor the day of issue."""
    checked.put("a")
    checked.note("a", expires="2027-01-01")
    looked = provider(checked)
    before = found(looked.scan(run))["secret/a"]
    time.sleep(1.1)
    checked.note("a", expires="2027-01-01", owner="other")
    after = found(looked.scan(run))["secret/a"]
    assert after.labels == {"owner": "other"}
    assert (after.version, after.issued) == (before.version, before.issued)


def test_a_denied_folder_is_a_gap_of_its_own(checked: Bao, run: LentRun) -> None:
    """403 in one folder says nothing about it and leaves its neighbours, also `hr2/`, covered."""
    for path in ("hr/a", "hr2/b", "c"):
        checked.note(path, expires="2027-01-01")
    policy = f'{READ}\npath "secret/metadata/hr/*" {{ capabilities = ["deny"] }}'
    scanned = list(provider(checked, checked.token(policy)).scan(run))
    assert set(found(scanned)) == {"secret/hr2/b", "secret/c"}
    covered, gap = rest(scanned)
    assert covered == Covered("secret/")
    assert isinstance(gap, Gap)
    assert (gap.prefix, gap.transient) == ("secret/hr/", False)
    assert "403" in gap.reason
    assert "secret/metadata/hr/" in gap.reason


def test_secrets_that_may_be_listed_and_not_read_are_a_gap(checked: Bao, run: LentRun) -> None:
    """A right to list alone shows names without dates: one gap for the folder, not one for each name."""
    for path in ("hr/a", "hr/b"):
        checked.note(path, expires="2027-01-01")
    scanned = list(provider(checked, checked.token('path "secret/metadata/*" { capabilities = ["list"] }')).scan(run))
    assert [item.prefix for item in rest(scanned)] == ["secret/", "secret/hr/"]  # type: ignore[union-attr]


def test_the_right_to_look_itself_up_is_not_needed(checked: Bao, run: LentRun) -> None:
    """A token without the policy `default` cannot ask about itself; a denied folder is still only that."""
    for path in ("a/x", "hr/y"):
        checked.note(path, expires="2027-01-01")
    policy = f'{READ}\npath "secret/metadata/hr/*" {{ capabilities = ["deny"] }}'
    token = checked.token(policy, no_default_policy=True)
    assert [item.prefix for item in rest(provider(checked, token).scan(run))] == ["secret/", "secret/hr/"]  # type: ignore[union-attr]


def test_an_expired_own_token_is_one_gap(checked: Bao, run: LentRun) -> None:
    """Every request is 403 then: said once, as keywatch's own trouble, and nothing goes missing."""
    checked.note("a", expires="2027-01-01")
    token = checked.token(READ, ttl="1s")
    looked = provider(checked, token, mounts=("secret", "other"))
    time.sleep(1.5)
    (gap,) = list(looked.scan(run))
    assert isinstance(gap, Gap)
    assert gap.prefix == ""
    assert "own token" in gap.reason


def test_a_token_that_dies_in_the_middle(checked: Bao, run: LentRun) -> None:
    """What was found so far counts, and the rest is one gap for everything."""
    for number in range(40):
        checked.note(f"a{number}", expires="2027-01-01")
        checked.note(f"f/a{number}", expires="2027-01-01")
    token = checked.token(READ)
    scan = provider(checked, token).scan(run)
    first = next(scan)
    checked.api("POST", "auth/token/revoke", {"token": token})
    scanned = [first, *scan]
    assert isinstance(first, Found)
    assert len(found(scanned)) < 80
    assert [gap.prefix for gap in rest(scanned)] == [""]  # type: ignore[union-attr]


def test_a_token_file_is_read_at_each_run(checked: Bao, run: LentRun) -> None:
    """Vault Agent replaces the file; a provider that keeps the old token goes blind."""
    checked.note("a", expires="2027-01-01")
    looked = provider(checked, "file:token")
    (run.base / "token").write_text("stale\n")
    assert isinstance(list(looked.scan(run))[-1], Gap)
    (run.base / "token").write_text(checked.token(looked.permissions()) + "\n")
    assert list(looked.scan(run))[-1] == Covered("secret/")


def test_approle_and_its_token_given_back(checked: Bao, run: LentRun) -> None:
    """AppRole logs in for the scan and revokes its token, so that hourly runs do not pile tokens up."""
    checked.note("a", expires="2027-01-01")
    checked.api("POST", "sys/auth/approle", {"type": "approle"})
    checked.api("PUT", "sys/policies/acl/keywatch", {"policy": VaultProvider(VaultSettings("x")).permissions()})
    checked.api("POST", "auth/approle/role/keywatch", {"token_policies": ["keywatch"], "secret_id_num_uses": 1})
    role = checked.api("GET", "auth/approle/role/keywatch/role-id")["data"]["role_id"]
    (run.base / "secret-id").write_text(
        checked.api("POST", "auth/approle/role/keywatch/secret-id")["data"]["secret_id"]
    )
    looked = provider(checked, "", role_id=role, secret_id="file:secret-id")
    accessors = len(checked.api("LIST", "auth/token/accessors")["data"]["keys"])
    assert [type(item) for item in looked.scan(run)] == [Found, Covered]
    assert len(checked.api("LIST", "auth/token/accessors")["data"]["keys"]) == accessors
    (gap,) = list(looked.scan(run))  # the secret id was good for one login
    assert isinstance(gap, Gap)
    assert [path for _, path in checked.asked()].count("auth/approle/login") == 2


def test_a_namespace(checked: Bao, run: LentRun) -> None:
    """The same mount name in another namespace is another vault."""
    if not checked.openbao:
        pytest.skip("only the enterprise edition of Vault has namespaces")
    checked.note("root-only", expires="2027-01-01")
    checked.api("POST", "sys/namespaces/team")
    checked.api("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, namespace="team")
    for _ in range(50):  # a new KV v2 mount upgrades itself for a moment
        try:
            checked.note("inside", namespace="team", expires="2027-01-01")
            break
        except AssertionError:
            time.sleep(0.1)
    policy = VaultProvider(VaultSettings("x")).permissions()
    checked.api("PUT", "sys/policies/acl/keywatch", {"policy": policy}, namespace="team")
    token = checked.api("POST", "auth/token/create", {"policies": ["keywatch"]}, namespace="team")["auth"][
        "client_token"
    ]
    assert set(found(provider(checked, token, namespace="team").scan(run))) == {"secret/inside"}


def test_three_hundred_in_nested_folders(checked: Bao, run: LentRun) -> None:
    """Every folder is walked to its end, each secret once."""
    paths = {f"l{i % 3}/m{i % 7}/n{i % 2}/s{i}" for i in range(300)}
    for path in paths:
        checked.note(path, expires="2027-01-01")
    scanned = list(provider(checked).scan(run))
    assert set(found(scanned)) == {f"secret/{path}" for path in paths}
    assert len(scanned) == 301


def test_a_listing_cut_short_by_policy(checked: Bao, run: LentRun) -> None:
    """`pagination_limit` cuts a plain LIST without a word; pages are asked for until they end."""
    if not checked.openbao:
        pytest.skip("Vault has no such limit")
    for number in range(45):
        checked.note(f"s{number}", expires="2027-01-01")
    policy = 'path "secret/metadata/*" { capabilities = ["list","read"]\n pagination_limit = 10 }'
    assert len(found(provider(checked, checked.token(policy)).scan(run))) == 45


def test_folders_narrow_the_walk(checked: Bao, run: LentRun) -> None:
    """Only what was walked is covered; a folder inside another is walked once; the printed policy is as narrow."""
    for path in ("payments/a", "payments/eu/b", "hr/c"):
        checked.note(path, expires="2027-01-01")
    looked = provider(checked, folders=("secret/payments", "secret/payments/eu/"))
    scanned = list(looked.scan(run))
    assert [item.ref for item in scanned if isinstance(item, Found)] == ["secret/payments/a", "secret/payments/eu/b"]
    assert rest(scanned) == [Covered("secret/payments/")]
    assert list(looked.preflight(run)) == []
    (gap,) = list(provider(checked, "t", folders=("elsewhere/x/",)).scan(run))
    assert isinstance(gap, Gap)
    assert "none of the mounts" in gap.reason


def test_preflight_names_the_capability_that_is_missing(checked: Bao, run: LentRun) -> None:
    """Before an empty inventory is believed, doctor says `list` is lacking, and where."""
    bare = checked.token('path "secret/metadata/*" { capabilities = ["read"] }')
    (said,) = list(provider(checked, bare).preflight(run))
    assert "'list' on secret/metadata/" in said
    assert len(list(provider(checked, "nonsense").preflight(run))) == 1
    assert list(provider(checked).preflight(run)) == []


def test_a_sealed_server_is_a_transient_gap(server: Bao, run: LentRun) -> None:
    """Nobody can read anything then; the next run may."""
    server.note("a", expires="2027-01-01")
    looked = provider(server)
    server.api("PUT", "sys/seal")
    (gap,) = list(looked.scan(run))
    assert isinstance(gap, Gap)
    assert (gap.prefix, gap.transient) == ("", True)
    assert "sealed" in gap.reason


def test_no_token_is_taken_from_the_surroundings(
    server: Bao, run: LentRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A developer's root token in the environment or the home folder is never used by itself."""
    (tmp_path / ".vault-token").write_text(server.root)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", server.root)
    (gap,) = list(provider(server, "").scan(run))
    assert isinstance(gap, Gap)
    assert "neither token nor role_id" in gap.reason


def test_only_the_configured_authority_is_trusted(tmp_path: Path, run: LentRun) -> None:
    """With the server's own CA it works; with another one or the system's it must fail, and say so."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    with bao(tmp_path / "there", tls=True) as other:
        stranger = Path(other.ca).read_bytes()
    (tmp_path / "stranger.pem").write_bytes(stranger)
    with bao(tmp_path / "here", tls=True) as server:
        token = server.token(VaultProvider(VaultSettings("x")).permissions())
        assert list(provider(server, token).scan(run)) == [Covered("secret/")]
        for ca in ("stranger.pem", ""):
            (gap,) = list(provider(server, token, ca=ca).scan(run))
            assert isinstance(gap, Gap)
            assert (gap.prefix, gap.transient) == ("", False)
            assert "certificate" in gap.reason
        (gap,) = list(provider(server, token, ca="missing.pem").scan(run))
        assert isinstance(gap, Gap)

"""From real sources to a living person: OpenBao, AWS's API and a file, collected by one run of the real command."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers.aws import Aws, aws
from tests.servers.bao import Bao, bao
from tests.story.story import CONFIG, telling

SOURCES = """
[[source]]
name = "vault"
kind = "vault"
address = "{address}"
token = "file:vault-token"
mounts = ["secret"]
every = "0"

[[source]]
name = "cloud"
kind = "aws"
regions = ["eu-west-1"]
endpoint = "{endpoint}"
every = "0"

[[source]]
name = "listed"
kind = "file"
path = "creds.toml"
every = "0"

[[assign]]
match = "cloud:*"
owner = "payments"
env = "prod"
service = "checkout"
lead = "10bd"
"""
POLICY = """
path "secret/metadata/*" { capabilities = ["list", "read"] }
path "secret/metadata" { capabilities = ["list"] }
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Bao]:
    (tmp_path / "bao").mkdir()
    with bao(tmp_path / "bao") as server:
        yield server


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with aws(tmp_path) as server:
        server.reset()
        yield server


# OpenBao stamps each version with the machine's clock, so these stories play from a Monday after today.
TODAY = datetime.now(UTC).date()
MONDAY = TODAY + timedelta(days=14 - TODAY.weekday())
START = f"{MONDAY} 08:00"


def day(ahead: int) -> str:
    return (MONDAY + timedelta(days=ahead)).isoformat()


def installed(folder: Path, vault: Bao, cloud: Aws) -> str:
    """The config of an installation that reads all three; secrets and dates stand in the sources."""
    vault.put("payments/paygate", api_key="never-to-be-read")
    vault.note("payments/paygate", expires=day(90), owner="payments", env="production", lead="5bd")
    vault.put("hr/payroll", password="never-to-be-read")
    client = cloud.client()
    client.create_secret(
        Name="stripe-live", SecretString="never-to-be-read", Tags=[{"Key": "keywatch:expires", "Value": day(8)}]
    )
    client.create_secret(Name="undated", SecretString="never-to-be-read")
    (folder / "vault-token").write_text(vault.token(POLICY), encoding="utf-8")
    (folder / "creds.toml").write_text(
        f'[[credential]]\nname = "acquirer-mtls"\nexpires = {day(4)}\nowner = "nobody-knows"\n', encoding="utf-8"
    )
    return CONFIG + SOURCES.format(address=vault.address, endpoint=cloud.address)


@pytest.mark.server
def test_three_sources_one_line(tmp_path: Path, vault: Bao, cloud: Aws) -> None:
    """Labels, tags and `[[assign]]` say whose it is; what nobody owns is the keeper's; no value is ever asked for."""
    config = installed(tmp_path, vault, cloud)
    cloud.record()
    with telling(tmp_path, start=START, config=config, every_days=365) as story:
        assert story.check() == [], "what was found is said at the next 09:00"
        story.at(f"{day(1)} 08:00")
        messages = story.check()
        rows = {row["name"]: row for row in story.run("list", "-o", "json").json["credentials"]}
        assert {name: (row["source"], row["owner"], row["state"]) for name, row in rows.items()} == {
            "paygate": ("vault", "payments", "OK"),
            "payroll": ("vault", "", "UNDATED"),
            "stripe-live": ("cloud", "payments", "LATE"),
            "undated": ("cloud", "payments", "UNDATED"),
            "acquirer-mtls": ("listed", "nobody-knows", "LATE"),
        }
        assert rows["stripe-live"]["service"] == "checkout"
        told = {(m["person"], n["credential"]) for m in messages if m["verdict"] == "accepted" for n in m["notices"]}
        assert ("ana", "stripe-live") in told
        assert ("li", "acquirer-mtls") in told, "an owner nobody knows: [keywatch] owner is told"
        everything = (tmp_path / "keywatch.db").read_bytes() + b"".join(mail.raw for mail in story.inbox())
        assert b"never-to-be-read" not in everything
    own = [path for _, path in vault.asked()]
    assert own
    assert not [path for path in own if "/data/" in path]
    assert set(cloud.operations()) <= {"ListSecrets", "GetCallerIdentity"}


@pytest.mark.server
def test_a_source_that_is_down_takes_nothing_away(tmp_path: Path, vault: Bao, cloud: Aws) -> None:
    """A sealed Vault: exit 3, its credentials stale, their reminders go on; unsealed, all is well again."""
    config = installed(tmp_path, vault, cloud)
    with telling(tmp_path, start=START, config=config, every_days=365) as story:
        story.check()
        vault.api("PUT", "sys/seal", token=vault.root)
        story.at(f"{day(80)} 08:00")
        messages = story.check(expect=3)
        row = story.state("paygate")
        assert row["stale_since"] == f"{day(80)}T08:00:00Z"
        assert row["expires_at"] == f"{day(90)}T00:00:00Z"
        assert ("ana", "paygate") in {(m["person"], n["credential"]) for m in messages for n in m["notices"]}
        assert story.state("stripe-live")["stale_since"] is None

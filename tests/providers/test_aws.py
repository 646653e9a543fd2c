"""The aws provider over HTTP against moto's server; the operations it asked for are read from moto's recording."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.stub import Stubber

from keywatch.declared import EXPIRES
from keywatch.model import Basis, Covered, Found, Gap, Scanned
from keywatch.testing import LentRun, ProviderContract
from keywatch_aws import AwsProvider, AwsSettings
from keywatch_aws.provider import listed
from keywatch_aws.reading import found as read
from tests.servers.aws import ACCOUNT, Aws
from tests.servers.canned import Answer, Asked, canned

REGION = "eu-west-1"
ALLOWED = {"ListSecrets", "GetCallerIdentity", "AssumeRole"}
ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:prod/stripe-Ab12Cd"
LISTING = {"IncludePlannedDeletion": True, "MaxResults": 100}


def provider(cloud: Aws, *regions: str, **settings: str) -> AwsProvider:
    return AwsProvider(AwsSettings(regions or (REGION,), endpoint=cloud.address, **settings))  # type: ignore[arg-type]


def found(scanned: Iterable[Scanned]) -> list[Found]:
    return [item for item in scanned if isinstance(item, Found)]


def create(cloud: Aws, name: str, region: str = REGION, **tags: str) -> str:
    """The ARN of a new secret; `_` in a tag's name stands for `:`."""
    named = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
    return str(cloud.client(region).create_secret(Name=name, SecretString="canary-value", Tags=named)["ARN"])


@pytest.fixture
def checked(cloud: Aws) -> Iterator[Aws]:
    """An AWS of which nothing but listings was asked once the test calls `record`."""
    yield cloud
    assert set(cloud.operations()) <= ALLOWED


class TestContract(ProviderContract):
    """The rules of every provider."""

    plugin = "keywatch_aws"
    heavy = ("boto3", "botocore")

    @pytest.fixture
    def provider(self, checked: Aws) -> AwsProvider:
        client = checked.client()
        tags = {
            "keywatch:expires": "2026-12-19",
            "owner": "payments",
            "impact": "x" * 256,
            "key": "AKIAIOSFODNN7EXAMPLE",
        }
        client.create_secret(
            Name="prod/stripe", SecretString=self.canary, Tags=[{"Key": k, "Value": v} for k, v in tags.items()]
        )
        create(checked, "free", keywatch_expires="never")
        create(checked, "odd", keywatch_expires="soon")
        checked.record()
        return provider(checked, REGION, "us-east-1")


def test_a_secret_in_all_its_parts(checked: Aws, run: LentRun) -> None:
    """The tags give the date and the labels, the ARN the path, the AWSCURRENT id the version; two kinds of requests."""
    arn = create(
        checked, "prod/stripe", keywatch_expires="2026-12-19", owner="payments", keywatch_env="prod", env="x", team="t"
    )
    current = checked.client().put_secret_value(SecretId=arn, SecretString="new")["VersionId"]
    checked.record()
    item, last = provider(checked).scan(run)
    assert isinstance(item, Found)
    assert item.ref == f"{ACCOUNT}/{REGION}/{arn.rpartition('secret:')[2]}"
    assert (item.name, item.version, item.active, item.issued) == ("prod/stripe", current, True, None)
    assert [(d.at, d.basis) for d in item.deadlines] == [(datetime(2026, 12, 19, tzinfo=UTC), Basis.DECLARED)]
    assert item.deadlines[0].because == "tag.expires = 2026-12-19"
    assert item.labels == {"owner": "payments", "env": "prod"}
    assert set(item.tags) >= {"team=t", "owner=payments", "keywatch:expires=2026-12-19"}
    assert last == Covered(f"{ACCOUNT}/{REGION}/")
    assert checked.operations() == ["GetCallerIdentity", "ListSecrets"]


def test_the_recording_would_show_a_value_being_read(cloud: Aws) -> None:
    """What the other tests rely on: an operation that they forbid stands in the recording."""
    arn = create(cloud, "a")
    cloud.record()
    cloud.client().get_secret_value(SecretId=arn)
    assert cloud.operations() == ["GetSecretValue"]


def test_three_pages(checked: Aws, run: LentRun) -> None:
    """Two hundred and fifty secrets come in three requests, each secret once."""
    for number in range(250):
        create(checked, f"s{number}", keywatch_expires="2027-01-01")
    checked.record()
    assert len({item.ref for item in found(provider(checked).scan(run))}) == 250
    assert checked.operations().count("ListSecrets") == 3


def test_a_scheduled_deletion(checked: Aws, run: LentRun) -> None:
    """It is listed and inactive; restored it is active again under the same path."""
    arn = create(checked, "a", keywatch_expires="2027-01-01")
    client = checked.client()
    client.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    (deleted,) = found(provider(checked).scan(run))
    client.restore_secret(SecretId=arn)
    (restored,) = found(provider(checked).scan(run))
    assert (deleted.active, restored.active) == (False, True)
    assert deleted.ref == restored.ref


def test_made_anew_it_is_another_credential(checked: Aws, run: LentRun) -> None:
    """The suffix of the ARN tells two secrets apart that bore the same name."""
    arn = create(checked, "a")
    (first,) = found(provider(checked).scan(run))
    checked.client().delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    create(checked, "a")
    (second,) = found(provider(checked).scan(run))
    assert first.name == second.name
    assert first.ref != second.ref


def test_a_replica_counts_once(checked: Aws, run: LentRun) -> None:
    """A secret and its copies are one credential at home, also when only the copies' regions are looked at."""
    client = checked.client("eu-central-1")
    copies = [{"Region": REGION}, {"Region": "us-east-1"}]
    tags = [{"Key": "keywatch:expires", "Value": "2027-01-01"}]
    client.create_secret(Name="a", SecretString="x", AddReplicaRegions=copies, Tags=tags)
    everywhere = found(provider(checked, REGION, "us-east-1", "eu-central-1").scan(run))
    copies_only = found(provider(checked, REGION, "us-east-1").scan(run))
    assert len(everywhere) == len(copies_only) == 1
    assert everywhere[0].ref == copies_only[0].ref
    assert everywhere[0].ref.startswith(f"{ACCOUNT}/eu-central-1/")


def test_a_promised_rotation(checked: Aws, run: LentRun) -> None:
    """The robot's next date is a ROTATION deadline and marks the secret automatic."""
    arn = create(checked, "a")
    checked.client().rotate_secret(SecretId=arn, RotationRules={"AutomaticallyAfterDays": 30}, RotateImmediately=False)
    (item,) = found(provider(checked).scan(run))
    assert [d.basis for d in item.deadlines] == [Basis.ROTATION]
    assert item.automatic


def test_other_prefix_and_tags(checked: Aws, run: LentRun) -> None:
    """A team's own names for tags are a setting."""
    create(checked, "a", acme_valid="2027-01-01", acme_owner="x")
    looked = AwsProvider(
        AwsSettings((REGION,), tag_prefix="acme:", expires_tags=("acme:valid",), endpoint=checked.address)
    )
    (item,) = found(looked.scan(run))
    assert item.deadlines[0].at == datetime(2027, 1, 1, tzinfo=UTC)
    assert item.labels == {"owner": "x"}


def test_another_account_by_its_role(checked: Aws, run: LentRun) -> None:
    """The role's account stands in every path, so that two accounts never mix."""
    create(checked, "mine", keywatch_expires="2027-01-01")
    checked.record()
    role = "arn:aws:iam::999999999999:role/keywatch"
    scanned = list(provider(checked, role_arn=role, external_id="x-1").scan(run))
    assert scanned == [Covered(f"999999999999/{REGION}/")]
    assert checked.operations() == ["AssumeRole", "GetCallerIdentity", "ListSecrets"]


def test_without_credentials(cloud: Aws, run: LentRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """One gap with the reason; an empty account is something else."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (gap,) = provider(cloud).scan(run)
    assert gap == Gap("", "no usable AWS credentials: Unable to locate credentials")
    (said,) = provider(cloud).preflight(run)
    assert "Unable to locate credentials" in said
    (gap,) = provider(cloud, profile="nobody").scan(run)
    assert isinstance(gap, Gap)
    assert "nobody" in gap.reason
    (gap,) = AwsProvider(AwsSettings(())).scan(run)
    assert gap == Gap("", "no region is configured")


def test_one_region_denies(cloud: Aws, run: LentRun) -> None:
    """A gap for that region with the code of AWS; the other region counts in full."""

    def answer(asked: Asked) -> Answer:
        region = asked.headers["Authorization"].split("/")[2]
        if "/sts/" in asked.headers["Authorization"]:
            result = f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
            return Answer(200, f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>")
        if region == "us-east-1":
            return Answer(400, {"__type": "AccessDeniedException", "message": "not authorized"})
        return Answer(200, {"SecretList": [{"ARN": ARN, "Name": "prod/stripe"}]})

    with canned(answer) as server:
        scanned = list(provider(Aws(server.address), REGION, "us-east-1").scan(run))
    assert scanned[1:] == [
        Covered(f"{ACCOUNT}/{REGION}/"),
        Gap(f"{ACCOUNT}/us-east-1/", "us-east-1: AccessDeniedException: not authorized"),
    ]
    assert [item.ref for item in found(scanned)] == [f"{ACCOUNT}/{REGION}/prod/stripe-Ab12Cd"]


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client("secretsmanager", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
    client.close()


def test_an_empty_page_ends_nothing(stub: Stubber) -> None:
    """AWS may send a page without a secret and with a token: there is more. Deleted ones are asked for as well."""
    stub.add_response("list_secrets", {"SecretList": [], "NextToken": "n"}, LISTING)
    stub.add_response("list_secrets", {"SecretList": [{"ARN": ARN, "Name": "a"}]}, {**LISTING, "NextToken": "n"})
    entries, gap = listed(stub.client)
    assert [entry["Name"] for entry in entries] == ["a"]
    assert gap is None


@pytest.mark.parametrize(
    ("code", "status", "transient"),
    [("InvalidNextTokenException", 400, True), ("AccessDeniedException", 400, False), ("Odd", 503, True)],
)
def test_an_error_in_the_middle(stub: Stubber, code: str, status: int, transient: bool) -> None:
    """What was listed before counts; the rest of the region is a gap, so that nothing goes missing."""
    stub.add_response("list_secrets", {"SecretList": [{"ARN": ARN, "Name": "a"}], "NextToken": "n"}, LISTING)
    stub.add_client_error("list_secrets", code, "sorry", status)
    entries, gap = listed(stub.client)
    assert len(entries) == 1
    assert gap == Gap("", f"{code}: sorry", transient)


def entry(**fields: Any) -> Found:
    return read({"ARN": ARN, "Name": "prod/stripe", **fields}, EXPIRES, "keywatch:", ZoneInfo("UTC"))


def test_a_tag_edit_is_no_renewal() -> None:
    """`LastChangedDate` moves with every edit (not in moto); the version is the AWSCURRENT id alone."""
    stages = {"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT", "mine"], "v3": ["AWSPENDING"]}
    day = datetime(2026, 1, 1, tzinfo=UTC)
    first = entry(SecretVersionsToStages=stages, LastChangedDate=day)
    second = entry(SecretVersionsToStages=stages, LastChangedDate=day + timedelta(days=30))
    assert first == second
    assert first.version == "v2"
    assert entry().version == "none"


def test_a_rotation_that_is_off_promises_nothing() -> None:
    """Old rules stay on a secret whose rotation was switched off."""
    assert entry(RotationEnabled=False, NextRotationDate=datetime(2026, 1, 1, tzinfo=UTC)).deadlines == ()


def test_a_declared_date_beside_a_rotation() -> None:
    """A person's date keeps its ladder: the robot does not make it silent."""
    at = datetime(2026, 12, 1, 2, tzinfo=ZoneInfo("America/New_York"))
    item = entry(RotationEnabled=True, NextRotationDate=at, Tags=[{"Key": "expires", "Value": "2027-01-01"}])
    assert [d.basis for d in item.deadlines] == [Basis.DECLARED, Basis.ROTATION]
    assert item.deadlines[1].at.tzinfo is UTC
    assert not item.automatic


def test_the_printed_policy_denies_values() -> None:
    """What keywatch asks an administrator for forbids it to read a secret, whatever else is granted."""
    allow, deny = json.loads(AwsProvider(AwsSettings((REGION,))).permissions())["Statement"]
    assert allow["Action"] == ["secretsmanager:ListSecrets", "sts:GetCallerIdentity"]
    assert "secretsmanager:GetSecretValue" in deny["Action"]
    assert deny["Effect"] == "Deny"

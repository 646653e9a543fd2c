"""The scan itself: one account, its regions, and what is said of those that do not answer."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, ClassVar

from keywatch.declared import EXPIRES
from keywatch.model import Covered, Gap, Scanned
from keywatch.plugins import Run
from keywatch.text import clean, secret_looking
from keywatch_aws.reading import found, home

ALLOWED = ("secretsmanager:ListSecrets", "sts:GetCallerIdentity")
DENIED = ("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue")
TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalServiceError",
        "InvalidNextTokenException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes that another run may not see again."""


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """The keys of a `[[source]]` with `kind = "aws"`."""

    regions: tuple[str, ...]
    profile: str = ""
    """A profile of the AWS config; "" = the usual chain: environment, profile, role of the machine."""
    role_arn: str = ""
    """A role to assume first, e.g. in another account."""
    external_id: str = ""
    tag_prefix: str = "keywatch:"
    """Tags with it win over plain ones of the same name."""
    expires_tags: tuple[str, ...] = EXPIRES
    """Names of tags, with or without the prefix, that hold an expiry date."""
    endpoint: str = ""
    """Another address for every service, for tests."""


class AwsProvider:
    """Lists the secrets of one account. ListSecrets never carries a value, and nothing else is asked."""

    Settings: ClassVar[type[AwsSettings]] = AwsSettings

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings

    def scan(self, run: Run) -> Iterator[Scanned]:
        """Found for each secret, Covered or Gap for each `account/region/`; replicas count once, at home."""
        regions = tuple(dict.fromkeys(self._settings.regions))
        account, session = self._session()
        if isinstance(session, Gap):
            yield session
            return
        seen: set[str] = set()
        with ExitStack() as stack:
            # clients are safe to share between threads, sessions are not: all are made here
            clients = [stack.enter_context(closing(self._client(session, "secretsmanager", r))) for r in regions]
            for region, (entries, gap) in zip(regions, run.map(listed, clients), strict=True):
                for entry in entries:
                    item = found(entry, self._settings.expires_tags, self._settings.tag_prefix, run.zone)
                    replica = home(entry) != region and home(entry) in regions
                    if not replica and item.ref not in seen:
                        seen.add(item.ref)
                        yield item
                prefix = f"{account}/{region}/"
                yield Gap(prefix, f"{region}: {gap.reason}", gap.transient) if gap else Covered(prefix)

    def preflight(self, run: Run) -> Iterator[str]:
        """Why a region could not be listed to its end."""
        yield from (item.reason for item in self.scan(run) if isinstance(item, Gap))

    def permissions(self) -> str:
        """The IAM policy that is enough; ListSecrets knows no narrower resource than everything."""
        statements = [
            {"Effect": "Allow", "Action": list(ALLOWED), "Resource": "*"},
            {"Effect": "Deny", "Action": list(DENIED), "Resource": "*"},
        ]
        return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"

    def _session(self) -> tuple[str, Any]:
        """(account id, session), or ("", Gap): without knowing whose secrets these are, nothing is said of them."""
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        if not self._settings.regions:
            return "", Gap("", "no region is configured")
        try:
            session = boto3.Session(profile_name=self._settings.profile or None)
            if self._settings.role_arn:
                session = self._assumed(session)
            with closing(self._client(session, "sts", self._settings.regions[0])) as sts:
                return str(sts.get_caller_identity()["Account"]), session
        except (BotoCoreError, ClientError) as error:
            gap = meaning(error)
            return "", Gap("", f"no usable AWS credentials: {gap.reason}", gap.transient)

    def _assumed(self, session: Any) -> Any:
        import boto3

        wanted = {"RoleArn": self._settings.role_arn, "RoleSessionName": "keywatch"}
        if self._settings.external_id:
            wanted["ExternalId"] = self._settings.external_id
        with closing(self._client(session, "sts", self._settings.regions[0])) as sts:
            given = sts.assume_role(**wanted)["Credentials"]
        return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def _client(self, session: Any, service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": 8},
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=4,
        )
        return session.client(service, region_name=region, endpoint_url=self._settings.endpoint or None, config=config)


def listed(client: Any) -> tuple[list[dict[str, Any]], Gap | None]:
    """Every secret of the client's region, and why the list ends early if it does. An empty page ends nothing."""
    from botocore.exceptions import BotoCoreError, ClientError

    entries: list[dict[str, Any]] = []
    try:
        pages = client.get_paginator("list_secrets").paginate(
            IncludePlannedDeletion=True, PaginationConfig={"PageSize": 100}
        )
        for page in pages:
            entries += page.get("SecretList") or []
    except (BotoCoreError, ClientError) as error:
        return entries, meaning(error)
    return entries, None


def meaning(error: Exception) -> Gap:
    """What a failed request means; only codes and messages of AWS, which carry no credentials."""
    from botocore.exceptions import ClientError, HTTPClientError

    text, transient = str(error), isinstance(error, HTTPClientError)
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        text = f"{said.get('Code', '')}: {said.get('Message', '')}"
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        transient = said.get("Code") in TRANSIENT or status >= 500
    # a credential_process that fails may print anything
    return Gap("", type(error).__name__ if secret_looking(text) or not text else clean(text), transient)

"""Servers and runs for the suites of the providers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keywatch.testing import LentRun
from tests.servers.aws import Aws, aws
from tests.servers.bao import Bao, bao

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> LentRun:
    return LentRun(NOW, tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Bao]:
    """A fresh OpenBao with an empty `secret/`."""
    folder = tmp_path / "bao"
    folder.mkdir()
    with bao(folder) as running:
        yield running


@pytest.fixture(scope="session")
def _moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def cloud(_moto: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Aws:
    """An empty AWS, and an environment in which nothing but its own credentials can be found."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    _moto.reset()
    return _moto

"""A store of each kind for every test: an SQLite file, and a database of a PostgreSQL server started for the run."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import schema
from keywatch.model import Credential, Decision, Planned
from keywatch.store import Store
from tests.servers.postgres import PostgresServer

NOW = datetime(2026, 12, 7, 9, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own, with a database `template` that holds a fresh store."""
    with PostgresServer() as running:
        schema.create(running.database(name="template"), rehearsal=False, now=NOW)
        yield running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "keywatch.db"
    schema.create(f"sqlite:///{path}", rehearsal=False, now=NOW)
    return path


@pytest.fixture
def file(tmp_path: Path, template: Path) -> Path:
    """The file of a fresh SQLite store."""
    return Path(shutil.copy(template, tmp_path / "keywatch.db"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh store."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('file')}"
    server: PostgresServer = request.getfixturevalue("server")
    return server.database("template")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


Add = Callable[..., tuple[int, int]]


@pytest.fixture
def add(store: Store) -> Add:
    """Save a credential that expires in 12 days and open its episode: (credential id, episode id)."""

    def _add(name: str = "paygate-api", **fields: Any) -> tuple[int, int]:
        expires = NOW + timedelta(days=12)
        values = {"source": "manual", "ref": name, "version": "1", "expires_at": expires, "next_at": NOW} | fields
        with store.write() as tx:
            credential = tx.save(Credential(id=0, name=name, **values))
            return credential, tx.open_episode(credential, expires, "1", NOW)

    return _add


Call = Callable[..., Decision]


@pytest.fixture
def call() -> Call:
    """Make a decision that tells these routes (`ana-mail` is ana's) of a stage."""

    def _call(*routes: str, stage: str = "7d@2026-12-07", **fields: Any) -> Decision:
        notices = tuple(Planned(route, route.partition("-")[0], 0, "owner", True) for route in routes)
        values = {"stage": stage, "asks": True, "notices": notices, "next_at": NOW + timedelta(days=1)}
        return Decision(**values | fields)

    return _call


Plan = Callable[..., None]


@pytest.fixture
def plan(store: Store) -> Plan:
    """Apply a decision in a transaction of its own."""

    def _plan(episode: int, decision: Decision, at: datetime = NOW, slot: str = "2026-12-07") -> None:
        with store.write(plan=True) as tx:
            tx.apply(episode, decision, at, slot, "kw.example")

    return _plan

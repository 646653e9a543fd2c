"""A store of each kind for every test: an SQLite file, and a database of a PostgreSQL server started for the run."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import schema
from keywatch.model import Credential, Decision, Planned
from keywatch.store import Store

NOW = datetime(2026, 12, 7, 9, tzinfo=UTC)
BRING = "no PostgreSQL server here: `apt-get install postgresql` brings one"


@pytest.fixture
def now() -> datetime:
    return NOW


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The socket folder of a PostgreSQL of our own, run by an ordinary user, with a template that holds a store."""
    psycopg = pytest.importorskip("psycopg", reason="pip install 'keywatch[postgres]'")
    postgres, initdb = _program("postgres"), _program("initdb")
    if not postgres or not initdb:
        pytest.skip(BRING)
    home = Path(tempfile.mkdtemp(prefix="kw-pg-"))
    home.chmod(0o755)
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
    data = home / "data"
    make = [*as_user, initdb, "-D", str(data), "-U", "kw", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    subprocess.run(make, check=True, capture_output=True, cwd=home)
    settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=Asia/Kolkata"]
    run = [*as_user, postgres, "-D", str(data), "-k", str(home), *settings]
    with (home / "log").open("wb") as log, subprocess.Popen(run, cwd=home, stdout=log, stderr=log) as process:
        try:
            for _ in range(200):
                try:
                    psycopg.connect(f"postgresql://kw@/postgres?host={home}").close()
                    break
                except psycopg.OperationalError:
                    time.sleep(0.1)
            _sql(str(home), "CREATE DATABASE template")
            schema.create(f"postgresql://kw@/template?host={home}", rehearsal=False, now=NOW)
            yield str(home)
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(home)


def _sql(home: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"postgresql://kw@/postgres?host={home}", autocommit=True) as connection:
        connection.execute(statement)


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
    home, name = request.getfixturevalue("server"), f"kw_{time.monotonic_ns()}"
    _sql(home, f"CREATE DATABASE {name} TEMPLATE template")
    return f"postgresql://kw@/{name}?host={home}"


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

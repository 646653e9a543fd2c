"""A real PostgreSQL of the tests' own, so that many workers can be tried on one; it listens on a unix socket only.

    with PostgresServer() as server:
        url = server.database()             # an empty one
        url = server.database("template")   # a copy of another

It can be killed or stopped like any server, and keeps nothing: its files go with it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

from tests.servers.need import missing

BRING = "no PostgreSQL server here: `apt-get install postgresql` brings one"
READY_S = 20.0
SETTINGS = {"listen_addresses": "", "fsync": "off", "timezone": "Asia/Kolkata", "max_connections": "60"}
"""No network. Nothing has to survive a power cut. A zone that no test expects, to catch instants without one."""


class PostgresServer:
    """Start on entering, stop on leaving. Run by an ordinary user: `initdb` refuses root."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._programs = {name: _program(name) for name in ("postgres", "initdb")}
        pytest.importorskip("psycopg", reason="pip install 'keywatch[postgres]'")

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="kw-pg-"))
        self.home.chmod(0o755)
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody")
            self._as_user = ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
        try:
            data = ["-D", str(self.home / "data")]
            make = [str(self._programs["initdb"]), *data, "-U", "kw", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
            subprocess.run([*self._as_user, *make], check=True, capture_output=True, cwd=self.home)
            self._start()
        except BaseException:
            shutil.rmtree(self.home)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # the quick way: it does not wait for clients that were stopped
        self._process.wait(READY_S)
        shutil.rmtree(self.home)

    def database(self, template: str = "template0", name: str = "") -> str:
        """The URL of a new database, a copy of `template`; nobody may be connected to that one."""
        name = name or f"kw_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def url(self, name: str) -> str:
        """Where a database is."""
        return f"postgresql://kw@/{name}?host={self.home}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement behind the program's back; its rows, if it has any."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def _start(self) -> None:
        import psycopg

        argv = [str(self._programs["postgres"]), "-D", str(self.home / "data"), "-k", str(self.home)]
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *argv, *settings], cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self._process.kill()
        self._process.wait()
        raise AssertionError(f"PostgreSQL did not start:\n{(self.home / 'log').read_text()[-2000:]}")


def _program(name: str) -> Path:
    """The program on PATH or, as Debian has it, in the folder of its version; skipped or failed without it."""
    if found := shutil.which(name):
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return versions[-1] if versions else missing(BRING)

"""A keywatch of its own for one test: a config, a rehearsal store on disk, and the command line over both."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from keywatch import ledger, outlook, schema
from keywatch.cli import group
from keywatch.config import Config, load
from keywatch.errors import KeywatchError
from keywatch.model import AckKind, Basis, Credential, Deadline
from keywatch.read import text_of
from keywatch.store import Store

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
"""A Saturday, 10:00 in Madrid."""
HOSTILE = 'evil\n\x1b[31m<b>&amp;"‮gnp\x9b=cmd()|`x`,:%'
FORMULA = "=cmd()|'/C calc'!A0"
TOML = """
[keywatch]
timezone = "Europe/Madrid"
owner = "platform"
last_resort = ["li:mail", "ops-phone"]
environments = { production = ["prod", "live"], staging = ["stage"] }
[mail]
from = "keywatch@example.com"
smtp = "smtp://localhost:2525"
[people.ana]
name = "Ana Ruiz"
mail = "ana@example.com"
[people.bo]
mail = "bo@example.com"
[people.mia]
mail = "mia@example.com"
[people.li]
mail = "li@example.com"
[routes.payments-alias]
mail = "payments-alerts@example.com"
shared = true
[routes.ops-phone]
url = "env:OPS_PHONE_URL"
page = true
person = "bo"
[rosters.payments]
kind = "rotation"
timezone = "Europe/Madrid"
people = ["ana", "bo"]
anchor = 2026-10-05
[owners.payments]
roster = "payments"
head = "mia"
members = ["ana", "bo"]
routes = ["payments-alias"]
fallback = ["li"]
[owners.platform]
people = ["bo", "li"]
head = "mia"
"""


@dataclass
class House:
    """One folder with keywatch.toml and keywatch.db in it."""

    folder: Path
    now: datetime = NOW

    @property
    def config(self) -> Config:
        return load(self.folder / "keywatch.toml", {})

    @property
    def store(self) -> Store:
        return Store(self.config.store)

    def put(self, name: str, days: float | None = None, **fields: Any) -> int:
        """Register a credential that expires `days` after now, as a source or a person would have."""
        labels = {key: fields.pop(key) for key in LABELS if key in fields}
        at = self.now + timedelta(days=days) if days is not None else None
        ended = (Deadline(at, Basis.DECLARED, f"expires = {at:%Y-%m-%d}"),) if at else ()
        row = Credential(
            0,
            fields.pop("source", "manual"),
            fields.pop("ref", name),
            name,
            version="1",
            deadlines=ended,
            expires_at=at,
            basis=Basis.DECLARED if at else None,
            because=ended[0].because if ended else "",
            labels=labels,
            first_seen=self.now - timedelta(days=200),
        )
        config = self.config
        with self.store as store, store.write() as tx:
            world = outlook.world(config, tx.read, self.now)
            resolved = ledger.resolve(row, config, world)
            return ledger.record(tx, replace(resolved, **fields), self.now - timedelta(days=200), "tests")

    def hold(self, credential: int, person: str = "ana", days: float = 3) -> None:
        """Somebody takes it, until `days` from now."""
        with self.store as store, store.write() as tx:
            episode = tx.read.episodes([credential])[credential]
            tx.add_ack(episode.id, AckKind.BEGUN, person, self.now, self.now + timedelta(days=days), "", "tests")

    def ran(self, ago: timedelta = timedelta(minutes=15), standing: int = 0) -> None:
        """A check was here."""
        with self.store as store, store.write() as tx:
            tx.set_meta("last_run", text_of(self.now - ago))
            tx.set_meta("standing", str(standing))

    def run(self, *args: str, env: dict[str, str] | None = None) -> "Said":
        """One command, inside this process."""
        here = {"KEYWATCH_CONFIG": str(self.folder / "keywatch.toml"), "KEYWATCH_NOW": self.now.isoformat()}
        runner = CliRunner(env={"GITHUB_ACTIONS": "", **here, **(env or {})})
        return Said(runner.invoke(group, list(args), prog_name="keywatch", standalone_mode=False))

    def spawn(self, args: Sequence[str], code: str = "") -> subprocess.CompletedProcess[str]:
        """One command in a process of its own; `code` runs after it."""
        script = f"""import sys, keywatch.cli
try:
    keywatch.cli.main({list(args)!r})
except SystemExit as end:
    status = end.code
{code}
sys.exit(status)"""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KEYWATCH_CONFIG": str(self.folder / "keywatch.toml"),
            "KEYWATCH_NOW": self.now.isoformat(),
        }
        argv = [sys.executable, "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=self.folder)


LABELS = ("owner", "env", "service", "lead", "runbook", "approver", "impact", "emergency")


@dataclass
class Said:
    """What a command answered."""

    result: Result

    @property
    def code(self) -> int:
        if isinstance(self.result.exception, KeywatchError):
            return int(self.result.exception.exit_code)
        if self.result.exception and not isinstance(self.result.exception, SystemExit):
            raise self.result.exception
        return int(self.result.return_value or 0)

    @property
    def error(self) -> str:
        problem = self.result.exception
        return f"{problem.what}; {problem.hint}" if isinstance(problem, KeywatchError) else ""

    @property
    def out(self) -> str:
        return self.result.stdout

    @property
    def err(self) -> str:
        return self.result.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.result.stdout)


def make(folder: Path, toml: str = TOML) -> House:
    """A new one in `folder`."""
    (folder / "keywatch.toml").write_text(toml)
    house = House(folder)
    schema.create(house.config.store, rehearsal=True, now=NOW - timedelta(days=300))
    return house

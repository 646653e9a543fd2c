"""What is interrupted: six installations, each with one command about to run, prepared once and copied for each trial.

An undisturbed run of the command says what is wanted; it is told by (To, Subject), because Message-IDs are made anew
in each run.
"""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from tests.crash.forkserver import Ended, Forks
from tests.crash.sink import Sink
from tests.crash.state import Facts, facts
from tests.story.story import CONFIG

LATER = timedelta(minutes=1)
"""A killed rehearsal cannot record how far its clock came: what follows it starts a minute on."""
EFFECTS = (
    *("keywatch/check.py", "keywatch/dispatch.py", "keywatch/ledger.py", "keywatch/snapshot.py", "keywatch/digest.py"),
    *(
        "keywatch/quiet.py",
        "keywatch/oncall.py",
        "keywatch/clock.py",
        "keywatch/pulse.py",
        "keywatch/store/",
        "keywatch/cli/check.py",
    ),
    *("keywatch_mail/post.py", "keywatch_mail/__init__.py", "keywatch_mail/kwmail.py"),
)
"""Modules of a check that write, send or decide how a run goes on; all others only compute."""
SOURCE = """
[[source]]
name = "listed"
kind = "file"
path = "creds.csv"
every = "0"
"""
HEADER = "name,expires,issued,owner,lead\n"
NEXT = '''"""Another column and another table, as a later version may bring them."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "{head}", None, None


def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("note", sa.String()))
    op.execute("INSERT INTO extra (note) SELECT name FROM credential")
    with op.batch_alter_table("credential") as batch:
        batch.add_column(sa.Column("colour", sa.String(), nullable=False, server_default="grey"))
    op.execute("UPDATE credential SET colour = 'green' WHERE retired_at IS NULL")
    op.create_index("ix_credential_colour", "credential", ["colour"])
'''


@dataclass(frozen=True, slots=True)
class Scene:
    """One command about to run."""

    name: str
    template: Path
    """The installation just before; it is never run itself."""
    at: datetime
    args: tuple[str, ...]
    wanted: Counter[tuple[str, str]]
    """The letters of an undisturbed run."""
    before: Facts
    after: Facts
    marks: Mapping[str, list[Any]]
    """The points and lines that an undisturbed run passes."""

    def now(self, runs: int = 0) -> str:
        """The clock of the run, or of the `runs`-th one after it."""
        return said(self.at + runs * LATER)


class Kitchen:
    """Prepares scenes in one folder, which is also where every trial happens: a config knows its own path."""

    def __init__(self, forks: Forks, sink: Sink, base: Path) -> None:
        self.forks, self.sink, self.base = forks, sink, base
        self.place = base / "here"
        self._done: dict[str, Scene] = {}

    def scene(self, name: str) -> Scene:
        """One prepared scene, made when it is first asked for."""
        if name not in self._done:
            shutil.rmtree(self.place, ignore_errors=True)
            self.place.mkdir(parents=True)
            at, *args = SCENES[name](self)
            self._done[name] = self._undisturbed(name, instant(at), tuple(args))
        return self._done[name]

    def fresh(self, scene: Scene) -> Path:
        """The place as it was just before the command."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(scene.template, self.place)
        return self.place

    def run(self, at: str, *args: str, expect: int | None = 0) -> Ended:
        """An undisturbed command in the place."""
        ended = self.forks.run(self.place, said(instant(at)), *args)
        assert expect in (None, ended.code), (args, ended)
        return ended

    def _undisturbed(self, name: str, at: datetime, args: tuple[str, ...]) -> Scene:
        template = self.base / f"before-{name}"
        shutil.copytree(self.place, template)
        scene = Scene(name, template, at, args, Counter(), facts(template), {}, {})
        marks: dict[str, list[Any]] = {}
        start = self.sink.end
        for what in ("point", "line"):
            start = self.sink.end
            ended = self.forks.run(self.fresh(scene), scene.now(), *args, do="count", at=what)
            assert ended.code == 0, ended
            marks[what] = ended.seen
        wanted = Counter((letter.to, letter.subject) for letter in self.sink.letters(start))
        assert set(wanted.values()) <= {1}
        return Scene(name, template, at, args, wanted, scene.before, facts(self.place), marks)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def said(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --------------------------------------------------------------------------- the scenes


def _installed(kitchen: Kitchen, teams: int, more: str = "") -> None:
    """A rehearsal store and some teams of two, each with a credential that is about to reach a stage."""
    text = CONFIG.format(port=kitchen.sink.port, every_days=365) + "\n".join(_teams(teams)) + "\n" + more
    (kitchen.place / "keywatch.toml").write_text(text, encoding="utf-8")
    kitchen.run("2026-10-05 07:00", "init", "--rehearsal", "--no-input")


def _teams(count: int) -> Iterable[str]:
    for n in range(count):
        yield f'[people.p{n}]\nmail = "p{n}@example.com"\n[people.q{n}]\nmail = "q{n}@example.com"'
        yield f'[owners.team{n}]\npeople = ["p{n}"]\nhead = "q{n}"\ncalendar = "madrid"'


def _due(kitchen: Kitchen, teams: int) -> None:
    _installed(kitchen, teams)
    for n in range(teams):
        more = ("--expires", "2026-12-19", "--lead", "21bd", "--owner", f"team{n}", "--env", "production")
        kitchen.run("2026-11-13 07:30", "add", f"key-{n}", *more)


def send(kitchen: Kitchen) -> list[str]:
    """A check that sends eight messages."""
    _due(kitchen, 4)
    return ["2026-11-13 08:00", "check", "-o", "json"]


def brief(kitchen: Kitchen) -> list[str]:
    """A check that sends two messages: it passes the same lines in a quarter of the time."""
    _due(kitchen, 1)
    return ["2026-11-13 08:00", "check", "-o", "json"]


def collect(kitchen: Kitchen) -> list[str]:
    """A check that reads a file in which one row is new, one has another date and one is missing."""
    rows = [f"c{n},2027-0{n + 3}-01,,payments,5bd" for n in range(5)]
    listed = kitchen.place / "creds.csv"
    listed.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    _installed(kitchen, 0, SOURCE)
    for at in ("2026-10-05 07:00", "2026-10-06 08:00"):
        kitchen.run(at, "check")
    rows[1:3] = ["c1,2027-11-01,,payments,5bd", "fresh,2026-10-07,,payments,5bd"]
    listed.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return ["2026-10-06 09:00", "check", "-o", "json"]


def ack(kitchen: Kitchen) -> list[str]:
    """Somebody takes what a message says, by its code."""
    _due(kitchen, 1)
    kitchen.run("2026-11-13 08:00", "check")
    with closing(sqlite3.connect(kitchen.place / "keywatch.db")) as connection:
        (code,) = connection.execute("SELECT code FROM message WHERE person = 'p0'").fetchone()
    return ["2026-11-13 10:00", "ack", code]


def digest(kitchen: Kitchen) -> list[str]:
    """A check on a Monday: the weekly digest goes out."""
    _installed(kitchen, 1)
    kitchen.run("2026-10-05 07:30", "add", "sftp", "--expires", "2027-06-01", "--lead", "5bd", "--owner", "payments")
    kitchen.run("2026-10-05 07:40", "check")
    return ["2026-10-12 07:00", "check", "-o", "json"]


def upgrade(kitchen: Kitchen) -> list[str]:
    """`db upgrade` with a migration that a later version may bring: a table, a rebuilt table, rows, an index."""
    from keywatch import schema

    _due(kitchen, 2)
    scripts = kitchen.base / "keywatch_migrations"
    shutil.copytree(str(resources.files("keywatch_migrations")), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "next.py").write_text(NEXT.format(head=schema.head()), encoding="utf-8")
    return ["2026-11-13 08:00", "@upgrade", "sqlite:///keywatch.db", str(scripts)]


def init(kitchen: Kitchen) -> list[str]:
    """`init` in an empty folder."""
    return ["2026-10-05 07:00", "init", "--rehearsal", "--no-input"]


SCENES: dict[str, Callable[[Kitchen], list[str]]] = {
    made.__name__: made for made in (send, brief, collect, ack, digest, upgrade, init)
}

"""A time machine: the real command line on a rehearsal store, a real mail server, and a clock that a test moves.

`Story.run` calls the installed command's own entry point in this process, which is quick enough for a year of runs.
"""

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keywatch.cli import main
from tests.servers.smtp import Received, SmtpServer

CONFIG = """\
[keywatch]
store = "sqlite:///keywatch.db"
timezone = "Europe/Madrid"
owner = "platform"
last_resort = ["li:mail", "mia:mail"]
environments = {{ production = ["prod", "live"], staging = ["stage"] }}

[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:{port}"

[policy]
questions = false

[people]
ana = {{ name = "Ana Ruiz", mail = "ana@example.com" }}
bo = {{ name = "Bo Lind", mail = "bo@example.com" }}
cy = {{ name = "Cy Park", mail = "cy@example.com" }}
mia = {{ name = "Mia Okafor", mail = "mia@example.com" }}
li = {{ name = "Li Wei", mail = "li@example.com" }}

[routes.payments-alias]
mail = "payments-alerts@example.com"
shared = true

[rosters.payments]
kind = "rotation"
timezone = "Europe/Madrid"
people = ["ana", "bo"]
anchor = 2026-10-05
at = 09:00:00
every_days = {every_days}

[owners.payments]
roster = "payments"
head = "mia"
members = ["ana", "bo", "cy"]
routes = ["payments-alias"]
fallback = ["li"]
calendar = "madrid"

[owners.platform]
people = ["li"]
head = "mia"

[calendars.madrid]
timezone = "Europe/Madrid"
holidays = [2026-12-25]
freezes = [{{ from = 2026-12-20, until = 2027-01-03 }}]
"""
ALIAS = "payments-alerts@example.com"


@dataclass
class Answer:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Story:
    """One installation and its clock."""

    folder: Path
    server: SmtpServer
    now: datetime
    _seen: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    """Every message of every check, with `at`."""

    def run(self, *args: str, expect: int | None = 0) -> Answer:
        """One command at the story's time; its exit code must be `expect` (None: any)."""
        if os.environ.get("STORY") == "installed":
            return self._installed(args, expect)
        out, err = io.StringIO(), io.StringIO()
        before, where = dict(os.environ), Path.cwd()
        try:
            for name in [name for name in os.environ if name.startswith("KEYWATCH_")]:
                del os.environ[name]
            os.environ["KEYWATCH_NOW"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            os.chdir(self.folder)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _code(list(args))
        finally:
            os.environ.clear()
            os.environ.update(before)
            os.chdir(where)
        return self._expected(args, Answer(code, out.getvalue(), err.getvalue()), expect)

    def _installed(self, args: tuple[str, ...], expect: int | None) -> Answer:
        """The same through the installed command, one process each (`STORY=installed`): slower, nothing shared."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
        env["KEYWATCH_NOW"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        command = Path(sys.executable).with_name("keywatch")
        done = subprocess.run([command, *args], cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        return self._expected(args, Answer(done.returncode, done.stdout, done.stderr), expect)

    def _expected(self, args: tuple[str, ...], answer: Answer, expect: int | None) -> Answer:
        said = f"keywatch {' '.join(args)} at {self.now}: {answer.code}\n{answer.out}\n{answer.err}"
        assert expect in (None, answer.code), said
        return answer

    def at(self, text: str) -> "Story":
        """Set the clock to an instant such as `2026-11-13 08:00` (UTC)."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return self

    def check(self, expect: int | None = 0) -> list[dict[str, Any]]:
        """One run of the timer; the messages it tried."""
        answer = self.run("check", "-o", "json", expect=expect).json
        messages = [message | {"at": self.now} for message in answer["messages"]]
        self.sent += messages
        return messages

    def advance(
        self, *, days: float = 0, every: timedelta = timedelta(hours=1), expect: int | None = 0
    ) -> list[dict[str, Any]]:
        """Let time pass with a run at each step; everything that was sent on the way."""
        end, sent = self.now + timedelta(days=days), []
        while self.now < end:
            self.now += every
            sent += self.check(expect)
        return sent

    def inbox(self, person: str | None = None) -> list[Received]:
        """Mails that arrived since the last look; all of them, or those of one address before the @."""
        mails = self.server.received[self._seen :]
        self._seen = len(self.server.received)
        return [mail for mail in mails if person is None or mail.to.partition("@")[0] == person]

    def spawn(self, *args: str, before: str = "") -> "subprocess.Popen[str]":
        """The same command at the story's time as a process of its own; `before`: code it runs first."""
        code = f"{before}\nimport sys\nfrom keywatch.cli import main\nmain(sys.argv[1:])"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
        return subprocess.Popen(
            [sys.executable, "-c", code, *args],
            cwd=self.folder,
            env=clean | {"KEYWATCH_NOW": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the store behind the program's back."""
        with contextlib.closing(sqlite3.connect(self.folder / "keywatch.db")) as connection:
            return connection.execute(question, values).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table; the values of `meta` are tables of their own."""
        tables = [name for (name,) in self.ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(self.ask(f'SELECT * FROM "{name}"'), key=repr) for name in tables if name != "meta"}
        return rows | {f"meta {name}": [(value,)] for name, value in self.ask("SELECT name, value FROM meta")}

    def rewrite(self, old: str, new: str) -> None:
        """Change the config as an editor does; `old` must be there."""
        path = self.folder / "keywatch.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def serve(self, server: SmtpServer) -> None:
        """Another mail server answers from now on: one that was started with the port of the first."""
        self.server.stop()
        server.start()
        self.server, self._seen = server, 0

    def add(self, name: str = "paygate-api", expires: str = "2026-12-19", lead: str = "21bd", *more: str) -> Answer:
        """Register a credential of the payments team."""
        rest = more or ("--owner", "payments", "--env", "production", "--service", "checkout")
        return self.run("add", name, "--expires", expires, "--lead", lead, *rest)

    def state(self, name: str = "paygate-api") -> dict[str, Any]:
        """One credential as `list -o json` shows it."""
        rows = self.run("list", "-o", "json").json["credentials"]
        return next(row for row in rows if row["name"] == name)


def _code(args: list[str]) -> int:
    try:
        main(args)
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@contextlib.contextmanager
def telling(
    folder: Path,
    start: str = "2026-10-05 07:00",
    refuses: dict[str, str] | None = None,
    every_days: int = 7,
    config: str = CONFIG,
) -> Iterator[Story]:
    """A new installation, its mail server refusing whom `refuses` names (default: the old alias)."""
    answers = {ALIAS: "550 5.1.1 no such user here"} if refuses is None else refuses
    with SmtpServer(answers) as server:
        text = config.format(port=server.port, every_days=every_days)
        (folder / "keywatch.toml").write_text(text, encoding="utf-8")
        story = Story(folder, server, datetime.fromisoformat(start).replace(tzinfo=UTC))
        story.run("init", "--rehearsal", "--no-input")
        yield story

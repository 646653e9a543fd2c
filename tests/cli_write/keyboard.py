"""A team of four with a rota on a rehearsal store, driven through the command line, with a real mail server beside."""

import io
import json
import re
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keywatch import cli
from tests.servers.smtp import Received, SmtpServer

CONFIG = """\
[keywatch]
timezone = "Europe/Madrid"
owner = "platform"
[keywatch.environments]
production = ["prod", "live"]
staging = ["stage"]
[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:25"
[policy]
questions = false
[people.ana]
name = "Ana Ruiz"
mail = "ana@example.com"
[people.bo]
mail = "bo@example.com"
[people.mia]
mail = "mia@example.com"
[people.li]
name = "Li Wei"
mail = "li@example.com"
[routes.payments-alias]
mail = "payments-alerts@example.com"
shared = true
[rosters.payments]
kind = "rotation"
timezone = "Europe/Madrid"
people = ["ana", "bo"]
anchor = 2026-10-19
at = 09:00:00
every_days = 7
[owners.payments]
roster = "payments"
head = "mia"
members = ["ana", "bo"]
routes = ["payments-alias"]
fallback = ["li"]
[owners.platform]
people = ["li", "mia"]
"""


@dataclass(frozen=True)
class Done:
    """What one command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Keyboard:
    """Somebody at a keyboard in a folder."""

    def __init__(self, folder: Path, server: SmtpServer, patch: pytest.MonkeyPatch, capture: Any) -> None:
        self.folder, self.server, self._patch, self._capture = folder, server, patch, capture
        self.login = "root"
        self.at = "2026-09-01T10:00:00Z"

    def __call__(self, *args: str, stdin: str | bytes | None = None) -> Done:
        self._patch.setenv("LOGNAME", self.login)
        if self.at:
            self._patch.setenv("KEYWATCH_NOW", self.at)
        else:
            self._patch.delenv("KEYWATCH_NOW", raising=False)
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        self._capture.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main(list(args))
        out, err = self._capture.readouterr()
        return Done(int(left.value.code or 0), out, err)

    def ok(self, *args: str, stdin: str | None = None) -> Done:
        done = self(*args, stdin=stdin)
        assert done.code == 0, (args, done)
        return done

    def refused(self, *args: str, stdin: str | bytes | None = None, code: int = 2) -> str:
        """The two lines of a command that must be refused and must leave every row as it was."""
        before = self.rows()
        done = self(*args, stdin=stdin)
        assert done.code == code, (args, done)
        assert done.err.startswith("Error: "), done
        assert "\n  hint: " in done.err, done
        assert "Traceback" not in done.err
        assert self.rows() == before
        return done.err

    def add(self, name: str = "paygate-api", *more: str, expires: str = "2026-12-19") -> Done:
        """Register a credential of the payments team that takes 21 working days."""
        return self.ok("add", name, "--expires", expires, "--lead", "21bd", "--owner", "payments", *more)

    def known(self) -> dict[str, Any]:
        return {row["name"]: row for row in self.ok("list", "-o", "json").json["credentials"]}

    def check(self, at: str) -> list[dict[str, Any]]:
        """A run at an instant; the messages it sent."""
        self.at = at
        done = self("check", "-o", "json")
        assert done.code in (0, 1, 3), done
        return list(done.json["messages"])

    def code_for(self, address: str) -> str:
        """The code of the latest message that reached an address, read from its text as a person does."""
        return code_in(next(one for one in reversed(self.server.received) if one.to == address))

    def rows(self) -> list[str]:
        """Every row of the store but the time of the last run, as text."""
        file = self.folder / "keywatch.db"
        if not file.exists():
            return []
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            dump = [line for line in connection.iterdump() if "'last_run'" not in line and "'high_water'" not in line]
        connection.close()
        return dump

    def select(self, sql: str, *values: Any) -> list[Any]:
        connection = sqlite3.connect(f"file:{self.folder / 'keywatch.db'}?mode=ro", uri=True)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


def code_in(mail: Received) -> str:
    found = re.search(r"keywatch ack ([2-9A-Z]{5})\b", mail.text)
    assert found, mail.text
    return found[1]

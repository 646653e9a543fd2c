"""The past is only ever added to: what an earlier look at the store saw, every later look sees unchanged."""

import ast
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

import keywatch
from tests.history.incident import Played

CHANGES = re.compile(r'\b(?:UPDATE|DELETE FROM|REPLACE INTO|TRUNCATE(?: TABLE)?)\s+"?(event|evidence)\b', re.I)
PACKAGE = Path(keywatch.__file__).parent


def test_nothing_of_the_past_changes(incident: Played) -> None:
    """Through the whole incident every event, row of evidence and closed attempt stays as it was written."""
    assert len(incident.seen) > 4
    for earlier, later in pairwise(incident.seen):
        assert [row for table, rows in earlier.items() for row in rows - later[table]] == []
    assert all(len(rows) > 5 for rows in incident.seen[-1].values()), "the incident left traces of each kind"


def test_no_statement_changes_the_past(incident: Played) -> None:
    """No UPDATE or DELETE of events or evidence reaches the database, an INSERT of one replaces nothing, and a try is

    closed once: its UPDATE asks for one that is open.
    """
    if os.environ.get("STORY") == "installed":
        pytest.skip("the commands are processes of their own, whose statements nobody hears here")
    written = [one for one in incident.statements if re.match(r"INSERT INTO (event|evidence)\b", one)]
    assert len(written) > 10
    assert [one for one in incident.statements if CHANGES.search(one)] == []
    assert [one for one in written if "ON CONFLICT" in one] == []
    closing = [one for one in incident.statements if one.startswith("UPDATE attempt")]
    assert closing
    assert [one for one in closing if "attempt.ended_at IS NULL" not in one.partition("WHERE")[2]] == []


def test_no_code_changes_the_past() -> None:
    """Also what the incident does not reach has no statement for it: no `update(EVENT)`, no SQL text that says it."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHANGES.search(node.value):
                found.append(f"{path.name}: {node.value}")
            if (
                isinstance(node, ast.Call)
                and called(node) in ("update", "delete")
                and named(node) & {"EVENT", "EVIDENCE"}
            ):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


def called(node: ast.Call) -> str:
    """`update` of `update(EVENT)` and of `EVENT.update()`."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def named(node: ast.Call) -> set[str]:
    """The tables that a call names as its subject."""
    subject = [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    return {one.id for one in subject if isinstance(one, ast.Name)}

"""The shape of the store: models, migrations and reads agree, and an upgrade is whole or not there."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from keywatch import schema
from keywatch.model import Credential, Episode, Message
from keywatch.read import COLUMNS, REVISIONS, open_reader
from keywatch.store import engine_for, metadata


def test_the_models_are_what_migrations_make(url: str) -> None:
    """alembic finds no difference between the tables of a migrated store and the models, on both databases."""
    engine = engine_for(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_statements_are_the_same_to_the_letter(file: Path, tmp_path: Path) -> None:
    """CHECKs and partial indexes too, which alembic does not compare: both ways give the same CREATE statements."""
    direct = tmp_path / "direct.db"
    sqlite3.connect(direct).execute("PRAGMA journal_mode=WAL").connection.close()
    engine = engine_for(f"sqlite:///{direct}")
    metadata.create_all(engine)
    engine.dispose()
    assert _statements(direct) == _statements(file) - {s for s in _statements(file) if "alembic_version" in s}


def _statements(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    parts = (sorted(part.strip() for part in re.split(r",|\n|\)$", sql) if part.strip()) for (sql,) in found)
    return {"\n".join(statement).replace('TABLE "', "TABLE ").replace('" (', " (") for statement in parts}


def test_checks_hold_on_both_databases(url: str) -> None:
    """Each CHECK of the models is in the database."""
    engine = engine_for(url)
    with engine.connect() as connection:
        query = "SELECT sql FROM sqlite_master" if url.startswith("sqlite") else "SELECT conname FROM pg_constraint"
        known = " ".join(str(row[0]) for row in connection.execute(text(query)))
    engine.dispose()
    for name in ("ck_credential_basis", "ck_message_state", "ck_episode_outcome", "ck_attempt_verdict"):
        assert name in known


def test_every_column_that_is_read_exists() -> None:
    """The SELECTs of keywatch.read name columns of the SQLModel tables."""
    for table, columns in COLUMNS.items():
        assert set(columns) <= set(metadata.tables[table].columns.keys()), table


def test_nothing_of_a_value_is_forgotten() -> None:
    """Every field of a credential, an episode and a message has its column, so that it survives being stored."""
    columns = {name: set(table.columns.keys()) for name, table in metadata.tables.items()}
    own = {f.name for f in fields(Credential)} - {"in_hand", "usual_left"} | {"usual_left_s"}
    assert own == columns["credential"] == set(COLUMNS["credential"])
    assert {f.name for f in fields(Episode)} - {"calls", "acks"} <= set(COLUMNS["episode"])
    assert {f.name for f in fields(Message)} == set(COLUMNS["message"])


def test_the_revisions_are_those_the_program_knows() -> None:
    """A migration that is added must be listed, or every reader would take the store for a newer one."""
    assert tuple(s.revision for s in schema._scripts(None).walk_revisions())[::-1] == REVISIONS
    assert schema.head() == REVISIONS[-1]


def test_current_and_upgrade_of_a_new_store(url: str) -> None:
    """A store of today is left alone by an upgrade, and no copy is made."""
    assert schema.current(url) == schema.head()
    assert schema.upgrade(url) is None


FUTURE = '''"""Next."""

import os, signal
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "20261123_reach", None, None


def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))
    with op.batch_alter_table("credential") as batch:
        batch.add_column(sa.Column("colour", sa.String(), nullable=False, server_default="grey"))
    {end}


def downgrade():
    pass
'''


def _future(tmp_path: Path, end: str) -> Path:
    scripts = tmp_path / "scripts"
    shutil.copytree(str(resources.files("keywatch_migrations")), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "next.py").write_text(FUTURE.format(end=end))
    return scripts


def test_an_upgrade_copies_the_file_first(file: Path, tmp_path: Path) -> None:
    """Before an upgrade the old store is copied beside it, as private as it was, and still opens."""
    copy = schema.upgrade(f"sqlite:///{file}", _future(tmp_path, "pass"))
    assert copy is not None
    assert schema.current(f"sqlite:///{file}") == "next"
    assert copy.stat().st_mode & 0o777 == 0o600
    with open_reader(f"sqlite:///{copy}") as reader:
        assert reader.meta("store_uuid")


def test_an_upgrade_over_several_versions_is_one_transaction(url: str, tmp_path: Path) -> None:
    """The second of two new versions fails: the first is undone too, so no store stops at a version in between."""
    scripts = _future(tmp_path, "pass")
    second = FUTURE.replace('"next", "20261123_reach"', '"after", "next"').replace('"extra"', '"extra2"')
    (scripts / "versions" / "after.py").write_text(second.replace("batch.add_column", "1 / 0 #").format(end="pass"))
    with pytest.raises(ZeroDivisionError):
        schema.upgrade(url, scripts)
    assert schema.current(url) == schema.head()


def test_a_failing_upgrade_changes_nothing(url: str, tmp_path: Path) -> None:
    """Also on SQLite all of a migration is one transaction: it fails in the middle, the old schema is whole."""
    with pytest.raises(ZeroDivisionError):
        schema.upgrade(url, _future(tmp_path, "1 / 0"))
    assert schema.current(url) == schema.head()
    with open_reader(url) as reader, pytest.raises(reader.connection.Error):
        reader.rows("*", "FROM extra")


def test_a_killed_upgrade_changes_nothing(file: Path, tmp_path: Path) -> None:
    """SIGKILL between two statements of a migration: the old schema is whole, and the next upgrade works."""
    scripts = _future(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    code = (
        f"from pathlib import Path; from keywatch import schema; schema.upgrade('sqlite:///{file}', Path('{scripts}'))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    with open_reader(f"sqlite:///{file}") as reader:
        assert reader.rows("name", "FROM sqlite_master WHERE name = 'extra'") == []
    shutil.rmtree(scripts)
    schema.upgrade(f"sqlite:///{file}", _future(tmp_path, "pass"))
    assert schema.current(f"sqlite:///{file}") == "next"

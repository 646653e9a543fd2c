"""`db`: the form of the store."""

import sqlite3

from keywatch import schema
from tests.cli_write.keyboard import Keyboard


def test_status_and_upgrade_of_a_current_store(kw: Keyboard) -> None:
    """Both are well, and upgrading what is current changes nothing and makes no copy."""
    kw.add()
    before = kw.rows()
    assert kw.ok("db", "status", "-o", "json").json["revision"] == schema.head()
    assert schema.head() in kw.ok("db", "upgrade").out
    assert kw.rows() == before
    assert not list(kw.folder.glob("*.bak"))


def test_a_store_of_a_newer_version_is_left_alone(kw: Keyboard) -> None:
    """Exit 3 for status, upgrade and every write; nothing is changed."""
    with sqlite3.connect(kw.folder / "keywatch.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '20991231_future'")
        connection.execute("UPDATE meta SET value = '9' WHERE name = 'min_writer'")
        connection.execute("UPDATE meta SET value = '4.2' WHERE name = 'min_version'")
    connection.close()
    kw.at = ""
    for args in (["db", "status"], ["db", "upgrade"], ["add", "x", "--never"], ["import", "-"]):
        assert "needs keywatch 4.2 or newer" in kw.refused(*args, stdin="name\nx\n", code=3)


def test_without_a_store(kw: Keyboard) -> None:
    """Exit 3, and none is created."""
    kw.at = ""
    (kw.folder / "keywatch.db").unlink()
    kw.refused("db", "status", code=3)
    kw.refused("db", "upgrade", code=3)
    assert not (kw.folder / "keywatch.db").exists()

"""Options of the group may stand behind the command as well."""

import pytest

from tests.cli_write.keyboard import CONFIG, Keyboard


@pytest.mark.parametrize(
    "args",
    [
        ["--now", "2027-02-01", "add", "x", "--expires", "2027-01-15"],
        ["add", "x", "--expires", "2027-01-15", "--now", "2027-02-01"],
        ["--now", "2020-01-01", "add", "x", "--expires", "2027-01-15", "--now", "2027-02-01"],
    ],
    ids=["before", "behind", "behind wins"],
)
def test_now_before_and_behind_the_command(kw: Keyboard, args: list[str]) -> None:
    """Both places mean the same; the one behind the command wins."""
    kw.at = ""
    assert "it has expired already" in kw.ok(*args).err


def test_config_behind_a_nested_command(kw: Keyboard) -> None:
    """It reaches commands of a group too."""
    (kw.folder / "keywatch.toml").rename(kw.folder / "other.toml")
    assert "keywatch.toml" in kw.refused("db", "status")
    kw.ok("db", "status", "--config", "other.toml")


def test_time_only_goes_forward(kw: Keyboard) -> None:
    """An instant before the last run is refused by every writing command."""
    kw.check("2026-09-02T10:00:00Z")
    kw.at = "2026-09-01T10:00:00Z"
    assert "before the last run" in kw.refused("add", "x", "--never")


def test_without_a_store_nothing_is_created(bare: Keyboard) -> None:
    """A writing command on a missing, empty or foreign store: exit 3, and no file appears or changes."""
    (bare.folder / "keywatch.toml").write_text(CONFIG)
    bare.at = ""
    file = bare.folder / "keywatch.db"
    assert "there is no store" in bare.refused("add", "x", "--never", code=3)
    assert not file.exists()
    file.touch()
    assert bare("add", "x", "--never").code == 3
    assert file.stat().st_size == 0
    file.write_bytes(b"something else entirely" * 100)
    assert bare("renew", "x", "--expires", "2027-01-01").code == 3
    assert file.read_bytes().startswith(b"something else")

"""`init`: a config and a store that work as they are, and nothing that exists is overwritten."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from keywatch import config
from tests.cli_write.keyboard import CONFIG, Keyboard


def test_the_written_config_is_valid_and_the_next_commands_run(bare: Keyboard) -> None:
    """Without a terminal nothing is asked, and what init names as the next commands can be typed as they stand."""
    done = bare.ok("init", "--rehearsal", "--no-input")
    made = config.load(bare.folder / "keywatch.toml", {})
    assert (made.keeper, list(made.people)) == ("me", ["root"])
    commands = [line.split()[1:] for line in done.out.splitlines() if line.startswith("  keywatch ")]
    assert [words[0] for words in commands] == ["test", "add"]
    assert bare(*commands[0]).code == 3  # no mail server on this machine, and it says so
    assert "start by" in bare.ok(*commands[1]).out
    assert bare("check").code == 0


def test_the_store_is_private(bare: Keyboard) -> None:
    """Only its owner may read the store."""
    bare.ok("init", "--rehearsal", "--no-input")
    assert (bare.folder / "keywatch.db").stat().st_mode & 0o777 == 0o600


def test_after_writing_a_config_it_makes_just_the_store(bare: Keyboard) -> None:
    """A config that is there is used and stays as it is, also where it names another store."""
    text = CONFIG.replace("[keywatch]\n", '[keywatch]\nstore = "sqlite:///data/watch.db"\n')
    (bare.folder / "keywatch.toml").write_text(text)
    bare.ok("init", "--rehearsal")
    assert (bare.folder / "keywatch.toml").read_text() == text
    assert (bare.folder / "data/watch.db").stat().st_mode & 0o777 == 0o600
    bare.ok("list")


def test_nothing_is_overwritten(kw: Keyboard) -> None:
    """Both there: exit 2; a store without a config: exit 2 and no config appears."""
    kw.add()
    assert "are there already" in kw.refused("init", "--rehearsal")
    (kw.folder / "keywatch.toml").unlink()
    before = kw.rows()
    assert "there is a file already" in kw.refused("init", "--rehearsal", "--no-input")
    assert kw.rows() == before
    assert not (kw.folder / "keywatch.toml").exists()


def test_a_broken_config_makes_no_store(bare: Keyboard) -> None:
    """All problems are named, exit 2, and nothing is created."""
    (bare.folder / "keywatch.toml").write_text("[keywatch]\nowner = 'nobody'\ncolour = 1\n")
    error = bare.refused("init", "--rehearsal")
    assert "nobody" in error
    assert "colour" in error
    assert [file.name for file in bare.folder.iterdir()] == ["keywatch.toml"]


def test_a_real_store_accepts_no_other_clock(bare: Keyboard) -> None:
    """--now without --rehearsal is refused before anything is made; with a real store it is refused later too."""
    bare.refused("init", "--no-input")
    assert not list(bare.folder.iterdir())
    bare.at = ""
    bare.ok("init", "--no-input")
    bare.at = "2027-01-01T00:00:00Z"
    assert "rehearsal" in bare.refused("add", "x", "--never")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of Unix")
def test_at_a_terminal_it_asks_four_questions(tmp_path: Path) -> None:
    """Name, address, zone and mail server, each with a default; an answer with quotes cannot break the file."""
    leader, follower = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "keywatch", "init"], cwd=tmp_path, stdin=follower, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"LOGNAME": "ana", "HOME": str(tmp_path)},
    )  # fmt: skip
    os.write(leader, b'Ana "A" Ruiz\nana@example.com\nEurope/Madrid\nsmtp://mail.example.com:587\n')
    out, _ = run.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    assert run.returncode == 0, out
    assert out.count("[") == 4
    made = config.load(tmp_path / "keywatch.toml", {})
    assert (made.people["ana"].name, made.zone.key) == ('Ana "A" Ruiz', "Europe/Madrid")
    assert made.mail is not None
    assert (made.mail.host, made.mail.sender) == ("mail.example.com", "keywatch@example.com")

"""A folder with a rehearsal store for every test, and a real mail server beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_write.keyboard import CONFIG, Keyboard
from tests.servers.smtp import SmtpServer


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Keyboard]:
    """An empty folder."""
    for name in ("SUDO_USER", "KEYWATCH_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with SmtpServer() as server:
        yield Keyboard(tmp_path, server, monkeypatch, capsys)


@pytest.fixture
def kw(bare: Keyboard) -> Keyboard:
    """A folder with the team's config and a rehearsal store, on 1 September 2026."""
    (bare.folder / "keywatch.toml").write_text(CONFIG.replace(":25", f":{bare.server.port}"))
    bare.ok("init", "--rehearsal")
    return bare

"""Which file is read, and what its relative paths and references mean."""

from pathlib import Path

import pytest

from keywatch import config
from keywatch.errors import Exit, KeywatchError

MINIMAL = '[keywatch]\nowner = "o"\n{0}\n[people.a]\nmail = "a@example.com"\n[owners.o]\npeople = ["a"]\n{1}'


def write(path: Path, core: str = "", more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MINIMAL.format(core, more), encoding="utf-8")
    return path


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, KEYWATCH_CONFIG, the current folder, XDG, /etc: each hides what comes after it."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    system = tmp_path / "etc" / "keywatch.toml"
    monkeypatch.setattr("keywatch.config.file.SYSTEM", system)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    assert_none(environ, cwd)
    assert config.find(None, environ, write(system) and cwd) == system
    home = write(tmp_path / "home" / ".config" / "keywatch" / "keywatch.toml")
    assert config.find(None, {"HOME": environ["HOME"]}, cwd) == home
    assert config.find(None, environ, cwd) == system, "XDG_CONFIG_HOME replaces ~/.config"
    xdg = write(tmp_path / "xdg" / "keywatch" / "keywatch.toml")
    assert config.find(None, environ, cwd) == xdg
    here = write(cwd / "keywatch.toml")
    assert config.find(None, environ, cwd) == here
    named = write(tmp_path / "named.toml")
    assert config.find(None, environ | {"KEYWATCH_CONFIG": str(named)}, cwd) == named
    flag = write(cwd / "flag.toml")
    assert config.find("flag.toml", environ | {"KEYWATCH_CONFIG": str(named)}, cwd) == flag


def assert_none(environ: dict[str, str], cwd: Path) -> None:
    with pytest.raises(KeywatchError) as caught:
        config.find(None, environ, cwd)
    assert caught.value.exit_code == Exit.USAGE
    assert "keywatch init" in caught.value.hint


@pytest.mark.parametrize(("flag", "environ"), [("gone.toml", {}), (None, {"KEYWATCH_CONFIG": "gone.toml"})])
def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path, flag: str | None, environ: dict[str, str]) -> None:
    """A mistyped name never falls through to another config."""
    write(tmp_path / "keywatch.toml")
    with pytest.raises(KeywatchError, match=r"no such file: .*gone\.toml"):
        config.find(flag, environ, tmp_path)


def test_a_dead_link_is_not_passed_over(tmp_path: Path) -> None:
    """A config whose link leads nowhere is an error, not a reason to read the next one."""
    xdg = write(tmp_path / "xdg" / "keywatch" / "keywatch.toml")
    (tmp_path / "keywatch.toml").symlink_to(tmp_path / "gone")
    path = config.find(None, {"XDG_CONFIG_HOME": str(xdg.parents[1])}, tmp_path)
    with pytest.raises(KeywatchError, match="cannot read"):
        config.load(path, {})


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification has it: it would change with the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keywatch.config.file.SYSTEM", tmp_path / "etc" / "keywatch.toml")
    write(tmp_path / "xdg" / "keywatch" / "keywatch.toml")
    assert_none({"XDG_CONFIG_HOME": "xdg"}, tmp_path)
    assert_none({}, tmp_path)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the current folder: cron and a person read and write the same store."""
    mail = '[mail]\nfrom = "k@example.com"\nsmtp = "smtps://h"\nca = "ca.pem"'
    write(tmp_path / "etc" / "keywatch.toml", 'store = "sqlite:///data/k.db"', mail)
    monkeypatch.chdir(tmp_path)
    read = config.load(Path("etc/keywatch.toml"), {})
    assert read.base == tmp_path / "etc"
    assert read.store == f"sqlite:///{tmp_path}/etc/data/k.db"
    assert read.mail
    assert read.mail.ca == f"{tmp_path}/etc/ca.pem"


def test_an_absolute_store_stays_where_it_is(tmp_path: Path) -> None:
    """Four slashes: a path from the root."""
    read = config.load(write(tmp_path / "keywatch.toml", 'store = "sqlite:////var/lib/keywatch/k.db"'), {})
    assert read.store == "sqlite:////var/lib/keywatch/k.db"


def test_a_linked_config_keeps_its_own_folder(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as a link into a folder that each change replaces: the store must not move."""
    write(tmp_path / "..2026_01" / "keywatch.toml")
    (tmp_path / "keywatch.toml").symlink_to(tmp_path / "..2026_01" / "keywatch.toml")
    assert config.load(tmp_path / "keywatch.toml", {}).store == f"sqlite:///{tmp_path}/keywatch.db"


def test_the_store_may_be_a_reference(tmp_path: Path) -> None:
    """It is resolved by whoever opens the store, from the environment that was given, and checked then."""
    path = write(tmp_path / "keywatch.toml", 'store = "env:KW_DB"')
    assert config.load(path, {"KW_DB": "postgresql://u:p@h/db"}).store == "postgresql://u:p@h/db"
    assert config.load(path, {"KW_DB": "sqlite:///k.db"}).store == f"sqlite:///{tmp_path}/k.db"
    unset = config.load(path, {})
    with pytest.raises(KeywatchError, match="the environment variable KW_DB is not set"):
        _ = unset.store
    wrong = config.load(path, {"KW_DB": "mysql://u:s3cr3t@h/db"})
    with pytest.raises(KeywatchError, match="neither a SQLite file") as caught:
        _ = wrong.store
    assert "s3cr3t" not in f"{caught.value.what}{caught.value.hint}"
    (tmp_path / "url").write_text("postgresql://h/db\n", encoding="utf-8")
    assert config.load(write(path, 'store = "file:url"'), {}).store == "postgresql://h/db"

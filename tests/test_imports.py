"""What starts in milliseconds must stay so: which modules a command imports is a promise, not an accident."""

from pathlib import Path

import pytest

from tests.cli_read.house import House, make

HEAVY = ("sqlmodel", "sqlalchemy", "boto3", "botocore", "hvac", "apprise", "jinja2", "alembic", "requests", "rich")
CONFIG = ("keywatch.config",)
LOADED = "print(' '.join(m for m in sys.modules), file=sys.stderr)"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = make(tmp_path_factory.mktemp("house"))
    made.put("paygate-api", 28, owner="payments", lead="21bd", service="checkout")
    made.put("sftp", 400, owner="platform", service="checkout")
    made.ran()
    return made


def loaded(house: House, args: list[str], codes: tuple[int, ...]) -> set[str]:
    """The modules one command imports, in a process of its own."""
    done = house.spawn(args, LOADED)
    assert done.returncode in codes, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("args", "codes"),
    [
        (["--help"], (0,)),
        (["list"], (0,)),
        (["list", "-o", "json"], (0,)),
        (["list", "-o", "csv"], (0,)),
        (["gate"], (1,)),
        (["gate", "-o", "github"], (1,)),
        (["suspects", "--service", "checkout"], (0, 1)),
        (["status"], (0, 1, 3)),
        (["status", "-o", "nagios"], (0, 1, 2)),
        (["completion", "bash"], (0,)),
    ],
)
def test_reading_commands_import_nothing_heavy(house: House, args: list[str], codes: tuple[int, ...]) -> None:
    """They need click and `keywatch.read`; SQLModel alone would cost ten times the whole command."""
    assert sorted(loaded(house, args, codes) & set(HEAVY)) == []


def test_help_imports_click_alone(house: House) -> None:
    """Not even our own config or store reader."""
    ours = {name for name in loaded(house, ["--help"], (0,)) if name.startswith("keywatch")}
    assert ours <= {"keywatch", "keywatch.cli", "keywatch.errors"}


def test_an_idle_check_imports_nothing_heavy(house: House) -> None:
    """A timer every 15 minutes that has nothing to do reads one answer and writes one value."""
    house.ran()
    with house.store as store, store.write() as tx:
        tx.touch(house.now.replace(year=2030))
        tx.set_meta("config_hash", house.config.digest_hash)
        tx.set_meta("digest_at", "2030-01-01 00:00:00.000000")
    assert sorted(loaded(house, ["check"], (0,)) & set(HEAVY)) == []


def test_a_gate_over_a_snapshot_needs_no_installation(house: House, tmp_path: Path) -> None:
    """CI has neither config nor store: neither is imported, let alone opened."""
    from keywatch import snapshot

    with house.store as store, store.write() as tx:
        snapshot.leave(tx, house.config, house.now, changed=True)
    taken = tmp_path / "taken.json"
    snapshot.place(house.config).rename(taken)
    modules = loaded(house, ["gate", "--from", str(taken)], (1,))
    assert sorted(modules & {*HEAVY, *CONFIG, "keywatch.outlook", "keywatch.store", "keywatch.plugins"}) == []

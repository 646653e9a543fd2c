"""The systemd units and the crontab that people copy: read by systemd itself, and run as cron runs them."""

import email
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.web import Page, WebServer
from tests.story.story import Story, telling

CONTRIB = Path(__file__).parents[1] / "contrib"
EXPOSURE = 1.5
"""What `systemd-analyze security` may say at most; 10 is a service without any protection."""


# --------------------------------------------------------------------------- systemd


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that exists here: `verify` looks for it."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here; the package systemd brings it")
    for unit in ("keywatch.service", "keywatch.timer", "keywatch-failed@.service"):
        text = (CONTRIB / unit).read_text(encoding="utf-8")
        (tmp_path / unit).write_text(text.replace("/usr/local/bin/keywatch", sys.executable), encoding="utf-8")
    return tmp_path


def analyze(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, check=False)


def test_systemd_has_no_complaint(units: Path) -> None:
    """`verify` says nothing: no unknown key, no wrong value, no unit that is not there."""
    (units / "keywatch-failed@.service").rename(units / "keywatch-failed@keywatch.service.service")
    done = analyze("verify", *(str(unit) for unit in sorted(units.iterdir())))
    said = [line for line in (done.stdout + done.stderr).splitlines() if "keywatch" in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_is_locked_up(units: Path) -> None:
    """A program that holds tokens of secret stores is exposed as little as systemd can arrange."""
    service = str(units / "keywatch.service")
    done = analyze("security", "--offline=yes", f"--threshold={round(EXPOSURE * 10)}", "--no-pager", service)
    found = re.search(r"exposure level for keywatch\.service: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= EXPOSURE
    assert done.returncode == 0


def test_the_units_fit_together() -> None:
    """The timer catches up after an absence; a source that cannot be read is no failure of the unit, exit 1 is one."""
    service, timer = (_unit(name) for name in ("keywatch.service", "keywatch.timer"))
    assert timer["Persistent"] == ["true"]
    assert timer["OnCalendar"] == ["*:0/15"]
    assert timer["WantedBy"] == ["timers.target"]
    assert service["SuccessExitStatus"] == ["3"]
    assert service["Type"] == ["oneshot"]
    assert service["ExecStart"] == ["/usr/local/bin/keywatch --config /etc/keywatch/keywatch.toml check -q"]
    assert service["StateDirectory"] == service["User"] == ["keywatch"]
    assert service["OnFailure"] == ["keywatch-failed@%n.service"]


def test_a_failure_is_mailed_without_keywatch(tmp_path: Path) -> None:
    """What systemd would run, with a sendmail and a systemctl that are here: one mail with the unit and its last words.

    It must not need keywatch, whose failure it tells.
    """
    text = (CONTRIB / "keywatch-failed@.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=/bin/sh -c '(.*?)'$", text.replace("\\\n", "\n"), re.MULTILINE | re.DOTALL)
    assert command
    script = command[1].replace("%i", "keywatch.service").replace("%H", "vault-7").replace("$$", "$")
    for name, does in {"systemctl": 'echo "$*: failed, status=1"', "sendmail": f"cat > {tmp_path}/mail"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "MAILTO": "ops@example.com"}
    script = script.replace("/usr/sbin/sendmail", str(tmp_path / "sendmail"))
    subprocess.run(["/bin/sh", "-c", script], env=env, check=True)
    mail = email.message_from_string((tmp_path / "mail").read_text())
    assert (mail["To"], mail["Subject"]) == ("ops@example.com", "keywatch.service failed on vault-7")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "status --full --no-pager --lines=40 keywatch.service: failed, status=1" in mail.get_payload()
    assert not re.search(r"(^|[/ ])keywatch (?!status)", script)


def _unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (CONTRIB / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


# --------------------------------------------------------------------------- cron


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A rehearsal of the payments team, whose alias refuses mail, on the day before its message."""
    with telling(tmp_path, "2026-10-20 08:00") as told:
        told.add("paygate-api", "2026-12-19", "21bd")
        told.check()
        yield told


class Cron:
    """What cron does with a crontab: its variables and nothing else, /bin/sh, and a mail if anything was said."""

    def __init__(self, story: Story) -> None:
        self.story = story
        lines = (CONTRIB / "crontab").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line and not line.startswith("#")]
        self.variables = dict(line.split("=", 1) for line in kept if re.match(r"[A-Z]+=", line))
        (entry,) = [line for line in kept if not re.match(r"[A-Z]+=", line)]
        *self.schedule, self.command = entry.split(None, 5)

    def run(self) -> subprocess.CompletedProcess[str]:
        """One run over the rehearsal store, with the program of this environment."""
        config = self.story.folder / "keywatch.toml"
        command = self.command.replace("/etc/keywatch/keywatch.toml", str(config))
        path = f"{self._bin()}:{self.variables['PATH']}"
        now = self.story.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        given = {"HOME": str(self.story.folder), "LOGNAME": "keywatch", "SHELL": "/bin/sh", "PATH": path}
        words = [f"{key}={value}" for key, value in (given | {"KEYWATCH_NOW": now}).items()]
        argv = ["env", "-i", *words, "/bin/sh", "-c", command]
        return subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)

    def _bin(self) -> Path:
        """A folder with a `keywatch` that is the one under test."""
        folder = self.story.folder / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "keywatch"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keywatch "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        return folder


def test_the_crontab_is_one(story: Story) -> None:
    """Five fields and a command without `%`, which cron would take for a line break; somebody gets its mail."""
    cron = Cron(story)
    assert cron.schedule == ["*/15", "*", "*", "*", "*"]
    assert "%" not in cron.command
    assert cron.command.endswith("|| [ $? -eq 3 ]")
    assert "/usr/local/bin" in cron.variables["PATH"].split(":")
    assert "@" in cron.variables["MAILTO"]


def test_cron_says_nothing_when_all_is_well(story: Story) -> None:
    """A run in which nothing went wrong sends its messages, prints nothing and ends well: cron sends no mail."""
    story.at("2026-10-20 09:00")
    done = Cron(story).run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cron_tells_people_without_an_environment(story: Story) -> None:
    """Under `env -i` the message goes out all the same; what is new, the dead alias, is said once."""
    story.at("2026-10-21 07:00")
    done = Cron(story).run()
    assert done.returncode == 0, done.stderr
    assert {mail.to for mail in story.inbox()} == {"ana@example.com", "mia@example.com"}
    assert "payments-alias is dead: 550 5.1.1" in done.stderr
    story.at("2026-10-21 07:15")
    again = Cron(story).run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_source_that_is_down_is_no_failure(story: Story) -> None:
    """Exit 3 becomes 0, is said when it is new, and then no more."""
    config = story.folder / "keywatch.toml"
    config.write_text(
        config.read_text(encoding="utf-8") + '\n[[source]]\nname = "partners"\nkind = "file"\npath = "gone.toml"\n',
        encoding="utf-8",
    )
    story.at("2026-10-20 09:00")
    first = Cron(story).run()
    assert first.returncode == 0
    assert "partners" in first.stdout + first.stderr
    assert story.run("check", expect=3).code == 3
    story.at("2026-10-20 10:30")
    second = Cron(story).run()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_the_crontab_shows_how_a_service_is_told(story: Story) -> None:
    """The line in its comment works as it stands: the URL comes from a file beside the config, and is never printed."""
    text = (CONTRIB / "crontab").read_text(encoding="utf-8")
    assert "check -q --ping-url file:/etc/keywatch/ping-url || [ $? -eq 3 ]" in text
    with WebServer({"/4f1d": Page(), "/4f1d/start": Page()}) as web:
        place = story.folder / "ping-url"
        place.write_text(web.url("/4f1d") + "\n", encoding="utf-8")
        cron = Cron(story)
        cron.command = cron.command.replace("check -q", f"check -q --ping-url file:{place}")
        done = cron.run()
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert [asked.path for asked in web.requests] == ["/4f1d/start", "/4f1d"]


def test_nobody_reached_is_a_failure(story: Story) -> None:
    """Exit 1 stays one, and names the credential whose call nobody accepted."""
    story.server.rules.recipients["*"] = "550 5.1.1 no such user here"
    story.at("2026-10-21 07:00")
    done = Cron(story).run()
    assert done.returncode == 1
    assert "paygate-api" in done.stderr


def test_a_broken_config_is_a_failure(story: Story) -> None:
    """Exit 2 stays one at each run, and says what is wrong: the timer does nothing until it is mended."""
    config = story.folder / "keywatch.toml"
    config.write_text(config.read_text(encoding="utf-8") + "\n[nonsense]\n", encoding="utf-8")
    done = Cron(story).run()
    assert done.returncode != 0
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr

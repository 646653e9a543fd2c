"""A real Exim of the tests' own, run as an ordinary user on loopback: it takes mail, follows aliases and bounces.

    with Exim({"old-team": "left@corp.test"}, ("alice@corp.test", "keywatch@keywatch.test")) as exim:
        … send to 127.0.0.1, exim.port …
        mails = exim.wait("keywatch@keywatch.test")

An alias leads to addresses of corp.test and is taken with 250, whoever is behind it; a box takes its plain address and
every `name+anything`; any other address of corp.test and keywatch.test is refused with 550.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tests.servers.need import free_port, missing

BRING = "no Exim here: `apt-get install exim4-daemon-light` brings one"
TEMPLATE = Path(__file__).parent / "exim" / "exim.conf.in"
READY_S = 10.0


class Exim:
    """Start on entering, stop on leaving; its files go with it."""

    host = "127.0.0.1"

    def __init__(
        self,
        aliases: Mapping[str, str],
        boxes: Iterable[str] = ("alice@corp.test", "keywatch@keywatch.test"),
        quotas: Mapping[str, str] | None = None,
    ) -> None:
        """`aliases`: name at corp.test → addresses with commas between; `quotas`: box → size such as `1K`."""
        self._program = _program()
        self._aliases, self._boxes, self._quotas = dict(aliases), tuple(boxes), dict(quotas or {})

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="kw-exim-"))
        self.home.chmod(0o755)
        try:
            self._lay_out()
            self._start()
        except BaseException:
            shutil.rmtree(self.home)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(READY_S)
        until = time.monotonic() + READY_S
        while self.home.exists() and time.monotonic() < until:  # a delivery that is just ending still writes its log
            shutil.rmtree(self.home, ignore_errors=True)
            time.sleep(0.02)

    def maildir(self, box: str) -> Path:
        """The Maildir of one of the boxes; there from the first mail on."""
        return self.home / "mail" / box

    def wait(self, box: str, count: int = 1, within_s: float = 10.0) -> list[bytes]:
        """The mails of a box, oldest first, once there are `count`."""
        until = time.monotonic() + within_s
        new = self.maildir(box) / "new"
        while time.monotonic() < until:
            names = sorted(new.iterdir()) if new.is_dir() else []
            if len(names) >= count:
                return [name.read_bytes() for name in names]
            time.sleep(0.02)
        logs = "".join(path.read_text(errors="replace") for path in (self.home / "log").glob("*log"))
        raise AssertionError(f"{box} did not get {count} mails:\n{logs[-3000:]}")

    def _lay_out(self) -> None:
        for name in ("spool", "log", "mail"):
            (self.home / name).mkdir()
        aliases = "".join(f"{name}: {leads}\n" for name, leads in self._aliases.items())
        (self.home / "aliases").write_text(aliases)
        (self.home / "boxes").write_text("".join(f"{box}: {box}\n" for box in self._boxes))
        (self.home / "quotas").write_text("".join(f"{box}: {size}\n" for box, size in self._quotas.items()))
        # A copy that is not set-uid: with an own configuration Exim gives its rights up anyway.
        copy = self.home / "exim"
        shutil.copyfile(self._program, copy)
        copy.chmod(0o755)
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        text = TEMPLATE.read_text().replace("@HOME@", str(self.home)).replace("@PROGRAM@", str(copy))
        text = text.replace("@USER@", user.pw_name).replace("@GROUP@", str(user.pw_gid))
        self._config = self.home / "exim.conf"
        self._config.write_text(text)
        self._config.chmod(0o644)
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            for path in (self.home, *(self.home / name for name in ("spool", "log", "mail"))):
                os.chown(path, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self._as_user = ["setpriv", *ids, "--"]

    def _start(self) -> None:
        self.port = free_port()
        argv = [str(self.home / "exim"), "-C", str(self._config), "-oX", f"127.0.0.1.{self.port}", "-bdf"]
        with (self.home / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._as_user, *argv], cwd=self.home, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), 1) as tried:
                    tried.recv(64)
                return
            except OSError:
                time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        raise AssertionError(f"Exim did not start:\n{(self.home / 'output').read_text()[-2000:]}")


def _program() -> Path:
    """Exim on PATH or where Debian has it; the test is skipped, or fails in CI, without it."""
    found = shutil.which("exim4", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or shutil.which("exim")
    return Path(found) if found else missing(BRING)

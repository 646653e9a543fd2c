"""A real Dovecot of the tests' own on loopback: IMAP over a Maildir, with TLS from the start or by STARTTLS.

with Dovecot(certificates) as server:
    server.deliver(b"Subject: …")
    … IMAP at 127.0.0.1, server.port (TLS) or server.plain_port (STARTTLS), as USER with PASSWORD …
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

from keywatch.inbox.boxes import Box, Security, Settings, open_box
from tests.servers.certificates import Certificates
from tests.servers.need import free_port, missing

BRING = "no Dovecot here: `apt-get install dovecot-imapd` brings one"
USER, PASSWORD = "keywatch@keywatch.test", 'canary "ß\\ 5b1e-never-to-be-seen'
READY_S = 10.0
CONFIG = """\
protocols = imap
base_dir = @HOME@/run
state_dir = @HOME@/run
log_path = @HOME@/log
listen = 127.0.0.1
default_internal_user = @USER@
default_internal_group = @GROUP@
default_login_user = @USER@
first_valid_uid = 0
first_valid_gid = 0
ssl = yes
ssl_cert = <@HOME@/server.pem
ssl_key = <@HOME@/server.pem
disable_plaintext_auth = @SECURE@
auth_mechanisms = @MECHANISMS@
mail_location = maildir:@HOME@/mail
mail_fsync = never
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @HOME@/users
}
userdb {
  driver = static
  args = uid=@USER@ gid=@GROUP@ home=@HOME@
}
service imap-login {
  chroot =
  inet_listener imap {
    port = @PLAIN@
  }
  inet_listener imaps {
    port = @TLS@
    ssl = yes
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
# The ordinary user that runs it can neither change roots nor become anybody else; so nothing asks for it.


class Dovecot:
    """Start on entering, stop on leaving; its files go with it."""

    host = "127.0.0.1"

    def __init__(self, certificates: Certificates, mechanisms: str = "plain login") -> None:
        self._program = _program()
        self._certificates, self._mechanisms = certificates, mechanisms
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="kw-imap-"))
        self.home.chmod(0o755)
        self.port, self.plain_port = free_port(), free_port()
        try:
            self._lay_out()
            self.start()
        except BaseException:
            shutil.rmtree(self.home)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def stop(self) -> None:
        """End it; whoever is connected is cut off."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(READY_S)
        with contextlib.suppress(ProcessLookupError):  # those that serve a client outlive it
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def maildir(self) -> Path:
        return self.home / "mail"

    def deliver(self, raw: bytes) -> str:
        """Put a mail into the Maildir as a mail server does: written in tmp, then moved to new. Returns its name."""
        name = f"{1795000000 + next(self._numbers)}.M1P1.mx"
        for folder in ("tmp", "new", "cur"):
            if not (self.maildir / folder).exists():
                (self.maildir / folder).mkdir(parents=True)
                os.chown(self.maildir / folder, *self._owner)
        (self.maildir / "tmp" / name).write_bytes(raw)
        os.chown(self.maildir / "tmp" / name, *self._owner)
        (self.maildir / "tmp" / name).rename(self.maildir / "new" / name)
        return name

    def box(self, security: Security = "tls", **more: Any) -> Box:
        """The folder as keywatch opens it; `more` changes its settings."""
        port = self.port if security == "tls" else self.plain_port
        given = {"user": USER, "password": PASSWORD, "ca": str(self._certificates.ca), "timeout_s": 5.0}
        return open_box(Settings(**{"host": self.host, "port": port, "security": security, **given, **more}))

    def _lay_out(self) -> None:
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._owner = (user.pw_uid, user.pw_gid)
        filled = {
            "HOME": str(self.home),
            "USER": user.pw_name,
            "GROUP": _group(user.pw_gid),
            "PLAIN": str(self.plain_port),
            "TLS": str(self.port),
            "MECHANISMS": self._mechanisms,
            "SECURE": "yes",
        }
        text = CONFIG
        for name, given in filled.items():
            text = text.replace(f"@{name}@", given)
        (self.home / "dovecot.conf").write_text(text)
        (self.home / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", encoding="utf-8")
        shutil.copyfile(self._certificates.good, self.home / "server.pem")
        (self.home / "mail").mkdir()
        for path in (self.home, *self.home.iterdir()):
            os.chown(path, *self._owner)

    def start(self) -> None:
        argv = [str(self._program), "-F", "-c", str(self.home / "dovecot.conf")]
        if os.geteuid() == 0:
            ids = [f"--reuid={self._owner[0]}", f"--regid={self._owner[1]}", "--clear-groups"]
            argv = ["setpriv", *ids, "--", *argv]
        with (self.home / "output").open("wb") as output:
            self._process = subprocess.Popen(
                argv, cwd=self.home, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with socket.create_connection((self.host, self.plain_port), 2) as tried:
                    if tried.recv(64).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        said = "".join(p.read_text(errors="replace") for p in (self.home / "output", self.home / "log") if p.exists())
        raise AssertionError(f"Dovecot did not start:\n{said[-2000:]}")


def _group(gid: int) -> str:
    import grp

    return grp.getgrgid(gid).gr_name


def _program() -> Path:
    """Dovecot on PATH or where Debian has it; the test is skipped, or fails in CI, without it."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else missing(BRING)

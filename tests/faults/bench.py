"""One installation for one fault: the time machine, who must hear of what is due, and a command that can be hurt.

Whoever is told is named by the part of the address before the @; a webhook is `hook`.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.need import missing
from tests.servers.smtp import Received, SmtpServer
from tests.servers.web import WebServer
from tests.story.story import CONFIG, Answer, Story, telling

DUE = frozenset({"ana", "mia", "payments-alerts"})
"""Who is to be told of the credential at `AT`."""
AT = "2026-11-13 08:00"
NOBODY = "nobody"
"""The ordinary user of every Unix: file modes do not hold for root."""


@dataclass
class Bench:
    """A story in which something is due now, and what it takes to disturb and to judge it."""

    story: Story
    due: frozenset[str] = DUE
    """Who must have been told, once, when all is over."""
    wait: timedelta = timedelta(minutes=15)
    """Until the next run."""
    hook: WebServer | None = None
    clocked: dict[str, str] = field(default_factory=dict)
    """The environment of runs on a real store; empty for a rehearsal."""
    own: dict[str, Any] = field(default_factory=dict)
    """What a setting has for its arrangements: servers, mostly."""
    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)
    rest: ExitStack = field(default_factory=ExitStack)
    """What has to be ended with the bench."""
    before: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    """Every row as it was when the fault came."""
    _earlier: list[Received] = field(default_factory=list)
    _from: int = 0

    @property
    def folder(self) -> Path:
        return self.story.folder

    @property
    def store(self) -> Path:
        return self.folder / "keywatch.db"

    def begin(self) -> "Bench":
        """From here on every mail counts."""
        self._from, self.before = len(self.story.server.received), self.story.dump()
        if self.hook:
            self.hook.requests.clear()
        return self

    # ----------------------------------------------------------------- what happened

    @property
    def mails(self) -> list[Received]:
        """Every notice since `begin`, whichever server took it; digests, findings and emergencies are none."""
        taken = [*self._earlier, *self.story.server.received[self._from :]]
        notices = {one for (one,) in self.story.ask("SELECT message_id FROM message WHERE kind = 'notice'")}
        return [mail for mail in taken if str(mail.message["Message-ID"]) in notices]

    @property
    def heard(self) -> Counter[str]:
        """How many messages each reader has; a copy with the same Message-ID is one of them."""
        letters = {(mail.to.partition("@")[0], str(mail.message["Message-ID"])) for mail in self.mails}
        posted = self.hook and [one for one in self.hook.requests if b"paygate-api" in one.body]
        return Counter(name for name, _ in letters) + Counter(["hook"] * (1 if posted else 0))

    @property
    def copies(self) -> int:
        """Mails that came more than once, under the Message-ID they had before."""
        return len(self.mails) - len({(mail.to, mail.message["Message-ID"]) for mail in self.mails})

    # ----------------------------------------------------------------- what is done

    def check(self) -> Answer:
        """One run of the timer, whatever comes of it."""
        return self.real("check") if self.clocked else self.story.run("check", expect=None)

    def real(self, *args: str) -> Answer:
        """The command on a store that is no rehearsal, on a machine whose clock shows the story's time."""
        frozen = f"with freezegun.freeze_time('{self.story.now:%Y-%m-%dT%H:%M:%S}', tick=True): main(sys.argv[1:])"
        code = f"import sys, freezegun\nfrom keywatch.cli import main\n{frozen}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
        return self._ran([sys.executable, "-c", code, *args], clean | self.clocked)

    def serve(self, server: SmtpServer) -> None:
        """Another mail server takes over the port; what the first one took is not forgotten."""
        self._earlier, self._from = [*self._earlier, *self.story.server.received[self._from :]], 0
        self.story.serve(server)
        self.rest.callback(server.stop)

    def process(self, *args: str, under: Sequence[str] = ()) -> Answer:
        """The same command as a process of its own; `under` stands before it on the command line."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
        env = clean | {"KEYWATCH_NOW": f"{self.story.now:%Y-%m-%dT%H:%M:%SZ}"}
        return self._ran([*under, sys.executable, "-m", "keywatch", *args], env)

    def _ran(self, argv: list[str], env: dict[str, str]) -> Answer:
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=60)
        return Answer(done.returncode, done.stdout, done.stderr)

    def as_nobody(self, *args: str) -> Answer:
        """The command as an ordinary user, who must be able to reach this interpreter."""
        if os.geteuid() != 0:
            return self.process(*args)
        under = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--"]
        tried = subprocess.run([*under, sys.executable, "-c", "import keywatch"], check=False, capture_output=True)
        if tried.returncode:
            missing(f"an ordinary user cannot run {Path(sys.executable).name} here: file modes cannot be tried as root")
        return self.process(*args, under=under)

    def injected(self, call: str, error: str, when: str, *args: str) -> Answer:
        """The command with a system call that fails, by strace: `when` is strace's (`3` the third, `3+` from it on)."""
        tried = subprocess.run(["strace", "-f", "-e", "trace=none", "true"], check=False, capture_output=True)
        if not shutil.which("strace") or tried.returncode:
            missing("strace cannot run here: `apt-get install strace`, in a container with CAP_SYS_PTRACE")
        inject = f"inject={call}:error={error}:when={when}"
        quiet = ["-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]
        return self.process(*args, under=["strace", "-f", *quiet])


@contextmanager
def plain(folder: Path, config: str = CONFIG) -> Iterator[Bench]:
    """A credential whose stage has come, runs every quarter of an hour, and a mail server that takes everything."""
    with ended(folder, config) as bench:
        bench.story.at("2026-11-13 07:30").add()
        bench.story.at("2026-11-13 07:45").check()
        bench.story.at(AT)
        yield bench.begin()


@contextmanager
def ended(folder: Path, config: str = CONFIG, start: str = "2026-10-05 07:00") -> Iterator[Bench]:
    """A bench of nothing yet, whose servers and patches end with it."""
    with telling(folder, start, refuses={}, every_days=365, config=config) as story:
        bench = Bench(story)
        try:
            yield bench
        finally:
            bench.rest.close()
            bench.patch.undo()


def closed_port() -> int:
    """A port of the loopback that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

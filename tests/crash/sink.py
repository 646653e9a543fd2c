"""A mail server in a process of its own that writes down each letter, and syncs it, before it says that it has it.

What it has not written it has not taken: a run that was killed cannot have made it forget anything.
As a process:   python -m tests.crash.sink LOG      (prints its port)
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import Envelope

from tests.servers.smtp import SmtpServer


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery. Two of them with the same Message-ID are copies."""

    message_id: str
    to: str
    subject: str


class LoggingServer(SmtpServer):
    """Appends (Message-ID, To, Subject) to a file and syncs it before it answers 250."""

    log = -1

    def _keep(self, envelope: Envelope) -> None:
        super()._keep(envelope)
        one = self.received.pop()
        line = json.dumps([str(one.message["Message-ID"]), one.to, str(one.message["Subject"])])
        os.write(self.log, line.encode() + b"\n")
        os.fsync(self.log)


class Sink:
    """The process, started on entering; its log is read from any place on."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.crash.sink", str(self.log)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def end(self) -> int:
        """How many bytes of log there are."""
        return self.log.stat().st_size

    def letters(self, start: int) -> list[Letter]:
        """What was delivered since the log was `start` bytes long."""
        with self.log.open("rb") as file:
            file.seek(start)
            return [Letter(*json.loads(line)) for line in file]


def main() -> None:
    """Serve until the end of stdin."""
    with LoggingServer() as server:
        server.log = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

"""A mail server in a process of its own that writes down each letter, and syncs it, before it says that it has it.

What it has not written it has not taken: a run that was killed cannot have made it forget anything.
As a process:   python -m tests.crash.sink LOG      (prints its port, then answers each line when it has settled)
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import Envelope

from tests.servers.smtp import SmtpServer

LONGEST_S = 60
"""Seconds the letters of a dead client may take to reach the disk."""


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

    def settle(self) -> None:
        """Wait until all that was begun has ended: a client that was killed may have left a whole letter behind."""
        with socket.create_connection((self.host, self.port)) as last:
            last.recv(1024)  # whoever came before is greeted before
        asyncio.run_coroutine_threadsafe(self._settled(), self._loop).result(LONGEST_S)

    async def _settled(self) -> None:
        await asyncio.wait([session._handler_coroutine for session in self._sessions])
        self._sessions.clear()


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
        self._settle()
        return self.log.stat().st_size

    def letters(self, start: int) -> list[Letter]:
        """What was delivered since the log was `start` bytes long."""
        self._settle()
        with self.log.open("rb") as file:
            file.seek(start)
            return [Letter(*json.loads(line)) for line in file]

    def _settle(self) -> None:
        """What clients that are gone have sent belongs to them, not to the next trial."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline(), "the mail server died"


def main() -> None:
    """Serve until the end of stdin."""
    with LoggingServer() as server:
        server.log = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        print(server.port, flush=True)
        for _ in sys.stdin:
            server.settle()
            print(flush=True)


if __name__ == "__main__":
    main()

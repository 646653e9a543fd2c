"""A small real SMTP server on loopback, so that tests meet every answer a mail server can give.

In a test:      with SmtpServer({"*@gone.test": "550 5.1.1 no such user"}) as server: … server.received
As a process:   python -m tests.servers.smtp --rules rules.json --folder mails      (prints `listening on HOST PORT`)

Rules map address patterns (case-insensitive, `*` and `?`) to an answer; the first that matches holds, none = accept.
For a recipient:  accept · greylist (451 once, then accept) · `550 5.1.1 text` at RCPT · `data 554 5.7.1 text` after the
message · hang (at RCPT) · `hang data` (after the message) · drop (after the message, which is kept: only the answer is
lost) · `drop early` (after the message, which is lost) · `drop rcpt`.
For a sender (at MAIL FROM):  accept · `550 5.7.1 text` · hang.
The JSON file is `{"recipients": {…}, "senders": {…}}` and is read again for each command.
"""

import argparse
import asyncio
import base64
import contextlib
import email
import email.policy
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Received:
    """One message the server took, kept before it answered."""

    mail_from: str
    to: str
    message: EmailMessage
    raw: bytes
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        return part.get_content().replace("\r\n", "\n") if part else ""

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        return part.get_content().replace("\r\n", "\n") if part else ""


@dataclass
class Rules:
    """Who gets which answer; a file, where there is one, is asked anew each time."""

    recipients: dict[str, str] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)
    path: Path | None = None

    def answer(self, table: str, address: str) -> str:
        known: Mapping[str, str] = getattr(self, table)
        if self.path and self.path.exists():
            known = json.loads(self.path.read_text()).get(table, {})
        found = (said for pattern, said in known.items() if fnmatchcase(address.lower(), pattern.lower()))
        return next(found, "accept")


class _Session(SMTP):
    """aiosmtpd, taught the DSN parameters that it would refuse."""

    def _take(self, arg: str | None, names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
        if arg is None or not self.event_handler.dsn:
            return arg, ()
        words = arg.split()
        taken = tuple(w for w in words if w.upper().startswith(names))
        return " ".join(w for w in words if w not in taken), taken

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        arg, self.dsn_mail = self._take(arg, ("RET=", "ENVID="))
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        arg, self.dsn_rcpt = self._take(arg, ("NOTIFY=", "ORCPT="))
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if self.event_handler.refuse_data and not arg:
            await self.push(self.event_handler.refuse_data)
            return
        await super().smtp_DATA(arg)


class SmtpServer:
    """Start on entering, stop on leaving; `host`, `port`, `received` and `rules` in between (rules may change)."""

    def __init__(
        self,
        recipients: Mapping[str, str] | None = None,
        senders: Mapping[str, str] | None = None,
        *,
        rules: Path | None = None,
        folder: Path | None = None,
        port: int = 0,
        login: tuple[str, str] | None = None,
        certificate: Path | None = None,
        implicit_tls: bool = False,
        smtputf8: bool = False,
        dsn: bool = True,
        idle_s: float = 300.0,
        refuse_data: str = "",
    ) -> None:
        self.rules = Rules(dict(recipients or {}), dict(senders or {}), rules)
        self.received: list[Received] = []
        self.commands: list[str] = []
        """`MAIL address` and `RCPT address` as they came, refused ones too."""
        self.connections = 0
        self.host, self.port = HOST, port
        self.dsn, self.refuse_data = dsn, refuse_data
        self._folder, self._login, self._implicit = folder, login, implicit_tls
        self._utf8, self._idle_s = smtputf8, idle_s
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._greeted: set[str] = set()
        self._sessions: set[_Session] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    # ----------------------------------------------------------------- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)

    def stop(self) -> None:
        """Stop answering: open connections are cut, waiting ones too."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def cut(self) -> None:
        """Close every open connection without a word, as a server does that restarts; it goes on listening."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(5)

    async def _listen(self) -> int:
        implicit = self._tls if self._implicit else None
        self._server = await self._loop.create_server(self._session, HOST, self.port, ssl=implicit)
        return int(self._server.sockets[0].getsockname()[1])

    async def _cut(self) -> None:
        for session in list(self._sessions):
            if session.transport:
                session.transport.abort()
        await asyncio.sleep(0.02)

    async def _hang_up(self) -> None:
        for door in self._server.sockets:
            self._loop.remove_reader(door)
        await self._cut()  # whoever has knocked comes in meanwhile: asyncio would drop them half-made after the close
        self._server.close()
        await self._cut()
        mine = asyncio.current_task()
        waiting = [task for task in asyncio.all_tasks() if task is not mine]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _session(self) -> _Session:
        self.connections += 1
        session = _Session(
            self,
            hostname="mail.test",
            loop=self._loop,
            enable_SMTPUTF8=self._utf8,
            timeout=self._idle_s,
            tls_context=None if self._implicit else self._tls,
            authenticator=self._authenticate if self._login else None,
            auth_required=bool(self._login),
        )
        session._auth_require_tls = bool(self._tls) and not self._implicit  # as an argument it would warn
        self._sessions.add(session)
        return session

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        good = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == self._login
        if good:
            return AuthResult(success=True)
        echo = base64.b64encode(given.login + b":" + given.password).decode()  # a rude server, to catch what leaks
        words = f"535 5.7.8 no: {given.password.decode()} {echo}"
        return AuthResult(success=False, handled=False, message=words)

    # ----------------------------------------------------------------- what aiosmtpd asks

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]] if self.dsn else responses

    async def handle_MAIL(  # noqa: N802
        self, server: _Session, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"MAIL {address}")
        said = self.rules.answer("senders", address)
        if said == "hang":
            await asyncio.sleep(3600)
        if said != "accept":
            return said
        envelope.mail_from = address
        envelope.mail_options.extend([*options, *server.dsn_mail])
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: _Session, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"RCPT {address}")
        said = self.rules.answer("recipients", address)
        if said == "hang":
            await asyncio.sleep(3600)
        if said == "drop rcpt" and server.transport:
            server.transport.abort()
        if said == "greylist" and address.lower() not in self._greeted:
            self._greeted.add(address.lower())
            return "451 4.7.1 greylisted, come back later"
        if said[:1].isdigit():
            return said
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend([*options, *server.dsn_rcpt])
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: _Session, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answers = [self.rules.answer("recipients", address) for address in envelope.rcpt_tos]
        if "drop early" not in answers and not any(said.startswith("data ") for said in answers):
            self._keep(envelope)
        for said in answers:
            if said.startswith("data "):
                return said.removeprefix("data ")
            if said.startswith("drop") and server.transport:
                server.transport.abort()
            if said == "hang data":
                await asyncio.sleep(3600)
        return f"250 2.0.0 queued as {len(self.received)}"

    def _keep(self, envelope: Envelope) -> None:
        raw = bytes(envelope.original_content or b"")
        for to in envelope.rcpt_tos:
            options = tuple(envelope.mail_options), tuple(envelope.rcpt_options)
            one = Received(envelope.mail_from or "", to, _parsed(raw), raw, *options)
            if self._folder:
                write(self._folder, one, len(self.received))
            self.received.append(one)


def _parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)


def write(folder: Path, one: Received, number: int) -> None:
    """Put a message into a folder as a mail server delivers it: whole or not at all, the envelope in two headers."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = number
    while (target := folder / f"{taken:06}.eml").exists():
        taken += 1
    partial = target.with_suffix(".part")
    partial.write_bytes(f"Return-Path: <{one.mail_from}>\r\nDelivered-To: {one.to}\r\n".encode() + one.raw)
    partial.rename(target)


def read(folder: Path) -> list[Received]:
    """What `write` put there, oldest first."""
    found = []
    for path in sorted(folder.glob("*.eml")):
        first, second, raw = path.read_bytes().split(b"\r\n", 2)
        mail_from = first.decode().removeprefix("Return-Path: <")[:-1]
        found.append(Received(mail_from, second.decode().removeprefix("Delivered-To: "), _parsed(raw), raw))
    return found


def main() -> None:
    """Serve until interrupted, terminated or killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=Path, help="JSON rules, read again for each command")
    parser.add_argument("--folder", type=Path, help="each accepted message becomes a file here")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    asked = parser.parse_args()
    with SmtpServer(rules=asked.rules, folder=asked.folder, port=asked.port) as server:
        print(f"listening on {server.host} {server.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

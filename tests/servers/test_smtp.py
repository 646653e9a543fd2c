"""The SMTP server of the tests keeps its word: what other suites conclude rests on it."""

import json
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import smtp
from tests.servers.smtp import SmtpServer

MAIL = "Subject: hi\r\nMessage-ID: <1@a.test>\r\n\r\n.dot\r\n"


def send(port: int, to: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("kw@a.test", [to], MAIL)


def test_greylisted_once_then_taken() -> None:
    """The first try of each recipient is deferred, the second one accepted."""
    with SmtpServer({"grey*": "greylist"}) as server:
        for to in ("grey1@b.test", "grey2@b.test"):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                send(server.port, to)
            assert refused.value.recipients[to][0] == 451
            send(server.port, to)
    assert [mail.to for mail in server.received] == ["grey1@b.test", "grey2@b.test"]


def test_a_dropped_mail_was_kept() -> None:
    """`drop` loses only the answer, `drop early` the mail too."""
    with SmtpServer({"kept@*": "drop", "lost@*": "drop early"}) as server:
        for to in ("kept@b.test", "lost@b.test"):
            with pytest.raises(smtplib.SMTPServerDisconnected):
                send(server.port, to)
    assert [mail.to for mail in server.received] == ["kept@b.test"]


@contextmanager
def process(*more: str) -> Iterator[int]:
    argv = [sys.executable, "-m", "tests.servers.smtp", *more]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}) as running:
        try:
            assert running.stdout
            yield int(running.stdout.readline().split()[-1])
        finally:
            running.send_signal(signal.SIGKILL)


def test_as_a_process(tmp_path: Path) -> None:
    """Rules come from a file that may change in between; each accepted mail is a file before it is answered."""
    rules, folder = tmp_path / "rules.json", tmp_path / "mails"
    rules.write_text(json.dumps({"recipients": {"gone@*": "550 5.1.1 no such user"}}))
    with process("--rules", str(rules), "--folder", str(folder)) as port:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(port, "gone@b.test")
        rules.write_text("{}")
        send(port, "gone@b.test")
        send(port, "ana@b.test")
    with process("--folder", str(folder)) as port:
        send(port, "later@b.test")
    mails = smtp.read(folder)
    assert [mail.to for mail in mails] == ["gone@b.test", "ana@b.test", "later@b.test"]
    assert mails[0].mail_from == "kw@a.test"
    assert mails[0].message["Message-ID"] == "<1@a.test>"
    assert mails[0].text == ".dot\n"

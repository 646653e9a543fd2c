"""An IMAP folder on a real Dovecot, and on servers that say what no server should."""

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from keywatch.errors import Exit, KeywatchError
from keywatch.inbox.boxes import Settings, open_box
from keywatch.inbox.imap import Imap
from tests.servers.certificates import Certificates
from tests.servers.dovecot import PASSWORD, USER, Dovecot
from tests.servers.need import free_port

RAW = b"From: ana@corp.test\nSubject: one\n\nack 7KQF2\n"


def test_what_marks_the_session_survives_a_restart(certificates: Certificates) -> None:
    """A server that goes away is one sentence; the next call opens a new connection, and uids still mean the same."""
    with Dovecot(certificates) as first:
        first.deliver(RAW)
        box = first.box()
        (mail,) = box.unread()
        first.stop()
        with pytest.raises(KeywatchError, match="inbox: the mail server") as caught:
            box.seen([mail.uid])
        assert caught.value.exit_code is Exit.UNKNOWN
        first.start()  # the same server, back again
        box.seen([mail.uid])
        assert list(box.unread()) == []
        box.close()


def test_a_folder_made_anew(server: Dovecot, certificates: Certificates) -> None:
    """UIDs of an older UIDVALIDITY mean other mails now, and mark nothing."""
    server.deliver(RAW)
    box = server.box()
    mails = list(box.unread())
    box.seen([f"1{mail.uid}" for mail in mails])
    assert len(list(box.unread())) == len(mails) > 0
    box.seen([mail.uid for mail in mails])
    box.close()


def test_a_slow_server_is_not_waited_for(
    server: Dovecot, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call ends after its time with what it has, at least one mail; so every call gets on."""
    for _ in range(2):
        server.deliver(RAW)
    monkeypatch.setattr("keywatch.inbox.imap.MOST_S", -1.0)
    box = server.box()
    assert len(list(box.unread())) == 1
    box.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "canary-wrong-4d1f"}, "the mail server refused the login"),
        ({"folder": 'No/Such "Folder\\'}, "the mail server has no folder"),
        ({"ca": ""}, "its certificate is not trusted"),
        ({"ca": "/nowhere/ca.pem"}, "the CA file cannot be read"),
        ({"host": "no-such-host.invalid"}, "the name of the mail server cannot be resolved"),
    ],
)
def test_refusals(server: Dovecot, certificates: Certificates, change: dict[str, Any], sentence: str) -> None:
    """Each is one clear sentence, exit code 3, and repeats neither the password nor what the server said."""
    box = server.box(**change)
    with pytest.raises(KeywatchError, match=f"^inbox: {sentence}") as caught:
        list(box.unread())
    assert caught.value.exit_code is Exit.UNKNOWN
    told = f"{caught.value.what}{caught.value.hint}{caught.value!r}"
    assert "canary" not in told
    assert caught.value.__cause__ is None
    box.close()


def test_nobody_listens(certificates: Certificates) -> None:
    """A port without a server is told at once."""
    box = open_box(Settings("", "127.0.0.1", free_port(), "tls", USER, PASSWORD, timeout_s=2.0))
    with pytest.raises(KeywatchError, match="refused the connection"):
        list(box.unread())


def test_another_hosts_certificate(certificates: Certificates) -> None:
    """A certificate of a trusted authority for another name is not trusted."""
    other = Certificates(certificates.ca, certificates.other, certificates.other)
    with Dovecot(other) as elsewhere, pytest.raises(KeywatchError, match="not trusted"):
        list(elsewhere.box().unread())


class Canned:
    """A server that says what it is told to, line by line, and then nothing more."""

    def __init__(self, *says: bytes, hangs: bool = False, certificate: Path | None = None) -> None:
        self._says, self._hangs, self.heard = says, hangs, b""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)

    def __enter__(self) -> "Canned":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(5)

    def _talk(self) -> None:
        connection, _ = self._listener.accept()
        connection = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(self._says[0] if self._says else b"")
            for answer in self._says[1:]:
                line = stream.readline()
                self.heard += line
                stream.write(answer.replace(b"TAG", line.split(b" ")[0]))
            if self._hangs:
                while more := stream.read(65536):
                    self.heard += more


GREETING, CAPABLE = b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n"
ODD = {
    "nothing": (b"",),
    "not IMAP": (b"220 mail.test ESMTP ready\r\n",),
    "goodbye": (b"* BYE too many connections\r\n",),
    "binary": (b"\xff\xfe\x00\x01\r\n",),
    "a line without an end": (b"* OK " + b"x" * 2_000_000,),
    "capability garbage": (GREETING, b"\xff\xff CAPABILITY\r\nTAG OK\r\n"),
    "no capability": (GREETING, b"TAG BAD what?\r\n"),
    "refuses STARTTLS": (GREETING, CAPABLE, b"TAG NO not now\r\n"),
    "talks on after STARTTLS": (GREETING, CAPABLE, b"TAG OK begin\r\nplain words that are no TLS\r\n"),
    "wrong tag": (GREETING, b"XX99 OK what\r\n"),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_odd_servers(name: str) -> None:
    """Whatever says something else than IMAP is one sentence, never an exception of the library."""
    with Canned(*ODD[name]) as server:
        box = Imap("127.0.0.1", server.port, "starttls", USER, PASSWORD, "INBOX", 2.0)
        with pytest.raises(KeywatchError, match=r"^inbox: ") as caught:
            list(box.unread())
        assert caught.value.exit_code is Exit.UNKNOWN
        box.close()
    assert b"canary" not in server.heard


OPENED = (
    GREETING,
    b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n",
    b"TAG OK logged in\r\n",
    b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nTAG OK [READ-WRITE] selected\r\n",
    b"TAG OK noop\r\n",
)
LATER: dict[str, tuple[bytes, ...]] = {
    "goodbye at the search": (b"* BYE restarting\r\n",),
    "a search that is none": (b"* SEARCH one two\r\nTAG OK done\r\n",),
    "a search that is refused": (b"TAG NO server bug\r\n",),
    "the end in the middle of a mail": (
        b"* SEARCH 5\r\nTAG OK done\r\n",
        b"* 1 FETCH (UID 5 BODY[]<0> {1000}\r\nSubject: x\r\n",
    ),
    "a fetch that is refused": (b"* SEARCH 5\r\nTAG OK done\r\n", b"TAG BAD canary-1\r\n"),
}


@pytest.mark.parametrize("name", sorted(LATER))
def test_servers_that_fail_later(name: str, certificates: Certificates) -> None:
    """The same after the login: half a mail is no mail, and nothing of the server's words is repeated."""
    with Canned(*OPENED, *LATER[name], certificate=certificates.good) as server:
        box = Imap("127.0.0.1", server.port, "tls", "kw", "pw", "INBOX", 2.0, str(certificates.ca))
        with pytest.raises(KeywatchError, match=r"^inbox: ") as caught:
            list(box.unread())
        assert caught.value.exit_code is Exit.UNKNOWN
        assert "canary" not in caught.value.what
        box.close()


def test_a_mail_that_is_gone_is_passed_over(certificates: Certificates) -> None:
    """A server may answer FETCH with nothing, or with the flags of another mail, where the mail was just removed."""
    later = (
        b"* SEARCH 5 6 7\r\nTAG OK done\r\n",
        b"TAG OK nothing\r\n",
        b"* 2 FETCH (UID 9 FLAGS (\\Seen))\r\nTAG OK done\r\n",
        b"* 3 FETCH (FLAGS ())\r\n* 4 FETCH (UID 7 BODY[]<0> {4}\r\nS: x)\r\nTAG OK done\r\n",
    )
    with Canned(*OPENED, *later, certificate=certificates.good) as server:
        box = Imap("127.0.0.1", server.port, "tls", "kw", "pw", "INBOX", 2.0, str(certificates.ca))
        assert [(mail.uid, mail.raw) for mail in box.unread()] == [("7.7", b"S: x")]
        box.close()


def test_no_password_without_tls() -> None:
    """A server that does not offer STARTTLS never hears the password."""
    with Canned(GREETING, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n", hangs=True) as server:
        box = Imap("127.0.0.1", server.port, "starttls", USER, PASSWORD, "INBOX", 2.0)
        with pytest.raises(KeywatchError, match="does not offer STARTTLS"):
            list(box.unread())
    assert b"AUTHENTICATE" not in server.heard.upper()
    assert b"LOGIN" not in server.heard.upper()


def test_a_silent_server_is_waited_for_as_long_as_said() -> None:
    """A black hole costs the time-out, once."""
    with Canned(hangs=True) as server:
        box = Imap("127.0.0.1", server.port, "tls", USER, PASSWORD, "INBOX", 0.3)
        began = time.monotonic()
        with pytest.raises(KeywatchError, match="did not answer in time"):
            list(box.unread())
        assert time.monotonic() - began < 2

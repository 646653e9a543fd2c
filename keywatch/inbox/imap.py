"""An IMAP folder as a box. imaplib raises what it likes, and repeats what servers say; here each is one sentence.

The connection is opened by the first call and kept until `close`, so that mails are read and marked in one session.
"""

import contextlib
import imaplib
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any

from keywatch import network
from keywatch.errors import Exit, KeywatchError
from keywatch.inbox.boxes import LONGEST, MOST_MAILS, Mail, Security

MOST_UIDS = 100
"""In one command: servers limit its line, and imaplib the answer's."""

MOST_S = 60.0
"""Seconds of reading a call; the mails that a slow server did not hand over by then come with the next."""

_ODD = (OSError, imaplib.IMAP4.error, ValueError, LookupError, AttributeError, TypeError, AssertionError)
"""What imaplib raises on broken connections and on answers that are no IMAP (`readonly` and `abort` are errors)."""


class Imap:
    """One folder of one user. A lost connection is opened anew by the next call."""

    def __init__(
        self,
        host: str,
        port: int,
        security: Security,
        user: str,
        password: str,
        folder: str,
        timeout_s: float,
        ca: str = "",
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password, self._folder = user, password, folder
        self._timeout_s, self._ca = timeout_s, ca
        self._imap: imaplib.IMAP4 | None = None
        self._validity = ""

    def unread(self) -> Iterator[Mail]:
        """Those without \\Seen, by UID, which grows with each delivery."""
        with self._told("search"):
            self._session().noop()  # a session that is open already hears of new mails only when it asks
            found = self._asked("SEARCH", "UNSEEN", "UNDELETED")
            uids = sorted({int(word) for line in found if isinstance(line, bytes) for word in line.split()})
        until = time.monotonic() + MOST_S
        for uid in uids[:MOST_MAILS]:
            with self._told("read a mail"):
                raw = _body(self._asked("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{LONGEST + 1}>)"), uid)
            if raw is not None:  # else another program has just removed it
                yield Mail(f"{self._validity}.{uid}", raw[:LONGEST], len(raw) > LONGEST)
            if time.monotonic() > until:
                return

    def seen(self, uids: Iterable[str]) -> None:
        """Add \\Seen. UIDs of a folder that was made anew since (UIDVALIDITY) mean other mails and are left alone."""
        with self._told("mark mails"):
            self._session()
            split = [uid.rpartition(".") for uid in uids]
            mine = [number for validity, _, number in split if validity == self._validity and number.isdecimal()]
            for start in range(0, len(mine), MOST_UIDS):
                self._asked("STORE", ",".join(mine[start : start + MOST_UIDS]), "+FLAGS.SILENT", "(\\Seen)")

    def close(self) -> None:
        """Log out; a server that does not answer is left."""
        if self._imap:
            with contextlib.suppress(*_ODD):
                self._imap.logout()
        self._drop()

    # ----------------------------------------------------------------- the session

    def _session(self) -> imaplib.IMAP4:
        if self._imap:
            return self._imap
        with self._told("connect"):
            self._imap = self._connected()
        with self._told("log in"):
            self._log_in(self._imap)
        with self._told("open the folder"):
            said, _ = self._imap.select('"' + self._folder.replace("\\", "\\\\").replace('"', '\\"') + '"')
            if said != "OK":
                raise _failure(
                    f"the mail server has no folder '{self._folder}' for this user", "see the end of inbox = …"
                )
            known = self._imap.response("UIDVALIDITY")[1]
            self._validity = known[-1].decode() if known and known[-1] else "0"
        return self._imap

    def _connected(self) -> imaplib.IMAP4:
        context = ssl.create_default_context(cafile=self._ca or None)
        if self._security == "tls":
            return imaplib.IMAP4_SSL(self._host, self._port, ssl_context=context, timeout=self._timeout_s)
        made = imaplib.IMAP4(self._host, self._port, timeout=self._timeout_s)
        self._imap = made  # from here on a failure closes it
        if "STARTTLS" not in made.capabilities:
            raise _failure(
                "the mail server does not offer STARTTLS", "write imaps:// where it has a port of its own for TLS"
            )
        made.starttls(ssl_context=context)
        return made

    def _log_in(self, imap: imaplib.IMAP4) -> None:
        """With PLAIN where offered, which takes passwords that are not ASCII. The server's words are not repeated."""
        try:
            if "AUTH=PLAIN" in imap.capabilities:
                said = f"\0{self._user}\0{self._password}".encode()
                imap.authenticate("PLAIN", lambda _: said)
            elif "LOGINDISABLED" in imap.capabilities or not f"{self._user}{self._password}".isascii():
                raise _failure("the mail server offers no way to log in with this user and password")
            else:
                imap.login(_string(self._user), self._password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise _failure("the mail server refused the login", "is the password of inbox still valid?") from None

    def _asked(self, command: str, *arguments: str) -> list[Any]:
        said, data = self._session().uid(command, *arguments)
        if said != "OK":
            raise _failure(f"the mail server refused {command}")
        return data or []

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turn whatever fails into one sentence; the connection is given up, as nobody knows what it would say next."""
        try:
            yield
        except KeywatchError:
            self._drop()
            raise
        except _ODD as problem:
            self._drop()
            raise _failure(f"{_reason(problem)} ({doing})") from None

    def _drop(self) -> None:
        if self._imap:
            with contextlib.suppress(*_ODD):
                self._imap.shutdown()
        self._imap = None


def _failure(what: str, hint: str = "") -> KeywatchError:
    return KeywatchError(f"inbox: {what}", hint, Exit.UNKNOWN)


def _string(text: str) -> str:
    """imaplib quotes the password only, and takes the user as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _body(data: list[Any], uid: int) -> bytes | None:
    """The body among the answers to FETCH: servers put flags of other mails between them."""
    for one in data:
        if isinstance(one, tuple) and len(one) == 2 and b"BODY[]" in one[0].upper():
            said = re.search(rb"\bUID (\d+)", one[0], re.IGNORECASE)
            if said is None or int(said[1]) == uid:
                return bytes(one[1])
    return None


def _reason(problem: Exception) -> str:
    if isinstance(problem, imaplib.IMAP4.readonly):
        return "the folder is read-only, so nothing could be marked as seen"
    broken = isinstance(problem, (imaplib.IMAP4.abort, OSError))
    rest = "the mail server closed the connection or stopped answering" if broken else "what it said is no IMAP"
    return network.reason(problem) or rest

"""The place where answers arrive: a Maildir or an IMAP folder, read without marking, marked after the caller's commit.

box = open_box(settings("imaps://keywatch@mail.example.com/INBOX", password))
for mail in box.unread(): …
(commit what they said)
box.seen([mail.uid for mail in mails])
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from keywatch.errors import Exit, KeywatchError

MOST_MAILS = 500
"""A call; what is left comes with the next."""
LONGEST = 1024 * 1024
"""Bytes of one mail that are read."""
TIMEOUT_S = 15.0
EXAMPLES = "write imaps://user@mail.example.com/INBOX or maildir:/var/mail/keywatch"

Security = Literal["tls", "starttls"]
PORTS: dict[Security, int] = {"tls": 993, "starttls": 143}
_SCHEMES: dict[str, Security] = {"imaps": "tls", "imap": "starttls"}


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it lies in the box."""

    uid: str
    """For `seen`, of the same box; means nothing elsewhere."""
    raw: bytes
    cut: bool = False
    """It is longer than LONGEST, and `raw` is its beginning."""


class Box(Protocol):
    """Where mail lies. Each failure is a KeywatchError of one sentence, exit code 3."""

    def unread(self) -> Iterator[Mail]:
        """At most MOST_MAILS that nobody has seen, oldest first. Marks nothing."""

    def seen(self, uids: Iterable[str]) -> None:
        """Mark these as seen; those that are marked or gone already are left alone."""

    def close(self) -> None:
        """Let go of it. A server that does not answer is left."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which box; `path` for a Maildir, the rest for IMAP. `password` is the value itself, resolved by the caller."""

    path: str = ""
    host: str = ""
    port: int = 993
    security: Security = "tls"
    """starttls is never done without: the password goes over no open line."""
    user: str = ""
    password: str = field(default="", repr=False)
    folder: str = "INBOX"
    ca: str = ""
    """A PEM file of authorities to trust instead of the system's."""
    timeout_s: float = TIMEOUT_S
    """For each answer of the server."""


def settings(text: str, password: str = "", ca: str = "") -> Settings:
    """Read `imaps://user@host[:port]/FOLDER`, `imap://…` (STARTTLS) or `maildir:/path`.

    Raises:
        KeywatchError: it is none of these, or holds a password (which is not repeated).
    """
    kind, _, rest = text.strip().partition(":")
    if kind.lower() == "maildir":
        path = "/" + rest.lstrip("/") if rest.startswith("/") else ""
        if not path.strip("/") or not path.isprintable():
            raise KeywatchError("inbox: the maildir has no whole path", EXAMPLES)
        return Settings(path=path)
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise KeywatchError("inbox: the address cannot be read", EXAMPLES) from None
    if url.scheme not in _SCHEMES:
        raise KeywatchError("inbox: this is neither IMAP nor a maildir", EXAMPLES)
    return _imap(url, port, password, ca)


def _imap(url: SplitResult, port: int | None, password: str, ca: str) -> Settings:
    security = _SCHEMES[url.scheme]
    user, folder = unquote(url.username or ""), unquote(url.path.strip("/")) or "INBOX"
    if url.password is not None:
        raise KeywatchError("inbox: a password stands in the address", "give it as inbox_password = 'env:NAME'")
    if not url.hostname or not user or url.query or url.fragment or port == 0:
        raise KeywatchError("inbox: the address lacks its user or its server, or has too much", EXAMPLES)
    if not folder.isascii() or not folder.isprintable() or not user.isprintable():
        hint = "write its name as the server lists it (umlauts look like &APw-)"
        raise KeywatchError("inbox: the folder or the user has characters that IMAP does not take", hint)
    if not password:
        raise KeywatchError("inbox: IMAP needs a password", "give it as inbox_password = 'env:NAME'")
    return Settings("", url.hostname, port or PORTS[security], security, user, password, folder, ca)


def open_box(own: Settings) -> Box:
    """The box of these settings. Nothing is asked before the first call."""
    if own.path:
        return Maildir(Path(own.path))
    from keywatch.inbox.imap import Imap

    return Imap(own.host, own.port, own.security, own.user, own.password, own.folder, own.timeout_s, own.ca)


class Maildir:
    """A Maildir, as a local mail server fills it. Others may deliver and move mails all the while."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def unread(self) -> Iterator[Mail]:
        """Those in `new`, and those in `cur` without the flag S; by the time of delivery."""
        waiting = [(uid, place) for uid, place in self._listing().items() if "S" not in _flags(place.name)]
        unreadable: KeywatchError | None = None
        for uid, place in sorted(waiting, key=lambda one: _age(one[0]))[:MOST_MAILS]:
            try:
                raw = self._raw(uid, place)
            except KeywatchError as problem:  # one mail of a wrong owner keeps nobody from reading the others
                unreadable = problem
                continue
            if raw is not None:
                yield Mail(uid, raw[:LONGEST], len(raw) > LONGEST)
        if unreadable:
            raise unreadable

    def seen(self, uids: Iterable[str]) -> None:
        """Move them to `cur` with the flag S. A name is only ever one that the folder itself lists."""
        listed = self._listing()
        for uid in uids:
            place = listed.get(uid)
            if place is None or (place.parent.name == "cur" and "S" in _flags(place.name)):
                continue
            flags = "".join(sorted({*_flags(place.name), "S"}))
            with self._told(), contextlib.suppress(FileNotFoundError):
                place.rename(self._path / "cur" / f"{uid}:2,{flags}")

    def close(self) -> None:
        """There is nothing to let go of."""

    def _listing(self) -> dict[str, Path]:
        """Every mail by the part of its name that stays; one that moves while we look is found in `cur`."""
        listed = {}
        with self._told():
            for folder in ("new", "cur"):
                with os.scandir(self._path / folder) as entries:
                    for entry in entries:
                        if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                            listed[entry.name.partition(":")[0]] = Path(entry.path)
        return listed

    def _raw(self, uid: str, place: Path) -> bytes | None:
        """Its first bytes, one more than are wanted; None if it was removed. It may have moved since it was listed."""
        for tried in range(2):
            with self._told(), contextlib.suppress(FileNotFoundError):
                descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor, not a path
                    return file.read(LONGEST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
            if tried or (place := self._listing().get(uid, place)) is None:
                break
        return None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """A folder that cannot be used is told in one sentence; a mail that is gone is the caller's."""
        try:
            yield
        except FileNotFoundError as problem:
            if (self._path / "new").is_dir() and (self._path / "cur").is_dir():
                raise
            raise self._unusable("is not there") from problem
        except NotADirectoryError as problem:
            raise self._unusable("is no maildir") from problem
        except PermissionError as problem:
            raise self._unusable("may not be read and written by this user") from problem
        except OSError as problem:
            raise self._unusable(f"cannot be used: {os.strerror(problem.errno or 0)}") from problem

    def _unusable(self, why: str) -> KeywatchError:
        return KeywatchError(f"inbox: the maildir {why}", "it has folders new, cur and tmp", Exit.UNKNOWN)


def _flags(name: str) -> str:
    _, mark, flags = name.partition(":2,")
    return flags if mark else ""


def _age(uid: str) -> tuple[int, str]:
    """Names begin with the second of the delivery."""
    seconds = re.match(r"\d{1,18}", uid)
    return (int(seconds[0]) if seconds else 0, uid)

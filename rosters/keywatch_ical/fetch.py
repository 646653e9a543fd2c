"""Gets the bytes of a feed from the web or a file, and says in which of four ways it failed.

An address of a feed usually holds its only password, so nothing here repeats more of it than the host.
"""

import logging
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests

from keywatch.errors import KeywatchError, RosterError
from keywatch.plugins import Run

PATIENCE = 3
"""The whole feed may take this many times `timeout_s`: a time-out of a socket never ends a server that drips."""


def fetch(run: Run, reference: str, ca: str, limit: int, timeout_s: float) -> bytes:
    """The content of a feed, of at most `limit` bytes.

    Raises:
        RosterError: unreachable, denied, unknown-target or nonsense.
    """
    try:
        url = run.secret(reference)
    except KeywatchError as problem:
        raise RosterError("denied", f"the address of the calendar is not there: {problem.what}", problem.hint) from None
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("http", "https", "webcal"):
        return _read(run, url, reference, limit)
    if scheme.lower() == "webcal":
        url = f"https://{rest}"
    try:
        name = f"the calendar at {urlsplit(url).hostname or 'no host'}"
    except ValueError:
        raise RosterError("nonsense", "the address of the calendar cannot be read", "check its url") from None
    trust = str(run.path(ca)) if ca else True
    logging.getLogger("urllib3").setLevel(logging.INFO)  # below it logs paths, and here a path is a password
    try:
        return _download(name, url, trust, limit, timeout_s)
    except (requests.RequestException, OSError, ValueError) as problem:
        raise RosterError("unreachable", f"{name} {_reason(problem)}", "try its address by hand") from None


def _download(name: str, url: str, trust: str | bool, limit: int, timeout_s: float) -> bytes:
    with requests.Session() as session:
        session.max_redirects = 5
        with session.get(url, timeout=timeout_s, stream=True, verify=trust) as answer:
            _judge(name, answer.status_code)
            content = b"".join(_chunks(name, answer, limit, time.monotonic() + PATIENCE * timeout_s))
            html = content.lstrip()[:1] == b"<" or "html" in answer.headers.get("Content-Type", "").lower()
    if html:
        raise RosterError(
            "nonsense", f"{name} answered with a web page", "it may want a login: use its private address"
        )
    return content


def _chunks(name: str, answer: requests.Response, limit: int, until: float) -> Iterator[bytes]:
    taken = 0
    # read1 returns with what has come; iter_content would wait until a chunk is full
    while chunk := answer.raw.read1(65536, decode_content=True):
        taken += len(chunk)
        if taken > limit:
            raise RosterError("nonsense", f"{name} sends more than {limit // 2**20} MB", "raise max_mb if it is right")
        if time.monotonic() > until:
            raise RosterError("unreachable", f"{name} sends too slowly", "raise timeout_s if it is right")
        yield chunk


def _judge(name: str, status: int) -> None:
    if status in (401, 403, 407):
        raise RosterError("denied", f"{name} answered {status}", "its address may hold an old token: make a new one")
    if status in (404, 410):
        raise RosterError("unknown-target", f"{name} answered {status}", "the feed is gone or was renamed")
    if status != 200:
        raise RosterError("unreachable", f"{name} answered {status}", "try again later")


def _read(run: Run, path: str, reference: str, limit: int) -> bytes:
    name = f"the calendar {reference}"
    try:
        with run.path(path).open("rb") as file:
            content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise RosterError("unknown-target", f"{name} is not there", "check its url") from None
    except PermissionError:
        raise RosterError("denied", f"{name} may not be read", "check who may read that file") from None
    except (OSError, ValueError):
        raise RosterError("nonsense", f"{name} is not a file that can be read", "check its url") from None
    if len(content) > limit:
        raise RosterError("nonsense", f"{name} has more than {limit // 2**20} MB", "raise max_mb if it is right")
    return content


def _reason(problem: Exception) -> str:
    """Our words: those of requests repeat the address."""
    match problem:
        case requests.exceptions.SSLError():
            return "has a certificate that is not trusted"
        case requests.Timeout():
            return "did not answer in time"
        case requests.TooManyRedirects():
            return "redirects in circles"
        case requests.ConnectionError():
            return "could not be reached"
        case _:
            return f"could not be fetched: {type(problem).__name__}"

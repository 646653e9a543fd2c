"""Tells a monitoring service that a run began and how it ended, so that somebody notices when there are no runs.

The convention is the one of healthchecks (https://healthchecks.io/docs/http_api/) and of what speaks like it: a GET of
URL/start before anything else, of URL when the run came to its end, of URL/fail when it did not or reached nobody.
The URL is a secret, because whoever has it can pretend that keywatch is well: it is never shown.
"""

import contextlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from keywatch import plugins
from keywatch.errors import Exit, KeywatchError

TIMEOUT_S = 10.0
"""Seconds, for the connection and again for the answer."""
START, SUCCESS, FAIL = "/start", "", "/fail"


class Pulse:
    """The pings of one run: entering says that it starts, leaving how it ended. A ping that fails is one warning."""

    def __init__(self, reference: str, base: Path, warn: Callable[[str], None]) -> None:
        """`reference` is a URL, or where one is (`env:NAME`, `file:/path`, `cmd:argv`); "" pings nobody.

        `base` is the folder of relative paths. It is resolved once, when the run starts; nothing here raises.
        """
        self._reference, self._base, self._warn = reference, base, warn
        self._url = ""
        self._code = Exit.BAD  # until it has come to its end
        self._warned = False

    def __enter__(self) -> Self:
        if self._reference:
            self._url = self._resolved()
            self._ping(START)
        return self

    def ended(self, code: int) -> None:
        """The run came to its end with this exit code. 3 here means a source that cannot be read: that was reported."""
        self._code = Exit(code)

    def __exit__(self, *_: object) -> None:
        self._ping(SUCCESS if self._code in (Exit.WELL, Exit.UNKNOWN) else FAIL)

    def _resolved(self) -> str:
        try:
            url = plugins.resolve(self._reference, self._base)
        except KeywatchError as problem:
            self._say(problem.what)
            return ""
        with contextlib.suppress(ValueError):
            if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname:
                return url
        self._say("it is no http or https URL")
        return ""

    def _ping(self, sign: str) -> None:
        if not self._url:
            return
        import requests  # only whoever wants pings pays for it

        try:
            # The answer's body is not read: a server that drips it must not hold up a run.
            with requests.get(_with(self._url, sign), timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                status = answer.status_code
        except (requests.RequestException, ValueError, OSError) as problem:
            self._say(type(problem).__name__)
            return
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            self._say(f"it answered {status}" + (", a redirect, which is not followed" if status < 400 else ""))

    def _say(self, why: str) -> None:
        """Once in a run: a service that is down need not be told of twice."""
        if not self._warned:
            self._warn(f"warning: the --ping-url could not be told: {why}; the run itself goes on")
        self._warned = True


def _with(url: str, sign: str) -> str:
    """The URL with the sign behind its path; a query stays where it is."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + sign if sign else parts.path))

"""The only module that talks to Apprise: one service, one message, one typed answer.

Imports Apprise at its top, so it is itself imported only when something is about to be sent.
"""

import logging
import re
import warnings
from collections.abc import Iterable
from http import HTTPStatus

from apprise import Apprise, AppriseAsset, NotifyFormat, OverflowMode
from apprise.manager_plugins import NotificationManager
from apprise.plugins.base import NotifyBase
from apprise.result import AppriseResult, AppriseResultStatus

from keywatch.model import Blame, Rendered, Verdict, VerdictKind

with warnings.catch_warnings():  # some of its services import what Python is about to drop
    warnings.simplefilter("ignore", DeprecationWarning)
    NotificationManager().load_modules()

_CODE = re.compile(r"\berror=(\d{3})\b")
_BLAMED = {
    401: (VerdictKind.REFUSED, Blame.SENDER),
    403: (VerdictKind.REFUSED, Blame.SENDER),
    404: (VerdictKind.REFUSED, Blame.ROUTE),
    408: (VerdictKind.DEFERRED, Blame.TRANSPORT),
    410: (VerdictKind.REFUSED, Blame.ROUTE),
    425: (VerdictKind.DEFERRED, Blame.TRANSPORT),
    429: (VerdictKind.DEFERRED, Blame.TRANSPORT),
}


def asset(timeout_s: float) -> AppriseAsset:
    """How keywatch wants Apprise: nothing on disk, no redirects, no plugins from folders, no texts rewritten."""
    return AppriseAsset(
        app_id="keywatch",
        app_desc="keywatch",
        app_url="",
        async_mode=False,
        http_redirects=False,
        secure_logging=True,
        storage_mode="memory",
        service_timeout=timeout_s,
        allow_templates=False,
        interpret_escapes=False,
        interpret_emojis=False,
        default_service_retry=0,
    )


def service(url: str, timeout_s: float) -> NotifyBase | None:
    """The Apprise service of a URL, with what would falsify its answer switched off; None if it cannot be one."""
    _quieten()
    found: NotifyBase | None = Apprise.instantiate(url, asset=asset(timeout_s))
    if found is None:
        return None
    found.redirects = False
    found.optional = False  # ?optional=yes would report every failure as a success
    found.retry = 0  # the outbox retries, with the same Message-ID
    if found.overflow_mode is OverflowMode.UPSTREAM:
        found.overflow_mode = OverflowMode.SPLIT
    return found


def dispatch(to: NotifyBase, rendered: Rendered) -> AppriseResult:
    """Send one message to one service through Apprise; never raises for what the other side did."""
    _quieten()
    to.request_rate_per_sec = 0  # it would sleep 5.5 s between two sends
    carrier = Apprise(asset=to.asset)
    carrier.add(to)
    body = rendered.text or rendered.subject or "-"
    return carrier.notify(title=rendered.subject, body=body, body_format=NotifyFormat.TEXT)


def judged(result: AppriseResult, to: NotifyBase) -> Verdict:
    """What became of it, in keywatch's words and ours alone: Apprise's own log lines can hold parts of a URL."""
    name = str(to.service_name or to.schema)
    if result.status is AppriseResultStatus.SUCCESS:
        return Verdict(VerdictKind.ACCEPTED, text=f"{name} took it")
    if result.status is AppriseResultStatus.TIMEOUT:
        return Verdict(VerdictKind.UNKNOWN, Blame.TRANSPORT, text=f"{name} did not answer in time; it may have it")
    if result.status is AppriseResultStatus.NOMATCH:
        return Verdict(VerdictKind.REFUSED, Blame.ROUTE, text="Apprise found no service to send to")
    code = _code(entry.message for one in result for attempt in one for entry in attempt.logs)
    if code is None:
        return Verdict(VerdictKind.UNREACHABLE, Blame.TRANSPORT, text=f"{name} could not be reached")
    kind, blame = _blamed(code)
    return Verdict(kind, blame, str(code), f"{name} answered {code}{_phrase(code)}")


def _code(lines: Iterable[str]) -> int | None:
    codes = [int(found) for line in lines for found in _CODE.findall(line)]
    return codes[-1] if codes else None


def _blamed(code: int) -> tuple[VerdictKind, Blame]:
    if code >= 500:
        return VerdictKind.DEFERRED, Blame.TRANSPORT
    # Another 4xx, a redirect we do not follow, or a 200 with a refusal inside: it did not arrive, the cause is unclear.
    return _BLAMED.get(code, (VerdictKind.REFUSED, Blame.NOBODY))


def _phrase(code: int) -> str:
    if 300 <= code < 400:
        return ", a redirect, which is not followed"
    return f" {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else ""


def _quieten() -> None:
    """Below INFO Apprise logs URLs with their tokens and urllib3 their paths, whatever `-v` asks for; and what Apprise
    says from WARNING up is in the verdict."""
    logging.getLogger("urllib3").setLevel(logging.INFO)
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.INFO)
    apprise.propagate = False
    if not apprise.handlers:
        apprise.addHandler(logging.NullHandler())

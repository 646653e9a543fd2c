"""The dispatcher: what becomes of a message that goes to a webhook, against a real HTTP server on loopback."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from keywatch.errors import KeywatchError
from keywatch.model import Blame, Outgoing, Rendered, Route, Verdict, VerdictKind
from keywatch.testing_people import Delivery, NotifierContract
from keywatch_apprise import AppriseNotifier
from tests.servers.web import Page, WebServer

ROUTE = Route("ops-hook", shared=True)
TOKEN = "canary-7c1e-never-to-be-seen"


def sent(url: str, outgoing: Outgoing, timeout_s: float = 15.0) -> Verdict:
    return AppriseNotifier(AppriseNotifier.Settings(timeout_s)).send(ROUTE, replace(outgoing, to=url))


@pytest.fixture
def hook() -> Iterator[WebServer]:
    codes = {f"/{code}/{TOKEN}": Page(code) for code in (200, 204, 400, 401, 403, 404, 410, 429, 500, 503)}
    more = {
        f"/302/{TOKEN}": Page(302, headers={"Location": f"/200/{TOKEN}"}),
        f"/hang/{TOKEN}": Page(hang=True),
        f"/drip/{TOKEN}": Page(body=b"x" * 400, drip=True),
    }
    with WebServer(codes | more) as server:
        yield server


class TestContract(NotifierContract):
    """Webhooks keep the rules of every notifier."""

    plugin = "keywatch_apprise"
    heavy = ("apprise", "requests", "urllib3")

    @pytest.fixture
    def deliveries(self, hook: WebServer) -> Sequence[Delivery]:
        one = AppriseNotifier(AppriseNotifier.Settings())
        kinds = VerdictKind
        cases = [
            ("200", kinds.ACCEPTED, Blame.NOBODY),
            ("410", kinds.REFUSED, Blame.ROUTE),
            ("401", kinds.REFUSED, Blame.SENDER),
            ("500", kinds.DEFERRED, Blame.TRANSPORT),
        ]
        known = [
            Delivery(n, one, f"json://u:{TOKEN}@{hook.place}/{n}/{TOKEN}?+X-Key={TOKEN}", k, b) for n, k, b in cases
        ]
        closed = Delivery("closed", one, f"json://127.0.0.1:1/{TOKEN}", kinds.UNREACHABLE, Blame.TRANSPORT)
        nonsense = Delivery("nonsense", one, f"nosuch://{TOKEN}", kinds.REFUSED, Blame.ROUTE)
        return [*known, closed, nonsense]


def test_a_message_as_it_arrives(hook: WebServer, outgoing: Outgoing) -> None:
    """Subject and text as they were rendered: nothing in them is a template, an escape or an emoji code."""
    odd = Rendered("A {{ title }} :smile:", "line\\n one\n{{ secret }} :+1: <b>&amp;\n\nend")
    assert sent(f"json://{hook.place}/200/{TOKEN}", replace(outgoing, rendered=odd)).kind is VerdictKind.ACCEPTED
    (request,) = hook.requests
    said = json.loads(request.body)
    assert (said["title"], said["message"]) == (odd.subject, odd.text)


@pytest.mark.parametrize(
    ("path", "kind", "blame", "code"),
    [
        ("200", VerdictKind.ACCEPTED, Blame.NOBODY, ""),
        ("204", VerdictKind.ACCEPTED, Blame.NOBODY, ""),
        ("404", VerdictKind.REFUSED, Blame.ROUTE, "404"),
        ("410", VerdictKind.REFUSED, Blame.ROUTE, "410"),
        ("401", VerdictKind.REFUSED, Blame.SENDER, "401"),
        ("403", VerdictKind.REFUSED, Blame.SENDER, "403"),
        ("400", VerdictKind.REFUSED, Blame.NOBODY, "400"),
        ("302", VerdictKind.REFUSED, Blame.NOBODY, "302"),
        ("429", VerdictKind.DEFERRED, Blame.TRANSPORT, "429"),
        ("500", VerdictKind.DEFERRED, Blame.TRANSPORT, "500"),
        ("503", VerdictKind.DEFERRED, Blame.TRANSPORT, "503"),
    ],
)
def test_what_a_webhook_answers(
    hook: WebServer, outgoing: Outgoing, path: str, kind: VerdictKind, blame: Blame, code: str
) -> None:
    """Gone blames the route, a refused key the sender, an overload the transport; a redirect is not followed."""
    verdict = sent(f"json://{hook.place}/{path}/{TOKEN}?redirect=yes", outgoing)
    assert (verdict.kind, verdict.blame, verdict.code) == (kind, blame, code)
    assert len(hook.requests) == 1


def test_optional_and_retry_do_not_falsify(hook: WebServer, outgoing: Outgoing) -> None:
    """`?optional=yes` would report a dead hook as delivered, `?retry=` would hide how often it was tried."""
    verdict = sent(f"json://{hook.place}/410/{TOKEN}?optional=yes&retry=5", outgoing)
    assert (verdict.kind, verdict.blame) == (VerdictKind.REFUSED, Blame.ROUTE)
    assert len(hook.requests) == 1


def test_silence_and_dripping_end(hook: WebServer, outgoing: Outgoing) -> None:
    """A hook that does not answer is an outage; one that outlasts Apprise's patience may have the message."""
    silent = sent(f"json://{hook.place}/hang/{TOKEN}?rto=0.3", outgoing)
    assert (silent.kind, silent.blame) == (VerdictKind.UNREACHABLE, Blame.TRANSPORT)
    began = time.monotonic()
    patient = sent(f"json://{hook.place}/drip/{TOKEN}?rto=5", outgoing, timeout_s=0.3)
    assert (patient.kind, patient.blame) == (VerdictKind.UNKNOWN, Blame.TRANSPORT)
    assert time.monotonic() - began < 3


def test_no_rate_limit(hook: WebServer, outgoing: Outgoing) -> None:
    """Apprise would wait 5.5 s between two parts of a long message to one service (not for json://, but for ntfy)."""
    hook.pages["/"] = Page()
    began = time.monotonic()
    long = replace(outgoing, rendered=Rendered("s", "word " * 3_000))
    assert sent(f"ntfy://{hook.place}/{TOKEN}", long).kind is VerdictKind.ACCEPTED
    assert len(hook.requests) > 1
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("url", ["", "nonsense", "nosuch://x", "json://", "slack://", "env:HOOK", "kwmail://a@b.test"])
def test_a_url_that_is_none(outgoing: Outgoing, url: str) -> None:
    """It can never work, so it widens at once and the route is said to be the trouble, by its name."""
    verdict = sent(url, outgoing)
    assert (verdict.kind, verdict.blame) == (VerdictKind.REFUSED, Blame.ROUTE)
    assert "ops-hook" in verdict.text


def test_a_text_longer_than_the_service_takes(hook: WebServer, outgoing: Outgoing) -> None:
    """It is split: a message cut short could lose the line that somebody needs."""
    text = "\n".join(f"line {number:05}" for number in range(6000))
    long = replace(outgoing, rendered=Rendered("s", text))
    assert sent(f"json://{hook.place}/200/{TOKEN}", long).kind is VerdictKind.ACCEPTED
    arrived = "\n".join(json.loads(request.body)["message"] for request in hook.requests)
    assert len(hook.requests) > 1
    assert all(f"line {number:05}" in arrived for number in range(6000))


def test_an_empty_text_still_goes_out(hook: WebServer, outgoing: Outgoing) -> None:
    """Apprise refuses an empty body; the subject alone is better than nothing."""
    verdict = sent(f"json://{hook.place}/200/{TOKEN}", replace(outgoing, rendered=Rendered("only this", "")))
    assert verdict.kind is VerdictKind.ACCEPTED


def test_a_closed_port(outgoing: Outgoing) -> None:
    """Nobody listens: an outage of the transport, not a dead route."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    verdict = sent(f"json://127.0.0.1:{port}/{TOKEN}", outgoing)
    assert (verdict.kind, verdict.blame) == (VerdictKind.UNREACHABLE, Blame.TRANSPORT)


def test_no_secret_on_any_stream(hook: WebServer) -> None:
    """With everything logged at the lowest level a process shows no token, whatever the outcome."""
    ask = f"""
import logging; logging.basicConfig(level=1)
from keywatch_apprise import AppriseNotifier as A
from keywatch.model import Outgoing, Rendered, Route
for url in ("json://u:{TOKEN}@{hook.place}/200/{TOKEN}?+Key={TOKEN}", "json://{hook.place}/410/{TOKEN}",
            "json://127.0.0.1:1/{TOKEN}", "slack://{TOKEN}", "nosuch://{TOKEN}", "splunk://{TOKEN}@127.0.0.1:1"):
    print(A(A.Settings()).send(Route("r"), Outgoing(Rendered("s", "t"), "<a@b>", "t", url)))
"""
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert TOKEN not in done.stdout + done.stderr
    assert done.stdout.count("Verdict(") == 6
    assert logging.getLogger("apprise").level in (logging.NOTSET, logging.INFO)


def test_settings_that_cannot_be() -> None:
    """A time-out of nothing would give up before it began."""
    with pytest.raises(KeywatchError):
        AppriseNotifier.Settings(0)

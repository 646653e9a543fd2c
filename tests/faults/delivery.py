"""Faults of mail servers and webhooks: every answer that keeps a message from its reader, and what is done instead."""

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import DUE, Bench, plain
from tests.faults.fault import DELIVERS, QUIET, WAITS, Fault, Truth, Undo, only
from tests.servers.certificates import issue
from tests.servers.smtp import SmtpServer
from tests.servers.web import Page, WebServer
from tests.story.story import CONFIG

ANA = "ana@example.com"
EVERYBODY = ("ana", "bo", "cy", "li", "mia", "payments-alerts")


# --------------------------------------------------------------------------- mail


def _down(bench: Bench) -> Undo:
    bench.story.server.stop()
    return lambda: bench.serve(SmtpServer(port=bench.story.server.port))


def _answers(address: str, answer: str, table: str = "recipients") -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        rules = getattr(bench.story.server.rules, table)
        rules[address] = answer
        return lambda: rules.pop(address)

    return arrange


def _impatient(bench: Bench) -> Undo:
    """A server that hangs, and a client that waits for a third of a second instead of 15."""

    class Impatient(smtplib.SMTP):
        def __init__(self, host: str, port: int, timeout: float) -> None:
            super().__init__(host, port, timeout=min(timeout, 0.3))

    bench.patch.setattr(smtplib, "SMTP", Impatient)
    return _answers("*", "hang")(bench)


@contextmanager
def secured(folder: Path) -> Iterator[Bench]:
    """A mail server with TLS from the first byte and a login; keywatch trusts the authority that signed it."""
    made = issue(folder)
    (folder / "password").write_text("right", encoding="utf-8")
    login = 'ca = "ca.pem"\nuser = "kw"\npassword = "file:password"\n'
    mail = 'from = "keywatch@example.com"\n'
    config = CONFIG.replace('"smtp://127', '"smtps://127').replace(mail, mail + login)
    with _with_server(folder, config) as (bench, port):
        bench.own |= {"certificates": made, "port": port}
        _secure(bench)
        yield bench.begin()


@contextmanager
def _with_server(folder: Path, config: str) -> Iterator[tuple[Bench, int]]:
    with plain(folder, config) as bench:
        yield bench, bench.story.server.port


def _secure(bench: Bench, certificate: str = "good", password: str = "right") -> None:
    made = getattr(bench.own["certificates"], certificate)
    port = bench.own["port"]
    bench.serve(SmtpServer(port=port, certificate=made, implicit_tls=True, login=("kw", password)))


def _another_certificate(bench: Bench) -> Undo:
    _secure(bench, certificate="other")
    return lambda: _secure(bench)


def _another_password(bench: Bench) -> Undo:
    _secure(bench, password="changed")
    return lambda: _secure(bench)


# --------------------------------------------------------------------------- webhooks


@contextmanager
def hooked(folder: Path) -> Iterator[Bench]:
    """The team's second route of its own is a webhook."""
    with WebServer({"/hook": Page(200)}) as web:
        route = '[routes.hook]\nurl = "file:hook-url"\nshared = true\n\n'
        (folder / "hook-url").write_text(f"json://{web.place}/hook?rto=1", encoding="utf-8")
        config = CONFIG.replace("[rosters.payments]", f"{route}[rosters.payments]").replace(
            'routes = ["payments-alias"]', 'routes = ["payments-alias", "hook"]'
        )
        with plain(folder, config) as bench:
            bench.hook, bench.due = web, DUE | {"hook"}
            yield bench.begin()


def _page(page: Page) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        assert bench.hook
        bench.hook.pages["/hook"] = page

        def undo() -> None:
            assert bench.hook
            bench.hook.requests.clear()
            bench.hook.pages["/hook"] = Page(200)

        return undo

    return arrange


OTHERS = only("everybody else is told, by name", *(DUE - {"ana"}), "bo", "cy", "li")
MAILS = Truth("the mails go out, the webhook waits", lambda bench: _exactly(bench, DUE))
GONE = Truth("the mails go out; the webhook is dead", lambda bench: _mails_once(bench))


MOVED = Truth(
    "the mails go out; the webhook is suspect, and dead if a later run meets it again", lambda b: _mails_once(b)
)


def _exactly(bench: Bench, names: frozenset[str]) -> None:
    assert set(bench.heard) == names


def _wider(bench: Bench) -> None:
    assert bench.due <= set(bench.heard)
    assert set(bench.heard.values()) == {1}


def _mails_once(bench: Bench) -> None:
    assert set(bench.heard) >= DUE
    assert set(bench.heard.values()) == {1}


STILL = Truth("goes on without the webhook; nobody is told twice", _mails_once)
UNHEARD = Truth("nobody could be told; no route is blamed", lambda bench: _exactly(bench, frozenset()))
WIDER = Truth("tells everybody who was due and who was asked instead, once", _wider)

ROWS = [
    Fault(
        "the mail server refuses the connection",
        Exit.WELL,
        "unreachable (transport): the mail server refused the connection (connecting); it is tried again",
        WAITS,
        DELIVERS,
        _down,
    ),
    Fault(
        "421: the mail server shuts down",
        Exit.WELL,
        "deferred (transport): 421 4.3.2 shutting down",
        WAITS,
        DELIVERS,
        _answers("*", "421 4.3.2 shutting down"),
    ),
    Fault(
        "450: greylisting",
        Exit.WELL,
        "deferred: 451 4.7.1 greylisted, come back later; it is tried again",
        WAITS,
        DELIVERS,
        _answers("*", "greylist"),
    ),
    Fault(
        "550 5.1.1: there is no such person",
        Exit.WELL,
        "route ana:mail is dead: 550 5.1.1 no such user; others are told instead",
        OTHERS,
        OTHERS,
        _answers(ANA, "550 5.1.1 no such user"),
    ),
    Fault(
        "552 5.2.2: a mailbox is full",
        Exit.WELL,
        "route ana:mail: refused: 552 5.2.2 mailbox full; it is tried again",
        OTHERS,
        WIDER,
        _answers(ANA, "552 5.2.2 mailbox full"),
    ),
    Fault(
        "554 5.7.1: the sender is blocked",
        Exit.BAD,
        "refused (sender): 554 5.7.1 blocked; it is tried again",
        UNHEARD,
        WIDER,
        _answers("*", "554 5.7.1 blocked", "senders"),
    ),
    Fault(
        "the connection breaks before the message",
        Exit.WELL,
        "unreachable (transport): the mail server closed the connection",
        WAITS,
        DELIVERS,
        _answers("*", "drop rcpt"),
    ),
    Fault(
        "the connection breaks after the message, which is lost",
        Exit.WELL,
        "unknown (transport): the connection was lost after the message was sent; it may have arrived",
        WAITS,
        DELIVERS,
        _answers("*", "drop early"),
    ),
    Fault(
        "the connection breaks after the message, which was taken",
        Exit.WELL,
        "unknown (transport): the connection was lost after the message was sent; it may have arrived",
        only("everybody has it, and keywatch cannot know", *DUE),
        Truth("sends it again with the same Message-ID, so mail programs show it once", QUIET.holds),
        _answers("*", "drop"),
        copies=3,
    ),
    Fault("the mail server hangs", Exit.WELL, "unreachable (transport): the mail server", WAITS, DELIVERS, _impatient),
    Fault(
        "the mail server shows the certificate of another",
        Exit.WELL,
        "unreachable (transport): its certificate is not trusted",
        WAITS,
        DELIVERS,
        _another_certificate,
        setting=secured,
    ),
    Fault(
        "the mail server refuses the login",
        Exit.BAD,
        "unreachable (sender): 535 5.7.8 the mail server refused the login",
        UNHEARD,
        WIDER,
        _another_password,
        setting=secured,
    ),
    Fault(
        "a webhook answers 404",
        Exit.WELL,
        "route hook is dead or moved: 404 JSON answered 404 Not Found; others are told instead",
        MOVED,
        STILL,
        _page(Page(404)),
        setting=hooked,
    ),
    Fault(
        "a webhook answers 410",
        Exit.WELL,
        "route hook is dead: 410 JSON answered 410 Gone; others are told instead",
        GONE,
        STILL,
        _page(Page(410)),
        setting=hooked,
    ),
    Fault(
        "a webhook answers 500",
        Exit.WELL,
        "route hook: deferred (transport): 500 JSON answered 500 Internal Server Error; it is tried again",
        MAILS,
        DELIVERS,
        _page(Page(500)),
        setting=hooked,
    ),
    Fault(
        "a webhook does not answer",
        Exit.WELL,
        "route hook: unreachable (transport): JSON could not be reached; it is tried again",
        MAILS,
        DELIVERS,
        _page(Page(hang=True)),
        setting=hooked,
    ),
]

"""Mail: every answer of a real SMTP server on loopback, and every byte of what arrives there."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keywatch.errors import KeywatchError
from keywatch.model import Blame, Outgoing, Rendered, Route, Verdict, VerdictKind
from keywatch.testing_people import Delivery, NotifierContract
from keywatch_mail import MailNotifier
from tests.servers.certificates import Certificates
from tests.servers.smtp import SmtpServer

ROUTE = Route("ana-mail", "ana")
PASSWORD = "canary-7c1e-never-to-be-seen"
Send = Callable[..., Verdict]


def notifier(server: SmtpServer, **more: Any) -> MailNotifier:
    given = {"sender": "keywatch <keywatch@corp.test>", "security": "plain", "timeout_s": 5.0, **more}
    return MailNotifier(MailNotifier.Settings(host=server.host, port=server.port, **given))


def sent(server: SmtpServer, outgoing: Outgoing, **more: Any) -> Verdict:
    one = notifier(server, **more)
    try:
        return one.send(ROUTE, outgoing)
    finally:
        one.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class TestContract(NotifierContract):
    """Mail keeps the rules of every notifier."""

    plugin = "keywatch_mail"
    heavy = ("apprise", "requests")

    @pytest.fixture
    def deliveries(self) -> Iterator[Sequence[Delivery]]:
        rules = {
            "gone@*": "550 5.1.1 no such user",
            "blocked@*": "550 5.7.1 you are blocked",
            "grey@*": "greylist",
            "black@*": "hang",
            "lost@*": "drop",
        }
        with SmtpServer(rules, login=("kw", "right")) as closed, SmtpServer(rules) as server:
            one = notifier(server, timeout_s=0.5)
            login = notifier(closed, security="auto", user="kw", password=self.canary)
            yield [
                Delivery("fine", one, "ana@corp.test", VerdictKind.ACCEPTED),
                Delivery("gone", one, "gone@corp.test", VerdictKind.REFUSED, Blame.ROUTE),
                Delivery("blocked", one, "blocked@corp.test", VerdictKind.REFUSED, Blame.SENDER),
                Delivery("grey", one, "grey@corp.test", VerdictKind.DEFERRED),
                Delivery("black", one, "black@corp.test", VerdictKind.UNREACHABLE, Blame.TRANSPORT),
                Delivery("lost", one, "lost@corp.test", VerdictKind.UNKNOWN, Blame.TRANSPORT),
                Delivery("no address", one, f"{self.canary}", VerdictKind.REFUSED, Blame.ROUTE),
                Delivery("no tls", login, "ana@corp.test", VerdictKind.UNREACHABLE, Blame.TRANSPORT),
            ]
            one.close()


# --------------------------------------------------------------------------- what arrives


def test_one_mail_as_it_arrives(outgoing: Outgoing) -> None:
    """Both parts, the caller's Message-ID once, the thread, the marks of a machine; nothing that stops auto-replies."""
    with SmtpServer() as server:
        verdict = sent(server, outgoing)
    (mail,) = server.received
    assert verdict == Verdict(VerdictKind.ACCEPTED, Blame.NOBODY, "250 2.0.0", "queued as 1")
    assert (mail.mail_from, mail.to) == ("keywatch@corp.test", "ana@corp.test")
    assert mail.message.get_all("Message-ID") == ["<01j.1@keywatch.test>"]
    assert mail.message["From"] == "keywatch <keywatch@corp.test>"
    assert mail.message["References"] == mail.message["In-Reply-To"] == "<episode-7@keywatch.test>"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Subject"] == outgoing.rendered.subject
    assert parsedate_to_datetime(mail.message["Date"]).utcoffset() is not None
    assert (mail.text, mail.html) == (outgoing.rendered.text, outgoing.rendered.html + "\n")
    assert not {"X-Auto-Response-Suppress", "Precedence", "Reply-To", "Bcc"} & set(mail.message.keys())


def test_a_bounce_brings_back_the_token(outgoing: Outgoing) -> None:
    """With `bounces` the envelope and the replies carry the token; From stays who it is."""
    with SmtpServer() as server:
        sent(server, outgoing, bounces="keywatch+{token}@corp.test")
    (mail,) = server.received
    assert mail.mail_from == mail.message["Reply-To"] == "keywatch+t0k3n@corp.test"
    with SmtpServer() as server:
        sent(server, outgoing, bounces="keywatch+{token}@corp.test", replies=False)
    (deaf,) = server.received
    assert (deaf.mail_from, deaf.message["Reply-To"]) == ("keywatch+t0k3n@corp.test", None), "nobody reads it"
    assert mail.message["From"] == "keywatch <keywatch@corp.test>"


def test_delivery_reports_are_asked_for_where_offered(outgoing: Outgoing) -> None:
    """A server with DSN is asked for headers, failures and delays; one without is not confused by it."""
    with SmtpServer() as server:
        sent(server, replace(outgoing, to="ana+x@corp.test", token="a+b=c"))
    assert server.received[0].mail_options[-2:] == ("RET=HDRS", "ENVID=a+2Bb+3Dc")
    assert server.received[0].rcpt_options == ("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;ana+2Bx@corp.test")
    with SmtpServer(dsn=False) as bare:
        assert sent(bare, outgoing).kind is VerdictKind.ACCEPTED


def test_a_first_message_has_no_thread_of_itself(outgoing: Outgoing) -> None:
    """A message that refers to itself makes some mail programs hide it."""
    with SmtpServer() as server:
        sent(server, replace(outgoing, thread=outgoing.message_id))
    assert "References" not in server.received[0].message


def test_long_ids_survive(outgoing: Outgoing) -> None:
    """An id is never folded or encoded, or retries and threads would not be recognised."""
    long = f"<{'a' * 90}.{'b' * 60}@keywatch.corp.test>"
    with SmtpServer() as server:
        sent(server, replace(outgoing, message_id=long, thread=long.replace("a", "c")))
    raw = server.received[0].raw.decode()
    assert long in raw.replace("\r\n ", " ")
    assert long.replace("a", "c") in raw.replace("\r\n ", " ")


HOSTILE = [
    "\r\nBcc: eve@evil.test",
    "a\nBcc: eve@evil.test",
    "a\u2028Bcc: e\u0085x",
    "a\x00b\x0b\x1dc",
    "\ud800half",
    "é" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_becomes_a_header(outgoing: Outgoing, text: str) -> None:
    """Names come from sources: a subject is one line, whatever is in it, and there is one recipient."""
    with SmtpServer() as server:
        verdict = sent(server, replace(outgoing, rendered=Rendered(text, text, text), thread=f"<a@b{text}>"))
    (mail,) = server.received
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "Bcc" not in mail.message
    assert server.commands.count("RCPT ana@corp.test") == len(server.commands) - 1
    assert len(str(mail.message["Subject"])) <= 300


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ana",
        "ana@",
        "a@b\r\nRCPT TO:<eve@evil.test>",
        "a b@c.test",
        "a@b.test,c@d.test",
        "<a@b.test>",
        "A <a@b.test>",
    ],
)
def test_what_is_no_address_is_refused_unsent(outgoing: Outgoing, to: str) -> None:
    """An address that cannot be one blames the route, and the server never hears of it."""
    with SmtpServer() as server:
        verdict = sent(server, replace(outgoing, to=to))
    assert (verdict.kind, verdict.blame, server.commands) == (VerdictKind.REFUSED, Blame.ROUTE, [])
    assert "ana-mail" in verdict.text


@pytest.fixture(scope="module")
def open_server() -> Iterator[tuple[SmtpServer, MailNotifier]]:
    with SmtpServer() as server:
        one = notifier(server)
        yield server, one
        one.close()


LINES = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=120)
    | st.sampled_from([".", "..", ".a", "From x", ""]),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
def test_every_line_arrives_as_written(open_server: tuple[SmtpServer, MailNotifier], lines: list[str]) -> None:
    """Dots, long lines and letters of any script come out as they went in."""
    server, one = open_server
    text = "\n".join([*lines, "end", ""])
    one.send(ROUTE, Outgoing(Rendered("s", text, text), "<m@k.test>", "t", "ana@corp.test"))
    assert server.received[-1].text == text
    assert server.received[-1].html == text


# --------------------------------------------------------------------------- verdicts

RCPT = [
    ("550 5.1.1 no such user", VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.1"),
    ("550 5.1.10 null MX", VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.10"),
    ("550 5.2.1 disabled", VerdictKind.REFUSED, Blame.ROUTE, "550 5.2.1"),
    ("550 no such user here", VerdictKind.REFUSED, Blame.ROUTE, "550"),
    ("551 not local", VerdictKind.REFUSED, Blame.ROUTE, "551"),
    ("553 bad mailbox name", VerdictKind.REFUSED, Blame.ROUTE, "553"),
    ("550 5.7.1 denied", VerdictKind.REFUSED, Blame.SENDER, "550 5.7.1"),
    ("553 5.7.1 not owned by user", VerdictKind.REFUSED, Blame.SENDER, "553 5.7.1"),
    ("553 5.1.8 sender domain not found", VerdictKind.REFUSED, Blame.SENDER, "553 5.1.8"),
    ("550 relay not permitted", VerdictKind.REFUSED, Blame.SENDER, "550"),
    ("550 blocked by spamhaus", VerdictKind.REFUSED, Blame.SENDER, "550"),
    ("530 authentication required", VerdictKind.REFUSED, Blame.SENDER, "530"),
    ("552 5.2.2 mailbox full", VerdictKind.REFUSED, Blame.NOBODY, "552 5.2.2"),
    ("550 5.4.1 no route", VerdictKind.REFUSED, Blame.TRANSPORT, "550 5.4.1"),
    ("501 what", VerdictKind.REFUSED, Blame.TRANSPORT, "501"),
    ("451 4.7.1 greylisted", VerdictKind.DEFERRED, Blame.NOBODY, "451 4.7.1"),
    ("452 4.2.2 full", VerdictKind.DEFERRED, Blame.NOBODY, "452 4.2.2"),
    ("421 4.3.2 shutting down", VerdictKind.DEFERRED, Blame.TRANSPORT, "421 4.3.2"),
    ("data 550 5.1.1 found out late", VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.1"),
    ("data 554 5.7.1 looks like spam", VerdictKind.REFUSED, Blame.SENDER, "554 5.7.1"),
    ("data 550 content rejected", VerdictKind.REFUSED, Blame.SENDER, "550"),
    ("data 451 4.3.0 try again", VerdictKind.DEFERRED, Blame.TRANSPORT, "451 4.3.0"),
    ("hang", VerdictKind.UNREACHABLE, Blame.TRANSPORT, ""),
    ("drop rcpt", VerdictKind.UNREACHABLE, Blame.TRANSPORT, ""),
    ("hang data", VerdictKind.UNKNOWN, Blame.TRANSPORT, ""),
    ("drop", VerdictKind.UNKNOWN, Blame.TRANSPORT, ""),
    ("drop early", VerdictKind.UNKNOWN, Blame.TRANSPORT, ""),
]


@pytest.mark.parametrize(("rule", "kind", "blame", "code"), RCPT)
def test_what_a_server_says_of_a_recipient(
    outgoing: Outgoing, rule: str, kind: VerdictKind, blame: Blame, code: str
) -> None:
    """Only words that nobody is there blame the route; and the next mail on this connection is not harmed."""
    with SmtpServer({"ana@*": rule}) as server:
        one = notifier(server, timeout_s=0.5)
        verdict = one.send(ROUTE, outgoing)
        after = one.send(ROUTE, replace(outgoing, to="bo@corp.test"))
        one.close()
    assert (verdict.kind, verdict.blame, verdict.code) == (kind, blame, code)
    assert after.kind is VerdictKind.ACCEPTED
    assert server.received[-1].to == "bo@corp.test"


SENDER = [
    ("550 5.7.1 not yours", VerdictKind.REFUSED, Blame.SENDER),
    ("553 sender rejected", VerdictKind.REFUSED, Blame.SENDER),
    ("550 5.1.1 odd, but said of the sender", VerdictKind.REFUSED, Blame.SENDER),
    ("451 4.1.8 dns", VerdictKind.DEFERRED, Blame.TRANSPORT),
    ("hang", VerdictKind.UNREACHABLE, Blame.TRANSPORT),
]


@pytest.mark.parametrize(("rule", "kind", "blame"), SENDER)
def test_what_a_server_says_of_the_sender(outgoing: Outgoing, rule: str, kind: VerdictKind, blame: Blame) -> None:
    """Nothing said at MAIL FROM can make a route look dead."""
    with SmtpServer(senders={"*": rule}) as server:
        verdict = sent(server, outgoing, timeout_s=0.5)
    assert (verdict.kind, verdict.blame) == (kind, blame)
    assert "bounces" not in verdict.text


def test_a_refused_bounce_address_says_how_to_mend_it(outgoing: Outgoing) -> None:
    """A relay that ties the sender to the login refuses the token address: the text says so, without the token."""
    with SmtpServer(senders={"*+*": "553 5.7.1 <keywatch+t0k3n@corp.test>: not owned"}) as server:
        verdict = sent(server, outgoing, bounces="keywatch+{token}@corp.test")
    assert (verdict.kind, verdict.blame) == (VerdictKind.REFUSED, Blame.SENDER)
    assert "[mail] bounces" in verdict.text
    assert "t0k3n" not in verdict.text


def test_data_refused_before_the_message(outgoing: Outgoing) -> None:
    """A server that does not want the message at all has not got it."""
    with SmtpServer(refuse_data="451 4.3.2 busy") as server:
        assert sent(server, outgoing).kind is VerdictKind.DEFERRED
    assert not server.received


def test_nobody_listens(outgoing: Outgoing) -> None:
    """A closed port, a name that does not exist and silence after connecting are outages, not dead routes."""
    quiet = socket.create_server(("127.0.0.1", 0))
    places = [
        ("127.0.0.1", free_port()),
        ("no-such-host.invalid", 25),
        ("127.0.0.1", quiet.getsockname()[1]),
        ("a" * 70, 25),
    ]
    for host, port in places:
        one = MailNotifier(MailNotifier.Settings("k@corp.test", host, port, timeout_s=0.5))
        verdict = one.send(ROUTE, outgoing)
        assert (verdict.kind, verdict.blame) == (VerdictKind.UNREACHABLE, Blame.TRANSPORT)
        assert verdict.text
        one.close()
    quiet.close()


@pytest.mark.parametrize(
    ("banner", "kind", "blame"),
    [
        (b"554 5.7.1 go away\r\n", VerdictKind.UNREACHABLE, Blame.SENDER),
        (b"421 4.3.2 busy\r\n", VerdictKind.DEFERRED, Blame.TRANSPORT),
        (b"SSH-2.0-OpenSSH\r\n", VerdictKind.UNREACHABLE, Blame.TRANSPORT),
        (b"220 " + b"x" * 20_000 + b"\r\n", VerdictKind.UNREACHABLE, Blame.TRANSPORT),
    ],
)
def test_a_greeting_that_is_none(outgoing: Outgoing, banner: bytes, kind: VerdictKind, blame: Blame) -> None:
    """Whatever else stands on that port, it raises nothing and blames no route."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            talk, _ = listening.accept()
            with talk, contextlib.suppress(OSError):
                talk.sendall(banner)
                talk.recv(100)

        speaker = threading.Thread(target=greet)
        speaker.start()
        one = MailNotifier(MailNotifier.Settings("k@corp.test", *listening.getsockname(), timeout_s=1.0))
        verdict = one.send(ROUTE, outgoing)
        one.close()
        speaker.join(5)
    assert (verdict.kind, verdict.blame) == (kind, blame)


def test_a_server_that_drips_is_given_up(outgoing: Outgoing) -> None:
    """One byte at a time defeats the time-out of a socket: Apprise's own ends it, and the next mail gets through."""
    with SmtpServer() as good, socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            talk, _ = listening.accept()
            with talk:
                talk.sendall(b"220 hi\r\n")
                talk.recv(1000)
                talk.sendall(b"250 hi\r\n")
                try:
                    while True:
                        talk.sendall(b"2")
                        time.sleep(0.1)
                except OSError:
                    return

        speaker = threading.Thread(target=drip)
        speaker.start()
        one = MailNotifier(MailNotifier.Settings("k@corp.test", *listening.getsockname(), timeout_s=0.3))
        began = time.monotonic()
        verdict = one.send(ROUTE, outgoing)
        assert time.monotonic() - began < 4
        assert verdict.kind is VerdictKind.UNKNOWN
        speaker.join(5)
        assert not speaker.is_alive()
        one.close()
        assert sent(good, outgoing).kind is VerdictKind.ACCEPTED


# --------------------------------------------------------------------------- the connection


def test_one_connection_for_a_run(outgoing: Outgoing) -> None:
    """Fifty mails need one connection, and none of them waits for Apprise's rate limit."""
    with SmtpServer() as server:
        one = notifier(server)
        began = time.monotonic()
        verdicts = {one.send(ROUTE, outgoing).kind for _ in range(50)}
        one.close()
    assert verdicts == {VerdictKind.ACCEPTED}
    assert (server.connections, len(server.received)) == (1, 50)
    assert time.monotonic() - began < 5


def test_a_dropped_connection_is_opened_again(outgoing: Outgoing) -> None:
    """A server that closed between two mails costs nothing: nothing was sent yet."""
    with SmtpServer() as server:
        one = notifier(server)
        one.send(ROUTE, outgoing)
        server.cut()
        assert one.send(ROUTE, outgoing).kind is VerdictKind.ACCEPTED
        one.close()
    assert (server.connections, len(server.received)) == (2, 2)


def test_after_the_message_is_out_nothing_is_sent_twice(outgoing: Outgoing) -> None:
    """A lost answer is `unknown` and left to the outbox: here it would be a second mail at once."""
    with SmtpServer({"ana@*": "drop"}) as server:
        one = notifier(server)
        one.send(ROUTE, replace(outgoing, to="bo@corp.test"))
        assert one.send(ROUTE, outgoing).kind is VerdictKind.UNKNOWN
        one.close()
    assert [mail.to for mail in server.received] == ["bo@corp.test", "ana@corp.test"]


def test_many_threads_one_connection(outgoing: Outgoing) -> None:
    """Whoever sends from several threads gets whole mails, one after the other."""
    with SmtpServer() as server:
        one = notifier(server)
        threads = [threading.Thread(target=one.send, args=(ROUTE, outgoing)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        one.close()
    assert (server.connections, len(server.received)) == (1, 6)


# --------------------------------------------------------------------------- TLS and login


@pytest.mark.parametrize("security", ["starttls", "tls", "auto"])
def test_encrypted_with_our_own_authority(outgoing: Outgoing, certificates: Certificates, security: str) -> None:
    """A CA file is all that a private mail server needs, and login goes over it."""
    with SmtpServer(certificate=certificates.good, implicit_tls=security == "tls", login=("kw", "right")) as server:
        more = {"security": security, "ca": str(certificates.ca), "user": "kw", "password": "right"}
        assert sent(server, outgoing, **more).kind is VerdictKind.ACCEPTED
    assert len(server.received) == 1


@pytest.mark.parametrize("security", ["starttls", "tls", "auto"])
@pytest.mark.parametrize("wrong", ["unknown authority", "other host"])
def test_a_certificate_that_is_not_trusted(
    outgoing: Outgoing, certificates: Certificates, security: str, wrong: str
) -> None:
    """Neither a self-made certificate nor one for another host gets the mail or the password."""
    chain = certificates.good if wrong == "unknown authority" else certificates.other
    ca = "" if wrong == "unknown authority" else str(certificates.ca)
    with SmtpServer(certificate=chain, implicit_tls=security == "tls", login=("kw", PASSWORD)) as server:
        verdict = sent(server, outgoing, security=security, ca=ca, user="kw", password=PASSWORD)
    assert (verdict.kind, verdict.blame) == (VerdictKind.UNREACHABLE, Blame.TRANSPORT)
    assert "certificate" in verdict.text
    assert not server.received


def test_starttls_stripped(outgoing: Outgoing) -> None:
    """Where a password is to be sent, or STARTTLS is asked for, a server without it gets nothing."""
    with SmtpServer() as server:
        for more in ({"security": "starttls"}, {"security": "auto", "user": "kw", "password": PASSWORD}):
            verdict = sent(server, outgoing, **more)
            assert (verdict.kind, verdict.blame) == (VerdictKind.UNREACHABLE, Blame.TRANSPORT)
            assert "STARTTLS" in verdict.text
    assert not server.commands


def test_auto_without_a_login_takes_what_there_is(outgoing: Outgoing, certificates: Certificates) -> None:
    """A local relay with a self-made certificate is used as mail servers do: encrypted, unverified; or in the clear."""
    with SmtpServer(certificate=certificates.good) as shy, SmtpServer() as plain:
        assert sent(shy, outgoing, security="auto").kind is VerdictKind.ACCEPTED
        assert sent(plain, outgoing, security="auto").kind is VerdictKind.ACCEPTED


def test_a_refused_login(outgoing: Outgoing, certificates: Certificates) -> None:
    """The sender is to blame, and the words of a server that echoes the password are not repeated."""
    with SmtpServer(certificate=certificates.good, login=("kw", "right")) as server:
        one = notifier(server, security="starttls", ca=str(certificates.ca), user="kw", password=PASSWORD)
        verdict = one.send(ROUTE, outgoing)
    assert (verdict.kind, verdict.blame, verdict.code) == (VerdictKind.UNREACHABLE, Blame.SENDER, "535 5.7.8")
    assert PASSWORD not in repr(verdict) + repr(one.__dict__)


def test_a_password_that_smtp_cannot_carry(outgoing: Outgoing, certificates: Certificates) -> None:
    """A password with letters outside ASCII is said to be the trouble instead of raising."""
    with SmtpServer(certificate=certificates.good, login=("kw", "right")) as server:
        more = {"security": "starttls", "ca": str(certificates.ca), "user": "kw", "password": "pässwort"}
        verdict = sent(server, outgoing, **more)
    assert (verdict.kind, verdict.blame) == (VerdictKind.UNREACHABLE, Blame.SENDER)


@pytest.mark.parametrize("to", ["änne@corp.test", "ana@straße.test"])
def test_addresses_beyond_ascii(outgoing: Outgoing, to: str) -> None:
    """They arrive where the server takes them (SMTPUTF8), and are refused in clear words where it does not."""
    with SmtpServer(smtputf8=True) as able, SmtpServer() as unable:
        assert sent(able, replace(outgoing, to=to)).kind is VerdictKind.ACCEPTED
        verdict = sent(unable, replace(outgoing, to=to))
    assert (able.received[0].to, able.received[0].message["To"]) == (to, to)
    assert (verdict.kind, verdict.blame) == (VerdictKind.REFUSED, Blame.TRANSPORT)
    assert "SMTPUTF8" in verdict.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"security": "ssl"},
        {"security": "plain", "user": "kw"},
        {"sender": "keywatch"},
        {"bounces": "bounce@corp.test"},
        {"port": 0},
        {"host": ""},
        {"timeout_s": 0.0},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    """What could never work, or would send a password in the clear, is said before anything is sent."""
    fine: dict[str, Any] = {"sender": "k@corp.test", "host": "mail.test", "port": 25}
    MailNotifier.Settings(**fine)
    with pytest.raises(KeywatchError) as problem:
        MailNotifier.Settings(**fine | wrong)
    assert problem.value.hint


def test_apprise_knows_the_service() -> None:
    """The schemas are registered inside Apprise, so nothing else can take them, and no URL of a config can use them."""
    ask = (
        "from keywatch_mail import MailNotifier as M; from keywatch.model import *;"
        "M(M.Settings('k@a.test','127.0.0.1',1)).send(Route('r'), Outgoing(Rendered('s','t'),'<a@b>','t','a@b.test'));"
        "from apprise.manager_plugins import NotificationManager as N; print(set(N().schemas()) >= {'kwmail'});"
        "from keywatch_apprise import AppriseNotifier as A;"
        "print(A(A.Settings()).send(Route('r'), Outgoing(Rendered('s','t'),'<a@b>','t','kwmail://a@b')).kind.value)"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "refused"]
    assert done.stderr == ""

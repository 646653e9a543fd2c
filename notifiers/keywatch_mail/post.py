"""The conversation with the mail server: one connection for a whole run, one letter at a time, step by step.

smtplib's own `sendmail` hides which step failed, and that is what decides whether a letter may have arrived.
"""

import contextlib
import smtplib
import socket
import ssl
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from keywatch import network
from keywatch.model import Blame, Verdict, VerdictKind
from keywatch_mail.answers import Answer, Step, verdict
from keywatch_mail.letter import Letter

if TYPE_CHECKING:
    from keywatch_mail import MailNotifier

IMPLICIT_TLS = 465


class _EndedError(Exception):
    """The conversation about this letter is over, and how it ended."""

    def __init__(self, ended: Verdict) -> None:
        super().__init__(ended.text)
        self.ended = ended


class Post:
    """A mail server as one run sees it. Not for two threads at once."""

    def __init__(self, settings: "MailNotifier.Settings") -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None
        self._context: ssl.SSLContext | None = None
        self._step = Step.CONNECT
        self.abandoned = False
        """Apprise gave up waiting: another thread may still be in here, so this one is not used again."""

    def deliver(self, letter: Letter) -> Verdict:
        """Hand over one letter. Never raises for what the network or the server does."""
        kept = self._smtp is not None
        ended = self._try(letter)
        lost = ended.kind is VerdictKind.UNREACHABLE or ended.code.startswith("421")
        if kept and lost and self._step is Step.MAIL:
            ended = self._try(letter)  # the server had closed the connection between two letters
        return replace(ended, text=ended.text.replace(letter.token, "…")) if letter.token else ended

    def close(self) -> None:
        """End the connection politely; a server that does not answer is left."""
        if self._smtp:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
        self._drop()

    def abandon(self) -> None:
        """Cut the connection from outside, so that whoever waits on it stops waiting."""
        self.abandoned = True
        sock = self._smtp.sock if self._smtp else None
        if sock:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    # ----------------------------------------------------------------- one letter

    def _try(self, letter: Letter) -> Verdict:
        self._step = Step.CONNECT
        try:
            smtp = self._connection()
            self._step = Step.MAIL
            return self._converse(smtp, letter)
        except _EndedError as stop:
            self._settle(stop.ended)
            return stop.ended
        except smtplib.SMTPResponseException as problem:
            self._drop()
            return verdict(self._step, Answer.read(problem.smtp_code, problem.smtp_error))
        except (OSError, ValueError) as problem:  # smtplib's own are OSErrors; bad host names are ValueErrors
            self._drop()
            return self._broken(problem)

    def _converse(self, smtp: smtplib.SMTP, letter: Letter) -> Verdict:
        if letter.utf8 and not smtp.has_extn("smtputf8"):
            words = "the mail server takes only ASCII addresses (no SMTPUTF8); a domain can be written as xn--…"
            raise _EndedError(Verdict(VerdictKind.REFUSED, Blame.TRANSPORT, "", words))
        of_mail, of_rcpt = _parameters(smtp, letter)
        sys.audit("keywatch.mail.connected")
        self._ask(Step.MAIL, smtp.mail(letter.mail_from, of_mail))
        self._ask(Step.RCPT, smtp.rcpt(letter.to, of_rcpt))
        self._ask(Step.DATA, smtp.docmd("DATA"), 3)
        self._step = Step.SENT  # from here on only the server knows whether it arrived
        sys.audit("keywatch.mail.data")
        smtp.send(_stuffed(letter.data))
        sys.audit("keywatch.mail.given")
        answer = self._ask(Step.SENT, smtp.getreply())
        sys.audit("keywatch.mail.answered")
        return Verdict(VerdictKind.ACCEPTED, Blame.NOBODY, answer.label, answer.words)

    def _ask(self, step: Step, reply: tuple[int, bytes], wanted: int = 2) -> Answer:
        answer = Answer.read(*reply)
        if answer.code // 100 == wanted:
            self._step = _NEXT.get(step, step)
            return answer
        ended = verdict(step, answer, tied=bool(self._settings.bounces))
        if step is Step.SENT and ended.kind is VerdictKind.UNREACHABLE:
            ended = replace(ended, kind=VerdictKind.UNKNOWN)
        raise _EndedError(ended)

    def _settle(self, ended: Verdict) -> None:
        """Make the connection fit for the next letter, or give it up."""
        lost = ended.kind in (VerdictKind.UNREACHABLE, VerdictKind.UNKNOWN) or ended.code.startswith("421")
        if lost or self._smtp is None or self._step in (Step.CONNECT, Step.LOGIN):
            self._drop()
            return
        try:
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _broken(self, problem: Exception) -> Verdict:
        if self._step is Step.SENT:
            words = "the connection was lost after the message was sent; it may have arrived"
            return Verdict(VerdictKind.UNKNOWN, Blame.TRANSPORT, "", words)
        return Verdict(VerdictKind.UNREACHABLE, Blame.TRANSPORT, "", f"{_reason(problem)} ({self._step})")

    # ----------------------------------------------------------------- the connection

    def _connection(self) -> smtplib.SMTP:
        if self._smtp:
            return self._smtp
        own = self._settings
        implicit = own.security == "tls" or (own.security == "auto" and own.port == IMPLICIT_TLS)
        if implicit:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(own.host, own.port, timeout=own.timeout_s, context=self._tls())
        else:
            smtp = smtplib.SMTP(own.host, own.port, timeout=own.timeout_s)
        self._smtp = smtp
        smtp.ehlo_or_helo_if_needed()
        if not implicit and own.security != "plain":
            self._start_tls(smtp)
        if own.user:
            self._login(smtp)
        return smtp

    def _start_tls(self, smtp: smtplib.SMTP) -> None:
        own = self._settings
        required = own.security == "starttls" or own.user or own.ca
        if not smtp.has_extn("starttls"):
            if required:
                words = "the mail server does not offer STARTTLS"
                raise _EndedError(Verdict(VerdictKind.UNREACHABLE, Blame.TRANSPORT, "", words))
            return
        smtp.starttls(context=self._tls(verify=bool(required)))
        smtp.ehlo_or_helo_if_needed()

    def _tls(self, verify: bool = True) -> ssl.SSLContext:
        """Made once: it takes 25 ms. Where TLS is not required, it is used as mail servers do among themselves."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._settings.ca or None)
            if not verify:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        return self._context

    def _login(self, smtp: smtplib.SMTP) -> None:
        """Log in. The server's words are not repeated: some echo what they were given."""
        self._step = Step.LOGIN
        try:
            smtp.login(self._settings.user, self._settings.password)
        except smtplib.SMTPAuthenticationError as problem:
            answer = Answer.read(problem.smtp_code, problem.smtp_error)
            raise _EndedError(replace(verdict(Step.LOGIN, answer), text="the mail server refused the login")) from None
        except (smtplib.SMTPNotSupportedError, UnicodeError):
            words = "the mail server offers no way to log in with this user and password"
            raise _EndedError(Verdict(VerdictKind.UNREACHABLE, Blame.SENDER, "", words)) from None

    def _drop(self) -> None:
        if self._smtp:
            self._smtp.close()
        self._smtp = None


_NEXT = {Step.MAIL: Step.RCPT, Step.RCPT: Step.DATA}


def _parameters(smtp: smtplib.SMTP, letter: Letter) -> tuple[list[str], list[str]]:
    """The options of MAIL and RCPT: a bounce that brings back the token, where the server can (RFC 3461)."""
    of_mail = ["SMTPUTF8"] if letter.utf8 else []
    if letter.utf8 and smtp.has_extn("8bitmime"):
        of_mail.append("BODY=8BITMIME")
    if not smtp.has_extn("dsn"):
        return of_mail, []
    of_mail.append("RET=HDRS")
    if letter.token:
        of_mail.append(f"ENVID={_xtext(letter.token)}")
    of_rcpt = ["NOTIFY=FAILURE,DELAY"]
    if letter.to.isascii():
        of_rcpt.append(f"ORCPT=rfc822;{_xtext(letter.to)}")
    return of_mail, of_rcpt


def _xtext(text: str) -> str:
    return "".join(c if "!" <= c <= "~" and c not in "+=" else "".join(f"+{b:02X}" for b in c.encode()) for c in text)


def _stuffed(data: bytes) -> bytes:
    """Dots doubled at the start of lines, and the final dot (RFC 5321 §4.5.2)."""
    body = data.replace(b"\r\n.", b"\r\n..")
    body = b"." + body if body.startswith(b".") else body
    return body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _reason(problem: Exception) -> str:
    if isinstance(problem, smtplib.SMTPServerDisconnected):
        return "the mail server closed the connection or stopped answering"
    return network.reason(problem) or f"the mail server could not be used: {type(problem).__name__}"

"""Delivers mail: a plugin of our own inside Apprise, because Apprise's drops the server's answer and the Message-ID.

The address is what `mail = "…"` says; the connection is opened with the first message and shared by all of a run.
"""

import threading
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import TYPE_CHECKING, Literal, get_args

from keywatch.errors import KeywatchError
from keywatch.model import Blame, Outgoing, Route, Verdict, VerdictKind

if TYPE_CHECKING:
    from keywatch_mail.post import Post

Security = Literal["plain", "starttls", "tls", "auto"]
STEPS = 4
"""How often one step may wait for `timeout_s` before Apprise gives the whole message up."""


class MailNotifier:
    """Sends to the address in `outgoing.to`. Messages go one after the other, whatever thread they come from."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        """The mail server and the sender; `password` is the value itself, resolved by the caller."""

        sender: str
        """`keywatch@example.com` or `keywatch <keywatch@example.com>`."""
        host: str
        port: int = 25
        security: Security = "auto"
        """auto: tls on port 465, else STARTTLS where it is offered; with a user or a ca it must be offered."""
        user: str = ""
        password: str = field(default="", repr=False)
        bounces: str = ""
        replies: bool = True
        """Somebody reads the address of `bounces`, so answers may go there too."""
        """Envelope sender with `{token}` in it: `keywatch+{token}@example.com`."""
        ca: str = ""
        """A PEM file of authorities to trust instead of the system's."""
        timeout_s: float = 15.0
        """For each step of the conversation."""

        def __post_init__(self) -> None:
            if self.security not in get_args(Security):
                raise KeywatchError(f"security = '{self.security}' is unknown", f"use {', '.join(get_args(Security))}")
            if self.security == "plain" and self.user:
                raise KeywatchError("security = 'plain' would send the password in the clear", "use starttls or tls")
            if "@" not in parseaddr(self.sender)[1]:
                raise KeywatchError(f"'{self.sender}' is not a sender", "write keywatch@example.com")
            if self.bounces and ("{token}" not in self.bounces or "@" not in self.bounces):
                raise KeywatchError(f"bounces = '{self.bounces}' lacks {{token}}", "keywatch+{token}@example.com")
            if not self.host or not 0 < self.port < 65536 or not 0 < self.timeout_s <= 600:
                raise KeywatchError("host, port or timeout_s of the mail server cannot be", "mail.example.com, 587, 15")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._post: Post | None = None
        self._turn = threading.Lock()

    def send(self, route: Route, outgoing: Outgoing) -> Verdict:
        """Try once, through Apprise. An address that cannot be one is a refusal of the route."""
        from keywatch_mail.letter import NotAnAddressError, letter

        try:
            written = letter(self._settings.sender, self._settings.bounces, outgoing, replies=self._settings.replies)
        except NotAnAddressError as problem:
            return Verdict(VerdictKind.REFUSED, Blame.ROUTE, "", f"route '{route.name}': {problem}")
        from keywatch_mail.kwmail import carry
        from keywatch_mail.post import Post

        with self._turn:
            self._post = self._post or Post(self._settings)
            verdict = carry(self._post, written, outgoing.rendered, self._settings.timeout_s * STEPS)
            if self._post.abandoned:
                self._post = None
            return verdict

    def close(self) -> None:
        """Say goodbye to the server, if it still listens."""
        with self._turn:
            if self._post:
                self._post.close()
            self._post = None


__all__ = ["MailNotifier"]

"""The mail service inside Apprise: schemas `kwmail` and `kwmails`, which no URL of a config can name.

Imports Apprise at its top, so it is itself imported only when a mail is about to be sent.
"""

from typing import Any

from apprise.manager_plugins import NotificationManager
from apprise.plugins.base import NotifyBase
from apprise.result import AppriseResultStatus

from keywatch.model import Blame, Rendered, Verdict, VerdictKind
from keywatch_apprise import dispatcher
from keywatch_mail.letter import Letter
from keywatch_mail.post import Post


class KwMail(NotifyBase):  # type: ignore[misc]  # Apprise is untyped here
    """One letter to one recipient. `verdict` holds what the server said once Apprise has called `send`."""

    service_name = "keywatch mail"
    protocol = "kwmail"
    secure_protocol = "kwmails"
    body_maxlen = 10_000_000
    title_maxlen = 10_000
    verdict: Verdict | None = None

    def __init__(self, post: Post, letter: Letter, **kwargs: Any) -> None:
        super().__init__(schema="kwmail", **kwargs)
        self._post, self._letter = post, letter

    def send(self, **_: Any) -> bool:
        """Hand over the letter, not Apprise's rendering of it: that has no second part and another Message-ID."""
        self.verdict = self._post.deliver(self._letter)
        return self.verdict.kind is VerdictKind.ACCEPTED

    def url(self, *_: Any, **__: Any) -> str:
        """Says nothing, because Apprise keeps it in its results."""
        return "kwmail://"


def carry(post: Post, letter: Letter, rendered: Rendered, timeout_s: float) -> Verdict:
    """Send a letter through Apprise and fetch the verdict; what outlasts `timeout_s` may have arrived."""
    schemas = NotificationManager()
    if "kwmail" not in schemas:
        schemas.add(KwMail, schemas=("kwmail", "kwmails"))
    service = KwMail(post, letter, asset=dispatcher.asset(timeout_s))
    result = dispatcher.dispatch(service, rendered)
    if result.status is AppriseResultStatus.TIMEOUT:
        post.abandon()
        return Verdict(VerdictKind.UNKNOWN, Blame.TRANSPORT, "", "the mail server took too long; it may have it")
    if service.verdict is None:
        post.abandon()
        return Verdict(VerdictKind.UNKNOWN, Blame.TRANSPORT, "", "sending stopped half way; it may have it")
    return service.verdict

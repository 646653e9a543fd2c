"""Delivers to every service that Apprise knows, and is the one dispatcher of keywatch: mail goes through it as well.

One service and one message per call, because Apprise knows what became of a service but not of its recipients. A URL
holds tokens, so neither it nor anything Apprise or urllib3 say of it reaches a log or a verdict.
"""

from dataclasses import dataclass

from keywatch.errors import KeywatchError
from keywatch.model import Blame, Outgoing, Route, Verdict, VerdictKind


class AppriseNotifier:
    """Sends to the Apprise URL in `outgoing.to`."""

    @dataclass(frozen=True, slots=True)
    class Settings:
        """Nothing needs to be set."""

        timeout_s: float = 15.0
        """Seconds after which a service is given up; it may still have taken the message."""

        def __post_init__(self) -> None:
            if not 0 < self.timeout_s <= 600:
                raise KeywatchError(f"timeout_s = {self.timeout_s} is not between 0 and 600 seconds", "15 is usual")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, route: Route, outgoing: Outgoing) -> Verdict:
        """Try once. A URL that Apprise cannot read counts as a refusal of the route: it can never work."""
        from keywatch_apprise import dispatcher

        service = dispatcher.service(outgoing.to, self._settings.timeout_s)
        if service is None:
            words = f"the URL of route '{route.name}' is not one that Apprise can use"
            return Verdict(VerdictKind.REFUSED, Blame.ROUTE, "", words)
        result = dispatcher.dispatch(service, outgoing.rendered)
        return dispatcher.judged(result, service)

    def close(self) -> None:
        """Nothing stays open between messages."""


__all__ = ["AppriseNotifier"]

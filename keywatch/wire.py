"""The notifiers of one run: opened when first needed, and whatever goes wrong with one message is a verdict."""

from dataclasses import dataclass, field, replace
from typing import Any

from keywatch import plugins
from keywatch.config import Config
from keywatch.errors import KeywatchError
from keywatch.model import Blame, Outgoing, Route, Verdict, VerdictKind

POISON = "poison"
"""The code of an attempt that failed by what was to be sent, not by whom it was sent to."""


@dataclass(slots=True)
class Wire:
    """Everything between a message in words and its verdict. Needs the config alone, no store."""

    config: Config
    _notifiers: dict[str, plugins.Notifier] = field(default_factory=dict)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        for notifier in self._notifiers.values():
            notifier.close()

    def send(self, route: Route, outgoing: Outgoing) -> Verdict:
        """Try once. Never raises: one route's trouble must not keep a message from the others."""
        try:
            if route.mail:
                return self._notifier("mail").send(route, outgoing)
            address = plugins.resolve(route.url, self.config.base)
            return self._notifier("apprise").send(route, replace(outgoing, to=address))
        except KeywatchError as problem:
            return Verdict(VerdictKind.UNREACHABLE, Blame.SENDER, text=problem.what)
        except Exception as problem:  # noqa: BLE001  # a notifier's mistake must not stop the others
            words = f"the notifier failed: {type(problem).__name__}"
            return Verdict(VerdictKind.UNKNOWN, Blame.TRANSPORT, POISON, words)

    def _notifier(self, name: str) -> plugins.Notifier:
        if name not in self._notifiers:
            kind = plugins.load("notifiers", name)
            self._notifiers[name] = kind(self._mail_settings(kind) if name == "mail" else kind.Settings())
        return self._notifiers[name]

    def _mail_settings(self, kind: Any) -> Any:
        mail = self.config.mail
        if mail is None:
            raise KeywatchError("[mail] is not configured", 'give it `from` and `smtp = "smtp://…"`')

        def secret(text: str) -> str:
            return plugins.resolve(text, self.config.base) if text else ""

        return kind.Settings(
            sender=mail.sender,
            host=mail.host,
            port=mail.port,
            security=mail.security.value,
            user=secret(mail.user),
            password=secret(mail.password),
            bounces=mail.bounces,
            replies=self.config.inbox is not None,
            ca=mail.ca,
        )

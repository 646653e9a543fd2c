"""The company's mail world: who takes, refuses or swallows a message, and a log of everything that was tried.

It stands where the mail plugin stands, or in front of the real one and a real server; the log is the same.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from random import Random
from typing import Any, ClassVar

from keywatch import plugins
from keywatch.errors import RosterError
from keywatch.model import Blame, Duty, Outgoing, Person, Route, Verdict, VerdictKind
from keywatch.plugins import Notifier, Run
from keywatch_apprise import AppriseNotifier
from keywatch_mail import MailNotifier
from keywatch_rotation import RotationRoster
from tests.model.edges import CODE, ENTRY, Plugged, plugins_of
from tests.servers.smtp import Rules
from tests.story.company import Company
from tests.story.company_bounces import Postmaster

GREYLISTED = 0.01
"""The share of mails that a server asks to come again later."""


@dataclass(slots=True)
class Letter:
    """One try to deliver one message."""

    at: datetime
    route: str
    person: str
    """Whose route it is; "" = a shared one."""
    to: str
    """The address; "phone" for the page route."""
    message_id: str
    notice: bool
    greeting: str
    text: str
    """Of what is no notice."""
    names: dict[str, str]
    """What a notice speaks of, each with the state it says."""
    code: str
    """"" = it asks for nothing."""
    verdict: VerdictKind
    kind: str = ""
    """The program's word for it, known after the run."""
    stages: dict[str, str] = field(default_factory=dict)
    """The program's words for what it says of each credential, for histories …"""
    last_resort: frozenset[str] = frozenset()
    """… and those of which it speaks to the last resort."""

    @property
    def accepted(self) -> bool:
        return self.verdict is VerdictKind.ACCEPTED


@dataclass(slots=True)
class Post:
    """Every mailbox of the company, the page service, and the line to the roster service."""

    company: Company
    now: Callable[[], datetime]
    log: list[Letter] = field(default_factory=list)
    over_smtp: bool = False
    """The real plugin sends, to a server that answers as `Answers` says."""
    postmaster: Postmaster | None = None
    """Where there is one, dead aliases take mail at first and bounce later; else they refuse it at once."""
    _met: set[tuple[str, str]] = field(default_factory=set)

    def deliver(self, route: Route, outgoing: Outgoing, real: Notifier | None = None) -> Verdict:
        """Take, refuse or put off one message, or see what the real plugin makes of it; and note it."""
        verdict = real.send(route, outgoing) if real else self.verdict(route.mail or "phone")
        text = outgoing.rendered.text
        code = CODE.search(text)
        letter = Letter(
            self.now(),
            route.name,
            route.person,
            route.mail or "phone",
            outgoing.message_id,
            bool(outgoing.thread),
            text.partition("\n")[0],
            "" if outgoing.thread else f"{outgoing.rendered.subject}\n{text}",
            dict(ENTRY.findall(text)) if outgoing.thread else {},
            code[1] if code else "",
            verdict.kind,
        )
        self.log.append(letter)
        if letter.accepted and self.postmaster:
            for failed in self._gone(route.mail):
                self.postmaster.report(route, outgoing, failed, letter.at)
        return verdict

    def _gone(self, address: str) -> list[str]:
        """The mailboxes behind an alias that do not exist any more, and say so."""
        at, alias = self.now(), self.company.aliases.get(address.partition("@")[0])
        if alias is None:
            return []
        if alias.dead(at):
            return [alias.mail] if alias.bounces else []
        return [human.mail for key in alias.members if (human := self.company.humans[key]).refuses(at)]

    def verdict(self, address: str) -> Verdict:
        """What the server of an address says now."""
        at, name = self.now(), address.partition("@")[0]
        human, alias = self.company.humans.get(name), self.company.aliases.get(name)
        if address == "phone":
            return Verdict(VerdictKind.ACCEPTED, Blame.NOBODY, "200")
        if any(outage.holds(at) for outage in self.company.mail_outages):
            return Verdict(VerdictKind.UNREACHABLE, Blame.TRANSPORT, "", "connection refused")
        at_once = alias and alias.bounces and not self.postmaster
        if (human and human.refuses(at)) or (alias and at_once and alias.dead(at)):
            return Verdict(VerdictKind.REFUSED, Blame.ROUTE, "550 5.1.1", "no such user here")
        visit = (address, f"{at:%Y-%m-%d}")
        if visit not in self._met:
            self._met.add(visit)
            if Random(f"{self.company.seed}|{visit}").random() < GREYLISTED:
                return Verdict(VerdictKind.DEFERRED, Blame.NOBODY, "451 4.7.1", "come again later")
        return Verdict(VerdictKind.ACCEPTED, Blame.NOBODY, "250 2.0.0")


class Answers(Rules):
    """The rules of a real SMTP server that answers as the mail world does."""

    def __init__(self, post: Post) -> None:
        super().__init__()
        self._post = post

    def answer(self, table: str, address: str) -> str:
        verdict = self._post.verdict(address) if table == "recipients" else Verdict(VerdictKind.ACCEPTED)
        if verdict.kind is VerdictKind.UNREACHABLE:
            return "drop rcpt"
        return "accept" if verdict.kind is VerdictKind.ACCEPTED else f"{verdict.code} {verdict.text}"


@contextlib.contextmanager
def plugged(post: Post) -> Iterator[None]:
    """An installation whose messages go through `post`, and which has a roster `company` that is silent in outages."""

    class Mailbox:
        Settings: ClassVar[type[Any]] = MailNotifier.Settings

        def __init__(self, settings: Any) -> None:
            self.real: Any = MailNotifier(settings) if post.over_smtp else None

        def send(self, route: Route, outgoing: Outgoing) -> Verdict:
            return post.deliver(route, outgoing, self.real)

        def close(self) -> None:
            if self.real:
                self.real.close()

    class Pager(Mailbox):
        Settings: ClassVar[type[Any]] = AppriseNotifier.Settings

        def __init__(self, settings: Any) -> None:
            self.real = None

    class Rota(RotationRoster):
        def shifts(self, run: Run, target: str, start: datetime, until: datetime) -> Sequence[Duty]:
            if any(outage.holds(post.now()) for outage in post.company.roster_outages):
                raise RosterError("unreachable", "the roster does not answer")
            return super().shifts(run, target, start, until)

        def members(self, run: Run, target: str) -> Sequence[Person]:
            return super().members(run, target)

    found = {group: list(entry_points(group=group)) for group in plugins_of()}
    found["keywatch.notifiers"] = [Plugged("mail", Mailbox), Plugged("apprise", Pager)]  # type: ignore[list-item]
    found["keywatch.rosters"] += [Plugged("company", Rota)]  # type: ignore[list-item]
    before = vars(plugins)["entry_points"]
    vars(plugins)["entry_points"] = lambda *, group: found[group]
    try:
        yield
    finally:
        vars(plugins)["entry_points"] = before


def findings(letters: Sequence[Letter], name: str) -> Iterator[Letter]:
    """The findings that say something of a route of that name, as far as they reached a person's own mailbox."""
    spoken = re.compile(rf"\b{re.escape(name)}\b")
    for letter in letters:
        if letter.kind == "finding" and letter.person and letter.accepted and spoken.search(letter.text):
            yield letter

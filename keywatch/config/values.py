"""What keywatch.toml says once it is read: frozen values in the words of `keywatch.model`, and who is who in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from keywatch import plugins
from keywatch.config.table import guess, is_address, shown
from keywatch.errors import KeywatchError
from keywatch.model import Health, OnCall, Owner, Person, Route, Rules, World

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgresql+psycopg://")
OWN = "keywatch"
"""The source, the environment and the service of the credential that keywatch keeps itself, its canary."""


class Security(StrEnum):
    """How the way to the mail server is protected."""

    PLAIN = "plain"
    AUTO = "auto"
    """STARTTLS where the server offers it."""
    STARTTLS = "starttls"
    """Required: a server that does not offer it gets no mail."""
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """`[mail]`: how messages leave. `user` and `password` are references, or a plain user name."""

    sender: str
    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)
    """Always a reference: `env:NAME`, `file:/path`, `cmd:argv`; "" = no login."""
    bounces: str = ""
    """An address with `{token}` in it for the envelope sender; "" = the sender itself."""
    ca: str = ""
    """Absolute path of a PEM file that is trusted instead of the system's; "" = the system's."""
    dns: bool = False
    """Whether the domains that mails go to are looked up, once a day."""


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """`[inbox]`: where bounces and answers arrive."""

    url: str
    """`maildir:/path`, `imaps://user@host/FOLDER` or `imap://…` (STARTTLS)."""
    password: str = field(default="", repr=False)
    """A reference: `env:NAME`, `file:/path`, `cmd:argv`."""
    ca: str = ""
    """Absolute path of a PEM file that is trusted instead of the system's."""
    authserv: str = ""
    """The name our own mail server signs its Authentication-Results with; "" = they count for nothing."""
    every: timedelta = timedelta(0)
    """Zero: at each run."""
    self_proof: str = ""
    """A domain of our own: each month a mail to an address there that nobody has must bounce."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One `[[source]]`: where to look, how often, and what its plugin wants to know."""

    name: str
    kind: str
    every: timedelta
    """Zero: at each run."""
    zone: ZoneInfo
    """The zone of its bare dates: its own, else [keywatch] timezone for files and UTC for everything else."""
    settings: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RosterConfig:
    """One `[rosters.X]`."""

    name: str
    kind: str
    settings: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assign:
    """One `[[assign]]`: what it gives to which credentials that carry no such label."""

    match: str
    """A glob on `source:ref`; "" = any."""
    tag: str
    """`key=value`; "" = any."""
    gives: Mapping[str, str]
    """Labels, and `renewal` = `automatic`."""

    def fits(self, source: str, ref: str, tags: Iterable[str]) -> bool:
        """Whether every condition that is written down holds; `*` runs over `/` too."""
        return (not self.match or fnmatchcase(f"{source}:{ref}", self.match)) and (not self.tag or self.tag in tags)


@dataclass(frozen=True, slots=True)
class DigestSettings:
    """`[digest]`: when the weekly mail is due, and who gets it each week besides heads and [keywatch] owner."""

    weekday: int = 0
    """Monday = 0."""
    at: time = time(9)
    """Local time in [keywatch] timezone."""
    also: tuple[str, ...] = ()
    """Names of people or of routes; the two never share a name."""


@dataclass(frozen=True)
class Config:
    """The whole of keywatch.toml. Nothing in it is a resolved secret; URLs of routes are not shown by repr."""

    path: Path
    """Absolute, links not followed: a mounted ConfigMap swaps what they point at."""
    digest_hash: str
    """SHA-256 of the parsed content: comments and spacing change nothing."""
    zone: ZoneInfo
    keeper: str
    """`[keywatch] owner`."""
    mail: MailSettings | None
    sources: tuple[SourceConfig, ...]
    assigns: tuple[Assign, ...]
    rosters: Mapping[str, RosterConfig]
    people: Mapping[str, Person]
    routes: Mapping[str, Route]
    """Those of [routes], and `<person>:mail` of everybody with an address."""
    owners: Mapping[str, Owner]
    rules: Rules
    last_resort: tuple[str, ...]
    """Names of `routes`."""
    environments: Mapping[str, tuple[str, ...]]
    """Canonical name to its aliases; production is always there."""
    digest: DigestSettings
    store_text: str = field(repr=False)
    """As written; `store` is what to open."""
    environ: Mapping[str, str] = field(repr=False, compare=False)
    canary: timedelta | None = None
    """How long an answer to keywatch's own credential holds; None: there is none."""
    inbox: InboxSettings | None = None
    questions: bool = True
    """`[policy] questions`: in quiet times routes are asked whether somebody reads them."""

    @property
    def base(self) -> Path:
        """The folder that relative paths are relative to."""
        return self.path.parent

    @cached_property
    def store(self) -> str:
        """The database URL, its reference resolved and a relative SQLite path made absolute. It may hold a password.

        Raises:
            KeywatchError: the reference leads nowhere, or to no URL keywatch can use.
        """
        return store_url(self._store_resolved(), self.base)

    def _store_resolved(self) -> str:
        scheme, _, name = self.store_text.partition(":")
        if scheme != "env":
            return plugins.resolve(self.store_text, self.base)
        if not self.environ.get(name):
            raise KeywatchError(f"the environment variable {name} is not set", "[keywatch] store refers to it")
        return self.environ[name]

    def roster(self, reference: str) -> tuple[RosterConfig, str]:
        """The roster and the target behind `NAME` (no target) or `NAME:TARGET` as an owner writes it."""
        name, _, target = reference.partition(":")
        return self.rosters[name], target

    def environment(self, text: str) -> str:
        """The canonical name of an environment, whatever its case; "" stays "".

        Raises:
            KeywatchError: unknown.
        """
        wanted = text.strip().casefold()
        for canonical, aliases in self.environments.items():
            if wanted in (name.casefold() for name in (canonical, *aliases)):
                return canonical
        if not wanted:
            return ""
        there = {name: also for name, also in self.environments.items() if name != OWN}
        known = ", ".join(f"{name} ({', '.join(also)})" if also else name for name, also in there.items())
        near = guess(wanted, there)
        raise KeywatchError(f"no environment {shown(text.strip())}{near}", f"there are: {known}")

    def assign(self, source: str, ref: str, tags: Iterable[str] = ()) -> Mapping[str, str]:
        """What the first `[[assign]]` that fits gives; nothing where none does."""
        tags = frozenset(tags)
        return next((rule.gives for rule in self.assigns if rule.fits(source, ref, tags)), {})

    @cached_property
    def _by_mail(self) -> Mapping[str, Person]:
        return {person.mail.casefold(): person for person in self.people.values() if person.mail}

    def identify(self, person: Person) -> Person:
        """The person of the config whom somebody in a roster is, or that stranger under their address.

        An address decides. Without one the config's key does, then a name that only one person bears.
        """
        mail = person.mail.casefold()
        known = self._by_mail.get(mail) if mail else self.people.get(person.key) or self._named(person.name)
        if known:
            return replace(known, active=person.active)
        if is_address(person.mail):
            return replace(person, key=mail)
        return replace(person, mail="", key=f"roster/{person.key}" if person.key in self.people else person.key)

    def _named(self, name: str) -> Person | None:
        wanted = name.strip().casefold()
        same = [p for p in self.people.values() if wanted and wanted in (p.name.casefold(), p.key.casefold())]
        return same[0] if len(same) == 1 else None

    def world(
        self,
        on_call: Mapping[str, OnCall],
        health: Mapping[str, Health],
        extra_people: Iterable[Person] = (),
        extra_routes: Iterable[Route] = (),
    ) -> World:
        """Everything the rules may ask: this file, who is on call, which routes live, and whom only a roster knows."""
        rendered = {reference: self._identified(answer) for reference, answer in on_call.items()}
        met = [self.identify(person) for person in extra_people]
        met += [duty.person for answer in rendered.values() for duty in answer.duties]
        met += [member for answer in rendered.values() for member in answer.members]
        strangers = {p.key: p for p in sorted(met, key=lambda p: p.active) if p.key not in self.people}
        mails = [mail_route(person) for person in strangers.values() if person.mail]
        return World(
            owners=self.owners,
            people={**self.people, **strangers},
            routes={**self.routes, **{route.name: route for route in (*mails, *extra_routes)}},
            last_resort=self.last_resort,
            keeper=self.keeper,
            rules=self.rules,
            on_call=rendered,
            health=health,
        )

    def _identified(self, answer: OnCall) -> OnCall:
        duties = tuple(replace(duty, person=self.identify(duty.person)) for duty in answer.duties)
        return replace(answer, duties=duties, members=tuple(self.identify(person) for person in answer.members))


def mail_route(person: Person) -> Route:
    """The route that every person with an address has."""
    return Route(f"{person.key}:mail", person=person.key, mail=person.mail)


def store_url(text: str, base: Path) -> str:
    """A database URL ready to open.

    Raises:
        KeywatchError: neither SQLite in a file nor PostgreSQL. The text is not repeated, it may hold a password.
    """
    if text.startswith(POSTGRES):
        return text
    path = text.removeprefix(SQLITE)
    if not text.startswith(SQLITE) or not path or path.startswith(":memory:"):
        raise KeywatchError(
            "the store is neither a SQLite file nor PostgreSQL",
            'write "sqlite:///keywatch.db", "postgresql://…" or "env:NAME"',
        )
    return f"{SQLITE}{base / path}"

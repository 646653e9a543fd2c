"""Looks up once a day whether the domains that mails go to still take any: a team's old domain dies without a bounce.

Only a clear answer counts. A DNS that is down or says no to everything tells nothing about any route.
"""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.config import Config
from keywatch.dates import start_of
from keywatch.model import Evidence, EvidenceKind, Route
from keywatch.outlook import SELF_PROOF, address_hashes, world
from keywatch.policy.calendar import DAY
from keywatch.read import FeedRow, Reader
from keywatch.store import Tx
from keywatch.text import clean
from keywatch.wording import domain

DNS = "dns"
"""The kind of the feeds (one a domain), and the source of the evidence."""
PATIENCE_S = 5.0
"""For all look-ups of a run together; what has no answer by then has none today."""
THREADS = 16
UTC = ZoneInfo("UTC")
NOT_INSTALLED = "[mail] dns needs a library that is not installed: pip install 'keywatch[dns]'"
_NOT_IN_DNS = (".local", ".localhost")
_LOOKED_UP = (EvidenceKind.UNRESOLVED, EvidenceKind.RESOLVED)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says of one domain."""

    takes_mail: bool | None
    """None: nobody knows."""
    code: str = ""
    words: str = ""


TAKES_MAIL = Answer(True)


def due(config: Config, reader: Reader, now: datetime, *, changed: bool) -> tuple[str, ...]:
    """The domains to look up now: those not looked up on this day (UTC); after a change of the config all."""
    if not wanted(config):
        return ()
    before = {feed.name: feed for feed in reader.feeds() if feed.kind == DNS}
    asleep = {name for name, feed in before.items() if feed.next_at and feed.next_at > now and not changed}
    return tuple(sorted({domain_of(one) for one in world(config, reader, now).routes.values()} - asleep - {""}))


def wanted(config: Config) -> bool:
    """Whether `[mail] dns` is switched on."""
    return config.mail is not None and config.mail.dns


def domain_of(route: Route) -> str:
    """Where its mails go; "" for what is no mail, for what no DNS knows of, and for the address that nobody has."""
    name = route.mail.rpartition("@")[2].casefold()
    return "" if route.name == SELF_PROOF or "." not in name or name.endswith(_NOT_IN_DNS) else name


# --------------------------------------------------------------------------- asking


def ask(config: Config, domains: Collection[str], now: datetime) -> list[FeedRow]:
    """Look these domains up, within `PATIENCE_S`; never raises."""
    if not domains:
        return []
    own = domain_of(Route("", mail=f"keywatch@{domain(config)}"))
    answers = look_up({*domains, own} - {""})
    doubt = _doubt(answers, domains, own)
    tomorrow = start_of((now.astimezone(UTC) + DAY).date(), UTC)
    rows = []
    for name in domains:
        answer = Answer(None, words=doubt) if doubt else answers[name]
        sys.audit("keywatch.feed.read", DNS, name)
        row = FeedRow(DNS, name, next_at=tomorrow, tried_at=now)
        if answer.takes_mail is None:
            rows.append(replace(row, problem=answer.words))
        else:
            said = {"takes_mail": answer.takes_mail, "code": answer.code, "words": answer.words}
            rows.append(replace(row, complete_at=now, answer=said))
    return rows


def look_up(domains: Collection[str]) -> dict[str, Answer]:
    """Ask the system's resolver about all of them at once."""
    try:
        import dns.resolver

        dns.resolver.get_default_resolver()
    except ImportError:
        return dict.fromkeys(domains, Answer(None, words=NOT_INSTALLED))
    except Exception as problem:  # noqa: BLE001  # a broken resolv.conf must not stop a reminder
        return dict.fromkeys(domains, Answer(None, words=clean(f"there is no resolver: {problem}")))
    from concurrent.futures import ThreadPoolExecutor

    until = monotonic() + PATIENCE_S
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(domains, pool.map(lambda name: _one(name, until), domains), strict=True))


def _one(name: str, until: float) -> Answer:
    """MX, else A or AAAA, which RFC 5321 takes for a mail server too."""
    import dns.exception
    import dns.resolver

    try:
        servers = _records(name, "MX", until)
        if servers and all(str(server.exchange) == "." for server in servers):
            return Answer(False, "null MX", f"{name} says that it takes no mail (null MX)")
        if servers or _records(name, "A", until) or _records(name, "AAAA", until):
            return TAKES_MAIL
        return Answer(False, "no MX", f"{name} has neither a mail server nor an address")
    except dns.resolver.NXDOMAIN:
        return Answer(False, "NXDOMAIN", f"the domain {name} does not exist")
    except (dns.exception.DNSException, OSError, ValueError) as problem:
        return Answer(None, words=clean(f"{name} was not looked up: {type(problem).__name__}"))


def _records(name: str, kind: str, until: float) -> Sequence[Any]:
    """The records of one kind, none where the domain has others only."""
    import dns.name
    import dns.resolver

    resolver, left = dns.resolver.get_default_resolver(), until - monotonic()
    absolute = dns.name.from_text(name)
    found = resolver.resolve(absolute, kind, lifetime=max(left, 0.0), search=False, raise_on_no_answer=False)
    return tuple(found.rrset or ())


def _doubt(answers: Mapping[str, Answer], domains: Collection[str], own: str) -> str:
    """Why these answers are the resolver's own and say nothing of the domains; "" = they can be believed."""
    if own in answers and answers[own].code == "NXDOMAIN":
        return f"the resolver does not know {own} either, from which keywatch itself writes"
    known = any(answers[name].takes_mail or answers[name].code == "null MX" for name in domains)
    if len(domains) > 1 and not known:
        return "the resolver knows none of the domains that mails go to"
    return ""


# --------------------------------------------------------------------------- writing down


def keep(tx: Tx, config: Config, feeds: Iterable[FeedRow], now: datetime) -> None:
    """Write down what was looked up, and what is new by it for each mail route of those domains."""
    if not wanted(config):
        return
    rows = {feed.name: feed for feed in feeds if feed.kind == DNS}
    for before in [feed for feed in tx.read.feeds() if feed.kind == DNS]:
        if (row := rows.get(before.name)) and row.problem:
            rows[row.name] = replace(row, complete_at=before.complete_at, answer=before.answer)
        elif not row and before.next_at and before.next_at <= now:
            tx.put_feed(replace(before, next_at=None))  # nobody's mail goes there any more: it must not look due
    for row in rows.values():
        tx.put_feed(row)
    fresh = {name: row for name, row in rows.items() if not row.problem}
    if not fresh:
        return
    routes = {name: one for name, one in world(config, tx.read, now).routes.items() if domain_of(one) in fresh}
    hashes = address_hashes(config, tx.read, routes)
    known = tx.read.evidence(hashes)
    for name, route in routes.items():
        if news := _news(route, fresh[domain_of(route)], known[name], now):
            tx.add_evidence(news, hashes[name])


def _news(route: Route, row: FeedRow, known: Sequence[Evidence], now: datetime) -> Evidence | None:
    """The fact to be added, if it is another than the last.

    A person who answered since then is believed: their mail goes a way that needs no DNS.
    """
    last = next((one.kind for one in reversed(known) if one.kind in _LOOKED_UP), EvidenceKind.RESOLVED)
    kind = EvidenceKind.RESOLVED if row.answer["takes_mail"] else EvidenceKind.UNRESOLVED
    if kind is last:
        return None
    words = row.answer["words"] or f"{row.name} takes mail again"
    return Evidence(now, route.name, kind, DNS, row.answer["code"], words, route.person)

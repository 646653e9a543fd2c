"""Reads how messages leave and where answers arrive: `[mail]`, `[inbox]`, and the URL of a route.

No URL is ever repeated in a problem.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from keywatch.config.table import Table, is_address
from keywatch.config.values import InboxSettings, MailSettings, Security

REFERENCES = ("env:", "file:", "cmd:")
BOXES = "write imaps://user@mail.example.com/INBOX or maildir:/var/mail/keywatch"
PORTS = {"smtp": 25, "smtps": 465}
TOKEN = "{token}"  # noqa: S105  # a place in a mail address, no secret
LONGEST_TOKEN = 26
"""Characters of the random token; the local part of an address may have 64 in all."""

_SCHEMA = re.compile(r"([a-z][a-z0-9]{1,31})://", re.IGNORECASE)
_SECOND = re.compile(r"\s|,[a-z0-9]+://", re.IGNORECASE)
_MAIL_SCHEMAS = ("mailto", "mailtos", "kwmail", "kwmails")
# Apprise reads the first two letters of a yes or no, and takes what it cannot read for the default.
_TRUE = ("en", "al", "t", "y", "ye", "on", "1", "tr")
_FALSE = ("de", "di", "ne", "f", "n", "no", "of", "0", "fa")


def is_reference(text: str) -> bool:
    """Whether the text says where a secret is, instead of being one."""
    return text.startswith(REFERENCES)


def schema_of(url: str) -> str:
    """The Apprise schema of a literal URL, in lower case; "" where it has none."""
    found = _SCHEMA.match(url)
    return found[1].lower() if found else ""


def url_problem(url: str) -> str:
    """Why an Apprise URL cannot be a route, in words that do not repeat it; "" = nothing is wrong.

    It is asked for literal URLs when the file is read, and can be asked again for what a reference resolves to.
    """
    schema = schema_of(url)
    if not schema:
        return "is neither an Apprise URL (schema://…) nor env:NAME, file:/path or cmd:argv"
    if schema in _MAIL_SCHEMAS:
        return 'write mail = "…" instead: [mail] says how it leaves'
    if _SECOND.search(url):
        return "holds more than one URL or a space; a route is one way"
    asked = {key.strip().lower(): value.lower()[:2] for key, value in parse_qsl(url.partition("?")[2], True)}
    if asked.get("optional", "n") not in _FALSE:
        return "optional=yes makes a failure look like a success; leave it out"
    if asked.get("verify", "y") not in _TRUE:
        return "verify=no would send to whoever answers; leave it out"
    return ""


def mail_settings(table: Table, base: Path) -> MailSettings | None:
    """`[mail]`; None where the file has none, so that a team can register credentials before it has a mail server."""
    if not table.raw:
        return None
    sender = table.address("from", needed=True)
    smtp = table.text("smtp", needed=True)
    user, password = _login(table)
    ca = table.text("ca")
    server, port, security = _server(table, smtp, bool(user or ca)) if smtp else ("", 0, Security.TLS)
    ca, dns = str(base / ca) if ca else "", table.take("dns", bool, False)
    made = MailSettings(sender, server, port, security, user, password, _bounces(table), ca, dns)
    table.done()
    return made


def _login(table: Table) -> tuple[str, str]:
    user, password = table.text("user"), table.text("password")
    if password and not is_reference(password):
        table.wrong("password", "a password does not belong in this file; write env:NAME, file:/path or cmd:argv")
    if bool(user) != bool(password):
        table.wrong("password" if user else "user", "is missing: a login is user and password")
    return user, password


def _server(table: Table, smtp: str, guarded: bool) -> tuple[str, int, Security]:
    try:
        parts = urlsplit(smtp)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        table.wrong("smtp", "is not a URL; write smtp://mail.example.com:587 or smtps://mail.example.com:465")
        return "", 0, Security.TLS
    for problem in _server_problems(parts, host, guarded):
        table.wrong("smtp", problem)
    return host, port, _security(parts, host, guarded)


def _server_problems(parts: SplitResult, host: str, guarded: bool) -> Iterator[str]:
    if "@" in parts.netloc:
        yield 'a login does not belong in the URL; write user = "…" and password = "env:NAME" (or file:/path)'
    elif parts.scheme not in PORTS or not host:
        yield "write smtp://mail.example.com:587 or smtps://mail.example.com:465"
    choice = parse_qs(parts.query, keep_blank_values=True)
    if parts.path not in ("", "/") or parts.fragment or set(choice) - {"starttls"}:
        yield "nothing but ?starttls=always or ?starttls=never may follow the port"
    elif choice and (parts.scheme == "smtps" or choice["starttls"] not in (["always"], ["never"])):
        yield "only smtp:// takes ?starttls=always or ?starttls=never"
    elif choice.get("starttls") == ["never"] and guarded:
        yield "a way without TLS would show the password and has no use for ca; leave out ?starttls=never"


def _security(parts: SplitResult, host: str, guarded: bool) -> Security:
    """A login or a `ca` always asks for TLS; without them only the way to this machine itself goes plain unasked."""
    if parts.scheme == "smtps":
        return Security.TLS
    if guarded or "starttls=always" in parts.query:
        return Security.STARTTLS
    return Security.PLAIN if "starttls=never" in parts.query or _loopback(host) else Security.AUTO


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _bounces(table: Table) -> str:
    template = table.text("bounces")
    filled = template.replace(TOKEN, "x" * LONGEST_TOKEN)
    if template and (template.count(TOKEN) != 1 or not is_address(filled) or TOKEN not in template.partition("@")[0]):
        table.wrong("bounces", "write an address with {token} before the @, such as keywatch+{token}@example.com")
    return template


def inbox_settings(table: Table, base: Path) -> InboxSettings | None:
    """`[inbox]`; None where the file has none: then bounces and answers by mail are not heard of."""
    if not table.raw:
        return None
    url, ca, proof = table.text("url", needed=True), table.text("ca"), table.text("self_proof")
    kind, _, rest = url.partition(":")
    password = table.text("password")
    if kind == "maildir":
        url = f"maildir:{base / rest}" if rest else url
    elif url and kind not in ("imaps", "imap"):
        table.wrong("url", BOXES)
    if kind != "maildir" and not password and url:
        table.wrong("password", "is missing: IMAP needs one; write env:NAME, file:/path or cmd:argv")
    if password and not is_reference(password):
        table.wrong("password", "a password does not belong in this file; write env:NAME, file:/path or cmd:argv")
    if (kind == "maildir" and not rest) or (kind != "maildir" and _odd_box(url)):
        table.wrong("url", BOXES)
    if proof and not is_address(f"nobody@{proof}"):
        table.wrong("self_proof", "is a domain of your own whose mail comes back when nobody has the address")
    every, authserv = table.elapsed("every", "0"), table.text("authserv")
    table.done()
    return InboxSettings(url, password, str(base / ca) if ca else "", authserv, every, proof)


def _odd_box(url: str) -> bool:
    """Whether an IMAP address cannot be used: it lacks its user or its server, or holds a password."""
    try:
        parts = urlsplit(url)
        return bool(url) and (not parts.hostname or not parts.username or parts.password is not None)
    except ValueError:
        return True

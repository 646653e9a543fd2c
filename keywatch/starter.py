"""The keywatch.toml that `init` writes: small, commented, and runnable as it is."""

import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")

_TEXT = """\
# keywatch.toml: who owns credentials, and how people are reached. Credentials themselves are registered with
# `keywatch add`, or found by a [[source]]. `keywatch doctor` says what is missing here.

[keywatch]
store = "sqlite:///keywatch.db"     # relative to this file
timezone = {zone}{pad}# of the dates you type
owner = "me"                        # told of keywatch's own troubles and of what nobody owns
# last_resort = ["ops-phone", "boss:mail"]   # two people, two transports: the last ones told before an expiry

[keywatch.environments]
production = ["prod", "live"]
staging = ["stage", "test"]

[mail]
from = {sender}
smtp = {smtp}
# user = "keywatch"                 # a secret never stands here, only where it is:
# password = "env:KEYWATCH_SMTP_PASSWORD"

[people.{person}]
name = {name}
mail = {mail}{pad_mail}# is the route "{person}:mail"; `keywatch test {person}` tries it

[owners.me]
people = [{quoted}]
# roster = "rota"                   # instead of people: whoever is on call in a [rosters.rota]
# head = "boss"                     # told when nobody answers
# routes = ["team-alias"]           # an alias of [routes.team-alias] with shared = true; never enough on its own
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the four questions of `init` ask."""

    name: str
    mail: str
    zone: str = "UTC"
    smtp: str = "smtp://localhost:25"


def person_key(login: str) -> str:
    """The key of the person behind a login; `me` where a login is no plain name."""
    return login if _KEY.fullmatch(login) else "me"


def text(login: str, answers: Answers) -> str:
    """The file. Every text in it is quoted as TOML wants it (JSON strings are TOML strings)."""
    person = person_key(login)
    return _TEXT.format(
        zone=_quoted(answers.zone),
        pad=" " * max(1, 25 - len(_quoted(answers.zone))),
        sender=_quoted(f"keywatch@{answers.mail.rpartition('@')[2]}"),
        smtp=_quoted(answers.smtp),
        person=person,
        name=_quoted(answers.name),
        mail=_quoted(answers.mail),
        pad_mail=" " * max(1, 29 - len(_quoted(answers.mail))),
        quoted=_quoted(person),
    )


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)


def local_zone(environ: dict[str, str], link: Path = Path("/etc/localtime")) -> str:
    """The zone of this machine, as a suggestion; UTC where it cannot be told."""
    if environ.get("TZ"):
        return environ["TZ"].lstrip(":")
    try:
        return str(link.readlink()).partition("zoneinfo/")[2] or "UTC"
    except OSError:
        return "UTC"


def write(path: Path, content: str) -> None:
    """Write the file unless there is one.

    Raises:
        OSError: it is there already, or the folder cannot be written to.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644), "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # whole or not there, and never over another one
    finally:
        draft.unlink(missing_ok=True)

"""Reads names and labels as people type them: strictly, and never a secret in the wrong place."""

from keywatch import dates
from keywatch.config import Config
from keywatch.config.table import is_address, unknown
from keywatch.errors import KeywatchError
from keywatch.model import Person, World
from keywatch.text import LIMIT, clean, secret_looking

PEOPLE = ("renewable_by", "deputy")
"""The labels that name a person."""


def name(text: str) -> str:
    """A name as people type it again.

    Raises:
        KeywatchError: empty, too long, of the shape of a secret, or with characters nobody sees or types.
    """
    if secret_looking(text):
        raise KeywatchError("that name looks like a secret value", "keywatch keeps no values; name what it is for")
    plain = clean(text)
    if not plain:
        raise KeywatchError("a credential needs a name", "such as paygate-api")
    if len(text) > LIMIT:
        raise KeywatchError(f"that name is longer than {LIMIT} characters", "give it a name that people can type")
    if plain != text.strip():
        raise KeywatchError("that name has characters in it that nobody sees or types", f"write '{plain}'")
    return plain


def label(config: Config, world: World, key: str, text: str) -> str:
    """One label as it is stored: clean, and what it refers to under its canonical name. "" stays "".

    Raises:
        KeywatchError: an unknown owner, environment or person, no lead time, no address, or the shape of a secret.
    """
    if secret_looking(text):
        raise KeywatchError(f"{key} looks like a secret value", "keywatch keeps no values; nothing was stored")
    if len(text) > LIMIT:
        raise KeywatchError(f"{key} is longer than {LIMIT} characters", "give a link to the long version")
    value = clean(text)
    if key == "owner" and value and value not in config.owners:
        raise KeywatchError(unknown("owner", value, config.owners), f"[owners] has: {', '.join(config.owners)}")
    if key == "env":
        return config.environment(value)
    if key == "issuer_writes_to" and value and not is_address(value):
        raise KeywatchError(f"'{value}' is no mail address", "--issuer-writes-to payments@example.com")
    if key == "lead" and value:
        return str(dates.lead(value))
    return person(world, value).key if key in PEOPLE and value else value


def person(world: World, text: str) -> Person:
    """Whom somebody means by a key, a name or an address.

    Raises:
        KeywatchError: nobody of that name.
    """
    wanted = text.casefold()
    for one in world.people.values():
        if wanted in (one.key.casefold(), one.name.casefold(), one.mail.casefold()):
            return one
    raise KeywatchError(unknown("person", text, world.people), f"[people] has: {', '.join(world.people)}")

"""Turns what a person is owed into words: a mail that can be read on a phone and says what to do, until when."""

from functools import cache
from typing import Any

from keywatch.model import Rendered
from keywatch.render.entries import Entry, Letter, entry, subject

__all__ = ["Entry", "Letter", "entry", "letter", "page", "plain", "subject"]


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("keywatch.render"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def page(template: str, **facts: Any) -> str:
    """One template filled in; names from outside are escaped in HTML."""
    return str(_environment().get_template(template).render(**facts))


def letter(facts: Letter) -> Rendered:
    """The message of one route with everything that is due for it."""
    return Rendered(subject(facts), page("message.txt", letter=facts), page("message.html", letter=facts))


def plain(facts: Letter) -> Rendered:
    """The built-in text that stands in when the template of a message fails: nothing in it can fail."""
    lines = [f"{one.name}: {one.state}, {one.expires}" for one in facts.entries]
    take = f"Take it: {facts.take}{', or just reply: yes' if facts.replies else ''}" if facts.take else ""
    return Rendered(subject(facts), "\n".join([facts.greeting, take, *lines, "", "keywatch list", ""]))

"""Takes a mail apart safely: what strangers write must cost no time, no memory and no exception that matters.

The parser of the standard library recurses over nested parts, is quadratic over long headers and raises what it likes.
So a mail is cut to a size, a depth and a header length that real ones keep far below, before it is parsed.
"""

import codecs
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32
from html.parser import HTMLParser
from typing import Any

MOST_BYTES, MOST_LINES, MOST_PARTS, MOST_LINE, MOST_FOLDED = 256 * 1024, 8000, 40, 2000, 8000
"""What is read of a mail: bytes, lines, parts of MIME, bytes of one line and of a header's folded lines."""
MOST_VALUE, MOST_TEXT = 2000, 32 * 1024
"""Characters of a header and of a text part."""
MOST_IDS = 20
MOST_SAME = 20
"""Headers of one name."""

_FOLDED = re.compile(rb"(?:\n[ \t][^\n]*)+")
_OPENING = re.compile(rb"^content-type:", re.IGNORECASE | re.MULTILINE)
_CHARSET = re.compile(
    r"ascii|utf.|iso.?8859|iso.?2022|cp\d|koi8|gb|big5|euc|shift.?jis|mac.(roman|cyrillic|latin)|hz|tis"
)
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"'|]{1,64}@[^\s@<>()\[\]\\,;:\"'|]{1,255}")
_ID = re.compile(r"<[^\s<>@]{1,250}@[^\s<>@]{1,250}>")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.){0,200}"|\([^()]*\)')
_NOT_READ = frozenset({"script", "style", "head", "title", "blockquote"})
_BREAKS = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "table", "hr"})
_REPLIED_TO = re.compile(r"gmail_quote|divRplyFwdMsg|appendonsend|moz-cite-prefix|yahoo_quoted", re.IGNORECASE)


def parse(raw: bytes) -> Message:
    """The mail, cut to what can be parsed quickly. Raises whatever the parser raises."""
    text = raw[:MOST_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b"")
    lines = [line[:MOST_LINE] for line in text.split(b"\n", MOST_LINES)[:MOST_LINES]]
    text = _FOLDED.sub(lambda run: run[0][:MOST_FOLDED], b"\n".join(lines))
    openings = [found.start() for found in _OPENING.finditer(text)]
    if len(openings) > MOST_PARTS:
        text = text[: openings[MOST_PARTS]]
    return BytesParser(policy=compat32).parsebytes(text)


def leaves(part: Message) -> Iterator[Message]:
    """The parts of a mail in order; a mail inside it is one part, and what that holds is not looked at."""
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for one in inside(part):
            yield from leaves(one)
    else:
        yield part


def inside(part: Message) -> list[Message]:
    """What the parser took apart in a part. Asked of any other, `get_payload` decodes by whatever charset is said."""
    held: Any = part.get_payload() if part.is_multipart() else []
    return list(held)


def values(mail: Message, name: str) -> list[str]:
    """Every header of that name, decoded, each in one line; the topmost first."""
    found = [said for key, said in mail.raw_items() if key.lower() == name.lower()][:MOST_SAME]
    return [_decoded(_unescaped(str(said)[:MOST_VALUE])) for said in found]


def value(mail: Message, *names: str) -> str:
    """The topmost header of the first of these names that the mail has, or nothing."""
    return next((found for name in names for found in values(mail, name)), "")


def addresses(text: str) -> list[str]:
    """The mail addresses in a header or a text, in lower case; a name that looks like one is no address."""
    bare = _QUOTED.sub(" ", text)
    return list(dict.fromkeys(found.lower().rstrip(".") for found in _ADDRESS.findall(bare)))


def sender(mail: Message) -> str:
    """The address of From, in lower case; of several the one in angle brackets, else the first."""
    said = _QUOTED.sub(" ", value(mail, "From"))
    angled = addresses(" ".join(re.findall(r"<[^<>]*>", said)))
    return next(iter(angled or addresses(said)), "")


def ids(text: str) -> list[str]:
    """The Message-IDs in a header, with their brackets."""
    return list(dict.fromkeys(_ID.findall(text)))[:MOST_IDS]


def headers(text: str) -> Message:
    """Header lines that came as text, such as those of a returned mail."""
    return HeaderParser(policy=compat32).parsestr(text.lstrip("\n")[:MOST_TEXT])


def text_of(part: Message) -> str:
    """The text of one part, HTML taken off, the charset guessed where it is wrong; at most MOST_TEXT characters."""
    found: Any = part.get_payload(decode=True)
    if not isinstance(found, bytes):
        return ""
    text = _readable(found[: MOST_TEXT * 4], part.get_content_charset() or "")[:MOST_TEXT]
    return _stripped(text) if part.get_content_subtype() == "html" else text


def text(mail: Message) -> str:
    """What the mail says: its first plain text, else its first HTML as text."""
    found: dict[str, Message] = {}
    for part in leaves(mail):
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            found.setdefault(part.get_content_subtype(), part)
    plain = text_of(found["plain"]) if "plain" in found else ""
    return plain if plain.strip() or "html" not in found else text_of(found["html"])


def _unescaped(said: str) -> str:
    """Bytes that are no ASCII, which the parser keeps as halves of surrogate pairs, read as UTF-8 (RFC 6532)."""
    return said if said.isascii() else _readable(said.encode("utf-8", "surrogateescape"), "")


def _decoded(said: str) -> str:
    """Encoded words read, folding undone, nothing left that could be a line break."""
    try:
        parts = decode_header(said)
    except (HeaderParseError, ValueError):
        parts = [(said, None)]
    text = "".join(part if isinstance(part, str) else _readable(part, charset or "") for part, charset in parts)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _readable(found: bytes, charset: str) -> str:
    """Bytes as text; a charset that is unknown, wrong or no charset of mail (punycode is quadratic) counts as UTF-8."""
    try:
        name = codecs.lookup(charset).name if charset else "utf-8"
        if not _CHARSET.match(name):
            name = "utf-8"
        return found.decode(name)
    except (LookupError, ValueError):
        pass
    try:
        return found.decode("utf-8")
    except ValueError:
        return found.decode("cp1252", "replace")


class _Strip(HTMLParser):
    """Collects the text of a page, without what it quotes from an earlier mail."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._skipped: list[str] = []
        self._ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(name in ("class", "id") and _REPLIED_TO.search(given or "") for name, given in attrs):
            self._ended = True
        if tag in _NOT_READ and len(self._skipped) < MOST_PARTS:
            self._skipped.append(tag)
        if tag in _BREAKS:
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped and self._skipped[-1] == tag:
            self._skipped.pop()
        if tag in _BREAKS - {"br"}:
            self.said.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipped and not self._ended:
            self.said.append(re.sub(r"\s+", " ", data))


def _stripped(page: str) -> str:
    strip = _Strip()
    strip.feed(page)
    strip.close()
    return re.sub(r"[ \t]*\n\s*", "\n", "".join(strip.said)).strip()

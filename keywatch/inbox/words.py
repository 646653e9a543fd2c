"""Finds what a person wrote in a reply, and what they ask keywatch to do with it.

Everything below a quotation or a signature is somebody else's: the mail they answer holds a code too, which must not
count.
"""

import re
from dataclasses import dataclass
from datetime import date

MOST_WORDS = 2000
"""Characters."""
MOST_LINES_ASKED = 12
"""Lines at the top in which a code is looked for."""
CODE = "[23456789A-HJKMNP-TV-Z]{5}"
"""As `keywatch.store.mint` makes them: no I, L, O, U, 0 or 1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply asks for; the caller looks the codes up, an unknown one is no code."""

    codes: tuple[str, ...] = ()
    """Codes of messages, in capitals."""
    until: date | None = None
    begun: bool = False
    by: str = ""
    """Who takes it, where they say so: `by ana`."""
    still_read: bool = False
    """The answer to "still read here?" is a plain yes."""


NOTHING = Answer()
_QUOTE = re.compile(
    r"^(>|-{2,} ?\w[^\n]{0,40}(message|nachricht|d['’]origine|original\w*|messaggio|bericht"
    r"|wiadomość)[^\n]{0,20}-{2,}|_{10,}"
    r"|(on|am|le|el|il|em|op|w dniu|dnia|a) [^\n]{0,160}(wrote|writes|schrieb[^\n]{0,120}|écrit|escribió"
    r"|ha scritto|escreveu|schreef[^\n]{0,120}|napisał(\(a\)|a)?) ?:"
    r"|[*]?(from|von|de|da|van|od)[*]? ?:[^\n]*(\n[^\n]*){0,2}\n[*]?(sent|date|gesendet|datum|envoyé|enviado( el"
    r"| em)?|inviato|data|verzonden|wysłano|to|an|à|para|a|aan|do)[*]? ?:)",
    re.IGNORECASE | re.MULTILINE,
)
_WRAPPED = re.compile(
    r"^((?:on|am|le|el|il|em|op|w dniu|dnia) [^\n]{1,120})\n"
    r"([^\n]{0,100}(?:wrote|schrieb|écrit|escribió|scritto|escreveu|schreef|napisał\S*) ?:)",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNATURE = re.compile(
    r"^(-- ?$|—$|sent from (my|outlook|yahoo)|get outlook for|von meinem \w+ gesendet|gesendet (von|mit)"
    r"|envoyé de(puis)? mon|enviado (desde|do|de) m"
    r"|inviato da|verstuurd vanaf|verzonden vanaf|wysłane? z)",
    re.IGNORECASE | re.MULTILINE,
)
_ASKS = re.compile(rf"\b(?:ack|take)\b[:\s]+({CODE}\b(?:(?:\s|,|;|\+|&|and)+{CODE}\b)*)", re.IGNORECASE)
_ALONE = re.compile(rf"(?:{CODE})(?:[ ,;]+{CODE})*[.!]?")
_UNTIL = re.compile(
    r"\b(?:until|till|til|by|bis(?: zum)?|jusqu['’]au|hasta(?: el)?|fino al|até|tot|do):?\s+(20\d\d-\d\d-\d\d)\b",
    re.IGNORECASE,
)
_BEGUN = re.compile(
    r"\b(begun|started|begonnen|angefangen|commencé|empezado|iniziato|começado|rozpoczęt\w*)\b", re.IGNORECASE
)
_NOT = re.compile(
    r"\b(not|n['’]t|nicht|pas|never|noch kein\w*|no|non|não|niet|nie)\b[^.!?\n]{0,20}$|n['’]t\b[^.!?\n]{0,20}$",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\bkeywatch\s+ack\b.*", re.IGNORECASE)
_WHEN = r"(?:the|then|end|next|now|tomorrow|today|tonight|noon|\w+day|mon|tue|wed|thu|fri|sat|sun)\b"
_BY = re.compile(rf"\bby:?\s+(?!{_WHEN})([a-z][\w.@+-]{{1,63}})", re.IGNORECASE)
_YES = re.compile(
    r"(yes|yep|yeah|ja|jawohl|oui|si|sí|sì|sim|tak)\b(?!\s*\?)(?!.{0,40}\b(but|aber|mais|pero|maar|ale)\b)",
    re.IGNORECASE,
)


def written(text: str) -> str:
    """What the person wrote themselves, at most MOST_WORDS characters."""
    lines = _WRAPPED.sub(r"\1 \2", "\n".join(line.strip() for line in text.splitlines()))
    cut = min((found.start() for mark in (_QUOTE, _SIGNATURE) if (found := mark.search(lines))), default=len(lines))
    own = re.sub(r"\n{3,}", "\n\n", lines[:cut]).strip()
    return "".join(c for c in own if c.isprintable() or c == "\n")[:MOST_WORDS].strip()


def answer(subject: str, words: str) -> Answer:
    """Read a reply, and a subject such as that of a mailed ack (`ack 7KQF2`)."""
    lines = [line for line in words.splitlines() if line.strip()][:MOST_LINES_ASKED]
    # A quotation that no mark gave away would repeat our own words, so the command counts in the first line only.
    asked = "\n".join([_subject(subject), *lines[:1], *(_COMMAND.sub("", line) for line in lines[1:])])
    groups = [found[1] for found in _ASKS.finditer(asked)]
    groups += [line.strip() for line in lines if _alone(line.strip())]
    codes = [code.upper() for group in groups for code in re.findall(rf"\b{CODE}\b", group, re.IGNORECASE)]
    return Answer(
        codes=tuple(dict.fromkeys(codes)),
        until=_date(asked),
        begun=any(not _NOT.search(asked[max(0, one.start() - 30) : one.start()]) for one in _BEGUN.finditer(asked)),
        by=next((found[1].rstrip(".,") for found in _BY.finditer(asked)), "").lower(),
        still_read=bool(lines and _YES.match(lines[0])),
    )


def _subject(subject: str) -> str:
    """Only a subject that begins with the word: `Re: …` repeats ours."""
    return subject if re.match(r"(ack|take)\b", subject.strip(), re.IGNORECASE) else ""


def _alone(line: str) -> bool:
    """Codes in capitals, or with a digit: `Great` has five letters of the alphabet of codes too."""
    if not _ALONE.fullmatch(line.upper()):
        return False
    return line == line.upper() or all(any(c.isdigit() for c in code) for code in re.findall(r"\w+", line))


def _date(asked: str) -> date | None:
    for found in _UNTIL.finditer(asked):
        try:
            return date.fromisoformat(found[1])
        except ValueError:
            continue
    return None

"""What people answer by mail: it proves the route, and takes what the message says if it asks for that.

Who writes is known by the address alone, so only somebody who holds the message counts: its envelope token, its code,
or the very address it went to. Whoever asks for a promise is told what became of it, so that nobody believes in one
that was refused.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from keywatch import acking
from keywatch.errors import KeywatchError
from keywatch.inbox.reading import Kind
from keywatch.intake.cases import Case, Done
from keywatch.model import AckKind, EvidenceKind, HealthState, Message, MessageKind, Person, Route
from keywatch.policy.audience import alive, routes_of
from keywatch.text import clean
from keywatch.wording import domain

LOGIN = "mail"
"""Stands for the login of whoever answers at a keyboard."""
ANSWER = "answer|"
"""How the keys of answers to answers begin."""
_BY_MAIL = "answer the message itself, or type its code where keywatch runs"


@dataclass(slots=True)
class Outcome:
    """What one mail took, and what it could not."""

    taken: list[acking.Taken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[KeywatchError] = field(default_factory=list)
    proven: set[str] = field(default_factory=set)
    """Routes that a code has proved, or could not prove."""


def answered(case: Case) -> Done:
    """Write down what a person's reply proves and takes."""
    giver = case.giver
    if case.message is None:
        return _code_alone(case, giver)
    name = case.message.route
    if case.route is None:
        return Done(Kind.REPLY, f"{name} was answered: it is not in the config any more")
    if case.reading.authenticated is False:
        what = f"{name}: a reply that is not from whom it says: it proves and takes nothing"
        return Done(Kind.REPLY, what, news=True)
    if not _holds(case):
        problem = KeywatchError(f"your answer came from an address that {name} does not lead to", _BY_MAIL)
        _tell(case, giver, Outcome(refused=[problem]) if _wants(case) else None)
        what = f"{name}: a reply by {_name(giver)}, who is not on that route: it proves and takes nothing"
        return Done(Kind.REPLY, what, news=True, who=giver.key if giver else "")
    outcome = _outcome(case, giver)
    proof = "" if name in outcome.proven else _prove(case, giver)
    _tell(case, giver or case.world.people.get(case.route.person), outcome)
    return _done(f"{name}: a reply by {_name(giver)}{proof}", giver, outcome)


def _holds(case: Case) -> bool:
    """Whether the sender has the message before them; of a shared route anybody may be a reader."""
    assert case.message is not None
    return case.by_token or case.shared or case.from_route or case.message.code in case.codes


def _code_alone(case: Case, giver: Person | None) -> Done:
    """A code in a mail of its own: only from somebody we know, and for whom our own mail server vouches."""
    if giver is None or not case.reading.authenticated:
        if giver and case.reading.authenticated is None:
            what = "your mail names a code, and nobody vouches that it is yours"
            _tell(case, giver, Outcome(refused=[KeywatchError(what, _BY_MAIL)]))
        why = "nobody we know, or nobody vouches for the sender"
        return Done(Kind.REPLY, f"a code in a mail of its own, by {_name(giver)}: {why}; nothing is taken", news=True)
    outcome = _outcome(case, giver)
    _tell(case, giver, outcome)
    return _done(f"a code in a mail of its own, by {giver.name}", giver, outcome)


def _done(said: str, giver: Person | None, outcome: Outcome) -> Done:
    parts = [f"{one.credential.name} in hand until {_day(one.day)}" for one in outcome.taken]
    parts += [f"not taken: {problem.what}" for problem in outcome.refused]
    unheard = bool(outcome.refused) and giver is None
    what = "; ".join([said, *parts])
    return Done(Kind.REPLY, what, news=unheard, who=giver.key if giver else "", acted=True)


def _name(person: Person | None) -> str:
    return person.name if person else "somebody who is not in [people]"


def _day(day: date) -> str:
    return f"{day:%a %-d %b %Y}"


# --------------------------------------------------------------------------- the promise


def _wants(case: Case) -> bool:
    """Whether the reply asks to take something; a yes to "still read here?" only says that it is read."""
    asked, message = case.reading.answer, case.message
    yes = asked.still_read and message is not None and message.kind is MessageKind.NOTICE
    return bool(case.codes or asked.begun or asked.until or yes)


def _outcome(case: Case, giver: Person | None) -> Outcome:
    outcome = Outcome()
    if not _wants(case):
        outcome.notes += _nothing_taken(case)
        return outcome
    meant = list(case.codes.values()) or [message for message in (case.message,) if message]
    for message in meant:
        try:
            _take(case, message, _entitled(case, message, giver), outcome)
        except KeywatchError as problem:
            outcome.refused.append(problem)
    return outcome


def _entitled(case: Case, message: Message, giver: Person | None) -> Person:
    """Who takes it.

    Raises:
        KeywatchError: nobody we know, somebody in another's name, or the code of a message that others got.
    """
    if giver is None:
        raise KeywatchError("the answer came from an address that is nobody's in [people]", _BY_MAIL)
    named = case.world.people.get(case.reading.answer.by)
    if named and named.key != giver.key:
        raise KeywatchError(
            f"by mail nobody takes anything in another's name ({named.name})", f"{named.name}: {_BY_MAIL}"
        )
    route = case.world.routes.get(message.route)
    own = route is not None and route.person == giver.key and not route.shared
    if case.message and message.id != case.message.id and message.route != case.message.route and not own:
        raise KeywatchError(f"the code {message.code} is of a message that went to others", _BY_MAIL)
    return giver


def _take(case: Case, message: Message, giver: Person, outcome: Outcome) -> None:
    """Raises: KeywatchError: as `acking.by_code`; then nothing of it is kept."""
    asked = case.reading.answer
    promise = acking.Promise(AckKind.BEGUN if asked.begun else AckKind.ACK, asked.until, login=LOGIN)
    with case.tx.connection.begin_nested():
        done = acking.by_code(case.tx, case.config, case.world, message, giver, promise, case.now)
    outcome.taken += done.taken
    outcome.notes += done.left
    if done.overtaken and done.taken:
        outcome.notes.append("A later message overtook the one you answered; what is still open of it counts.")
    outcome.proven.add(message.route)


def _nothing_taken(case: Case) -> Iterator[str]:
    """What to say to somebody whose words promise nothing although the message asks."""
    if case.message is None or case.message.kind is not MessageKind.NOTICE:
        asks_nothing = case.message is not None and case.message.kind in (MessageKind.REMINDER, MessageKind.DIGEST)
        if asks_nothing and case.reading.answer.still_read:
            yield "Your answer came, and shows that you read this. That mail asks for nothing, so nothing is taken."
            yield "To take something that stands in it: keywatch ack NAME"
        return
    items = case.tx.read.items(case.message.id, case.now, superseded=True)
    if any(item.asks and not item.ended_at and item.credential.in_hand is None for item in items):
        yield "Your answer came, and shows that you read what keywatch sends. It takes nothing."
        yield f'To take what the message asks for, answer it with "yes", or: keywatch ack {case.message.code}'


# --------------------------------------------------------------------------- the proof


def _prove(case: Case, giver: Person | None) -> str:
    """A person answered what only this route brought. What it says of the route, to follow "a reply by …"."""
    assert case.route is not None
    assert case.message is not None
    health = case.world.health_of(case.route.name)
    if health.state is HealthState.DEAD and health.because and health.because.at >= case.sent_at():
        return "; the route has refused since that message, so it stays dead"
    detail = f"replied to the {case.message.kind.value} of {case.message.created_at:%Y-%m-%d}"
    if giver is None:
        detail += f", from {clean(case.reading.sender, 80) or 'an address that it does not say'}"
    asked = case.message.kind in (MessageKind.QUESTION, MessageKind.TEST)
    kind = EvidenceKind.ATTESTED if asked else EvidenceKind.REPLY
    case.add(kind, detail, giver.key if giver else "")
    return ": it is read"


# --------------------------------------------------------------------------- what they hear of it


def _tell(case: Case, person: Person | None, outcome: Outcome | None) -> None:
    """Answer an answer once, by mail, to the person it concerns; where nothing was asked for, nothing is said."""
    if person is None or outcome is None or not (outcome.taken or outcome.notes or outcome.refused):
        return
    route = _route_to(case, person)
    answered = case.tx.read.key_of(case.message.id) if case.message else ""
    if route is None or answered.startswith(ANSWER):
        return  # an answer to an answer ends here: two machines must not write to each other for ever
    body = json.dumps({"subject": _subject(outcome), "text": "\n".join([*_lines(outcome), ""])})
    key = f"{ANSWER}{case.key}"
    case.tx.enqueue(MessageKind.REMINDER, key, route.name, person.key, body, case.now, domain(case.config))


def _route_to(case: Case, person: Person) -> Route | None:
    """The route they answered from, else one of their own that is mail."""
    mails = [route for route in routes_of(person, case.world) if route.mail]
    own = case.route
    if own and own.person == person.key and own.mail and not own.shared and alive(own.name, case.world):
        return own
    return mails[0] if mails else None


def _subject(outcome: Outcome) -> str:
    if outcome.taken:
        names = [one.credential.name for one in outcome.taken]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"Taken: {names[0]}{more}, until {_day(min(one.day for one in outcome.taken))}"
    return f"Not taken: {outcome.refused[0].what}" if outcome.refused else "Your answer came; nothing is taken by it"


def _lines(outcome: Outcome) -> Iterator[str]:
    for one in outcome.taken:
        word = "has begun, done by" if one.kind is AckKind.BEGUN else "begins by"
        short = ", the last day that it allows" if one.shortened else ""
        yield f"{one.credential.name}: in hand, {one.person.name} {word} {_day(one.day)}{short}."
    if outcome.taken:
        yield "If it is not renewed or promised anew by then, it is said again, to more people."
    yield from outcome.notes
    for problem in outcome.refused:
        yield f"Not taken: {problem.what}"
        yield f"  hint: {problem.hint}"

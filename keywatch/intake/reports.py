"""What machines answer: bounces and auto-replies, as evidence about the route. Nothing here proves a route.

Not every bounce is the route's fault: a blocked sender or a queue that ran out of days says nothing about who reads it,
and an old bounce says nothing about a route through which somebody answered since.
"""

from datetime import timedelta

from keywatch.inbox.reading import Kind
from keywatch.intake.cases import Case, Done
from keywatch.model import EvidenceKind
from keywatch.outlook import SELF_PROOF

LONGEST_AWAY, AWAY_UNSAID = timedelta(days=60), timedelta(days=3)
"""How far "away until" is believed, and how long "away" counts without a date."""
OLD = timedelta(days=14)
"""No mail server tries for longer: a bounce of an older message is a replay, or lay around."""
_OF_THE_SENDER = ("5.1.7", "5.1.8")
"""Bad sender's address, which stands among the codes of bad recipients (RFC 3463)."""


def reported(case: Case) -> Done:
    """Write down what a machine says of the route, if it says anything of it."""
    name, kind = case.message.route if case.message else "", case.reading.kind
    if case.route is None:
        return Done(kind, f"{name or 'a route'}: it is not in the config any more")
    if kind is Kind.BOUNCE:
        return _bounced(case, name)
    if kind is Kind.LEFT:
        return _left(case, name)
    if kind is Kind.AWAY:
        return _away(case, name)
    said = {Kind.DELAYED: "is late, and still tried", Kind.DELIVERED: "was delivered, which says nothing of readers"}
    return Done(kind, f"{name}: a message {said.get(kind, 'was answered by a machine')}")


def blamed(code: str) -> EvidenceKind | None:
    """What a bounce with this enhanced code (RFC 3463) says about the recipient; None: nothing."""
    if code == "5.2.2":
        return EvidenceKind.FULL
    if code in _OF_THE_SENDER:
        return None
    return EvidenceKind.REFUSED if code.startswith("5.1.") or code == "5.2.1" else None


def _bounced(case: Case, name: str) -> Done:
    reading, verdict = case.reading, blamed(case.reading.code)
    said = f"a message to {name} came back ({reading.code or 'no code'})"
    if name == SELF_PROOF:
        case.add(EvidenceKind.REFUSED, reading.detail)
        return Done(Kind.BOUNCE, f"{said}, as it has to: bounces are heard of", acted=True)
    if verdict is None:
        assert case.message is not None
        case.tx.came_back(case.message.id, case.now)
        sender = reading.code.startswith("5.7.") or reading.code in _OF_THE_SENDER
        why = "our sender is blocked, look at [mail]" if sender else "that says nothing about who reads the route"
        return Done(Kind.BOUNCE, f"{said}: {why}; nobody has read that message", news=True)
    if case.shared and not _the_route_itself(case):
        verdict = EvidenceKind.PARTIAL
    if why := _overtaken(case, verdict):
        if verdict is not EvidenceKind.PARTIAL:
            assert case.message is not None
            case.tx.came_back(case.message.id, case.now)  # the route may live: this message was read by nobody
        return Done(Kind.BOUNCE, f"{said}: {why}")
    case.add(verdict, reading.detail)
    means = {
        EvidenceKind.REFUSED: "the route is dead, others are told instead",
        EvidenceKind.FULL: "the mailbox is full, others are told too",
        EvidenceKind.PARTIAL: "some who should read it are gone",
    }
    return Done(Kind.BOUNCE, f"{said}: {means[verdict]}", news=True, acted=True)


def _the_route_itself(case: Case) -> bool:
    """Whether no address but the route's own failed. Exim names the alias next to the member that is gone."""
    assert case.route is not None
    failed = {address.casefold() for address in case.reading.failed}
    return failed == {case.route.mail.casefold()}


def _overtaken(case: Case, verdict: EvidenceKind) -> str:
    """Why a bounce says nothing of today; a member who is gone stays gone, whoever of the others answers."""
    if case.now - case.sent_at() > OLD:
        return "it is about an old message, so it is only noted"
    assert case.route is not None
    proven_at = case.world.health_of(case.route.name).proven_at
    if verdict is not EvidenceKind.PARTIAL and proven_at and proven_at > case.sent_at():
        return "somebody has answered through that route since, so it is only noted"
    return ""


def _left(case: Case, name: str) -> Done:
    """One member of an alias is not its reader."""
    one_of_many = case.shared and not case.from_route
    verdict = EvidenceKind.PARTIAL if one_of_many else EvidenceKind.LEFT
    said = f"{name}: an automatic answer says that {'one of its readers' if one_of_many else 'its reader'} has left"
    if why := _overtaken(case, verdict):
        return Done(Kind.LEFT, f"{said}: {why}")
    case.add(verdict, "an automatic answer says so")
    return Done(Kind.LEFT, said, news=True, acted=True)


def _away(case: Case, name: str) -> Done:
    """Away until the day the answer names, within bounds; one member of an alias leaves the others."""
    if case.shared and not case.from_route:
        return Done(Kind.AWAY, f"{name}: one of its readers is away")
    wanted = case.reading.until or case.now + AWAY_UNSAID
    until = min(wanted, case.now + LONGEST_AWAY)
    if until <= case.now or case.now - case.sent_at() > OLD:
        return Done(Kind.AWAY, f"{name}: its reader was away")
    case.add(EvidenceKind.AWAY, "an automatic answer says so", until=until)
    return Done(Kind.AWAY, f"{name}: its reader is away until {until:%Y-%m-%d}; others are told too", acted=True)

"""Tells people that keywatch cannot open its store, because then nobody hears of any credential.

Everything it needs stands outside the store: the config, and the snapshot that the last run left. It is said once in
each slot of six hours and to each route; a Message-ID made of the slot lets mail programs drop what a lost marker
repeats. Nothing here raises: the run has failed already, and that is what it has to say.
"""

import hashlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from keywatch import snapshot
from keywatch.config import Config
from keywatch.config.values import OWN, mail_route
from keywatch.errors import KeywatchError, StoreBusyError, StoreError
from keywatch.model import PRODUCTION, Credential, Outgoing, Rendered, Route, Verdict, VerdictKind
from keywatch.read import place_of
from keywatch.report import distance, in_zone, shown
from keywatch.snapshot import Snapshot
from keywatch.wire import Wire
from keywatch.wording import domain

SLOT = timedelta(hours=6)
"""One message in this time to each route. Slots begin at 00:00, 06:00, 12:00 and 18:00 UTC."""
MOST = 20
"""Credentials that are named."""
LARGEST_MARKER = 1 << 16
"""Bytes; a larger file is not ours."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one route."""

    route: Route
    verdict: Verdict | None
    """None: it was told in this slot already."""

    @property
    def who(self) -> str:
        return f"{self.route.person} by {self.route.name}" if self.route.person else self.route.name

    @property
    def accepted(self) -> bool:
        return self.verdict is not None and self.verdict.kind is VerdictKind.ACCEPTED


@dataclass(frozen=True, slots=True)
class Emergency:
    """One run that could not use its store, and all that is known without one."""

    config: Config
    problem: StoreError
    taken: Snapshot | None
    """What the last run left behind."""
    why: str
    """Why nothing of it is known."""
    now: datetime

    @property
    def passes(self) -> bool:
        """A store that is busy is not broken, unless no run has come through for a slot."""
        return isinstance(self.problem, StoreBusyError) and (self.taken is None or self.now - self.taken.at <= SLOT)

    @property
    def slot(self) -> str:
        utc = self.now.astimezone(UTC)
        return f"{utc:%Y-%m-%d}/{utc.hour // 6}"

    @property
    def store(self) -> str:
        """Which store it is: two machines must not write the same Message-ID, two workers of one store should."""
        if self.taken and self.taken.store:
            return self.taken.store
        place = place_of(self.config.store)
        return place if place.startswith("PostgreSQL") else f"{socket.gethostname()}:{place}"


def tell(
    config: Config, problem: StoreError, real: datetime, pretended: datetime | None = None
) -> tuple[list[str], bool]:
    """Tell last resort and planned duty that the store failed with `problem`.

    Returns what became of it, in lines for stderr, and whether anybody knows of it now, or need not.

    `real` is the time of the machine. `pretended` (`--now`) counts only where the snapshot says that it is of a
    rehearsal: a store that is gone cannot say so itself, and a real one must not send with a time that is not true.
    """
    try:
        taken, why = _snapshot(config)
        now = pretended if pretended and taken and taken.rehearsal else real
        case = Emergency(config, problem, taken, why, now)
        if case.passes:
            return [], True
        told = _tell(case)
        reached = not told or any(one.accepted or one.verdict is None for one in told)
        return [shown(line) for line in _said(told)], reached
    except Exception as broken:  # noqa: BLE001  # the store's own error must come through, whatever happens here
        return [f"the emergency is told to nobody: {type(broken).__name__}"], False


def _snapshot(config: Config) -> tuple[Snapshot | None, str]:
    try:
        return snapshot.fetch(str(snapshot.place(config))), ""
    except KeywatchError as problem:
        return None, problem.what


def _tell(case: Emergency) -> list[Told]:
    routes = {route.name: route for route in _audience(case)}
    text = "\n".join(_text(case, list(routes.values()))) + "\n"
    rendered = Rendered("keywatch cannot open its store: nobody is being reminded", text)
    marker, told, no_mail = Marker(case), list[Told](), None
    with Wire(case.config) as wire:
        for route in routes.values():
            verdict = None
            if route.name not in marker.told:
                verdict = (no_mail if route.mail else None) or wire.send(route, _outgoing(case, route, rendered))
            if route.mail and verdict and verdict.kind is VerdictKind.UNREACHABLE:
                no_mail = verdict  # a mail server that does not answer is asked once, not for each person
            told.append(Told(route, verdict))
            if told[-1].accepted:
                marker.add(route.name)
    return told


def _outgoing(case: Emergency, route: Route, rendered: Rendered) -> Outgoing:
    mark = hashlib.sha256(f"{case.store}|{case.slot}|{route.name}".encode()).hexdigest()[:24]
    return Outgoing(rendered, f"<emergency-{mark}@{domain(case.config)}>", mark, route.mail, at=case.now)


def _said(told: list[Told]) -> Iterator[str]:
    """Whom it reached, whom it had reached before, and one line for each failure."""
    fresh, before = [one.who for one in told if one.accepted], [one.who for one in told if one.verdict is None]
    if fresh:
        yield f"the emergency is told to {', '.join(fresh)}"
    if before:
        yield f"the emergency was told within these six hours to {', '.join(before)}"
    for one in told:
        if one.verdict and not one.accepted:
            words = " ".join(part for part in (one.verdict.code, one.verdict.text) if part)
            yield f"the emergency is not told to {one.who}: {one.verdict.kind}: {words}; the next run tries again"
    if not told:
        yield "the emergency is told to nobody: [keywatch] last_resort is empty, and nobody is known to be on duty"


def _audience(case: Emergency) -> Iterator[Route]:
    """The last resort, and whoever was to be on duty now when the snapshot was taken; each address once."""
    met: set[str] = set()
    for route in (*(case.config.routes[name] for name in case.config.last_resort), *_on_duty(case)):
        where = route.mail.casefold() or route.name
        if where not in met:
            met.add(where)
            yield route


def _on_duty(case: Emergency) -> Iterator[Route]:
    for duty in case.taken.duties if case.taken else ():
        if duty.level != 1 or not duty.covers(case.now):
            continue
        person = case.config.people.get(duty.person.key) or duty.person
        if person.mail or duty.person.mail:
            yield mail_route(replace(person, mail=person.mail or duty.person.mail))
        else:
            yield from (one for one in case.config.routes.values() if one.person == person.key and not one.page)


# --------------------------------------------------------------------------- words


def _text(case: Emergency, routes: list[Route]) -> Iterator[str]:
    problem = case.problem
    yield "keywatch cannot open its store. Until that is mended nobody hears of any credential from it."
    yield f"\nWhat happened: {shown(problem.what)}"
    if problem.hint:
        yield f"What to do: {shown(problem.hint)}"
    yield f"On {socket.gethostname()}, with {case.config.path}: mend it, then run `keywatch check` as the timer's user."
    yield "A store that is lost is restored from a backup; a new one would know nothing of what was said and answered."
    yield ""
    if case.taken:
        yield from _near(case, case.taken)
    else:
        yield f"What is near is not known: {shown(case.why)}."
        yield "For the same reason nobody but the last resort is told."
    yield f"\nThis goes to: {', '.join(shown(route.person or route.name) for route in routes)}."
    yield "You hear of it again every six hours for as long as it lasts."


def _near(case: Emergency, taken: Snapshot) -> Iterator[str]:
    """What would be said, soonest first: the dates of the last run still hold, whatever became of the store."""
    rows = [row for row in taken.credentials if row.active and row.expires_at and row.source != OWN]
    rows.sort(key=lambda row: (row.expires_at or case.now, row.name))
    at = f"{taken.at.astimezone(case.config.zone):%Y-%m-%d %H:%M} ({distance(case.now, taken.at)})"
    if not rows:
        yield f"Nothing was near at the last run that is known, {at}."
        return
    yield f"This was near at the last run that is known, {at}. Look after it by hand:"
    yield from (_line(row, taken.zones.get(row.owner, case.config.zone)) for row in rows[:MOST])
    if len(rows) > MOST:
        yield f"and {len(rows) - MOST} more in {snapshot.place(case.config)}"


def _line(row: Credential, zone: ZoneInfo) -> str:
    start = f", start by {in_zone(row.start_by, zone)}" if row.start_by else ""
    hand = f", {shown(row.in_hand.person)} has it in hand" if row.in_hand else ""
    head = f"- {shown(row.name)} ({shown(row.env or PRODUCTION)}), expires {in_zone(row.expires_at, zone)}"
    return f"{head}{start}; owner {shown(row.owner or 'nobody')}{hand}"


# --------------------------------------------------------------------------- once in a slot


class Marker:
    """Which routes were told in this slot: a small file beside the snapshot, or in the system's temporary folder.

    It names routes and nothing else. Where neither place takes it the message goes out again, with its Message-ID.
    """

    def __init__(self, case: Emergency) -> None:
        beside, self.slot = snapshot.place(case.config), case.slot
        name = hashlib.sha256(str(beside).encode()).hexdigest()[:16]
        self.places = (
            beside.with_name(beside.name.removesuffix(".snapshot.json") + ".emergency.json"),
            # A service's own /tmp ends with the run; RuntimeDirectoryPreserve= keeps this one.
            *(Path(kept, f"{name}.emergency.json") for kept in [os.environ.get("RUNTIME_DIRECTORY", "")] if kept),
            Path(tempfile.gettempdir(), f"keywatch-{os.geteuid()}-{name}.emergency.json"),
        )
        self.told: set[str] = set().union(*(_read(place, self.slot) for place in self.places))

    def add(self, route: str) -> None:
        """Remember that this route accepted it."""
        self.told.add(route)
        text = json.dumps({"slot": self.slot, "told": sorted(self.told)}) + "\n"
        any(_written(place, text) for place in self.places)


def _read(place: Path, slot: str) -> set[str]:
    """The routes in a marker of this slot. One that is a link, or of another user, is as good as none: others may
    write into a temporary folder, and a false marker would keep people from hearing of it."""
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
            said = json.loads(file.read(LARGEST_MARKER)) if ours else {}
        return {str(name) for name in said["told"]} if said.get("slot") == slot else set()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return set()


def _written(place: Path, text: str) -> bool:
    """Whole or not at all, for its owner only, and never through a name that somebody else has made."""
    try:
        number, draft = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError:
        return False
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(place)
        return True
    except OSError:
        Path(draft).unlink(missing_ok=True)
        return False

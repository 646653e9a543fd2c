"""What the tests of the rules are made of: one team, one credential, and the outside world's answers in ten lines.

The team: ana is on call, bo is second, hana is the head, cy and di are members, fay is the fallback, lars and the pager
are the last resort; kim keeps keywatch. Madrid is their zone. Everybody is proven unless a test says otherwise.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.model import (
    Ack,
    AckKind,
    Basis,
    Calendar,
    Call,
    Credential,
    Deadline,
    Decision,
    Duty,
    Episode,
    Found,
    Health,
    HealthState,
    OnCall,
    Owner,
    Person,
    Planned,
    Route,
    Rules,
    Standing,
    Told,
    Trust,
    World,
)
from keywatch.policy.deadlines import dated
from keywatch.policy.plan import decide

MADRID, NEW_YORK, LONDON = ZoneInfo("Europe/Madrid"), ZoneInfo("America/New_York"), ZoneInfo("Europe/London")
ZULU = ZoneInfo("UTC")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
PEOPLE = ("ana", "bo", "hana", "cy", "di", "fay", "lars", "kim")
ALIAS, PAGER = "alias", "pager"


def at(text: str, zone: ZoneInfo = ZULU) -> datetime:
    """`2026-12-19`, `2026-12-19 09:00` or `2026-12-19 09:00:30` in `zone`."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def madrid(text: str) -> datetime:
    return at(text, MADRID)


def calendar(
    zone: ZoneInfo = MADRID, holidays: Iterable[str] = (), freezes: Iterable[tuple[str, str]] = ()
) -> Calendar:
    """Monday to Friday in `zone`."""
    return Calendar(
        zone,
        holidays=frozenset(date.fromisoformat(day) for day in holidays),
        freezes=tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in freezes),
    )


def owner(**changes: Any) -> Owner:
    """The team `pay`."""
    usual = Owner("pay", "rota", (), "hana", ("cy", "di"), (ALIAS,), ("fay",), calendar=calendar())
    return replace(usual, **changes)


def roster(
    level1: Iterable[str] = ("ana",),
    level2: Iterable[str] = ("bo",),
    *,
    trust: Trust = Trust.LIVE,
    inactive: Iterable[str] = (),
    until: datetime | None = None,
) -> OnCall:
    """Who is on call at two levels, without a beginning."""
    off = set(inactive)
    duties = [
        Duty(Person(key, key, active=key not in off), level, None, until)
        for level, keys in ((1, level1), (2, level2))
        for key in keys
    ]
    return OnCall("rota", tuple(duties), trust, known_until=until)


def world(
    team: Owner | None = None,
    rota: OnCall | None = None,
    *,
    unproven: Iterable[str] = (),
    suspect: Iterable[str] = (),
    dead: Iterable[str] = (),
    away: Iterable[str] = (),
    inactive: Iterable[str] = (),
    routes: Iterable[Route] = (),
    last_resort: tuple[str, ...] = ("lars", PAGER),
    rules: Rules | None = None,
) -> World:
    """Everybody has one mail route named like them, proven unless named here."""
    team = team or owner()
    off = set(inactive)
    people = {key: Person(key, key, active=key not in off) for key in PEOPLE}
    known = {key: Route(key, key) for key in PEOPLE}
    known[ALIAS] = Route(ALIAS, shared=True)
    known[PAGER] = Route(PAGER, "lars", page=True, transport="pagerduty")
    known |= {route.name: route for route in routes}
    states = {name: HealthState.PROVEN for name in known if name != ALIAS}
    states |= dict.fromkeys(unproven, HealthState.UNPROVEN)
    states |= dict.fromkeys(suspect, HealthState.SUSPECT) | dict.fromkeys(dead, HealthState.DEAD)
    absent = set(away)
    health = {name: Health(state, None, at("2026-01-01"), name in absent) for name, state in states.items()}
    keeper = Owner("platform", people=("kim",), calendar=calendar())
    return World(
        {team.name: team, "platform": keeper},
        people,
        known,
        last_resort,
        "platform",
        rules or Rules(),
        {"rota": rota or roster(inactive=off)},
        health,
    )


EVERYBODY_UNPROVEN = (*PEOPLE, PAGER)


def credential(
    expires: str | datetime = "2026-12-19", lead: str = "5bd", *, place: World | None = None, **more: Any
) -> Credential:
    """`paygate`, owned by `pay`, with every derived instant. `expires` as text is read in UTC."""
    place = place or world()
    end = at(expires) if isinstance(expires, str) else expires
    usual: dict[str, Any] = {"version": "v1", "owner": "pay", "basis": Basis.ENFORCED, "because": "notAfter"}
    row = Credential(1, "vault", "kv/paygate", "paygate", expires_at=end, lead=lead, **(usual | more))
    return dated(row, place.owner_of(row).calendar, place.rules)


def episode(row: Credential, opened: str | datetime = "2026-01-01", **more: Any) -> Episode:
    """The open episode of `row`; `opened` as text is read in UTC."""
    assert row.expires_at is not None
    start = at(opened) if isinstance(opened, str) else opened
    return Episode(1, start, row.expires_at, row.version, **more)


def adopted(row: Credential, seen: datetime) -> Episode:
    """The episode of what had reached a stage, or its end, when it was first seen."""
    assert row.expires_at is not None
    return episode(row, seen, adopted_at=seen, expired_when_seen=row.expires_at <= seen)


def found(version: str = "v1", expires: str = "", basis: Basis = Basis.ENFORCED, **more: Any) -> Found:
    """One sighting of `kv/paygate`."""
    deadlines = (Deadline(at(expires), basis, f"date = {expires}"),) if expires else ()
    return Found("kv/paygate", version, "paygate", **({"deadlines": deadlines} | more))


def told(
    route: str,
    standing: Standing = Standing.ACCEPTED,
    *,
    duty: bool = False,
    rung: int = 0,
    person: str | None = None,
    when: datetime | None = None,
) -> Told:
    """One notice of a call; its person is named like its route."""
    who = ("" if route == ALIAS else route) if person is None else person
    return Told(route, who, rung, standing, when if standing is Standing.ACCEPTED else None, duty)


def call(stage: str, when: datetime, *notices: Told, asks: bool = True) -> Call:
    return Call(stage, when, asks, notices)


def promise(given: datetime, until: datetime, person: str = "ana", kind: AckKind = AckKind.ACK, number: int = 1) -> Ack:
    return Ack(number, kind, person, given, until)


# --------------------------------------------------------------------------- what the store and the wire would do

Answer = Callable[[Planned], Standing]


def everybody_accepts(_: Planned) -> Standing:
    return Standing.ACCEPTED


def applied(now: datetime, before: Episode, said: Decision, answer: Answer = everybody_accepts) -> Episode:
    """The episode after `said` was recorded, sent and answered at `now`."""
    fresh = tuple(_told(planned, answer(planned), now) for planned in said.notices)
    known = {one.stage for one in before.calls}
    calls = tuple(
        replace(one, told=one.told + fresh, asks=one.asks or said.asks) if one.stage == said.stage else one
        for one in before.calls
    )
    calls += tuple(Call(stage, now, False) for stage in said.superseded)
    if fresh and said.stage not in known:
        calls = (*calls, Call(said.stage, now, said.asks, fresh))
    clock = now if said.climbed else before.told_at
    if said.asks and any(one.standing is Standing.ACCEPTED for one in fresh):
        clock = clock or now
    return replace(
        before,
        rung=said.rung,
        told_at=clock,
        calls=calls,
        covered=said.covered or before.covered,
        acks=tuple(replace(ack, void_at=now) if ack.id in said.void else ack for ack in before.acks),
    )


def _told(planned: Planned, standing: Standing, now: datetime) -> Told:
    when = now if standing is Standing.ACCEPTED else None
    return Told(planned.route, planned.person, planned.rung, standing, when, planned.duty)


def answered(before: Episode, ack: Ack) -> Episode:
    """The episode after somebody took it; the climb clock waits for the next call."""
    return replace(before, acks=(*before.acks, ack), told_at=None)


def run(
    now: datetime, row: Credential, before: Episode, place: World, answer: Answer = everybody_accepts
) -> tuple[Episode, list[Decision]]:
    """One check: decide, send and decide again until nothing is added. The decisions that spoke, and the episode."""
    spoke: list[Decision] = []
    for _ in range(9):
        said = decide(now, row, before, place)
        before = applied(now, before, said, answer)
        if not adds(said):
            return before, spoke
        spoke.append(said)
    raise AssertionError(f"a check that does not come to rest: {spoke}")


def adds(said: Decision) -> bool:
    """Whether a decision says or changes anything."""
    return bool(said.notices or said.climbed or said.superseded or said.void)


def routes(said: Decision) -> list[str]:
    """The routes of a decision in alphabetical order; a route named twice stands twice."""
    return sorted(planned.route for planned in said.notices)


def year(
    row: Credential, before: Episode, place: World, instants: Iterable[datetime]
) -> tuple[Episode, list[tuple[datetime, Decision]]]:
    """A check at each instant, everybody accepting; everything that was said, and when."""
    heard: list[tuple[datetime, Decision]] = []
    for now in instants:
        before, spoke = run(now, row, before, place)
        heard += [(now, said) for said in spoke if said.notices]
    return before, heard


def every(step: timedelta, start: datetime, until: datetime) -> Iterable[datetime]:
    now = start
    while now < until:
        yield now
        now += step


def each_day(clock: str, start: date, until: date, zone: ZoneInfo = MADRID) -> Iterable[datetime]:
    """`clock` o'clock on each day of `[start, until)`."""
    while start < until:
        yield at(f"{start} {clock}", zone)
        start += DAY

"""Owners, their calendars, the rules of an installation, and the world they make up together."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from keywatch.dates import Lead, Step, Unit
from keywatch.model.credentials import PRODUCTION, Credential
from keywatch.model.people import Health, OnCall, Person, Route


@dataclass(frozen=True, slots=True)
class Calendar:
    """When an owner works. Freezes stop work, not messages; both of their dates are frozen."""

    zone: ZoneInfo
    weekend: frozenset[int] = frozenset({5, 6})
    """Weekdays off, Monday = 0."""
    holidays: Container[date] = frozenset()
    """Free days; a country's are worked out for the year that is asked about."""
    freezes: tuple[tuple[date, date], ...] = ()


@dataclass(frozen=True, slots=True)
class Owner:
    """A team or a list of people, and who hears of what it owns."""

    name: str
    roster: str = ""
    """`NAME` or `NAME:TARGET` of a configured roster; "" = the people below are always on duty."""
    people: tuple[str, ...] = ()
    head: str = ""
    members: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    digest: tuple[str, ...] = ()
    calendar: Calendar = Calendar(ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which stages one environment has."""

    before: tuple[int, ...] = (30, 14, 7, 2)
    """Days before start by."""
    late: bool = True
    last: bool = True
    repeats: bool = True
    """EXPIRED goes on after its first call."""
    climbs: bool = True


PRODUCTION_LADDER = Ladder()
OTHER_LADDER = Ladder(before=(7,), late=False, last=False, repeats=False, climbs=False)
FIVE_WORKING_DAYS = Lead((Step("", 5, Unit.WORKING_DAYS),))


@dataclass(frozen=True, slots=True)
class Rules:
    """The `[policy]` of an installation."""

    at: time = time(9)
    default_lead: Lead = FIVE_WORKING_DAYS
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    """By canonical environment; production's is always there."""
    personal_proof: timedelta = timedelta(days=90)
    shared_proof: timedelta = timedelta(days=45)
    silences: int = 3

    def ladder(self, env: str) -> Ladder:
        """The stages of an environment; none counts as production."""
        return self.ladders.get(env or PRODUCTION) or (PRODUCTION_LADDER if env in ("", PRODUCTION) else OTHER_LADDER)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the rules may ask besides one credential: who is who, who is on duty, which routes live."""

    owners: Mapping[str, Owner]
    people: Mapping[str, Person]
    routes: Mapping[str, Route]
    """Config routes, and the mail routes of people only a roster knows."""
    last_resort: tuple[str, ...]
    keeper: str
    """`[keywatch] owner`: told of what has no known owner."""
    rules: Rules
    on_call: Mapping[str, OnCall] = field(default_factory=dict)
    """By roster reference as owners write it."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By route; absent = unproven."""
    issuers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By shared route: the credentials whose issuer writes there."""
    unheard: str = ""
    """Why no answer by mail can be known of now: the inbox was not read for a day. Mail routes count as unproven."""

    def owner_of(self, credential: Credential) -> Owner:
        return self.owners.get(credential.owner) or self.owners[self.keeper]

    def health_of(self, route: str) -> Health:
        return self.health.get(route, Health())

"""The simulated company: who there is, what they own, and what befalls them in a year. One seed is one company.

Nothing here asks keywatch. The mishaps are drawn in advance; what people make of them is `company_people`'s affair.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

from tests.story.company_days import DAY, HOUR, OFFICES, Office

START = datetime(2026, 10, 5, 6, tzinfo=UTC)
"""A Monday, before anybody is at work."""
PEOPLE, TEAMS, ALIASES, CREDENTIALS = 40, 12, 8, 200
LATE = 0.75
"""The share of the credentials that are late when keywatch first sees them."""
SWALLOWED_FOR = 30 * DAY
"""How long the mailbox of somebody who left takes mail before it refuses it."""
KEEPER = "t00"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, its end excluded."""

    start: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.until


@dataclass(slots=True)
class Human:
    """Somebody with a mailbox."""

    key: str
    office: Office
    leaves: datetime | None = None
    unlisted: datetime | None = None
    """When somebody takes them out of the config; None: nobody ever does."""
    away: tuple[Window, ...] = ()

    @property
    def mail(self) -> str:
        return f"{self.key}@example.com"

    def here(self, at: datetime) -> bool:
        """Whether they still work here; on holiday they do."""
        return self.leaves is None or at < self.leaves

    def refuses(self, at: datetime) -> bool:
        return self.leaves is not None and at >= self.leaves + SWALLOWED_FOR

    def back(self, at: datetime) -> datetime:
        """`at`, or when they are back."""
        return next((window.until for window in self.away if window.holds(at)), at)

    def listed(self, at: datetime) -> bool:
        return self.unlisted is None or at < self.unlisted


@dataclass(slots=True)
class Alias:
    """A shared address. After it died nobody reads what is sent there, until somebody mends it."""

    name: str
    members: tuple[str, ...]
    dies: datetime | None = None
    bounces: bool = False
    """It refuses mail once it is dead; else it swallows it."""
    mended: datetime | None = None

    @property
    def mail(self) -> str:
        return f"{self.name}@example.com"

    def dead(self, at: datetime) -> bool:
        return self.dies is not None and at >= self.dies and (self.mended is None or at < self.mended)


@dataclass(slots=True)
class Team:
    """An owner of credentials."""

    name: str
    office: Office
    people: tuple[str, ...]
    head: str
    alias: str = ""
    second: bool = False
    """Its rotation has a second level."""
    rota: bool = True


@dataclass(slots=True)
class Item:
    """One credential as the world outside of keywatch knows it."""

    name: str
    team: str
    lead: str
    lead_days: int
    life_days: int
    expires: date
    issued: date | None = None
    robot: bool = False
    by_hand: bool = True
    """Registered in keywatch; else it stands in a file that keywatch reads."""


@dataclass(slots=True)
class Company:
    """Everything that is, and the calendar of what will go wrong."""

    seed: int
    days: int
    humans: dict[str, Human] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    mail_outages: tuple[Window, ...] = ()
    roster_outages: tuple[Window, ...] = ()
    gap: Window = Window(START, START)
    """No run at all."""

    @property
    def end(self) -> datetime:
        return START + self.days * DAY

    def readers(self, address: str, at: datetime) -> list[Human]:
        """Who could read what arrives at an address at that time: nobody, one, or the living of an alias."""
        name = address.partition("@")[0]
        if human := self.humans.get(name):
            return [human] if human.here(at) else []
        alias = self.aliases.get(name)
        if alias is None or alias.dead(at):
            return []
        return [self.humans[key] for key in alias.members if self.humans[key].here(at)]

    def listed(self, team: Team, at: datetime) -> list[str]:
        """The people of a team as the config has them; the last one stays."""
        return [key for key in team.people if self.humans[key].listed(at)] or [team.people[-1]]

    def ends(self, item: Item) -> datetime:
        """Midnight where keywatch lives: that is what a date without a time means, whoever owns it."""
        return OFFICES[0].at(item.expires, 0)

    def start_by(self, item: Item) -> datetime:
        office = self.teams[item.team].office
        return office.start_by(self.ends(item).astimezone(office.zone).date(), item.lead_days)

    def config(self, at: datetime, port: int = 9, *, questions: bool = True, inbox: str = "") -> str:
        """keywatch.toml as it stands at `at`: leavers go when somebody thinks of it."""
        people = [f'{h.key} = {{ name = "{h.key.upper()}", mail = "{h.mail}" }}' for h in self.humans.values()]
        routes = [f'[routes.{a.name}]\nmail = "{a.mail}"\nshared = true' for a in self.aliases.values()]
        teams = [self._section(team, at) for team in self.teams.values()]
        offices = [office.section for office in OFFICES]
        head = _HEAD.format(
            port=port,
            questions=str(questions).lower(),
            bounces='bounces = "keywatch+{token}@example.com"' if inbox else "",
            inbox=f'[inbox]\nurl = "maildir:{inbox}"\n' if inbox else "",
        )
        return "\n".join([head, "[people]", *people, *routes, *teams, *offices, ""])

    def _section(self, team: Team, at: datetime) -> str:
        keys = self.listed(team, at)
        names = "[" + ", ".join(f'"{key}"' for key in keys) + "]"
        owner = [f'[owners.{team.name}]\nhead = "{team.head}"\ncalendar = "{team.office.name}"']
        owner += [f'routes = ["{team.alias}"]'] if team.alias else []
        if not team.rota:
            return "\n".join([*owner, f"people = {names}"])
        second = "[" + ", ".join(f'"{key}"' for key in [*keys[1:], keys[0]]) + "]"
        rota = f'[rosters.{team.name}]\nkind = "company"\ntimezone = "{team.office.zone.key}"\nanchor = 2026-10-05\n'
        rota += f"people = {names}" + (f"\nsecondary = {second}" if team.second else "")
        return "\n".join([rota, *owner, f'roster = "{team.name}"\nmembers = {names}'])


_HEAD = """\
[keywatch]
store = "sqlite:///keywatch.db"
timezone = "Europe/Madrid"
owner = "t00"
last_resort = ["p00:mail", "phone"]

[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:{port}"
{bounces}

{inbox}
[policy]
questions = {questions}

[[source]]
name = "file"
kind = "file"
path = "credentials.toml"
every = "6h"

[routes.phone]
url = "json://127.0.0.1:9/phone"
page = true
person = "p01"
"""


# --------------------------------------------------------------------------- one company of many


def made(seed: int, days: int = 365, credentials: int = CREDENTIALS) -> Company:
    """The company of a seed; what befalls it is spread over `days`."""
    rng, company = Random(f"company {seed}"), Company(seed, days)
    _staff(company, rng)
    _mishaps(company, rng)
    _credentials(company, rng, credentials)
    return company


def _staff(company: Company, rng: Random) -> None:
    """Four people keep keywatch, three are heads of several teams, the others work in teams of three."""
    keys = [f"p{n:02}" for n in range(PEOPLE)]
    heads, rest = keys[37:], keys[4:37]
    for n in range(TEAMS):
        office = OFFICES[0 if n < 7 else 1 if n < 10 else 2]
        mine = tuple(keys[:4]) if n == 0 else tuple(rest[3 * (n - 1) : 3 * n])
        alias = f"team{n:02}" if 1 <= n <= ALIASES else ""
        head, second, rota = heads[0 if n < 5 else 1 if n < 10 else 2], n in (2, 5, 8, 10), n not in (0, 4, 9)
        company.teams[f"t{n:02}"] = Team(f"t{n:02}", office, mine, head, alias, second=second, rota=rota)
        company.humans |= {key: Human(key, office) for key in mine}
    company.humans |= {key: Human(key, OFFICES[0 if key != heads[2] else 2]) for key in heads}
    for human in company.humans.values():
        starts = sorted(rng.randrange(company.days) for _ in range(max(1, company.days // 120)))
        human.away = tuple(Window(START + s * DAY, START + (s + rng.randint(5, 15)) * DAY) for s in starts)


def _mishaps(company: Company, rng: Random) -> None:
    """Leavers, dying aliases, outages and three weeks without a run."""

    def somewhen(first: float, last: float) -> datetime:
        day = int(company.days * rng.uniform(first, last))
        return START + day * DAY + rng.uniform(1, 10) * HOUR

    workers = [team.people[rng.randrange(3)] for team in list(company.teams.values())[1:]]
    leavers = rng.sample(workers, 6)
    for n, key in enumerate(leavers):
        human = company.humans[key]
        human.leaves = somewhen(0.1, 0.85)
        human.unlisted = human.leaves + rng.randint(1, 25) * DAY if n < 4 else None
    for n in range(1, ALIASES + 1):
        alias = Alias(f"team{n:02}", company.teams[f"t{n:02}"].people)
        if n == 1:
            alias.dies = START - DAY
        elif n <= 5:
            alias.dies, alias.bounces = somewhen(0.1, 0.8), n == 5
        elif n <= 7:
            alias.members = (*alias.members[:1], leavers[n - 6])
        company.aliases[alias.name] = alias
    long = min(company.days / 365, 1.0)
    outages = range(max(2, round(5 * long)))
    company.mail_outages = tuple(_window(somewhen(0.05, 0.95), rng.uniform(2, 40) * HOUR) for _ in outages)
    company.roster_outages = tuple(
        _window(somewhen(0.05, 0.95), length * long * DAY) for length in (1, 6, rng.uniform(12, 18))
    )
    company.gap = _window(somewhen(0.45, 0.75), min(21, company.days // 9) * DAY)


def _window(start: datetime, length: timedelta) -> Window:
    return Window(start, start + length)


def _credentials(company: Company, rng: Random, count: int) -> None:
    """Of 200: 120 that last a year, 60 of 90 days, 20 renewed by robots; 150 are late when keywatch first sees them."""
    today, late = START.date(), int(count * LATE)
    for n in range(count):
        kind = "yearly" if n % 10 < 6 else "quarterly" if n % 10 < 9 else "robot"
        life = 365 if kind == "yearly" else 90
        days = rng.choice((5, 10, 15, 21)) if kind == "yearly" else rng.choice((2, 3, 5, 8))
        lead = f"approval={days - 4}bd,issue=1bd,deploy=2bd,margin=1bd" if days > 8 and n % 3 == 0 else f"{days}bd"
        item = Item(f"c{n:03}", f"t{rng.randrange(TEAMS):02}", lead, days, life, today)
        item.robot = kind == "robot"
        item.by_hand = not item.robot and n % 4 > 0
        if late and not item.robot:
            late, item.expires, item.by_hand = late - 1, _late(item, rng), True
        else:
            item.issued = today - rng.randrange(5, 55) * DAY if life == 90 else today - rng.randrange(5, 300) * DAY
            item.expires = item.issued + life * DAY
        company.items[item.name] = item


def _late(item: Item, rng: Random) -> date:
    """Expired for up to two months, or so near that its first stage has passed long since."""
    if rng.random() < 0.3:
        return START.date() - rng.randrange(1, 60) * DAY
    return START.date() + rng.randrange(1, 30 + item.lead_days) * DAY

"""Reads the sections of keywatch.toml, each in a function of its own, into the values of `keywatch.model`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from keywatch.config.holidays import holidays_of
from keywatch.config.outgoing import is_reference, schema_of, url_problem
from keywatch.config.table import Table, clock, is_address, unknown, valid_name
from keywatch.config.values import OWN, Assign, DigestSettings, RosterConfig, SourceConfig, mail_route
from keywatch.model import LABELS, MANUAL, PRODUCTION, Calendar, Ladder, Owner, Person, Route, Rules

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UTC = ZoneInfo("UTC")
FILES = "file"
"""The kind of source whose bare dates people write, so they are meant in [keywatch] timezone."""
OTHERS = Ladder(before=(7,), late=False, last=False, repeats=False, climbs=False)
"""What an environment other than production has unless [policy.NAME] says more: `7d` and `expired`, once each."""
FURTHEST_DAYS = 730
OWN_LADDER = Ladder(before=(7,))
"""Production's, but for one stage before start by: the one that asks."""
SHORTEST_CANARY, LONGEST_CANARY = timedelta(days=7), timedelta(days=365)


def names(root: Mapping[str, object], section: str) -> tuple[str, ...]:
    """What a section of `[section.NAME]` tables defines, whether or not those tables are well."""
    found = root.get(section)
    return tuple(found) if isinstance(found, dict) else ()


def environments(table: Table) -> dict[str, tuple[str, ...]]:
    """Canonical names and their aliases; a word means one environment only."""
    below = table.table("environments")
    found: dict[str, tuple[str, ...]] = {PRODUCTION: ()}
    for canonical in below.raw:
        found[canonical] = below.texts(canonical)
    meaning: dict[str, str] = {}
    for canonical, aliases in found.items():
        for word in (canonical, *aliases):
            first = meaning.setdefault(word.casefold(), canonical)
            if not valid_name(word):
                below.wrong(canonical, "a name is letters, digits, '.', '_' and '-', 64 at most")
            elif first != canonical:
                below.wrong(canonical, f"'{word}' already means {first}")
    return found


def canary(table: Table, environments: Iterable[str]) -> timedelta | None:
    """`[keywatch] canary`: how long an answer of a person holds; None = there is none."""
    if "canary" not in table.raw:
        table.asked.add("canary")
        return None
    span = table.elapsed("canary", "30d")
    if not SHORTEST_CANARY <= span <= LONGEST_CANARY:
        table.wrong("canary", "must be 7d to 365d; 30d is usual")
    if OWN in environments:
        table.wrong("canary", f"stands in an environment '{OWN}' of its own: give yours another name")
    return span


def people(root: Table) -> dict[str, Person]:
    """`[people.X]`: one address belongs to one person."""
    found: dict[str, Person] = {}
    owner_of: dict[str, str] = {}
    for key, table in root.named("people"):
        found[key] = Person(key, table.text("name", key), table.address("mail"))
        mail = found[key].mail.casefold()
        if mail and owner_of.setdefault(mail, key) != key:
            table.wrong("mail", f"is the address of '{owner_of[mail]}' already")
        table.done()
    return found


def routes(root: Table, people: Mapping[str, Person]) -> dict[str, Route]:
    """`[routes.X]`, and the mail route of each person."""
    found = {route.name: route for route in (mail_route(person) for person in people.values() if person.mail)}
    for name, table in root.named("routes"):
        found[name] = _route(name, table, names(root.raw, "people"))
        if name in people:
            table.wrong("", "a person has that name too; name the route after what it is")
        table.done()
    return found


def _route(name: str, table: Table, people: Iterable[str]) -> Route:
    shared, page = table.take("shared", bool, False), table.take("page", bool, False)
    person = table.one_of("person", "person", people)
    mail, url = table.address("mail"), table.text("url")
    if ("mail" in table.raw) == ("url" in table.raw):
        table.wrong("", 'write either mail = "…" or url = "…"')
    if shared and person:
        table.wrong("shared", f"what many read is not {person}'s own; leave out shared or person")
    if not url:
        return Route(name, person, shared, page, mail=mail)
    if is_reference(url):
        # What stands behind the reference is not known until something is sent, so it shares a fate with nothing.
        return Route(name, person, shared, page, url=url, transport=name)
    if problem := url_problem(url):
        table.wrong("url", problem)
    return Route(name, person, shared, page, url=url, transport=schema_of(url))


def rosters(root: Table) -> dict[str, RosterConfig]:
    """`[rosters.X]`. The other keys are the plugin's; a list `people` among them names people, for every plugin."""
    found = {}
    for name, table in root.named("rosters"):
        kind = table.text("kind", needed=True)
        found[name] = RosterConfig(name, kind, table.rest())
        listed = found[name].settings.get("people")
        for person in listed if isinstance(listed, list) else ():
            if isinstance(person, str) and person not in names(root.raw, "people") and not is_address(person):
                table.wrong("people", unknown("person", person, names(root.raw, "people")))
    return found


def calendars(root: Table, default: ZoneInfo) -> dict[str, Calendar]:
    """`[calendars.X]`."""
    found = {}
    for name, table in root.named("calendars"):
        zone = table.zone("timezone", default)
        free = holidays_of(table)
        found[name] = Calendar(zone, _weekend(table), free, tuple(_freezes(table)))
        table.done()
    return found


def _weekend(table: Table) -> frozenset[int]:
    if "weekend" not in table.raw:
        table.asked.add("weekend")
        return Calendar(UTC).weekend
    days = frozenset(WEEKDAYS.index(day) for day in table.some_of("weekend", "weekday", WEEKDAYS))
    if len(days) == len(WEEKDAYS):
        table.wrong("weekend", "leaves no working day")
    return days


def _freezes(table: Table) -> Iterator[tuple[date, date]]:
    for freeze in table.each("freezes"):
        first = freeze.take("from", date, date.min, needed=True)
        last = freeze.take("until", date, date.max, needed=True)
        if first > last:
            freeze.wrong("until", "is before from; both dates are frozen")
        freeze.done()
        yield first, last


def owners(
    root: Table, routes: Mapping[str, Route], calendars: Mapping[str, Calendar], default: Calendar
) -> dict[str, Owner]:
    """`[owners.X]`: people in them, always; an alias alone is never an audience."""
    people = names(root.raw, "people")
    found = {}
    for name, table in root.named("owners"):
        calendar = table.one_of("calendar", "calendar", names(root.raw, "calendars"))
        found[name] = Owner(
            name,
            roster=_roster_reference(table, names(root.raw, "rosters")),
            people=table.some_of("people", "person", people),
            head=table.one_of("head", "person", people),
            members=table.some_of("members", "person", people),
            routes=_owner_routes(table, routes),
            fallback=table.some_of("fallback", "person", people),
            digest=table.some_of("digest", "person", people),
            calendar=calendars.get(calendar, default),
        )
        if ("roster" in table.raw) == bool(table.raw.get("people")):
            table.wrong("", 'write either roster = "…" or people = ["…"]: somebody has to be on duty')
        table.done()
    return found


def _roster_reference(table: Table, rosters: Iterable[str]) -> str:
    reference = table.text("roster")
    name, colon, target = reference.partition(":")
    if reference and name not in tuple(rosters):
        table.wrong("roster", unknown("roster", name, rosters))
    elif colon and not target.strip():
        table.wrong("roster", "names no target after the ':'")
    return reference


def _owner_routes(table: Table, routes: Mapping[str, Route]) -> tuple[str, ...]:
    found = table.some_of("routes", "route", routes)
    for name in found:
        if routes[name].page:
            table.wrong("routes", f"'{name}' wakes somebody (page = true); such routes are for last_resort only")
    return found


def rules(table: Table, environments: Iterable[str]) -> Rules:
    """`[policy]` and its `[policy.ENVIRONMENT]` tables."""
    given = Rules()
    ladders = {name: Ladder() if name == PRODUCTION else OTHERS for name in environments}
    found = Rules(
        at=table.clock("at", given.at),
        default_lead=table.lead("default_lead", given.default_lead),
        personal_proof=_positive(table, "personal_proof", given.personal_proof),
        shared_proof=_positive(table, "shared_proof", given.shared_proof),
        silences=_count(table, "silences", given.silences),
        ladders=ladders,
    )
    for name in [key for key, value in table.rest().items() if isinstance(value, dict)]:
        below = table.table(name)
        below.where = f"[policy.{name}]" if name in ladders else "[policy]"
        if name in ladders:
            ladders[name] = _ladder(below, ladders[name], name == PRODUCTION)
        else:
            below.wrong("", unknown("environment", name, ladders))
    table.done()
    return found


def _positive(table: Table, key: str, default: timedelta) -> timedelta:
    value = table.elapsed(key, f"{default.days}d")
    if not value:
        table.wrong(key, "must be longer than nothing")
    return value or default


def _count(table: Table, key: str, default: int) -> int:
    value = table.take(key, int, default)
    if value < 1:
        table.wrong(key, "must be at least 1")
    return value


def _ladder(table: Table, given: Ladder, production: bool) -> Ladder:
    before = _before(table, given.before)
    kept = {key: table.take(key, bool, getattr(given, key)) for key in ("late", "last", "repeats", "climbs")}
    if production and not (before and all(kept.values())):
        table.wrong("", "production never falls silent: only before may change, and it keeps one stage at least")
    table.done()
    return Ladder(before, **kept)


def _before(table: Table, default: tuple[int, ...]) -> tuple[int, ...]:
    days = table.take("before", list, list(default))
    if not all(type(day) is int and 1 <= day <= FURTHEST_DAYS for day in days) or len(set(days)) < len(days):
        table.wrong("before", f"must be a list of different days before start by, 1 to {FURTHEST_DAYS}: [30, 14, 7, 2]")
        return default
    return tuple(sorted(days, reverse=True))


def digest(table: Table, people: Iterable[str], routes: Iterable[str]) -> DigestSettings:
    """`[digest]`."""
    text = table.text("at", "Mon 09:00")
    day, _, hour = text.partition(" ")
    at = clock(hour)
    if day.lower() not in WEEKDAYS or at is None:
        table.wrong("at", 'must be a weekday and a time, such as "Mon 09:00"')
    also = table.some_of("also", "person or route", (*people, *routes))
    table.done()
    weekday = WEEKDAYS.index(day.lower()) if day.lower() in WEEKDAYS else 0
    return DigestSettings(weekday, at or time(9), also)


def sources(root: Table, default: ZoneInfo) -> tuple[SourceConfig, ...]:
    """`[[source]]`, each with a name of its own; its other keys are the plugin's."""
    found: dict[str, SourceConfig] = {}
    for table in root.each("source"):
        name = table.text("name", needed=True)
        if valid_name(name):
            table.where = f"[[source]] {name}"
        elif name:
            table.wrong("name", "a name is letters, digits, '.', '_' and '-', 64 at most")
        if name.casefold() == MANUAL:
            table.wrong("name", f"'{MANUAL}' is reserved for what `keywatch add` and `import` record")
        if name.casefold() == OWN:
            table.wrong("name", f"'{OWN}' is reserved for the canary")
        if name in found:
            table.wrong("name", "another source has that name")
        kind, every = table.text("kind", needed=True), table.elapsed("every", "1h")
        zone = table.zone("timezone", default if kind == FILES else UTC)
        found[name] = SourceConfig(name, kind, every, zone, table.rest())
    return tuple(found.values())


def assigns(root: Table, environments: Mapping[str, tuple[str, ...]]) -> tuple[Assign, ...]:
    """`[[assign]]`, in the order of the file."""
    canonical = {word: name for name, also in environments.items() for word in (name, *also)}
    found = []
    for table in root.each("assign"):
        match, tag = table.text("match"), table.text("tag")
        if "match" not in table.raw and "tag" not in table.raw:
            table.wrong("", 'write match = "source:ref" or tag = "key=value"')
        if match and ":" not in match and not match.startswith("*"):
            table.wrong("match", "is a glob on source:ref, such as vault:secret/payments/*")
        if tag and "=" not in tag:
            table.wrong("tag", "is key=value, such as team=payments")
        gives = _gives(table, names(root.raw, "owners"), canonical)
        table.done()
        found.append(Assign(match, tag, gives))
    return tuple(found)


def _gives(table: Table, owners: Iterable[str], environments: Mapping[str, str]) -> dict[str, str]:
    gives = {label: table.text(label) for label in LABELS if label not in ("owner", "env", "lead")}
    gives["owner"] = table.one_of("owner", "owner", owners)
    gives["env"] = environments.get(table.one_of("env", "environment", environments), "")
    gives["lead"] = str(table.lead("lead", Rules().default_lead)) if "lead" in table.raw else ""
    gives["renewal"] = table.one_of("renewal", "way of renewal", ("automatic",))
    if not any(key in table.raw for key in gives):
        table.wrong("", "gives nothing: write owner, env, service, lead or renewal")
    return {key: value for key, value in gives.items() if value}


def last_resort(table: Table, people: Iterable[str], routes: Iterable[str]) -> tuple[str, ...]:
    """`[keywatch] last_resort`: names of routes. Too few of them is for `doctor` to say."""
    people, routes, found = tuple(people), tuple(routes), []
    for name in table.texts("last_resort"):
        if name in routes:
            found.append(name)
        elif name in people:
            table.wrong("last_resort", f"'{name}' is a person; their route is '{name}:mail', where they have a mail")
        else:
            table.wrong("last_resort", unknown("route", name, routes))
    return tuple(found)

"""The facts of a message, one entry a credential, worked out before any template sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from keywatch.dates import last_good_day
from keywatch.model import Calendar, Credential, HealthState, Owner, Standing, State, Told, World
from keywatch.policy import acks
from keywatch.policy.calendar import local_day, working_days_between
from keywatch.policy.deadlines import Dates, dates_of, first_step_due
from keywatch.policy.plan import next_step
from keywatch.policy.state import ORDER, state
from keywatch.read import Item

FAR = datetime.max.replace(tzinfo=UTC)
_UNITS = {"bd": "working day", "d": "day", "w": "week", "h": "hour"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One credential of a message; every field is ready to be read by a person."""

    name: str
    where: str
    """`production`, or the other environment."""
    state: State
    todo: str
    """What to do until when: the head of the subject."""
    expires: str
    """`expires Sat 19 Dec 2026; last good day Fri 18 Dec`."""
    needs: str
    """What the renewal takes and how much of that is left."""
    why: str
    impact: str = ""
    runbook: str = ""
    approver: str = ""
    emergency: str = ""
    url: str = ""
    told: str = ""
    """Who else was told."""
    untold: str = ""
    """Who was not, and why."""
    next: str = ""
    """What happens next, and when."""
    note: str = ""
    asks: bool = True
    start_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything one message says."""

    greeting: str
    take: str
    """The command that takes it; "" where nothing asks."""
    entries: tuple[Entry, ...]
    footer: str = ""
    replies: bool = False
    """Answers by mail are read: a plain "yes" takes it too."""


def subject(letter: Letter) -> str:
    """What to do, to what, until when; the worst first."""
    first, more = letter.entries[0], len(letter.entries) - 1
    return f"{first.todo}{f' (and {more} more)' if more else ''}"


def entry(item: Item, calls_told: Sequence[Told], world: World, now: datetime, to: str = "") -> Entry:
    """The entry of one notice as it stands at `now`; `to` is the route that it goes to."""
    credential, owner = item.credential, world.owner_of(item.credential)
    zone = owner.calendar.zone
    word = state(credential, now)
    if credential.expires_at is None:
        return Entry(credential.name, _where(credential), word, f"{word}: {credential.name}", "", "", item.why)
    when = dates_of(credential, owner.calendar, world.rules)
    get = credential.details.get
    return Entry(
        name=credential.name,
        where=_where(credential),
        state=word,
        todo=todo(item, owner.calendar, when, word, now),
        expires=expiry(credential.expires_at, zone, now),
        needs=needs(when, owner.calendar, now),
        why=item.why,
        impact=get("impact", ""),
        runbook=get("runbook", ""),
        approver=get("approver", "") if not when.done else "",
        emergency=get("emergency", ""),
        url=get("url", ""),
        told=", ".join(_heard([one for one in calls_told if one.route != to], item, world)),
        start_by=when.start_by,
        untold="; ".join(_unheard(owner, calls_told, world, zone)),
        next=_next(item, world, zone, now) if item.asks else "",
        note="; ".join(part for part in (_broken(item, world, zone, now), note(credential, item, owner, zone)) if part),
        asks=item.asks,
    )


def _where(credential: Credential) -> str:
    return credential.env or "production"


def todo(item: Item, calendar: Calendar, when: Dates, word: State, now: datetime) -> str:
    """The head of the subject: what to do, to what, until when."""
    credential, kind = item.credential, item.stage.partition("@")[0]
    what = f"{credential.name} ({_where(credential)})"
    until = f"expires {_short(last_moment(when, calendar.zone), now)}"
    impact = credential.details.get("impact", "")
    if word is State.EXPIRED:
        return f"EXPIRED: {credential.name}, {impact}" if impact else f"EXPIRED: {what}"
    if kind == "lapsed" or item.episode.rung > item.rung > 0 or (item.rung > 2):
        return f"Nobody has it: {what}, {until}"
    if kind.startswith("step-"):
        return f"Overdue: {kind.removeprefix('step-')} of {what}, {until}"
    if kind == "moved":
        return f"Sooner than planned: {what}, {until}"
    if kind == "renewed":
        return f"Renewed? Give the new date of {what}"
    if kind == "last":
        return f"Expires within 24 h: {what}, {until}"
    if kind == "overdue":
        return f"Was to renew itself and did not: {what}, {until}"
    if word is State.LATE:
        return f"LATE: {what}, {until}"
    if word is State.PLAN:
        return f"Plan: {what}, start by {_short(when.start_by.astimezone(calendar.zone), now)}"
    if local_day(calendar, now) >= local_day(calendar, when.start_by):
        return f"Start today: {what}, {until}"
    return f"Start by {_short(when.start_by.astimezone(calendar.zone), now)}: {what}, {until}"


def last_moment(when: Dates, zone: ZoneInfo) -> datetime:
    """The expiry in the owner's zone."""
    return when.expires_at.astimezone(zone)


def expiry(expires_at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`expires Sat 19 Dec 2026 (in 28 days); last good day Fri 18 Dec`."""
    local, left = expires_at.astimezone(zone), expires_at - now
    clock = "" if (local.hour, local.minute) == (0, 0) else f" {local:%H:%M}"
    good = f"; last good day {last_good_day(expires_at, zone):%a %-d %b}" if not clock else ""
    verb = "expired" if left.total_seconds() <= 0 else "expires"
    return f"{verb} {local:%a %-d %b %Y}{clock} {zone.key} ({_distance(left.total_seconds())}){good}"


def _distance(seconds: float) -> str:
    days, hours = divmod(abs(int(seconds)) // 3600, 24)
    span = f"{days} day{'s' * (days != 1)}" if days else f"{hours} hour{'s' * (hours != 1)}"
    return f"{span} ago" if seconds <= 0 else f"in {span}"


def needs(when: Dates, calendar: Calendar, now: datetime) -> str:
    """What the renewal takes, what is left, and when it must start."""
    takes = _takes(when, calendar, now)
    left = working_days_between(calendar, local_day(calendar, now), local_day(calendar, when.expires_at))
    day = f"{when.start_by.astimezone(calendar.zone):%a %-d %b}"
    start = f"start by {day}" if now < when.late_at else f"it should have started by {day}"
    if now >= when.expires_at:
        return f"{takes}."
    days = f"{left} working day{'s' * (left != 1)} left" if left else "no whole working day left"
    return f"{takes}; {days}; {start}." if when.left else f"{takes}; {days}."


def _takes(when: Dates, calendar: Calendar, now: datetime) -> str:
    """The steps of the renewal: what is done and what is left of them, and whether the next one is overdue."""
    steps = [f"{s.name} {_count(s.amount, s.unit.value)}".strip() for s in when.left]
    assumed = " (assumed: nobody said)" if when.assumed else ""
    said = f"Renewal takes {', '.join(steps)}{assumed}"
    if when.done:
        ahead = f"still to go: {', '.join(steps)}{assumed}" if steps else "only the new version is still to come"
        said = f"Done for its renewal: {', '.join(when.done)}; {ahead}"
    due = local_day(calendar, first_step_due(calendar, when))
    if len(when.left) > 1 and due < local_day(calendar, now) and now < when.expires_at:
        said += f"; {when.left[0].name} was due by {due:%a %-d %b}"
    return said


def _count(amount: int, unit: str) -> str:
    return f"{amount} {_UNITS[unit]}{'s' * (amount != 1)}"


def _short(moment: datetime, now: datetime) -> str:
    return f"{moment:%-d %b}" if moment.year == now.year else f"{moment:%-d %b %Y}"


def _heard(told: Sequence[Told], item: Item, world: World) -> list[str]:
    others = [t for t in told if t.person != item.person or not t.person]
    live = [t for t in others if t.standing in (Standing.ACCEPTED, Standing.PENDING)]
    return list(dict.fromkeys(_with_absence(t, world) for t in live))


def _with_absence(told: Told, world: World) -> str:
    away = " (away)" if world.health_of(told.route).away else ""
    return f"{name_of(told.person, told.route, world)}{away}"


def _broken(item: Item, world: World, zone: ZoneInfo, now: datetime) -> str:
    """Whose promise ended without a renewal, where nobody has it in hand since."""
    given = [ack for ack in item.episode.acks if ack.at <= now]
    if not given or acks.holding(given, now):
        return ""
    last = given[-1]
    day = last_good_day(last.until, zone)
    who = name_of(last.person, last.person, world)
    if last.void_at and last.void_at < last.until:
        return f"{who} had it in hand; that ended on {last.void_at.astimezone(zone):%-d %b}"
    return f"{who} had it in hand until {day:%-d %b}, and it is not renewed"


def name_of(person: str, route: str, world: World) -> str:
    """What people call whoever is behind a route."""
    return world.people[person].name if person in world.people else route


def _unheard(owner: Owner, told: Sequence[Told], world: World, zone: ZoneInfo) -> list[str]:
    """Routes of this call that are dead or did not accept, with the reason."""
    names = dict.fromkeys([*owner.routes, *(t.route for t in told if t.standing is Standing.FAILED)])
    found = []
    for route in names:
        verdict = world.health_of(route)
        if verdict.state is HealthState.DEAD and verdict.because:
            because = verdict.because
            found.append(f"{route}: refused {because.code} on {because.at.astimezone(zone):%-d %b}, marked dead")
        elif any(t.route == route and t.standing is Standing.FAILED for t in told):
            found.append(f"{route}: did not accept it yet")
    return found


def _next(item: Item, world: World, zone: ZoneInfo, now: datetime) -> str:
    at, people = next_step(now, item.credential, item.episode, world)
    names = ", ".join(name_of(p, p, world) for p in people[:4])
    who = f" {names} will be told too" if names else " you will be told again"
    return f"Without an answer: {at.astimezone(zone):%a %-d %b %H:%M}{who}."


def note(credential: Credential, item: Item, owner: Owner, zone: ZoneInfo) -> str:
    """What is unusual about it, in one sentence."""
    said = []
    if credential.owner != owner.name:
        known = f"its owner '{credential.owner}' is not in the config" if credential.owner else "nobody owns it"
        said.append(f"{known}: give it one with `keywatch edit {credential.name} --owner …`")
    if credential.stale_since:
        said.append(f"its source has not shown it since {credential.stale_since.astimezone(zone):%-d %b}")
    if item.stage.startswith("renewed"):
        said.append(
            f"its version changed but not its date: `keywatch edit {credential.name} --expires DATE`, or --same-date"
        )
    if credential.problem:
        said.append(f"its date cannot be read: {credential.problem}")
    return "; ".join(said)


def worst(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Worst first, asking ones before the others."""
    return tuple(sorted(entries, key=lambda one: (ORDER.index(one.state), not one.asks, one.start_by or FAR, one.name)))

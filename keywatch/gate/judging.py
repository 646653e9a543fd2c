"""The gate's rules: a pure function of facts, which come from the store or from a snapshot alike."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from keywatch.errors import Exit, KeywatchError
from keywatch.model import MANUAL, PRODUCTION, Credential, State
from keywatch.policy.state import speaks, state, worst_first
from keywatch.read import Reader, instant_of
from keywatch.report import distance, in_zone, promised_day, quoted, shown
from keywatch.snapshot import Group, Snapshot, group_of

if TYPE_CHECKING:
    from keywatch.config import Config

SKEW = timedelta(hours=1)
"""How far the clocks of two machines may differ."""


class Rule(StrEnum):
    """Why a credential is named."""

    EXPIRED = "KW001"
    INSIDE = "KW002"
    LATE = "KW003"
    UNKNOWN = "KW005"
    NOBODYS = "KW006"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    env: str = PRODUCTION
    within: timedelta = timedelta(days=14)
    owner: str = ""
    service: str = ""
    in_hand_warns: bool = False
    excepted: tuple[str, ...] = ()
    max_age: timedelta = timedelta(hours=26)
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known."""

    taken_at: datetime | None
    """When it was last made sure of: the last check, or the snapshot's own instant."""
    credentials: tuple[Credential, ...]
    owners: Collection[str]
    environments: Mapping[str, tuple[str, ...]]
    zones: Mapping[str, ZoneInfo]
    """By owner; under "" the one of everything else."""
    groups: Mapping[Group, int]
    horizon: datetime | None = None
    """A snapshot names nothing that lies behind it; None = everything is here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason against the release, or a warning."""

    rule: Rule
    credential: Credential
    level: str
    """`error` blocks, `warning` does not."""
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate says."""

    at: datetime
    question: Question
    judged: int
    findings: tuple[Finding, ...] = ()
    excepted: tuple[Finding, ...] = ()
    """What would have blocked, and was let pass for this one run."""
    problems: tuple[str, ...] = ()
    """Why it cannot say yes."""
    notes: tuple[str, ...] = ()
    taken_at: datetime | None = None
    ahead: str = ""
    """What comes next, where all is well."""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def exit_code(self) -> Exit:
        if any(finding.level == "error" for finding in self.findings):
            return Exit.BAD
        return Exit.UNKNOWN if self.problems else Exit.WELL


def of_store(reader: Reader, config: "Config", now: datetime) -> Facts:
    """The facts as the store has them."""
    rows = tuple(row for row in reader.credentials(now) if row.active)
    groups: dict[Group, int] = {}
    for row in rows:
        groups[group_of(row)] = groups.get(group_of(row), 0) + 1
    zones = {name: owner.calendar.zone for name, owner in config.owners.items()}
    last_run = instant_of(reader.meta("last_run") or None)
    return Facts(last_run, rows, set(zones), config.environments, {**zones, "": config.zone}, groups)


def of_snapshot(taken: Snapshot) -> Facts:
    """The facts as a run left them behind."""
    return Facts(
        taken.at, taken.credentials, taken.owners, taken.environments, taken.zones, taken.groups, taken.horizon
    )


# --------------------------------------------------------------------------- the judgement


def judge(facts: Facts, question: Question, now: datetime) -> Answer:
    """Answer the question.

    Raises:
        KeywatchError: the environment, or an excepted credential, is unknown (exit 2).
    """
    env = environment(question.env, facts.environments)
    wanted = [row for row in facts.credentials if _asked(group_of(row), env, question)]
    judged = sum(count for group, count in facts.groups.items() if _asked(group, env, question))
    passed = {found.id for name in question.excepted for found in _named(facts, name)}
    findings = _worst_first([one for row in wanted for one in _findings(row, facts, question, now)], now)
    excepted = tuple(one for one in findings if one.credential.id in passed)
    names = {one.credential.id for one in excepted}
    unused = [name for name in question.excepted if not names & {row.id for row in _named(facts, name)}]
    return Answer(
        at=now,
        question=question,
        judged=judged,
        findings=tuple(one for one in findings if one.credential.id not in passed),
        excepted=excepted,
        problems=tuple(_problems(facts, question, now, judged, wanted)),
        notes=tuple(f"nothing is found against {shown(name)}: it needs no exception" for name in unused),
        taken_at=facts.taken_at,
        ahead=_ahead(wanted, facts, now),
        zone=facts.zones[""],
    )


def environment(text: str, environments: Mapping[str, tuple[str, ...]]) -> str:
    """The canonical name of an environment.

    Raises:
        KeywatchError: unknown; the hint lists the known ones.
    """
    wanted = text.strip().casefold()
    for name, aliases in environments.items():
        if wanted in (known.casefold() for known in (name, *aliases)):
            return name
    raise KeywatchError(f"no environment is called '{shown(text)}'", f"there are: {', '.join(environments)}")


def _asked(group: Group, env: str, question: Question) -> bool:
    return (
        group[0] == env
        and question.owner in ("", group[1])
        and question.service.casefold() in ("", group[2].casefold())
    )


def _named(facts: Facts, name: str) -> list[Credential]:
    """The one credential that `--except NAME` means; none where a snapshot need not have it."""
    texts = {row.id: (row.name, f"{row.source}:{row.ref}") for row in facts.credentials}
    exact = [row for row in facts.credentials if name in texts[row.id]]
    ending = [row for row in facts.credentials if any(t.endswith((f"/{name}", f":{name}")) for t in texts[row.id])]
    found = exact or ending
    if len(found) > 1:
        choices = ", ".join(texts[row.id][1] for row in found[:8])
        raise KeywatchError(f"'{shown(name)}' could be {len(found)} credentials", f"say which: {shown(choices)}")
    if not found and facts.horizon is None:
        raise KeywatchError(f"no credential is called '{shown(name)}'", "`keywatch list` has the names")
    return found


def _worst_first(findings: Sequence[Finding], now: datetime) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.level != "error", worst_first(one.credential, now), one.rule))


def _findings(row: Credential, facts: Facts, question: Question, now: datetime) -> list[Finding]:
    """Everything there is against one credential. What has no date and no promise of one never blocks."""
    word = state(row, now)
    if word in (State.UNDATED, State.NEVER):
        return []
    warned = row.accepted_until is not None and row.accepted_until > now
    rules: list[tuple[Rule, bool]] = []
    if word is State.EXPIRED:
        rules.append((Rule.EXPIRED, warned))
    elif row.expires_at and row.expires_at <= now + question.within and speaks(row, now):
        rules.append((Rule.INSIDE, warned or (word is State.IN_HAND and question.in_hand_warns)))
    if word is State.LATE:
        rules.append((Rule.LATE, warned))
    if word is State.UNKNOWN:
        rules.append((Rule.UNKNOWN, False))
    if row.owner not in facts.owners:
        rules.append((Rule.NOBODYS, False))
    return [Finding(rule, row, "warning" if mild else "error", _message(rule, row, facts, now)) for rule, mild in rules]


def _message(rule: Rule, row: Credential, facts: Facts, now: datetime) -> str:
    """One line: expiry, start by, owner, what to do."""
    zone = facts.zones.get(row.owner, facts.zones[""])
    said = [_fact(rule, row)]
    if row.expires_at:
        verb = "expired" if row.expires_at <= now else "expires"
        said.append(f"{verb} {in_zone(row.expires_at, zone)} ({distance(now, row.expires_at)})")
    if row.start_by:
        said.append(f"start by {in_zone(row.start_by, zone)}")
    said.append(f"owner {row.owner or 'nobody'}")
    if row.in_hand and now < row.in_hand.until:
        said.append(f"in hand: {row.in_hand.person} until {promised_day(row.in_hand.until, zone)}")
    if row.accepted_until and now < row.accepted_until:
        said.append(f"risk accepted by {row.accepted_by} until {in_zone(row.accepted_until, zone)}")
    return f"{'; '.join(part for part in said if part)}. {_todo(rule, row)}"


def _fact(rule: Rule, row: Credential) -> str:
    return {
        Rule.EXPIRED: "",
        Rule.INSIDE: "",
        Rule.LATE: "its renewal should have started, and nobody has it in hand",
        Rule.UNKNOWN: f"its date cannot be read: {row.problem}",
        Rule.NOBODYS: f"its owner '{row.owner}' is not in the config" if row.owner else "it has no owner",
    }[rule]


def _todo(rule: Rule, row: Credential) -> str:
    name = quoted(row)
    book = f" ({row.details['runbook']})" if row.details.get("runbook") else ""
    if rule in (Rule.EXPIRED, Rule.INSIDE):
        done = f"`keywatch renew {name} --expires DATE`" if row.source == MANUAL else "the next check sees it"
        return f"Renew it{book}, then {done}"
    return {
        Rule.LATE: f"Start now{book}: `keywatch ack {name} --begun`",
        Rule.UNKNOWN: f"Give its date: `keywatch edit {name} --expires DATE`",
        Rule.NOBODYS: f"Give it one: `keywatch edit {name} --owner OWNER`, or an [[assign]] rule",
    }[rule]


def _problems(facts: Facts, question: Question, now: datetime, judged: int, wanted: Sequence[Credential]) -> list[str]:
    """Everything that forbids a yes."""
    found, taken, limit = [], facts.taken_at, question.max_age
    what = "the last check" if facts.horizon is None else "the snapshot"
    if taken is None:
        found.append("no check has run yet: `keywatch check` makes sure of the dates")
    elif taken > now + SKEW:
        found.append(f"{what} is of {taken.astimezone(UTC):%Y-%m-%d %H:%M} UTC, and that is still to come")
    elif now - taken > limit:
        found.append(f"{what} was {distance(now, taken)}, longer than --max-age allows")
    if facts.horizon and now + question.within > facts.horizon:
        found.append(f"the snapshot looks ahead to {facts.horizon:%Y-%m-%d}, and --within asks for more")
    stale = [row for row in wanted if any(at and now - at > limit for at in (row.stale_since, row.missing_since))]
    if stale:
        names = ", ".join(shown(row.name) for row in stale[:5]) + (", …" if len(stale) > 5 else "")
        found.append(f"not seen at their source for longer than --max-age: {names}")
    if judged == 0 and not question.allow_empty:
        found.append("no credential fits, so nothing was judged (--allow-empty accepts that)")
    return found


def _ahead(wanted: Sequence[Credential], facts: Facts, now: datetime) -> str:
    starts = sorted((row.start_by, row.name, row.owner) for row in wanted if row.start_by and row.start_by > now)
    if not starts:
        return ""
    start, name, owner = starts[0]
    return f"next to start: {shown(name)} by {in_zone(start, facts.zones.get(owner, facts.zones['']))}"

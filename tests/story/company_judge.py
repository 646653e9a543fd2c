"""The judge of the simulated company. It keeps its own books and never asks keywatch's rules.

Who could read what and did, which routes a living person proved, what was promised as the program printed it: from
these come the figures, and the history of whatever spoils one.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from keywatch.model import VerdictKind
from tests.story.company import START, Alias, Company, Human, Item
from tests.story.company_days import DAY, HOUR
from tests.story.company_post import Letter, findings

WEEK = timedelta(days=7)
PROVEN_FOR = 91 * DAY
"""What a human act says of a person's route; a day of grace, because keywatch counts from the instant."""
QUIET = frozenset({"digest", "finding", "question", "reminder", "test"})
"""What is no call."""
FAILED = (VerdictKind.DEFERRED, VerdictKind.UNREACHABLE, VerdictKind.UNKNOWN)


@dataclass(slots=True)
class Known:
    """One version of one credential, from the day keywatch knows of it."""

    name: str
    team: str
    expires: date
    ends: datetime
    start_by: datetime
    since: datetime
    robot: bool
    renewed: datetime | None = None
    reads: list[tuple[datetime, str]] = field(default_factory=list)
    promises: list[tuple[datetime, datetime, str]] = field(default_factory=list)
    """Given, ending, by whom."""

    def held(self, at: datetime) -> bool:
        """Whether the latest promise holds."""
        return bool(self.promises) and at < self.promises[-1][1]


@dataclass
class Judge:
    """The books of one life."""

    company: Company
    log: list[Letter]
    known: dict[str, Known] = field(default_factory=dict)
    past: list[Known] = field(default_factory=list)
    proofs: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, datetime] = field(default_factory=dict)
    calls: dict[str, list[Letter]] = field(default_factory=dict)
    """What was said of a credential since it was last covered, while it is not."""
    heard: dict[str, str] = field(default_factory=dict)
    """The last stage of a credential that was covered: whom the same one is said to later is told as well."""
    false_wells: list[str] = field(default_factory=list)
    bad_exits: Counter[int] = field(default_factory=Counter)
    late_said: list[str] = field(default_factory=list)
    last_resort: list[tuple[datetime, str, str]] = field(default_factory=list)
    """When, of what, why."""

    # ------------------------------------------------------------- what happens

    def seen(self, item: Item, at: datetime) -> None:
        """A credential, or its next version, is there."""
        if old := self.known.pop(item.name, None):
            old.renewed = at
            self.past.append(old)
        ends, start_by = self.company.ends(item), self.company.start_by(item)
        self.known[item.name] = Known(item.name, item.team, item.expires, ends, start_by, at, item.robot)
        self.calls.pop(item.name, None)
        self.heard.pop(item.name, None)

    def read(self, letter: Letter, human: Human, at: datetime) -> None:
        for name in letter.names:
            self.known[name].reads.append((at, human.key))

    def promised(self, name: str, person: str, until: datetime, at: datetime) -> None:
        self.known[name].promises.append((at, until, person))
        self.calls.pop(name, None)

    def proved(self, address: str, at: datetime) -> None:
        self.proofs[address].append(at)
        self.refusals.pop(address, None)

    def sent(self, letter: Letter) -> None:
        """One try."""
        if letter.verdict is VerdictKind.REFUSED:
            self.refusals[letter.to] = letter.at
        for name, state in letter.names.items():
            known = self.known[name]
            if name not in letter.stages or letter.stages[name] != self.heard.get(name):
                self.calls.setdefault(name, []).append(letter)
            if state == "LATE" and known.held(letter.at) and letter.accepted:
                self.late_said.append(f"{letter.at:%Y-%m-%d %H:%M} {name} to {letter.route}: {known.promises[-1]}")
            if name in letter.last_resort:
                self.last_resort.append((letter.at, name, self._why(known, letter.at)))

    def ran(self, code: int, at: datetime) -> None:
        """A run is over: exit 0 must be true."""
        self.bad_exits[code] += code != 0
        for name, letters in list(self.calls.items()):
            if self._covered(letters, at):
                self.heard[name] = letters[-1].stages.get(name, "")
                del self.calls[name]
            elif code == 0 and not self._waiting(letters, name, at) and self._open(name, at):
                tried = "; ".join(f"{one.at:%m-%d %H:%M} {one.route} {one.verdict.value}" for one in letters)
                self.false_wells.append(f"{at:%Y-%m-%d %H:%M} {name}: {tried}")
                del self.calls[name]

    def _open(self, name: str, at: datetime) -> bool:
        return not self.known[name].held(at)

    # ------------------------------------------------------------- cover, counted anew

    def _covered(self, letters: list[Letter], at: datetime) -> bool:
        """One personal route that a living person proved in its window, or two of different people or transports."""
        heard = {one.route: one for one in letters if one.accepted and one.at >= self.refusals.get(one.to, one.at)}
        fates = {(one.person or one.route, one.to == "phone") for one in heard.values()}
        return len(fates) > 1 or any(one.person and self._proven(one.to, at) for one in heard.values())

    def _proven(self, address: str, at: datetime) -> bool:
        return any(at - proof <= PROVEN_FOR for proof in self.proofs[address])

    def _waiting(self, letters: list[Letter], name: str, at: datetime) -> bool:
        """One retry is allowed while more than a day remains."""
        tries = Counter(one.message_id for one in letters)
        once = [one for one in letters if one.verdict in FAILED and tries[one.message_id] == 1]
        return bool(once) and at < self.known[name].ends - DAY and at - once[-1].at <= HOUR

    def _why(self, known: Known, at: datetime) -> str:
        if at >= known.ends:
            return "expired"
        if known.ends - at <= DAY:
            return "less than 24 h"
        alive = [t for t in self.company.teams[known.team].people if self.company.humans[t].here(at)]
        return "for cover" if any(one.holds(at) for one in self.company.mail_outages) or not alive else "for cover?"

    # ------------------------------------------------------------- the figures

    def episodes(self) -> Iterator[Known]:
        """Versions that began a week or more before start by, and whose start by came within this life."""
        for known in [*self.past, *self.known.values()]:
            ended = known.renewed is not None and known.renewed <= known.start_by
            in_time = known.since <= known.start_by - WEEK and known.start_by < self.company.end
            if in_time and not ended and not known.robot:
                yield known

    def unheard(self) -> list[Known]:
        """Of these, those of which no living person read anything before start by."""
        return [known for known in self.episodes() if not any(at < known.start_by for at, _ in known.reads)]

    def untraced(self) -> list[Known]:
        """The unheard ones that the gap does not explain: in it their later stages passed without a run."""
        gap = self.company.gap
        return [one for one in self.unheard() if not (gap.holds(one.start_by) or gap.holds(one.start_by - WEEK))]

    def heard_late(self) -> list[Known]:
        """Of these, those that were not renewed by their end, for whatever reason."""
        return [
            known
            for known in self.episodes()
            if known.ends < self.company.end and (known.renewed is None or known.renewed > known.ends)
        ]

    def history(self, known: Known) -> str:
        """Everything that was said of one version, and who read it."""
        lines = [f"{known.name} of {known.team}: since {known.since:%F %H:%M}, start by {known.start_by:%F %H:%M}"]
        until = known.renewed or self.company.end
        for one in self.log:
            if known.name in one.names and known.since <= one.at <= until:
                state = one.names[known.name]
                said = f"{state} {one.stages.get(known.name)} {one.route} {one.verdict.value}"
                lines.append(f"  {one.at:%F %H:%M} {said} [{one.greeting}]")
        lines += [f"  read {at:%F %H:%M} by {who}" for at, who in known.reads]
        return "\n".join(lines)

    def weekly(self, without: Collection[str] = (), first: int = 8, *, in_turns: bool = False) -> list[int]:
        """Messages, some kinds left out, to each who works here in each whole week from the `first` on; sorted.

        `in_turns`: only to whoever takes turns in every team of theirs; else all of a team are on duty at all times.
        """
        always = {person for team in self.company.teams.values() if not team.rota for person in team.people}
        got: Counter[tuple[str, int]] = Counter()
        for letter in self.log:
            if letter.accepted and letter.person and letter.kind not in without:
                got[letter.person, (letter.at - START) // WEEK] += 1
        weeks = range(first, self.company.days // 7)
        return sorted(
            got[human.key, week]
            for human in self.company.humans.values()
            for week in weeks
            if human.here(START + (week + 1) * WEEK) and not (in_turns and human.key in always)
        )

    def kinds(self) -> Counter[str]:
        """Accepted messages to people from week 8 on, by kind."""
        return Counter(one.kind for one in self.log if one.accepted and one.person and one.at >= START + 8 * WEEK)

    def first_week(self) -> list[str]:
        """Who got more than one adoption message, or in one day's slot more than one notice of what expires in it.

        Each office has its slot, and what has less than a day left is said at once and each hour to more people.
        """
        late = {name for one in self.log for name, stage in one.stages.items() if stage.startswith("adopted")}
        adopted, days, more = Counter[str](), Counter[tuple[str, date, str]](), Counter[tuple[str, str]]()
        for one in self.log:
            if not (one.notice and one.accepted and one.person and one.at < START + WEEK):
                continue
            far = [name for name in one.names if not self._ends_in_first_week(name)]
            if any(one.stages[name].startswith("adopted") for name in far):
                adopted[one.person] += 1
            elif far:
                # What began after the import has a ladder of its own, and a broken promise is always said.
                stages = {one.stages[name].partition("@")[0] for name in far if name in late}
                more.update((one.person, stage) for stage in stages - {"lapsed"})
            else:
                calm = [self._first(name) for name in one.names]
                slots = {self.company.teams[k.team].office.name for k in calm if one.at < k.ends - DAY}
                days.update((one.person, one.at.date(), slot) for slot in slots)
        return [
            *(f"{who}: {count} adoption messages" for who, count in adopted.items() if count > 1),
            *(f"{who} on {day}: {count} of what expires" for (who, day, _), count in days.items() if count > 1),
            *(f"{who}: {count} more ({stage})" for (who, stage), count in more.items()),
        ]

    def _first(self, name: str) -> Known:
        return next(known for known in [*self.past, *self.known.values()] if known.name == name)

    def _ends_in_first_week(self, name: str) -> bool:
        return START <= self._first(name).ends <= START + WEEK + DAY

    def found_dead(self) -> dict[str, float | None]:
        """Days from the death of each alias to the first finding about it; None: never said though time was left.

        For one that bounces, from the first message that went there while it was dead: nothing can be known of it
        before. One that got readers again before anything could be said of it is left out.
        """
        found: dict[str, float | None] = {}
        for alias in self.company.aliases.values():
            if alias.dies is None:
                continue
            born = max(alias.dies, START)
            if alias.bounces:
                born = next((one.at for one in self.log if self._hit(one, alias, born)), self.company.end)
            told = next((one.at for one in findings(self.log, alias.name) if one.at >= born), None)
            known_by = min(self.company.end, alias.mended or self.company.end)
            if told or known_by - born >= 47 * DAY + self._without_a_run(born, known_by):
                days = (told - born - self._without_a_run(born, told)) / DAY if told else None
                found[f"{alias.name}{' (bounces)' if alias.bounces else ''}"] = days
        return found

    def _without_a_run(self, start: datetime, until: datetime) -> timedelta:
        """How much of that time falls into the gap: nobody can be told anything by what does not run."""
        gap = self.company.gap
        return max(min(until, gap.until) - max(start, gap.start), timedelta(0))

    @staticmethod
    def _hit(letter: Letter, alias: Alias, since: datetime) -> bool:
        """Whether a message got as far as an alias that was dead then."""
        reached = letter.accepted or letter.verdict is VerdictKind.REFUSED
        return letter.to == alias.mail and letter.at >= since and reached and alias.dead(letter.at)

    def wrongly_dead(self) -> list[str]:
        """Findings about an alias that lives; mended ones count as living again after a day."""
        return [
            f"{one.at:%F} {alias.name}"
            for alias in self.company.aliases.values()
            for one in findings(self.log, alias.name)
            if not alias.dead(one.at) and not (alias.mended and one.at < alias.mended + 2 * DAY)
        ]

    def table(self) -> str:
        """The figures of the year, as people read them."""
        dead = self.found_dead()
        why = Counter(reason for _, _, reason in self.last_resort)
        silent = [days for name, days in dead.items() if "bounces" not in name and days is not None]
        days = {name: "never" if value is None else round(value, 1) for name, value in dead.items()}
        lasts = len({(at, name) for at, name, _ in self.last_resort})
        rows = {
            "episodes": f"{len(list(self.episodes()))}, expired unrenewed {len(self.heard_late())}",
            "unheard": len(self.unheard()),
            "false all well": f"{len(self.false_wells)}; runs with exit 1: {self.bad_exits[1]}, 3: {self.bad_exits[3]}",
            "calls per person and week": _spread(self.weekly(QUIET)),
            "messages but digests": _spread(self.weekly({"digest"})),
            "the same, of teams with a roster": _spread(self.weekly({"digest"}, in_turns=True)),
            "all messages": f"{_spread(self.weekly())} {dict(self.kinds())}",
            "first week": f"{len(self.first_week())} not as promised {self.first_week()[:8]}",
            "calls at the last resort": f"{lasts} {dict(why)}",
            "LATE said of what is on schedule": len(self.late_said),
            "days until a dead alias was said": f"{days}, median of silent {statistics.median(silent or [0]):.1f}",
            "said of living aliases": len(self.wrongly_dead()),
        }
        return "\n".join(f"{what}: {value}" for what, value in rows.items())


def _spread(counts: list[int]) -> str:
    if not counts:
        return "no week yet"
    return f"mean {statistics.fmean(counts):.2f}, p95 {counts[int(len(counts) * 0.95)]}, worst {counts[-1]}"

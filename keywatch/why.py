"""What was said about a credential, to whom, what became of it, and what comes next: the answer to "nobody told me"."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch import history
from keywatch.audit import Story, for_people, stage
from keywatch.config import Config
from keywatch.history import Chapter, History, Promise
from keywatch.model import Credential, Decision, Episode, State, World
from keywatch.policy.deadlines import dates_of
from keywatch.policy.plan import decide
from keywatch.policy.state import speaks, state
from keywatch.read import NoticeRow, Reader
from keywatch.report import in_zone, promised_day, quoted, shown, utc

STEPS = 1000
"""Instants ahead that are looked at; a shift of eight hours, rendered two weeks ahead, makes about fifty."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What comes next."""

    sentence: str
    at: datetime | None = None
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The story of one credential."""

    history: History
    zone: ZoneInfo
    upcoming: Upcoming

    @property
    def open(self) -> Chapter | None:
        """The episode that is not over."""
        return next((one for one in self.history.chapters if one.ended is None), None)


def answer(row: Credential, config: Config, reader: Reader, world: World, now: datetime) -> Answer:
    """Read the story."""
    past = history.read(row, reader, world, now)
    zone = world.owner_of(row).calendar.zone
    now_open = next((one.episode for one in past.chapters if one.ended is None), None)
    upcoming = silent(row, now, zone) or _upcoming(row, now_open, config, world, now)
    return Answer(past, zone, upcoming)


def silent(row: Credential, now: datetime, zone: ZoneInfo) -> Upcoming | None:
    """Why nothing will be said of it by itself; None where something will."""
    word = state(row, now)
    if row.retired_at:
        return Upcoming(f"nothing: it was retired on {in_zone(row.retired_at, zone)} by {row.retired_by}")
    if not row.active:
        return Upcoming("nothing: its source says that it is not active")
    if word is State.NEVER:
        return Upcoming("nothing: it never expires")
    if word is State.UNDATED:
        return Upcoming(f"nothing singly: nobody gave it a date; `keywatch edit {quoted(row)} --expires DATE`")
    if word is State.UNKNOWN:
        return Upcoming("nothing more: its date cannot be read, its owner was told once")
    if row.accepted_until and row.accepted_until > now:
        who = f"by {row.accepted_by}" if row.accepted_by else ""
        return Upcoming(f"the risk is accepted {who} until then; then it is spoken of again", row.accepted_until)
    if not speaks(row, now):
        return Upcoming("it renews itself; should that be overdue, it is spoken of from then on", row.speaks_from)
    return None


# --------------------------------------------------------------------------- what comes next


def _upcoming(row: Credential, episode: Episode | None, config: Config, world: World, now: datetime) -> Upcoming:
    """The rules themselves are asked, so that the answer is what `check` will do."""
    if episode is None:
        return Upcoming("the next `keywatch check` opens its episode", now)
    ahead = _ahead(row, episode, config, world, now)
    if ahead is None:
        return Upcoming("nothing, as things stand")
    at, decision, then = ahead
    names = tuple(dict.fromkeys(_name(then, one.person, one.route) for one in decision.notices))
    sentence = _sentence(row, episode, decision, world, now)
    if at <= now:
        return Upcoming(f"{sentence}: the next `keywatch check` says it", now, names)
    return Upcoming(sentence, at, names or ("whoever is on call",))


def _ahead(
    row: Credential, episode: Episode, config: Config, world: World, now: datetime
) -> tuple[datetime, Decision, World] | None:
    """The next instant at which something is said if nobody answers, what, and who is who then. May ask a roster."""
    from keywatch.oncall import world_at  # brings the store with it

    moment: datetime | None = now
    known = {call.stage for call in episode.calls} | {""}
    for _ in range(STEPS):
        if moment is None:
            return None
        decision = decide(moment, row, episode, world)
        if decision.notices or decision.stage not in known:
            then = world_at(config, world, world.owner_of(row), moment, now) if moment > now else world
            then = replace(then, unheard=world.unheard)
            return moment, decide(moment, row, episode, then), then
        if decision.next_at is None or decision.next_at <= moment:
            return None
        moment = decision.next_at
    return None


def _sentence(row: Credential, episode: Episode, decision: Decision, world: World, now: datetime) -> str:
    said = stage(decision.stage)
    if row.in_hand and now < row.in_hand.until:
        who = _name(world, row.in_hand.person, "")
        zone = world.owner_of(row).calendar.zone
        hand = f"{who} has it in hand until {promised_day(row.in_hand.until, zone)}"
        if decision.stage.startswith("lapsed"):
            return f"{hand}; if the date has not moved by then, it goes on one rung higher"
        return f"{hand}; {said} is said all the same"
    last = episode.calls[-1].stage if episode.calls else ""
    if decision.stage == last and last:
        return "without an answer, these are told too"
    if decision.stage.startswith("lapsed"):
        return "the promise was not kept, so it goes on one rung higher"
    first = not any(call.told for call in episode.calls)
    return f"the first message ({said})" if first else f"{said} is due"


def _name(world: World, person: str, route: str) -> str:
    return world.people[person].name if person in world.people else person or route


# --------------------------------------------------------------------------- words


def text(found: Answer) -> str:
    """For people: oldest first, what comes next last."""
    row = found.history.credential
    story = Story(found.history, for_people(found.zone, shown))
    head = f"{row.name} is {state(row, found.history.at)}: {_dates(row, found.zone)}"
    return "\n".join([shown(head), *map(shown, _steps(found)), *story.lines(), f"next: {shown(_next(found))}"])


def _steps(found: Answer) -> list[str]:
    """How far a renewal is whose steps somebody marks as done: which are, and which is the one that is waited for."""
    row, world = found.history.credential, found.history.world
    if row.expires_at is None:
        return []
    when = dates_of(row, world.owner_of(row).calendar, world.rules)
    if not when.done or not when.left:
        return []
    left = [f"{step.name} ({step})" for step in when.left]
    return [
        f"done of its renewal: {', '.join(when.done)}; now {left[0]}" + "".join(f", then {one}" for one in left[1:])
    ]


def _next(found: Answer) -> str:
    ahead = found.upcoming
    when = f"{ahead.at.astimezone(found.zone):%a %-d %b %Y %H:%M}: " if ahead.at else ""
    names = f": {', '.join(ahead.people)}" if ahead.people else ""
    return f"{when}{ahead.sentence}{names}"


def _dates(row: Credential, zone: ZoneInfo) -> str:
    if row.expires_at is None:
        return row.problem or "no date"
    return f"expires {in_zone(row.expires_at, zone)}, start by {in_zone(row.start_by, zone)} ({row.because})"


# --------------------------------------------------------------------------- for programs


def payload(found: Answer) -> dict[str, Any]:
    """For programs."""
    past, now_open = found.history, found.open
    row = past.credential
    return {
        "credential": row.name,
        "source": row.source,
        "ref": row.ref,
        "state": str(state(row, past.at)),
        "expires_at": utc(row.expires_at),
        "start_by": utc(row.start_by),
        "because": row.because,
        "episode": _episode(now_open, past) if now_open else None,
        "ended": [
            {
                **_episode(chapter, past),
                "ended_at": utc(chapter.ended.ended_at),
                "outcome": chapter.ended.outcome.value,
                "ended_by": chapter.ended.ended_by,
            }
            for chapter in reversed(past.chapters)
            if chapter.ended
        ],
        "next": {
            "at": utc(found.upcoming.at),
            "people": list(found.upcoming.people),
            "sentence": found.upcoming.sentence,
        },
    }


def _episode(chapter: Chapter, past: History) -> dict[str, Any]:
    episode = chapter.episode
    return {
        "opened_at": utc(episode.opened_at),
        "deadline": utc(episode.deadline),
        "rung": episode.rung,
        "uncovered_since": utc(episode.uncovered_since),
        "calls": [
            {
                "stage": call.stage,
                "at": utc(call.at),
                "asks": call.asks,
                "notices": [_notice(row) for row in chapter.notices.get(call.stage, ())],
            }
            for call in episode.calls
        ],
        "acks": [_ack(promise) for promise in past.promises(chapter)],
    }


def _ack(promise: Promise) -> dict[str, Any]:
    ack = promise.ack
    return {
        "kind": ack.kind.value,
        "person": ack.person,
        "at": utc(ack.at),
        "until": utc(ack.until),
        "void_at": utc(ack.void_at),
        "note": ack.note,
        "by": ack.by,
        "route": promise.route or None,
        "end": promise.end.value,
        "ended_at": utc(promise.at),
    }


def _notice(row: NoticeRow) -> dict[str, Any]:
    verdict = row.verdict
    said = {"kind": verdict.kind.value, "code": verdict.code, "text": verdict.text} if verdict else None
    return {
        "route": row.told.route,
        "person": row.told.person or None,
        "rung": row.told.rung,
        "why": row.why,
        "standing": row.told.standing.value,
        "at": utc(row.at),
        "accepted_at": utc(row.told.accepted_at),
        "verdict": said,
    }

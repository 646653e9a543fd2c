"""What was said about a credential, to whom, what became of it, and what comes next: the answer to "nobody told me"."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from keywatch import history
from keywatch.config import Config
from keywatch.model import Ack, Credential, Episode, Person, Standing, State, World
from keywatch.policy.plan import decide, next_step
from keywatch.policy.state import speaks, state
from keywatch.read import Ended, NoticeRow, Reader
from keywatch.report import in_zone, promised_day, quoted, shown, utc

SAID = {
    Standing.PENDING: "not sent yet",
    Standing.WAITING: "deferred, tried again soon",
    Standing.ACCEPTED: "accepted",
    Standing.FAILED: "failed",
    Standing.SUPERSEDED: "not owed any more",
}


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What comes next."""

    sentence: str
    at: datetime | None = None
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The story of one credential."""

    credential: Credential
    at: datetime
    zone: ZoneInfo
    people: Mapping[str, Person]
    episode: Episode | None
    notices: Mapping[str, Sequence[NoticeRow]]
    """By stage."""
    upcoming: Upcoming
    ended: tuple[Ended, ...]
    """The latest first."""


def answer(row: Credential, config: Config, reader: Reader, world: World, now: datetime) -> Answer:
    """Read the story."""
    told = history.chapters(row, reader)
    now_open = next((one for one in told if one.ended is None), None)
    episode, notices = (now_open.episode, now_open.notices) if now_open else (None, {})
    zone = world.owner_of(row).calendar.zone
    upcoming = silent(row, now, zone) or _upcoming(row, episode, config, reader, world, now)
    ended = tuple(one.ended for one in reversed(told) if one.ended)
    return Answer(row, now, zone, world.people, episode, notices, upcoming, ended)


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


def _upcoming(
    row: Credential, episode: Episode | None, config: Config, reader: Reader, world: World, now: datetime
) -> Upcoming:
    """The rules themselves are asked, so that the answer is what `check` will do."""
    if episode is None:
        return Upcoming("the next `keywatch check` opens its episode", now)
    if row.in_hand and now < row.in_hand.until:
        who = world.people[row.in_hand.person].name if row.in_hand.person in world.people else row.in_hand.person
        return Upcoming(
            f"{who} has it in hand; if the date has not moved by then, it goes on one rung higher", row.in_hand.until
        )
    due = decide(now, row, episode, world)
    if due.notices or due.stage not in ("", *(call.stage for call in episode.calls)):
        names = tuple(dict.fromkeys(_name(world.people, one.person, one.route) for one in due.notices))
        return Upcoming(f"{due.stage} is due: the next `keywatch check` says it", now, names)
    if episode.calls and any(call.told for call in episode.calls):
        at, joining = next_step(now, row, episode, world)
        names = tuple(_name(world.people, one, one) for one in joining)
        return Upcoming("without an answer, these are told too" if names else "it is said again", at, names)
    from keywatch.forecast import next_message

    ahead = next_message(config, reader, row, now)
    if ahead is None:
        return Upcoming("nothing, as things stand")
    return Upcoming("the first message", ahead.at, ahead.people or ("whoever is on call",))


def _name(people: Mapping[str, Person], person: str, route: str) -> str:
    return people[person].name if person in people else person or route


# --------------------------------------------------------------------------- words


def text(found: Answer) -> str:
    """For people: oldest first, what comes next last."""
    return "\n".join(shown(line) if not line.startswith("  ") else f"  {shown(line)}" for line in _lines(found))


def _lines(found: Answer) -> Iterator[str]:
    row, zone = found.credential, found.zone
    yield f"{row.name} is {state(row, found.at)}: {_dates(row, zone)}"
    for past in reversed(found.ended):
        calls = sum(bool(call.told) for call in past.episode.calls)
        yield f"episode towards {in_zone(past.episode.deadline, zone)}, {calls} calls: {past.outcome}"
        yield f"  {in_zone(past.ended_at, zone)} by {past.ended_by}"
    episode = found.episode
    if episode:
        yield f"episode towards {in_zone(episode.deadline, zone)}, rung {episode.rung}"
        for stage, at, what in _story(found, episode):
            yield f"  {in_zone(at, zone)} {stage}: {what}"
        if episode.uncovered_since:
            yield f"uncovered since {in_zone(episode.uncovered_since, zone)}: nobody who counts has accepted it"
    yield f"next: {_next(found.upcoming, zone)}"


def _dates(row: Credential, zone: ZoneInfo) -> str:
    if row.expires_at is None:
        return row.problem or "no date"
    return f"expires {in_zone(row.expires_at, zone)}, start by {in_zone(row.start_by, zone)} ({row.because})"


def _next(ahead: Upcoming, zone: ZoneInfo) -> str:
    when = f"{ahead.at.astimezone(zone):%a %-d %b %Y %H:%M}: " if ahead.at else ""
    names = f" ({', '.join(ahead.people)})" if ahead.people else ""
    return f"{when}{ahead.sentence}{names}"


def _story(found: Answer, episode: Episode) -> list[tuple[str, datetime, str]]:
    """Calls and promises in their order, one line each notice."""
    said: list[tuple[str, datetime, str]] = []
    for call in episode.calls:
        rows = found.notices.get(call.stage, ())
        if not rows:
            said.append((call.stage, call.at, "passed over, a more urgent stage was said instead"))
        said += [(call.stage, row.at, _told(row, found)) for row in rows]
    for ack in episode.acks:
        said.append(("answer", ack.at, _promise(ack, found)))
        if ack.void_at:
            said.append(("answer", ack.void_at, f"the promise of {_name(found.people, ack.person, '')} became void"))
    return sorted(said, key=lambda one: one[1])


def _told(row: NoticeRow, found: Answer) -> str:
    told, verdict = row.told, row.verdict
    when = f" {in_zone(told.accepted_at, found.zone)}" if told.accepted_at else ""
    words = f" ({' '.join(part for part in (verdict.code, verdict.text) if part)})" if verdict else ""
    name = _name(found.people, told.person, "everybody")
    return f"{name} by {told.route}, rung {told.rung}, {row.why}: {SAID[told.standing]}{when}{words.replace(' ()', '')}"


def _promise(ack: Ack, found: Answer) -> str:
    what = "has begun, done by" if ack.kind == "begun" else "will begin by"
    note = f" ({ack.note})" if ack.note else ""
    return f"{_name(found.people, ack.person, '')} {what} {promised_day(ack.until, found.zone)}{note}"


def payload(found: Answer) -> dict[str, Any]:
    """For programs."""
    row, episode = found.credential, found.episode
    return {
        "credential": row.name,
        "source": row.source,
        "ref": row.ref,
        "state": str(state(row, found.at)),
        "expires_at": utc(row.expires_at),
        "start_by": utc(row.start_by),
        "because": row.because,
        "episode": _episode(episode, found.notices) if episode else None,
        "ended": [
            {
                **_episode(past.episode, {}),
                "ended_at": utc(past.ended_at),
                "outcome": past.outcome.value,
                "ended_by": past.ended_by,
            }
            for past in found.ended
        ],
        "next": {
            "at": utc(found.upcoming.at),
            "people": list(found.upcoming.people),
            "sentence": found.upcoming.sentence,
        },
    }


def _episode(episode: Episode, notices: Mapping[str, Sequence[NoticeRow]]) -> dict[str, Any]:
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
                "notices": [_notice(row) for row in notices.get(call.stage, ())],
            }
            for call in episode.calls
        ],
        "acks": [
            {
                "kind": ack.kind.value,
                "person": ack.person,
                "at": utc(ack.at),
                "until": utc(ack.until),
                "void_at": utc(ack.void_at),
                "note": ack.note,
                "by": ack.by,
            }
            for ack in episode.acks
        ],
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

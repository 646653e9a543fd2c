"""The report as text for a terminal, as a Markdown document to go on writing, and as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from keywatch.audit.sections import Sections
from keywatch.audit.timeline import Timeline
from keywatch.audit.words import Form, Line, Table, Value, for_people, for_programs
from keywatch.history import Chapter, History, Promise
from keywatch.model import Evidence, Told
from keywatch.read import Attempt, NoticeRow
from keywatch.report import markdown, shown


def text(history: History, since: datetime | None = None) -> str:
    """For a terminal. `since` cuts the timeline and nothing else."""
    zone = history.calendar.zone
    form = for_people(zone, shown)
    made = Sections(history, form)
    lines, left_out = _timeline(history, form, since)
    earlier = [f"({left_out} earlier lines are left out)"] if left_out else []
    happened = [f"{form.when(line.at)}  {line.text}" for line in lines] or ["Nothing happened."]
    routes = [f"{row[0]} ({row[1]}): first {row[2]}; at the end {row[3]}" for row in made.routes().rows]
    blocks = [
        [f"Times are {zone.key}.", *made.summary()],
        ["Timeline", *_indented([*earlier, *happened])],
        ["Routes", *_indented(routes or [made.routes().none])],
        ["What keywatch does not know", *_indented(list(made.unknown()))],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _timeline(history: History, form: Form, since: datetime | None) -> tuple[list[Line], int]:
    """The lines from `since` on, and how many came before."""
    lines = Timeline(history, form).lines()
    kept = [line for line in lines if since is None or line.at >= since]
    return kept, len(lines) - len(kept)


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


# --------------------------------------------------------------------------- Markdown


def document(history: History, since: datetime | None = None) -> str:
    """A Markdown document: the draft that the writer of the report goes on with."""
    zone = history.calendar.zone
    form = for_people(zone, markdown)
    made = Sections(history, form)
    lines, left_out = _timeline(history, form, since)
    parts = [
        f"# Draft of an incident report: {form.say(history.credential.name)}",
        f"Written by keywatch on {form.when(history.at)}. All times are {zone.key}.",
        "## Summary",
        _list(list(made.summary())),
        "## Timeline",
    ]
    if left_out and since:
        parts.append(f"{left_out} earlier lines, before {form.when(since)}, are left out.")
    happened: list[tuple[Value, ...]] = [(line.at, line.text) for line in lines]
    parts.append(_grid(Table("", ("When", "What"), happened, "Nothing happened."), form))
    for table in (made.told(), made.routes(), made.promises()):
        parts += [f"## {table.title}", _grid(table, form)]
    parts += ["## What keywatch does not know", _list(list(made.unknown()))]
    return "\n\n".join(parts)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _grid(table: Table, form: Form) -> str:
    """A Markdown table; its cells are Markdown already."""
    if not table.rows:
        return table.none
    cells = [
        [form.when(one) if isinstance(one, datetime) else "" if one is None else str(one) for one in row]
        for row in table.rows
    ]
    lines = [list(table.head), ["---"] * len(table.head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# --------------------------------------------------------------------------- JSON


def payload(history: History, since: datetime | None = None) -> dict[str, Any]:
    """For programs: instants in UTC, texts as they are."""
    row, form = history.credential, for_programs()
    made = Sections(history, form)
    lines, left_out = _timeline(history, form, since)
    return {
        "credential": {"name": row.name, "source": row.source, "ref": row.ref, "owner": row.owner, "env": row.env},
        "at": history.at,
        "zone": history.calendar.zone.key,
        "summary": list(made.summary()),
        "head": _head(made, history.subject) if history.subject else None,
        "timeline": [{"at": line.at, "kind": line.kind, "text": line.text, **line.data} for line in lines],
        "left_out": left_out,
        "told": _records(made.told()),
        "routes": _records(made.routes()),
        "promises": [_promise(one) for chapter in history.chapters for one in history.promises(chapter)],
        "unknown": list(made.unknown()),
    }


def _records(table: Table) -> list[dict[str, Value]]:
    keys = [name.lower().replace(",", "").replace(" ", "_") for name in table.head]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def _head(made: Sections, subject: Chapter) -> dict[str, Any]:
    """The figures of the summary."""
    history, over = made.history, subject.ended
    failures, read = made.failures(subject), history.first_read(subject)
    return {
        "expires_at": subject.episode.deadline,
        "start_by": history.due(subject)["start by"],
        "first_notice_at": subject.told[0].at if subject.told else None,
        "days_before_expiry": made.days_ahead(subject) if subject.told else None,
        "failures": len(failures),
        "first_failure": _failed(*failures[0]) if failures else None,
        "last_failure": _failed(*failures[-1]) if failures else None,
        "first_read": _read(*read) if read else None,
        "in_hand": [_promise(promise) for promise in history.promises(subject)],
        "uncovered_since": subject.episode.uncovered_since,
        "outcome": over.outcome.value if over else None,
        "ended_at": over.ended_at if over else None,
        "ended_by": over.ended_by if over else None,
    }


def _failed(told: Told, attempt: Attempt) -> dict[str, Any]:
    assert attempt.verdict is not None
    verdict = {"verdict": attempt.verdict.kind.value, "code": attempt.verdict.code, "said": attempt.verdict.text}
    return {"at": attempt.started_at, "route": told.route, "person": told.person or None, **verdict}


def _read(row: NoticeRow, proof: Evidence) -> dict[str, Any]:
    told = row.told
    known = {"evidence": proof.kind.value, "evidence_at": proof.at}
    return {"at": told.accepted_at, "route": told.route, "person": told.person or None, **known}


def _promise(promise: Promise) -> dict[str, Any]:
    ack = promise.ack
    return {
        "person": ack.person,
        "kind": ack.kind.value,
        "at": ack.at,
        "until": ack.until,
        "note": ack.note,
        "by": ack.by,
        "route": promise.route or None,
        "end": promise.end.value,
        "ended_at": promise.at,
    }

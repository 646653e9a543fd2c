"""The gate's answer in words: for people, for programs, and for GitHub."""

from typing import Any

from keywatch.errors import Exit
from keywatch.gate.judging import Answer, Finding
from keywatch.report import as_json, distance, github, shown, utc

ANNOTATIONS = 10
"""How many of each level GitHub shows for a step."""


def text(answer: Answer, reason: str = "") -> str:
    """The answer for people, the verdict first."""
    head = {Exit.BAD: "GATE blocked", Exit.UNKNOWN: "GATE cannot tell"}.get(answer.exit_code, "GATE passes")
    age = f"data of {distance(answer.at, min(answer.taken_at, answer.at))}" if answer.taken_at else "no data"
    lines = [f"{head}: {answer.judged} {shown(answer.question.env)} credential{'s' * (answer.judged != 1)}, {age}"]
    lines += [f"  {problem}" for problem in answer.problems]
    lines += [
        f"  {one.rule} {one.level:<7}  {shown(f'{one.credential.name}: {one.message}')}" for one in answer.findings
    ]
    lines += [f"  let pass: {one.rule} {shown(one.credential.name)}, {shown(reason)}" for one in answer.excepted]
    lines += [f"  {note}" for note in answer.notes]
    if answer.exit_code is Exit.WELL and answer.ahead:
        lines.append(f"  {answer.ahead}")
    return "\n".join(lines)


def annotations(answer: Answer, reason: str = "") -> str:
    """Workflow commands for GitHub, the worst first, and the text below; more than it would show stand in the text."""
    lines = [github("error", "keywatch gate", problem) for problem in answer.problems]
    counts: dict[str, int] = {"error": len(lines)}
    for one in answer.findings:
        counts[one.level] = counts.get(one.level, 0) + 1
        if counts[one.level] <= ANNOTATIONS:
            what = f"{shown(one.credential.name)}: {one.message}"
            lines.append(github(one.level, f"{one.rule} {one.credential.name}", what))
    lines += [
        github("warning", f"{one.rule} {one.credential.name} let pass", f"{one.credential.name}: {reason}")
        for one in answer.excepted
    ]
    return "\n".join([*lines, text(answer, reason)])


def payload(answer: Answer, reason: str = "") -> str:
    """The answer as JSON. `blocked` is true for everything that is not a yes."""
    return as_json(
        {
            "blocked": answer.exit_code is not Exit.WELL,
            "exit_code": int(answer.exit_code),
            "at": utc(answer.at),
            "data_at": utc(answer.taken_at),
            "judged": answer.judged,
            "findings": [_finding(one) for one in answer.findings],
            "excepted": [{**_finding(one), "reason": reason} for one in answer.excepted],
            "problems": list(answer.problems),
        }
    )


def _finding(one: Finding) -> dict[str, Any]:
    row = one.credential
    return {
        "rule": str(one.rule),
        "level": one.level,
        "credential": row.name,
        "source": row.source,
        "ref": row.ref,
        "owner": row.owner,
        "expires_at": utc(row.expires_at),
        "start_by": utc(row.start_by),
        "message": one.message,
    }

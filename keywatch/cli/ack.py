"""Take what a message says, until a date."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from keywatch.cli.answers import day
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.errors import DateError, KeywatchError
from keywatch.model import AckKind
from keywatch.report import shown

if TYPE_CHECKING:
    from keywatch.acking import Answer, Taken


@click.command("ack")
@click.argument("target", metavar="CODE|NAME")
@click.option("--begun", is_flag=True, help="Work has begun; without it: I will begin.")
@click.option("--until", metavar="DATE", help="The last day of the promise; default: what fits.")
@click.option("--by", metavar="PERSON", help="Who takes it; default: whose message it was, or the login.")
@click.option("--note", metavar="TEXT", default="", help="Such as the number of a ticket.")
@click.option("--only", metavar="NAME", default="", help="Only this credential of the message.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(
    app: App, target: str, begun: bool, until: str | None, by: str | None, note: str, only: str, output: str
) -> None:
    """Take everything that a message asks for, by its CODE; this proves that somebody reads that route.

    By NAME it is recorded and proves no route. A promise ends with its day: then it is said again, one rung higher.
    """
    from keywatch import acking
    from keywatch.outlook import world

    now, person = app.now, app.person(by)
    kind = AckKind.BEGUN if begun else AckKind.ACK
    promise = acking.Promise(kind, _day(until), note, app.login, only)
    message = app.reader.message_by_code(target)
    named = app.reader.find(target, now) if message is None else []
    if message is None and not named:
        raise acking.unknown_code(target)
    row = app.credential(target) if message is None else None
    with app.store.write(plan=True) as tx:
        seen = world(app.config, tx.read, now)
        if message is not None:
            answer = acking.by_code(tx, app.config, seen, message, person, promise, now)
        else:
            assert row is not None
            giver = person or app.config.people.get(app.login)
            if giver is None:
                raise KeywatchError(
                    f"who takes {row.name}? The login '{app.login}' is nobody of [people]", "add --by NAME"
                )
            answer = acking.by_name(tx, seen, row, giver, promise, now)
    _print(answer, now, output)


def _day(text: str | None) -> date | None:
    """A promise names a day, not an instant."""
    if text is None:
        return None
    try:
        if len(text.strip()) == len("2026-12-01"):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise DateError(f"cannot read '{text[:40]}' as a day", "write 2026-12-01; the promise ends with that day")


def _print(answer: "Answer", now: datetime, output: str) -> None:
    if output == "json":
        left, proof = list(answer.left), answer.proof or None
        show_json({"taken": [_fields(one) for one in answer.taken], "left": left, "proof": proof})
        return
    for one in answer.taken:
        first, *rest = _lines(one, now)
        click.echo(shown(first))
        for line in rest:
            click.echo(f"  {shown(line)}")
    for sentence in answer.left:
        say(shown(sentence))
    if answer.overtaken:
        say("note: a later message overtook this one; what is still open of it counts")
    say(shown(answer.proof or "this proves no route; the code of a message does"))


def _fields(one: "Taken") -> dict[str, Any]:
    return {
        "credential": one.credential.name,
        "person": one.person.key,
        "kind": one.kind.value,
        "day": one.day.isoformat(),
        "until": one.until,
        "resumes_at": one.resumes_at,
    }


def _lines(one: "Taken", now: datetime) -> list[str]:
    """What was promised, until when, and what happens then."""
    begun, name = one.kind is AckKind.BEGUN, one.credential.name
    last = day(one.day, now)
    before = f" (until now {one.before} had it)" if one.before else ""
    said = [f"{name}: in hand, {one.person.name} {'has begun, done by' if begun else 'begins by'} {last}{before}"]
    if one.shortened:
        said.append(f"{last} is the last day that {name} allows")
    if one.speaks_at:
        said.append(f"its last 24 h speak all the same, from {_at(one.speaks_at, one, now)}")
    joining = f", also to {', '.join(one.joining)}" if one.joining else ""
    kept = "renewed" if begun else f"begun (`keywatch ack {name} --begun`) or renewed"
    said.append(f"if it is not {kept} by then, it is said again {_at(one.resumes_at, one, now)}{joining}")
    return said


def _at(moment: datetime, one: "Taken", now: datetime) -> str:
    there = moment.astimezone(one.zone)
    return f"{day(there.date(), now)} {there:%H:%M}"

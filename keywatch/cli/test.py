"""Send a test message to a route; its code proves that somebody reads it."""

import click

from keywatch.cli.app import App, pass_app, show_json
from keywatch.errors import Exit
from keywatch.model import VerdictKind
from keywatch.report import shown


@click.command("test")
@click.argument("target", metavar="ROUTE|PERSON")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, target: str, output: str) -> int:
    """Send a real message to ROUTE, or to every route of PERSON that wakes nobody; dead ones too.

    The code that stands in it, given to `keywatch ack`, proves the route. Exit 1: refused. 3: not delivered yet.
    """
    from keywatch import trial
    from keywatch.dispatch import Dispatcher
    from keywatch.outlook import world

    seen = world(app.config, app.reader, app.now)
    routes = trial.routes_of(seen, target)
    with Dispatcher(app.store, app.config, app.clock) as dispatcher:
        tests = trial.send(app.store, app.config, seen, dispatcher, routes)
    if output == "json":
        rows = [
            {
                "route": one.message.route,
                "person": one.message.person or None,
                "verdict": one.verdict.kind.value,
                "smtp": one.verdict.code or None,
                "code": one.message.code if app.rehearsal else None,
            }
            for one in tests
        ]
        show_json({"tests": rows})
    else:
        for one in tests:
            answer = " ".join(part for part in (one.verdict.code, one.verdict.text) if part)
            click.echo(f"{one.message.route}: {one.verdict.kind}{f' ({shown(answer)})' if answer else ''}")
            _next(one.verdict.kind, one.message.code if app.rehearsal else "CODE")
    return _exit([one.verdict.kind for one in tests], len(routes))


def _next(verdict: VerdictKind, code: str) -> None:
    if verdict is VerdictKind.ACCEPTED:
        click.echo(f"  accepted is not read: type `keywatch ack {code}` with its code when you see it")
    elif verdict is not VerdictKind.REFUSED:
        click.echo("  the next `keywatch check` tries it again")


def _exit(verdicts: list[VerdictKind], asked: int) -> int:
    if VerdictKind.REFUSED in verdicts:
        return Exit.BAD
    good = len(verdicts) == asked and set(verdicts) <= {VerdictKind.ACCEPTED}
    return Exit.WELL if good else Exit.UNKNOWN

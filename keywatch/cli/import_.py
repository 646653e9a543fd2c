"""Register many credentials from a CSV or TOML file."""

import sys
from collections import Counter
from pathlib import Path
from typing import Literal

import click

from keywatch.cli.answers import fields, speaker
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.errors import KeywatchError
from keywatch.policy.state import ORDER, state


@click.command("import")
@click.argument("file")
@click.option("--format", "kind", type=click.Choice(["csv", "toml"]), help="Default: by the name of the file, or CSV.")
@click.option("--update", is_flag=True, help="Take what the file says of credentials that are known already.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, file: str, kind: Literal["csv", "toml"] | None, update: bool, dry_run: bool, output: str) -> None:
    """Register every credential of FILE (`-`: standard input), or none of them and every reason why.

    The columns: name, expires, never, issued, automatic, owner, service, env, lead, runbook, approver, impact,
    emergency, issuer_writes_to, renewable_by, deputy. What has reached a stage already is asked about in one message
    per person, and does not escalate for a week.
    """
    from keywatch import importing
    from keywatch.outlook import world
    from keywatch_file import rows

    now, who = app.now, speaker(app, None)
    text = _text(file)
    read = rows(
        text, kind or ("toml" if file.endswith(".toml") or "[[credential]]" in text else "csv"), app.config.zone
    )
    if dry_run:
        seen = world(app.config, app.reader, now)
        plan = importing.plan(app.config, seen, app.reader, read, now, update=update)
        done = []
    else:
        with app.store.write(plan=True) as tx:
            seen = world(app.config, tx.read, now)
            plan = importing.plan(app.config, seen, tx.read, read, now, update=update)
            done = importing.carry_out(tx, app.config, seen, plan, who, now)
    if output == "json":
        counts = {"new": len(plan.new), "updated": len(plan.updated), "unchanged": len(plan.unchanged)}
        show_json({"dry_run": dry_run, **counts, "credentials": [fields(row, now) for row in done]})
        return
    click.echo(f"{'would import' if dry_run else 'imported'}: {plan.counts}")
    found = Counter(state(row, now) for row in done)
    for word in (word for word in ORDER if word in found):
        click.echo(f"  {found[word]} {word}")
    if orphans := sum(not row.owner for row in done):
        say(f"note: {orphans} without an owner; {app.config.keeper} is told of them")


def _text(file: str) -> str:
    """The content of a file, or of standard input.

    Raises:
        KeywatchError: it cannot be read, or is no UTF-8 text.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as problem:
        raise KeywatchError(f"cannot read {file}: {problem.strerror}", "name a CSV or TOML file, or -") from None
    except UnicodeDecodeError as problem:
        raise KeywatchError(f"{file} is not UTF-8 text (byte {problem.start})", "save it as UTF-8") from None

"""All credentials, worst first."""

import click

from keywatch import dates, report
from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.cli.looks import show_table, zone_of
from keywatch.config.table import unknown
from keywatch.errors import KeywatchError
from keywatch.model import PRODUCTION, Credential, State
from keywatch.policy.state import state, worst_first

STATES = {name.lower().replace(" ", "-"): State(name) for name in State}


@click.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(list(STATES), case_sensitive=False))
@click.option("--owner", metavar="OWNER")
@click.option("--env", metavar="ENV", help="No environment counts as production.")
@click.option("--service", metavar="SERVICE")
@click.option("--within", metavar="60d", help="Only what must be started or expires within this time.")
@click.option("--retired", is_flag=True, help="Those that were retired, too.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv", "md"]), default="table", show_default=True)
@pass_app
def command(
    app: App,
    states: tuple[str, ...],
    owner: str | None,
    env: str | None,
    service: str | None,
    within: str | None,
    retired: bool,
    output: str,
) -> int:
    """All credentials, worst first: what each needs now, when it expires, and by when its renewal must start."""
    now, wanted = app.now, {STATES[name.lower()] for name in states}
    env = app.config.environment(env) or PRODUCTION if env is not None else None
    horizon = now + dates.elapsed(within) if within else None
    if owner is not None:
        known = {*app.config.owners, *(row.owner for row in app.reader.credentials(now, include_retired=True))}
        if owner not in known:
            raise KeywatchError(unknown("owner", owner, known), f"[owners] has: {', '.join(app.config.owners)}")
    found = app.reader.credentials(now, include_retired=retired, env=env, owner=owner, service=service)
    kept = [one for one in found if not wanted or state(one, now) in wanted]
    if horizon:
        kept = [one for one in kept if any(at and at < horizon for at in (one.start_by, one.expires_at))]
    kept.sort(key=lambda one: (bool(one.retired_at), worst_first(one, now)))
    _show(app, kept, output)
    say(report.next_step(kept, now, app.config.zone))
    return 0


def _show(app: App, found: list[Credential], output: str) -> None:
    now, rules = app.now, app.config.rules
    if output in ("json", "csv"):
        records = [report.record(one, now, zone_of(app, one), rules) for one in found]
        if output == "json":
            show_json({"credentials": records})
        else:
            click.echo(report.as_csv(report.CSV, [report.plain_row(one) for one in records]))
        return
    rows = [report.row(one, now, zone_of(app, one), rules, said) for one, said in _said(app, found)]
    if output == "md":
        click.echo(report.as_md(report.HEAD, rows))
    else:
        show_table(app, report.HEAD, rows)


def _said(app: App, found: list[Credential]) -> list[tuple[Credential, str]]:
    """Each with when it was last said; only what has reached a stage can have been."""
    now = app.now
    spoken = [one.id for one in found if one.plan_from and one.plan_from <= now and not one.retired_at]
    episodes = app.reader.episodes(spoken)
    people = app.config.people
    return [(one, report.last_told(episodes.get(one.id), people, now, zone_of(app, one))) for one in found]

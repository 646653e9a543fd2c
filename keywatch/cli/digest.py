"""Preview or send the weekly digest."""

import click

from keywatch.cli.app import App, pass_app, say


@click.command("digest")
@click.option("--person", metavar="WHO", help="Only this reader's.")
@click.option("--send", is_flag=True, help="Send this week's digests now to everybody who did not get one.")
@pass_app
def command(app: App, person: str | None, send: bool) -> int:
    """Preview this week's digest, or send it. `check` sends it by itself when `[digest] at` has come."""
    from keywatch import digest, outlook
    from keywatch.wording import CODE

    now = app.now
    if send:
        return _send(app)
    world = outlook.world(app.config, app.reader, now)
    found = [one for one in digest.digests(app.config, world, app.reader, now) if person in (None, one.person)]
    for one in found:
        click.echo(f"To: {', '.join(one.routes)}\nSubject: {one.subject}\n\n{digest.text(one).replace(CODE, 'CODE')}\n")
    due = f"{digest.next_at(app.config, now).astimezone(app.config.zone):%a %-d %b %H:%M}"
    say(f"{len(found)} reader{'s' * (len(found) != 1)}; the next one goes out {due}")
    return 0


def _send(app: App) -> int:
    from keywatch import digest, outlook
    from keywatch.dispatch import Dispatcher

    with app.store.write(plan=True) as tx:
        world = outlook.world(app.config, tx.read, app.now)
        made = digest.enqueue_due(tx, app.config, world, app.now, force=True)
    with Dispatcher(app.store, app.config, app.clock) as dispatcher:
        sent = [one for one in dispatcher.run(world) if one.message.kind == "digest"]
    accepted = sum(one.verdict.kind == "accepted" for one in sent)
    click.echo(f"{len(made)} digests made, {accepted} accepted")
    for one in sent:
        if one.verdict.kind != "accepted":
            say(f"{one.message.route}: {one.verdict.kind} {one.verdict.code} {one.verdict.text}")
    return 0 if accepted == len(sent) else 3

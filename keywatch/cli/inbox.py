"""Read the bounces and answers that came by mail."""

from typing import TYPE_CHECKING

import click

from keywatch.cli.app import App, pass_app, say, show_json
from keywatch.errors import Exit, KeywatchError
from keywatch.report import shown

if TYPE_CHECKING:
    from keywatch.intake import Post
    from keywatch.intake.cases import Done


@click.command("inbox")
@click.option("--dry-run", is_flag=True, help="Say what each mail would do; keep nothing, mark nothing as seen.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_app
def command(app: App, dry_run: bool, output: str) -> int:
    """Read [inbox] alone, and say what each mail did. Every check reads it too.

    What follows for a call, the next check does. Exit 3: it cannot be read; nothing is lost by that.
    """
    from keywatch import intake

    if app.config.inbox is None:
        raise KeywatchError("[inbox] is not configured", 'give it url = "maildir:/path" or "imaps://user@host/INBOX"')
    app.dry = dry_run
    post, done = _read(app, dry_run)
    trouble = intake.mark(post, leave=dry_run)
    if output == "json":
        mails = [{"mail": one.kind.value, "did": one.what, "who": one.who or None} for one in done]
        show_json({"mails": mails, "problem": post.feed.problem or None, "read_at": post.feed.complete_at})
    else:
        _print(done, dry_run)
    if post.feed.problem or trouble:
        say(shown(f"inbox: {post.feed.problem}" if post.feed.problem else trouble))
        return int(Exit.UNKNOWN)
    return int(Exit.WELL)


def _read(app: App, dry_run: bool) -> "tuple[Post, list[Done]]":
    """Claim, read, write down; no transaction is open while the box is asked."""
    from keywatch import intake
    from keywatch.check import FEED_LEASE
    from keywatch.outlook import INBOX, world
    from keywatch.store import owner_name

    now, owner = app.now, owner_name()
    with app.store.write(plan=True) as tx:
        known = tx.read.feed(INBOX, INBOX)
        if not dry_run and not tx.claim_feed(INBOX, INBOX, "", now, FEED_LEASE, owner, due=False):
            raise KeywatchError(
                "another run is reading the inbox now", "`keywatch check` says what it did", Exit.UNKNOWN
            )
    post = intake.fetch(app.config, known, now)
    with app.store.write(plan=True) as tx:
        done = intake.account(tx, app.config, world(app.config, tx.read, now), post, now)
        if dry_run:
            tx.rollback()
    return post, done


def _print(done: "list[Done]", dry_run: bool) -> None:
    for one in done:
        click.echo(shown(f"{one.kind.value}: {one.what}"))
    said = f"{len(done)} mail{'s' * (len(done) != 1)} read"
    if dry_run:
        say(f"{said}; nothing was kept, none is marked as seen")
    elif any(one.acted for one in done):
        say(f"{said}; `keywatch check` does what follows from it")
    else:
        say(said)

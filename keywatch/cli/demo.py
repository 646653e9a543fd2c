"""Plays the incident with the real program, on a rehearsal store and a small mail server of its own on loopback."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import click

from keywatch.cli.app import App, pass_app
from keywatch.errors import KeywatchError

ALIAS = "payments-alerts@example.com"
CONFIG = """\
[keywatch]
store = "sqlite:///keywatch.db"
timezone = "Europe/Madrid"
owner = "payments"
last_resort = ["mia:mail", "li:mail"]

[mail]
from = "keywatch@example.com"
smtp = "smtp://127.0.0.1:{port}"

[people]
ana = {{ name = "Ana Ruiz", mail = "ana@example.com" }}
bo = {{ name = "Bo Lind", mail = "bo@example.com" }}
mia = {{ name = "Mia Okafor", mail = "mia@example.com" }}
li = {{ name = "Li Wei", mail = "li@example.com" }}

[routes.payments-alias]
mail = "payments-alerts@example.com"
shared = true

[rosters.payments]
kind = "rotation"
timezone = "Europe/Madrid"
people = ["ana", "bo"]
anchor = 2026-10-19
at = 09:00:00
every_days = 70

[owners.payments]
roster = "payments"
head = "mia"
members = ["ana", "bo"]
routes = ["payments-alias"]
fallback = ["li"]
"""


class Inbox:
    """A mail server's side of the story: it refuses the old alias and keeps what it accepts."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.refused = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: ARG002, N802
        if address == ALIAS:
            self.refused += 1
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails += [(address, mail) for address in envelope.rcpt_tos]
        return "250 accepted"

    def new(self) -> list[tuple[str, EmailMessage]]:
        """What came since the last look."""
        arrived, self.mails = self.mails, []
        return arrived


@contextmanager
def _mail_server() -> Iterator[tuple[Inbox, int]]:
    try:
        from aiosmtpd.controller import Controller
    except ImportError:
        raise KeywatchError("the demo needs a mail server to talk to", "pip install 'keywatch[demo]'") from None
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield inbox, port
    finally:
        controller.stop()


class Stage:
    """Runs keywatch as a person would, and tells what happened in plain words."""

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self.folder, self.inbox = folder, inbox
        self.code = ""
        self.now = ""

    def at(self, now: str, words: str) -> None:
        self.now = now
        click.echo()
        click.secho(words, bold=True)

    def run(self, *args: str, shown: bool = True) -> str:
        if shown:
            click.secho(f"  $ keywatch {subprocess.list2cmdline(args)}", fg="cyan")
        env = {key: value for key, value in os.environ.items() if not key.startswith("KEYWATCH_")}
        env |= {"KEYWATCH_NOW": self.now, "NO_COLOR": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "keywatch", *args],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KeywatchError(f"the demo stopped: keywatch {args[0]} answered {done.returncode}", done.stderr.strip())
        if shown:
            for line in done.stdout.splitlines():
                click.echo(f"    {line}")
        return done.stdout

    def check(self) -> None:
        """One run of the timer, in words."""
        click.secho("  $ keywatch check", fg="cyan")
        answer = json.loads(self.run("check", "-o", "json", shown=False))
        notices = [message for message in answer["messages"] if message["kind"] == "notice"]
        for message in notices:
            stages = ", ".join(sorted({notice["stage"].partition("@")[0] for notice in message["notices"]}))
            if message["verdict"] == "accepted":
                click.echo(f"    told {message['person']} by {message['route']} (stage {stages})")
                self.code = message["code"]
            else:
                click.secho(f"    {message['route']} refuses: {message['smtp']}: marked dead", fg="red")
        if not notices:
            click.echo("    nothing to say")
        if readers := [message["person"] for message in answer["messages"] if message["kind"] == "digest"]:
            click.echo(f"    (the weekly digest went to {', '.join(readers)})")


@click.command("demo")
@click.option("--keep", metavar="FOLDER", type=click.Path(path_type=Path), help="Play it there and leave everything.")
@pass_app
def command(app: App, keep: Path | None) -> int:  # noqa: ARG001
    """Play the incident: a dead alias, a person told in the same run, no answer, a climb, an ack, a renewal."""
    with tempfile.TemporaryDirectory(prefix="keywatch-demo-") as folder, _mail_server() as (inbox, port):
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / "keywatch.toml").write_text(CONFIG.format(port=port), encoding="utf-8")
        _play(Stage(place, inbox))
    return 0


def _play(stage: Stage) -> None:
    stage.at(
        "2026-10-19T10:00:00Z", "Mon 19 Oct. A payment gateway's API credentials expire on 19 December. The gateway"
    )
    click.secho(
        "must approve new ones, which takes 15 working days; then comes a deploy. Somebody writes it down:", bold=True
    )
    stage.run("init", "--rehearsal", "--no-input", shown=False)
    stage.run(
        *("add", "paygate-api", "--expires", "2026-12-19", "--lead", "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"),
        *("--owner", "payments", "--env", "production", "--service", "checkout"),
        *("--impact", "card payments stop", "--runbook", "https://wiki.example.com/paygate"),
        *("--approver", "PayGate merchant support"),
    )  # fmt: skip
    stage.at("2026-10-21T07:00:00Z", "Wed 21 Oct, 09:00 in Madrid. The timer runs. The team's old alias is gone:")
    stage.check()
    click.echo(
        "    The alias alone would have been silence. Ana is on call, so she is told in the same run, and because"
    )
    click.echo("    nobody ever proved to read her mail, the head of the team is told too.")
    stage.inbox.new()
    stage.at("2026-11-13T08:00:00Z", "Fri 13 Nov. A week before the work must start:")
    stage.check()
    mails = stage.inbox.new()
    stage.at("2026-11-17T08:00:00Z", "Tue 17 Nov. Two working days, and nobody has answered. It climbs:")
    stage.check()
    click.echo("\n  One of the mails, as it arrived on Friday:\n")
    _show(*mails[0])
    _taken(stage)


def _taken(stage: Stage) -> None:
    """Somebody answers, and the episode ends."""
    stage.at(
        "2026-11-17T09:30:00Z", "Tue 17 Nov, 10:30. Bo takes it, with the code of his mail. That proves his route, too:"
    )
    stage.run("ack", stage.code, "--begun", "--until", "2026-12-04")
    stage.at("2026-11-18T08:00:00Z", "Wed 18 Nov. It is in hand until 4 December:")
    stage.check()
    stage.run("list")
    stage.at("2026-12-03T12:00:00Z", "Thu 3 Dec. The new credentials are deployed:")
    stage.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    stage.at("2026-12-04T12:00:00Z", "Fri 4 Dec. The checkout is slow. Is it a credential? One command, one plain no:")
    stage.check()
    stage.run("suspects", "--service", "checkout")
    click.echo("\nThat was the real program, on a clock of its own. Two commands to go on with:")
    click.secho("  keywatch init", fg="cyan")
    click.secho("  keywatch add NAME --expires 2026-12-19 --lead 21bd --owner me --env production", fg="cyan")


def _show(address: str, mail: EmailMessage) -> None:
    body = mail.get_body(("plain",))
    click.echo(f"    To: {address}\n    Subject: {mail['Subject']}\n")
    for line in (body.get_content() if body else "").splitlines():
        click.echo(f"    {line}")

"""`check --ping-url`: a monitoring service hears of the start, of the end after the final commit, or of the failure."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope, Session

from tests.servers.smtp import SmtpServer
from tests.servers.web import Page, WebServer
from tests.story.story import ALIAS, Answer, Story

PATH = "/ping/4f1d-never-to-be-seen"
DUE = "2026-10-21 07:00"
"""The first message about paygate-api is due."""


class Watch(WebServer):
    """Notes with each ping what the store said at that instant, and how many mails had come."""

    def __init__(self, story: Story) -> None:
        super().__init__({PATH: Page(), f"{PATH}/start": Page(), f"{PATH}/fail": Page()})
        self.story = story
        self.seen: list[tuple[str, str, int]] = []

    def _speak(self, to: BaseHTTPRequestHandler, page: Page) -> None:
        found = self.story.ask("SELECT value FROM meta WHERE name = 'last_run'") if self.has_store else []
        mails = len(self.story.server.received)
        self.seen.append((to.path.removeprefix(PATH), found[0][0][:16] if found else "", mails))
        super()._speak(to, page)

    @property
    def has_store(self) -> bool:
        return (self.story.folder / "keywatch.db").exists()

    @property
    def pings(self) -> list[str]:
        """What was asked for behind the secret path: `/start`, "" (well) or `/fail`."""
        return [path for path, _, _ in self.seen]


@pytest.fixture
def watch(story: Story) -> Iterator[Watch]:
    with Watch(story) as server:
        yield server


def ping(story: Story, url: str, *args: str, expect: int | None = 0) -> Answer:
    """One run; whatever it says, it does not say the URL."""
    answer = story.run("check", "--ping-url", url, *args, expect=expect)
    assert "4f1d" not in answer.out + answer.err
    return answer


def test_start_before_any_message_and_success_after_the_last_commit(story: Story, watch: Watch) -> None:
    """The start is told before anything is done; success when the run stands in the store and its mails are out."""
    story.at(DUE)
    ping(story, watch.url(PATH))
    assert watch.seen == [("/start", "2026-10-20 08:00", 0), ("", "2026-10-21 07:00", 4)]


@pytest.mark.parametrize("event", ["keywatch.message.sending", "keywatch.message.sent", "keywatch.run.recorded"])
def test_a_run_that_is_killed_tells_no_success(story: Story, watch: Watch, event: str) -> None:
    """Killed between the start and the end: the service waits for a success that never comes, and says so."""
    story.at(DUE)
    before = (
        "import os, signal, sys\n"
        f"sys.addaudithook(lambda name, _: os.kill(os.getpid(), signal.SIGKILL) if name == {event!r} else None)"
    )
    run = story.spawn("check", "--ping-url", watch.url(PATH), before=before)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL
    assert watch.pings == ["/start"]


def test_an_idle_run_tells_too(story: Story, watch: Watch) -> None:
    """Nothing to do is a success as well: silence means that no run came."""
    assert "nothing is due" in ping(story, watch.url(PATH)).err
    assert watch.pings == ["/start", ""]


def test_a_source_that_cannot_be_read_is_no_failure_of_the_run(story: Story, watch: Watch) -> None:
    """Exit 3 with a report counts as a run: keywatch is alive and has said what it could not read."""
    story.rewrite("[people]", '[[source]]\nname = "partners"\nkind = "file"\npath = "gone.toml"\n\n[people]')
    story.at("2026-10-20 09:00")
    ping(story, watch.url(PATH), expect=3)
    assert watch.pings == ["/start", ""]


def test_nobody_reached_is_a_failure(story: Story, watch: Watch) -> None:
    """Exit 1: somebody else than keywatch has to tell people, and the service can. It stays one when it is idle."""
    story.server.rules.recipients["*"] = "550 5.1.1 no such user here"
    story.at(DUE)
    ping(story, watch.url(PATH), expect=1)
    ping(story, watch.url(PATH), expect=1)
    assert watch.pings == ["/start", "/fail", "/start", "/fail"]


def test_a_store_that_is_gone_is_a_failure(story: Story, watch: Watch) -> None:
    """An error is a failure, whatever its exit code; the start was told before it happened."""
    (story.folder / "keywatch.db").unlink()
    ping(story, watch.url(PATH), expect=3)
    assert watch.pings == ["/start", "/fail"]


def test_a_broken_config_is_a_failure(story: Story, watch: Watch) -> None:
    """A timer whose config nobody can read runs into nothing every 15 minutes: the service has to say so."""
    story.rewrite("[people]", "[nonsense]\n[people]")
    ping(story, watch.url(PATH), expect=2)
    assert watch.pings == ["/start", "/fail"]


def test_a_dry_run_tells_nobody(story: Story, watch: Watch) -> None:
    """What sends nothing must not look like a run."""
    ping(story, watch.url(PATH), "--dry-run")
    assert watch.pings == []


def test_the_url_may_be_a_reference(story: Story, watch: Watch) -> None:
    """`file:` beside the config, or KEYWATCH_PING_URL with a reference in it: nothing shows on a command line."""
    (story.folder / "ping").write_text(watch.url(PATH) + "\n")
    ping(story, "file:ping")
    env = {name: text for name, text in os.environ.items() if not name.startswith("KEYWATCH_")}
    env |= {"KEYWATCH_PING_URL": "env:HC", "HC": watch.url(PATH), "KEYWATCH_NOW": "2026-10-20T08:01:00Z"}
    argv = [sys.executable, "-m", "keywatch", "--config", str(story.folder / "keywatch.toml"), "check"]
    done = subprocess.run(argv, env=env, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, "4f1d" in done.stderr) == (0, False), done.stderr
    assert watch.pings == ["/start", "", "/start", ""]


def test_a_query_stays_behind_the_path(story: Story, watch: Watch) -> None:
    """Whoever needs a query keeps it: the sign is part of the path."""
    ping(story, watch.url(f"{PATH}?rid=1"))
    assert watch.pings == ["/start?rid=1", "?rid=1"]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(500), "it answered 500"),
        (Page(404), "it answered 404"),
        (Page(301, headers={"Location": f"{PATH}/elsewhere"}), "a redirect, which is not followed"),
    ],
)
def test_a_ping_that_is_refused_is_one_warning(story: Story, watch: Watch, page: Page, why: str) -> None:
    """One line for both pings of a run, no redirect is followed, and the exit code is the run's own."""
    watch.pages = dict.fromkeys((PATH, f"{PATH}/start", f"{PATH}/fail"), page)
    said = ping(story, watch.url(PATH), "-q").err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("warning: the --ping-url could not be told")
    assert why in said[0]
    assert watch.pings == ["/start", ""]


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("http://127.0.0.1:9/4f1d", "ConnectionError"),
        ("ftp://example.com/4f1d", "no http or https URL"),
        ("https://[4f1d", "no http or https URL"),
        ("env:KEYWATCH_TEST_NO_SUCH_VARIABLE", "is not set"),
        ("file:gone", "cannot read gone"),
    ],
)
def test_a_ping_that_cannot_be_sent_is_one_warning(story: Story, reference: str, why: str) -> None:
    """Nothing about the URL can stop a reminder, and nothing of it is shown."""
    story.at(DUE)
    said = ping(story, reference, "-q").err.splitlines()
    assert [why in line for line in said if line.startswith("warning")] == [True]
    assert {mail.to for mail in story.inbox()} == {"ana@example.com", "mia@example.com"}


def test_a_service_that_hangs_holds_up_nobody(story: Story, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping waits for its time only; then the run goes on."""
    monkeypatch.setattr("keywatch.pulse.TIMEOUT_S", 0.2)
    watch.pages[f"{PATH}/start"] = Page(hang=True)
    assert "ReadTimeout" in ping(story, watch.url(PATH), "-q").err
    assert watch.pings == ["/start", ""]


def test_without_a_url_nothing_is_imported(story: Story) -> None:
    """An idle run without pings does not pay for a web client."""
    code = (
        "import sys\nfrom keywatch.cli import main\ntry:\n    main(['check'])\nexcept SystemExit as done:\n"
        "    assert not done.code, done.code\nprint('requests' in sys.modules, 'sqlmodel' in sys.modules)"
    )
    env = {name: text for name, text in os.environ.items() if not name.startswith("KEYWATCH_")}
    env["KEYWATCH_NOW"] = "2026-10-20T08:02:00Z"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=story.folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "False"], done.stderr


class Counting(SmtpServer):
    """Notes at each mail which pings had come."""

    watch: Watch
    pinged: list[list[str]]

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.pinged.append(self.watch.pings)
        return await super().handle_DATA(server, session, envelope)


def test_each_mail_goes_out_between_start_and_success(story: Story, watch: Watch) -> None:
    """Seen from the mail server: the start had been told, the success had not."""
    counting = Counting({ALIAS: "550 5.1.1 no such user here"}, port=story.server.port)
    counting.watch, counting.pinged = watch, []
    story.serve(counting)
    story.at(DUE)
    ping(story, watch.url(PATH))
    counting.stop()
    assert counting.pinged == [["/start"]] * 4

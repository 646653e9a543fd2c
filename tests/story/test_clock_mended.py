"""A clock that was wrong and is right again: nothing that it did at times that have not come keeps keywatch silent."""

import contextlib
import io
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keywatch.cli import main
from keywatch.cli.app import App
from tests.story.story import Answer, Story, telling


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """An installation on a store that is no rehearsal."""
    with telling(tmp_path, refuses={}) as found:
        with sqlite3.connect(tmp_path / "keywatch.db") as connection:
            connection.execute("UPDATE meta SET value = '0' WHERE name = 'rehearsal'")
        connection.close()
        yield found


@contextlib.contextmanager
def at_the_edge(story: Story) -> Iterator[None]:
    """The command line, which alone asks the clock, is told the story's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "host_clock", lambda _: story.now)
        yield


def run(story: Story, *args: str, expect: int | None = 0) -> Answer:
    """One command while the machine's clock shows the story's time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        at_the_edge(story),
        contextlib.chdir(story.folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as done,
    ):
        main(list(args))
    code = int(done.value.code or 0)
    assert expect in (None, code), (args, out.getvalue(), err.getvalue())
    return Answer(code, out.getvalue(), err.getvalue())


def subjects(story: Story) -> list[str]:
    return [str(mail.message["Subject"]) for mail in story.inbox()]


def test_after_db_clock_everything_is_said_again(story: Story) -> None:
    """The clock leaps past the expiry, once; set right and confirmed, what was said then is said when it is due."""
    story.at("2026-10-20 07:00")
    run(story, "add", "paygate-api", "--expires", "2026-12-19", "--lead", "21bd", "--owner", "payments")
    run(story, "check")
    story.now += timedelta(days=130)
    run(story, "check")
    assert any("EXPIRED" in one for one in subjects(story))
    story.at("2026-10-20 08:00")
    assert "it is 2026-10-20" in run(story, "db", "clock").out
    run(story, "check")
    assert not any("paygate-api" in one for one in subjects(story))
    story.at("2026-11-13 08:30")
    run(story, "check")
    assert any(one.startswith("Start") for one in subjects(story))
    story.at("2026-12-21 08:30")
    run(story, "check", expect=None)
    assert any("EXPIRED" in one for one in subjects(story))


def test_an_answer_counts_while_keywatch_runs_ahead(story: Story) -> None:
    """The clock falls back a day after people were told: the ack is not older than the question, and silences it."""
    story.at("2026-10-20 07:00")
    run(story, "add", "paygate-api", "--expires", "2026-12-19", "--lead", "21bd", "--owner", "payments")
    story.at("2026-11-13 08:30")
    run(story, "check")
    assert subjects(story)
    story.now -= timedelta(days=1)
    run(story, "check", expect=3)
    ((code,),) = story.ask("SELECT code FROM message WHERE person = 'bo' ORDER BY id DESC LIMIT 1")
    run(story, "ack", str(code), "--until", "2026-11-18")
    story.now += timedelta(days=3)
    run(story, "check", expect=None)
    assert subjects(story) == []
    assert '"IN HAND"' in run(story, "list", "-o", "json").out

"""Incidents, played through the command line by somebody called Ana."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.cli_read.house import House, make
from tests.history.incident import REFUSES, Played, at_the_keyboard, play
from tests.story.story import Story, telling


@pytest.fixture(scope="session")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The incident, played once for everybody who only looks at it."""
    folder = tmp_path_factory.mktemp("incident")
    with telling(folder, refuses=REFUSES, every_days=365) as story:
        played = Played(story)
        with at_the_keyboard("ana"), heard(played.statements):
            play(story, played.look)
        story.at("2026-12-20 10:00")
        yield played


@contextmanager
def heard(statements: list[str]) -> Iterator[None]:
    """Everything that any engine of this process sends to a database meanwhile."""

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The payments team before anything happened: Ana is on call, and its alias refuses mail."""
    with at_the_keyboard("ana"), telling(tmp_path, every_days=365) as told:
        yield told


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A store without a mail server, for what is read only."""
    return make(tmp_path)

"""Who notices when keywatch itself is dead: real mail and web servers, and the command line on a rehearsal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.story.story import Story, telling


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The payments team a month before its message: Ana is on call, Mia and Li are the last resort."""
    with telling(tmp_path, "2026-10-20 08:00", every_days=365) as told:
        told.add()
        told.check()
        told.inbox()
        yield told

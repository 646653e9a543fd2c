"""Stories: whole lives of credentials, told through the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.story.story import Story, telling


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """The payments team of the incident: Ana is on call, and its alias refuses mail."""
    with telling(tmp_path, every_days=365) as told:
        yield told

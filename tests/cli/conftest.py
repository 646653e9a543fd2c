"""A keywatch of its own for every test."""

from pathlib import Path

import pytest

from tests.cli_read.house import House, make


@pytest.fixture
def house(tmp_path: Path) -> House:
    return make(tmp_path)

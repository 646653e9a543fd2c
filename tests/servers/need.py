"""Finds the real servers the tests talk to, and says what brings a missing one: skipped at a desk, failed in CI."""

import os
import shutil
import socket
from pathlib import Path

import pytest


def cache() -> Path:
    """Where `make servers` puts what it builds: outside the tree, kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KEYWATCH_CACHE") or Path(base) / "keywatch")


def program(*names: str) -> Path:
    """The first of the programs on PATH or in the cache; without one the test is skipped, or fails where CI is set."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path=str(cache()))
        if found:
            return Path(found)
    return missing(f"no {' or '.join(names)} on PATH or in {cache()}; `make servers` brings it")


def missing(reason: str) -> Path:
    """End the test for want of a server."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

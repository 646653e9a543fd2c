"""The rules every plugin keeps, as test suites that its own tests subclass. Shipped, so that third parties have them.

class TestMyProvider(ProviderContract):
    plugin = "keywatch_mine"
    heavy = ("somesdk",)

    @pytest.fixture
    def provider(self): ...      # over a source that holds at least one dated credential
    @pytest.fixture
    def run(self, tmp_path): return LentRun(datetime(2026, 11, 20, tzinfo=UTC), tmp_path)
"""

import dataclasses
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo

from keywatch.model import LABELS, Covered, Found, Gap, Scanned
from keywatch.plugins import Provider, resolve
from keywatch.text import LIMIT, secret_looking

UTC = ZoneInfo("UTC")
T = TypeVar("T")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class LentRun:
    """What keywatch lends a provider for one scan, without keywatch around it."""

    now: datetime
    base: Path = Path()
    zone: ZoneInfo = UTC
    threads: int = 4

    def secret(self, reference: str) -> str:
        return resolve(reference, self.base)

    def path(self, text: str) -> Path:
        return self.base / text

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(work, items)


class ProviderContract:
    """A subclass names the plugin's module and brings the fixtures `provider` and `run`."""

    plugin: ClassVar[str]
    """The module that the entry point names."""
    heavy: ClassVar[tuple[str, ...]] = ()
    """Modules that naming the plugin must not import."""
    canary: ClassVar[str] = "canary-9f2c-never-to-be-seen"
    """The fixture plants this text as a secret value, or wherever a source lets people hide one."""

    def test_every_scan_ends_in_covered_or_gap(self, provider: Provider, run: LentRun) -> None:
        """Without a last word on what was looked at, nothing could ever be judged missing or unknown."""
        assert isinstance(list(provider.scan(run))[-1], Covered | Gap)

    def test_there_is_something_to_judge(self, provider: Provider, run: LentRun) -> None:
        """The fixture's source holds a dated credential; else every other rule here would hold for nothing."""
        assert any(found.deadlines for found in _found(provider.scan(run)))

    def test_deadlines_are_aware_utc(self, provider: Provider, run: LentRun) -> None:
        """An instant without an offset, or in another zone, is read wrongly sooner or later."""
        for found in _found(provider.scan(run)):
            assert all(d.at.utcoffset() == timedelta(0) and d.because for d in found.deadlines)
            assert found.issued is None or found.issued.utcoffset() == timedelta(0)

    def test_refs_are_unique_and_stable(self, provider: Provider, run: LentRun) -> None:
        """Two scans of the same source name the same credentials in the same versions, each once."""
        first, second = ([(f.ref, f.version) for f in _found(provider.scan(run))] for _ in range(2))
        assert len({ref for ref, _ in first}) == len(first)
        assert sorted(first) == sorted(second)
        assert all(ref and version for ref, version in first)

    def test_prefixes_cannot_hide_a_neighbour(self, provider: Provider, run: LentRun) -> None:
        """A prefix is empty or ends in `/`, so `kv/b/` says nothing about `kv/b2/x`."""
        scanned = provider.scan(run)
        assert all(not s.prefix or s.prefix.endswith("/") for s in scanned if isinstance(s, Covered | Gap))

    def test_labels_are_allow_listed_and_short(self, provider: Provider, run: LentRun) -> None:
        """Only the labels keywatch knows leave the source, cut to their limit."""
        for found in _found(provider.scan(run)):
            assert set(found.labels) <= set(LABELS)
            assert all(0 < len(value) <= LIMIT for value in found.labels.values())

    def test_no_value_leaves_the_source(self, provider: Provider, run: LentRun) -> None:
        """Neither the planted value nor anything that looks like one stands anywhere in what is said."""
        for text in _texts(provider.scan(run)):
            assert self.canary not in text
            assert not secret_looking(text)

    def test_text_is_one_printable_line(self, provider: Provider, run: LentRun) -> None:
        """Line breaks, escapes and direction marks of a source reach no terminal, mail or log."""
        for text in _texts(provider.scan(run)):
            assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]

    def test_preflight_is_content_with_a_source_that_can_be_scanned(self, provider: Provider, run: LentRun) -> None:
        """`doctor` says nothing where a scan was complete."""
        assert any(isinstance(s, Gap) for s in provider.scan(run)) or list(provider.preflight(run)) == []

    def test_settings_are_a_frozen_dataclass(self, provider: Provider) -> None:
        """The config builds them from its keys, and nothing changes them afterwards."""
        assert dataclasses.is_dataclass(provider.Settings)
        assert provider.Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]

    def test_naming_the_plugin_is_cheap(self) -> None:
        """Importing the module imports none of the heavy libraries behind it."""
        script = f"import sys, {self.plugin}; print(*[m for m in {self.heavy!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split() == []


def _found(scanned: Iterable[Scanned]) -> list[Found]:
    return [item for item in scanned if isinstance(item, Found)]


def _texts(scanned: Iterable[Scanned]) -> Iterator[str]:
    """Every text anywhere in what was scanned."""
    for item in scanned:
        if isinstance(item, Found):
            yield from (item.ref, item.version, item.name, item.problem, item.url, *item.tags)
            yield from (*item.labels.keys(), *item.labels.values(), *(d.because for d in item.deadlines))
        else:
            yield from (item.prefix, item.reason if isinstance(item, Gap) else "")

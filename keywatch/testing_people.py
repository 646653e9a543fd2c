"""The rules that every roster and every notifier keeps, as test suites that their own tests subclass. Shipped.

class TestMyRoster(RosterContract):
    plugin = "keywatch_mine"

    @pytest.fixture
    def roster(self): ...        # somebody is on duty at `run.now`
    @pytest.fixture
    def run(self, tmp_path): return LentRun(datetime(2026, 11, 20, 12, tzinfo=UTC), tmp_path)
    @pytest.fixture
    def broken(self): return [(roster, target, kind), …]   # each cannot answer, and why
"""

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from keywatch.errors import RosterError
from keywatch.model import Blame, Duty, Outgoing, Route, Verdict, VerdictKind
from keywatch.plugins import Notifier, Roster
from keywatch.testing import LentRun

if TYPE_CHECKING:
    import pytest

HOUR = timedelta(hours=1)
WINDOW = timedelta(days=14)
KINDS = ("unreachable", "denied", "unknown-target", "nonsense")
BrokenRoster = tuple[Roster, str, str]
"""A roster, a target it is asked for, and the kind of RosterError it must raise."""


class _PluginContract:
    plugin: ClassVar[str]
    """The module that the entry point names."""
    heavy: ClassVar[tuple[str, ...]] = ()
    """Modules that naming the plugin must not import."""

    def test_naming_it_costs_nothing(self) -> None:
        """A plugin is imported to read its settings; what is heavy waits until it is used."""
        ask = f"import sys, {self.plugin}; print([m for m in {self.heavy!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class RosterContract(_PluginContract):
    """A subclass names the plugin's module and brings the fixtures `roster`, `run` and, if it can fail, `broken`."""

    target: ClassVar[str] = ""

    def test_settings_are_frozen(self, roster: Roster) -> None:
        """The fields of `Settings` are the keys of the config table, and nothing changes them afterwards."""
        assert _frozen(type(roster).Settings)

    def test_somebody_is_on_duty(self, roster: Roster, run: LentRun) -> None:
        """The fixture's roster has somebody on duty now; else every other rule here would hold for nothing."""
        assert _at(self._shifts(roster, run), run.now)

    def test_instants_are_aware_utc(self, roster: Roster, run: LentRun) -> None:
        """A hand-over without an offset is read an hour wrong twice a year."""
        for duty in self._shifts(roster, run):
            for moment in (duty.start, duty.until):
                assert moment is None or moment.utcoffset() == timedelta(0)
            assert duty.start is None or duty.until is None or duty.start < duty.until

    def test_only_what_touches_the_window(self, roster: Roster, run: LentRun) -> None:
        """`[start, until)`: a shift that ends as the window starts is not in it, nor one that starts as it ends."""
        for duty in self._shifts(roster, run):
            assert duty.until is None or duty.until > run.now
            assert duty.start is None or duty.start < run.now + WINDOW

    def test_a_small_window_says_what_a_large_one_does(self, roster: Roster, run: LentRun) -> None:
        """Who is on duty at an instant does not depend on how much was asked for around it."""
        rendered = self._shifts(roster, run)
        for hours in range(0, 14 * 24, 5):
            moment = run.now + timedelta(hours=hours)
            asked = roster.shifts(run, self.target, moment, moment + timedelta(seconds=1))
            assert _at(asked, moment) == _at(rendered, moment)

    def test_an_empty_window_is_empty(self, roster: Roster, run: LentRun) -> None:
        """Nothing touches a window without length."""
        assert not list(roster.shifts(run, self.target, run.now, run.now))

    def test_members_hold_everybody_on_duty(self, roster: Roster, run: LentRun) -> None:
        """Widening to the members must reach at least those who are on duty, where the roster knows its members."""
        members = {person.key for person in roster.members(run, self.target)}
        on_duty = {duty.person.key for duty in self._shifts(roster, run)}
        assert "" not in members | on_duty
        assert not members or on_duty <= members

    def test_silence_is_never_nobody(self, broken: Iterable[BrokenRoster], run: LentRun) -> None:
        """What cannot be answered raises, with its kind: an empty answer would read as "nobody on duty"."""
        for roster, target, kind in broken:
            assert _kind(lambda r, t: r.shifts(run, t, run.now, run.now + WINDOW), roster, target) == kind
            assert _kind(lambda r, t: r.members(run, t), roster, target) == kind

    def _shifts(self, roster: Roster, run: LentRun) -> Sequence[Duty]:
        return list(roster.shifts(run, self.target, run.now, run.now + WINDOW))


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One case of the fixture `deliveries`: what is sent, and what must come of it."""

    name: str
    notifier: Notifier
    to: str
    kind: VerdictKind
    blame: Blame = Blame.NOBODY


class NotifierContract(_PluginContract):
    """A subclass names the module and brings `deliveries`: at least one for every kind of verdict it can give, and
    `outgoing`, whose `to` each case replaces. The fixtures hide `canary` in URLs, tokens and passwords."""

    canary: ClassVar[str] = "canary-7c1e-never-to-be-seen"

    def test_each_answer_has_its_verdict(self, deliveries: Sequence[Delivery], outgoing: Outgoing) -> None:
        """What the other side did is told apart: a dead route, a blocked sender and an outage have other remedies."""
        wrong = []
        for case in deliveries:
            verdict = _send(case, outgoing)
            if (verdict.kind, verdict.blame) != (case.kind, case.blame):
                wrong.append((case.name, verdict))
        assert not wrong

    def test_the_cases_cover_the_two_ends(self, deliveries: Sequence[Delivery]) -> None:
        """The fixture holds a delivery that succeeds and one that blames its route; else the rule above is hollow."""
        seen = {(case.kind, case.blame) for case in deliveries}
        assert {(VerdictKind.ACCEPTED, Blame.NOBODY), (VerdictKind.REFUSED, Blame.ROUTE)} <= seen

    def test_a_verdict_is_one_line_without_secrets(self, deliveries: Sequence[Delivery], outgoing: Outgoing) -> None:
        """Verdicts are stored and shown; URLs, tokens and passwords are neither."""
        for case in deliveries:
            verdict = _send(case, outgoing)
            assert self.canary not in repr(verdict), case.name
            assert "\n" not in verdict.text
            assert len(verdict.text) <= 300
            assert verdict.kind is VerdictKind.ACCEPTED or verdict.text, case.name

    def test_nothing_is_logged_that_is_secret(
        self, deliveries: Sequence[Delivery], outgoing: Outgoing, caplog: "pytest.LogCaptureFixture"
    ) -> None:
        """Whatever `-v` asks for, no library says a URL, a token or a password."""
        with caplog.at_level(0):
            for case in deliveries:
                _send(case, outgoing)
        assert self.canary not in caplog.text

    def test_closing_twice_is_fine(self, deliveries: Sequence[Delivery]) -> None:
        """Whoever dispatches closes in every case, also after a failure and before the first message."""
        for case in deliveries:
            case.notifier.close()
            case.notifier.close()

    def test_settings_are_frozen(self, deliveries: Sequence[Delivery]) -> None:
        """The fields of `Settings` are the keys of the config table, and nothing changes them afterwards."""
        assert all(_frozen(type(case.notifier).Settings) for case in deliveries)


def _send(case: Delivery, outgoing: Outgoing) -> Verdict:
    return case.notifier.send(Route(case.name), dataclasses.replace(outgoing, to=case.to))


def _frozen(settings: Any) -> bool:
    return bool(settings.__dataclass_params__.frozen)


def _kind(ask: Callable[[Roster, str], Sequence[object]], roster: Roster, target: str) -> str:
    try:
        return f"an answer: {list(ask(roster, target))}"
    except RosterError as problem:
        return problem.kind if problem.kind in KINDS else f"an unknown kind: {problem.kind}"


def _at(duties: Iterable[Duty], moment: datetime) -> set[tuple[str, int]]:
    return {(duty.person.key, duty.level) for duty in duties if duty.covers(moment)}

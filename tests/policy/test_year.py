"""Two hundred days in a second: credentials of every kind, checks every hour, at 09:00, at 02:00, and with gaps.

The last stage, the climbs and the expiry are the code's own business; what is counted here is who heard of what.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytest

from keywatch.model import Ack, AckKind, Credential, Decision, Episode, World
from keywatch.policy.plan import decide
from tests.policy.build import (
    DAY,
    EVERYBODY_UNPROVEN,
    HOUR,
    PAGER,
    adds,
    answered,
    credential,
    each_day,
    episode,
    every,
    madrid,
    run,
    world,
    year,
)

BEGIN, LAST_DAY = date(2026, 6, 15), date(2027, 1, 1)
QUARTERLY = list(every(timedelta(minutes=15), madrid("2026-12-01"), madrid("2026-12-22")))
HOURLY = list(every(HOUR, madrid("2026-06-15"), madrid("2027-01-01")))
AUTUMN = [now for now in HOURLY if madrid("2026-10-01") <= now < madrid("2026-12-05")]
NINE, TWO = list(each_day("09:00", BEGIN, LAST_DAY)), list(each_day("02:00", BEGIN, LAST_DAY))
RHYTHMS = {"hourly": AUTUMN, "daily at 09:00": NINE, "daily at 02:00": TWO}
WORLD = world()


class Heard(NamedTuple):
    now: datetime
    said: Decision

    @property
    def kind(self) -> str:
        return self.said.stage.split("@")[0]

    @property
    def people(self) -> set[str]:
        return {planned.person for planned in self.said.notices if planned.person}


def lived(
    row: Credential, instants: Iterable[datetime], place: World = WORLD, open_: Episode | None = None
) -> list[Heard]:
    _, heard = year(row, open_ or episode(row, "2026-06-14"), place, instants)
    return [Heard(*one) for one in heard]


@pytest.mark.parametrize("rhythm", RHYTHMS)
@pytest.mark.parametrize("lead", ["5bd", "21bd", "12h", "3w"])
def test_every_due_call_reaches_a_person(rhythm: str, lead: str) -> None:
    """Each step of the way to an expiry nobody answers is heard by somebody, and by nobody twice."""
    heard = lived(credential(madrid("2026-11-27"), lead), RHYTHMS[rhythm])
    calls = {one.said.stage for one in heard}
    wanted = {"30d", "14d", "7d", "2d", "last"} | ({"late"} if lead != "12h" else set())
    assert wanted <= {one.kind for one in heard}
    assert any(one.kind.startswith("expired") for one in heard)
    assert all(any(one.people for one in heard if one.said.stage == stage) for stage in calls)
    named = Counter((one.said.stage, planned.route) for one in heard for planned in one.said.notices)
    assert max(named.values()) == 1


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_runs_are_only_late_by_their_own_rhythm(rhythm: str) -> None:
    """Every stage is said by the first run at or after its instant."""
    instants = RHYTHMS[rhythm]
    due = {
        "30d": madrid("2026-10-21 09:00"),
        "14d": madrid("2026-11-06 09:00"),
        "7d": madrid("2026-11-13 09:00"),
        "2d": madrid("2026-11-18 09:00"),
        "late": madrid("2026-11-23 09:00"),
        "last": madrid("2026-11-26 00:00"),
        "expired": madrid("2026-11-27 00:00"),
    }
    first: dict[str, datetime] = {}
    for one in lived(credential(madrid("2026-11-27")), instants):
        first.setdefault(one.kind.removesuffix("+4h"), one.now)
    assert {kind: first[kind] for kind in due} == {
        kind: min(now for now in instants if now >= moment) for kind, moment in due.items()
    }


def test_every_quarter_of_an_hour_says_nothing_more_often() -> None:
    """The calls and routes of a run every 15 minutes are those of a run every hour."""
    row = credential(madrid("2026-12-19"))
    open_ = episode(row, madrid("2026-12-01"))
    fine = lived(row, QUARTERLY, open_=open_)
    coarse = lived(row, QUARTERLY[::4], open_=open_)

    def told(heard: list[Heard]) -> set[tuple[str, str]]:
        return {(one.said.stage, planned.route) for one in heard for planned in one.said.notices}

    assert told(fine) == told(coarse)


def test_nobody_answers_and_it_still_speaks_nineteen_months_later() -> None:
    """No terminal silence: in every week after the expiry somebody hears of it."""
    row = credential(madrid("2026-11-27"))
    days = list(each_day("09:00", date(2026, 11, 1), date(2028, 7, 1)))
    heard = [one for one in lived(row, days) if one.now > madrid("2026-11-27")]
    gaps = [later.now - earlier.now for earlier, later in pairwise(heard)]
    assert max(gaps) <= 7 * DAY + HOUR
    assert heard[-1].now > madrid("2028-06-20")


def test_many_credentials_of_one_team() -> None:
    """Sixteen credentials, one a day: everybody's calls arrive, and the pager is for what really expires."""
    rows = [credential(madrid("2026-09-01") + n * DAY, ["5bd", "2w", "12h", ""][n % 4]) for n in range(16)]
    for row in rows:
        assert row.expires_at is not None
        heard = lived(row, [now for now in NINE if row.expires_at - 60 * DAY < now < row.expires_at + 20 * DAY])
        assert {"7d", "2d", "expired+4h"} <= {one.kind for one in heard}
        pages = [one for one in heard if PAGER in {p.route for p in one.said.notices}]
        assert all(one.now >= row.expires_at - DAY for one in pages)


def test_the_pager_is_silent_where_it_is_renewed_in_time() -> None:
    """Taken with the first call that asks and renewed at start by: two messages of information and one question."""
    row = credential(madrid("2026-11-27"))
    open_, told = episode(row, "2026-06-14"), 0
    for now in [now for now in AUTUMN if now < madrid("2026-11-19 18:00")]:
        open_, spoke = run(now, row, open_, WORLD)
        told += len(spoke)
        if spoke and spoke[0].asks:
            open_ = answered(open_, Ack(1, AckKind.BEGUN, "ana", now, madrid("2026-11-20")))
    assert told == 3


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_after_its_date_an_answer_resumes_one_rung_higher(rhythm: str) -> None:
    """Somebody takes every call that asks and does nothing: each lapse is told to more, to rung 3 before the end."""
    row, place = credential(madrid("2026-11-27"), "21bd"), world()
    assert row.expires_at is not None
    open_, rungs, number = episode(row, "2026-06-14"), [], 0
    for now in [now for now in RHYTHMS[rhythm] if now < row.expires_at - DAY]:
        before = open_.rung
        open_, spoke = run(now, row, open_, place)
        if spoke and spoke[0].stage.startswith("lapsed"):
            assert open_.rung == min(before + 1, 3)
            assert "ana" in {planned.person for planned in spoke[0].notices}
            rungs.append(open_.rung)
        if spoke and spoke[0].asks:
            number += 1
            open_ = answered(open_, Ack(number, AckKind.ACK, "ana", now, madrid(f"{(now + 2 * DAY).date()}")))
    assert rungs[0] == 2
    assert rungs[-1] == 3
    assert len(rungs) >= 3


def test_after_three_weeks_without_a_run_one_message_per_person() -> None:
    """The most urgent stage of each credential, to everybody once; the others are superseded, and none is lost."""
    gap = [now for now in AUTUMN if not madrid("2026-10-29") <= now < madrid("2026-11-19 12:00")]
    row = credential(madrid("2026-11-27"))
    heard = lived(row, gap)
    first = [one for one in heard if one.now == madrid("2026-11-19 12:00")]
    assert [one.said.stage for one in first] == ["2d@2026-11-18"]
    assert first[0].said.superseded == ("14d@2026-11-06", "7d@2026-11-13")
    routes = [planned.route for planned in first[0].said.notices]
    assert len(routes) == len(set(routes))
    assert {planned.person for planned in first[0].said.notices} == {"", "ana", "bo", "hana", "cy", "di"}


@pytest.mark.parametrize("day", range(28))
def test_a_gap_of_three_weeks_anywhere_leaves_nobody_unheard_before_the_end(day: int) -> None:
    """Wherever the gap lies, somebody hears before the expiry unless the gap itself covers it."""
    row = credential(madrid("2026-11-27"))
    assert row.start_by is not None
    start = madrid("2026-10-01") + day * DAY
    heard = lived(row, [now for now in NINE if not start <= now < start + 21 * DAY])
    assert heard[0].now < row.start_by
    assert heard[0].people


def test_unproven_people_are_asked_early() -> None:
    """Nobody has ever answered: the first word already asks, and the alias is never alone."""
    heard = lived(credential(madrid("2026-11-27")), NINE, world(unproven=EVERYBODY_UNPROVEN))
    assert heard[0].said.asks
    assert heard[0].people == {"ana"}


def test_waking_only_when_told_to_is_as_good_as_waking_every_hour() -> None:
    """A check that looks at a credential only from its `next_at` on says the same to the same, at the same time."""
    row = credential(madrid("2026-11-27"))
    always, sleepy = episode(row, "2026-06-14"), episode(row, "2026-06-14")
    wake = HOURLY[0]
    for now in HOURLY:
        always, spoke = run(now, row, always, WORLD)
        heard: list[Decision] = []
        if now >= wake:
            sleepy, heard = run(now, row, sleepy, WORLD)
            wake = decide(now, row, sleepy, WORLD).next_at or now
        assert [replace(said, next_at=None) for said in heard if adds(said)] == [
            replace(said, next_at=None) for said in spoke if adds(said)
        ]

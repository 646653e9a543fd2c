"""Promises inside the ladder: what one silences, what its end does, when it is void, and that only people give one."""

from dataclasses import replace
from datetime import date

import pytest

from keywatch import acking
from keywatch.model import AckKind, Episode
from keywatch.policy.acks import end_of, latest_day
from keywatch.policy.case import timeline
from keywatch.policy.plan import decide
from keywatch.policy.stages import stages
from tests.policy.build import (
    DAY,
    answered,
    at,
    credential,
    episode,
    madrid,
    promise,
    routes,
    run,
    world,
)

ROW = credential(madrid("2026-12-19"))
"""5bd: start by is Monday 14 December; 7d speaks on the 7th, 2d on Friday the 11th."""
BEGUN = AckKind.BEGUN


def started() -> Episode:
    before, spoke = run(madrid("2026-12-07 09:00"), ROW, episode(ROW), world())
    assert spoke[0].stage == "7d@2026-12-07"
    return before


def in_hand(until: str, giver: str = "ana", given: str = "2026-12-07 10:00") -> Episode:
    return answered(started(), promise(madrid(given), madrid(until), giver, BEGUN))


def test_in_hand_is_silent_and_keeps_its_rung() -> None:
    """No stage before the end speaks, and nothing climbs."""
    held, moment = in_hand("2026-12-17"), madrid("2026-12-07 12:00")
    while moment < madrid("2026-12-17"):
        after, spoke = run(moment, ROW, held, world())
        assert spoke == [], moment
        assert after.rung == held.rung
        moment += DAY / 4


def test_the_last_day_and_the_expiry_speak_although_it_is_in_hand() -> None:
    """`last` and `expired`, whatever was promised."""
    held = in_hand("2026-12-21")
    held, last = run(madrid("2026-12-18 00:00"), ROW, held, world())
    assert [said.stage for said in last] == ["last@2026-12-18"]
    held, over = run(madrid("2026-12-19 00:00"), ROW, held, world())
    assert [said.stage for said in over if "expired" in said.stage] == ["expired@2026-12-19"]


def test_a_lapse_is_one_rung_higher_and_tells_its_giver() -> None:
    """At [policy] at of the next working day, alone on that day."""
    held = in_hand("2026-12-10", "fay")
    _, quiet = run(madrid("2026-12-10 08:59"), ROW, held, world())
    assert quiet == []
    after, spoke = run(madrid("2026-12-10 09:00"), ROW, held, world())
    assert [said.stage for said in spoke] == ["lapsed@2026-12-09"]
    assert (held.rung, after.rung) == (1, 2)
    assert "fay" in routes(spoke[0])


@pytest.mark.parametrize("giver", ["ana", "bo"])
def test_extended_or_handed_over_before_its_end_it_does_not_climb(giver: str) -> None:
    """The old day passes in silence; the new end is the lapse, once, for the one who had it last."""
    held = answered(in_hand("2026-12-10"), promise(madrid("2026-12-09 17:00"), madrid("2026-12-16"), giver, BEGUN, 2))
    for moment in ("2026-12-10 00:00", "2026-12-10 09:00", "2026-12-15 09:00"):
        after, spoke = run(madrid(moment), ROW, held, world())
        assert (spoke, after.rung) == ([], held.rung), moment
    after, spoke = run(madrid("2026-12-16 09:00"), ROW, held, world())
    assert [said.stage for said in spoke] == ["lapsed@2026-12-15"]
    assert after.rung == held.rung + 1


def test_what_came_due_in_the_first_of_two_promises_waits_for_the_lapse() -> None:
    """7d came due in the hand of ana, bo took it over: nothing is said at midnight, when the promise of bo ends."""
    before, _ = run(madrid("2026-11-30 09:00"), ROW, episode(ROW), world())
    before = answered(before, promise(madrid("2026-12-04 10:00"), madrid("2026-12-10"), "ana", BEGUN))
    before = answered(before, promise(madrid("2026-12-07 12:00"), madrid("2026-12-10"), "bo", BEGUN, 2))
    _, midnight = run(madrid("2026-12-10 00:00"), ROW, before, world())
    assert midnight == []
    _, morning = run(madrid("2026-12-10 09:00"), ROW, before, world())
    assert [said.stage for said in morning] == ["lapsed@2026-12-09"]


def test_extended_after_its_end_it_has_lapsed() -> None:
    """The rung of the lapse is reached and stays."""
    held, _ = run(madrid("2026-12-10 09:00"), ROW, in_hand("2026-12-10"), world())
    held = answered(held, promise(madrid("2026-12-10 11:00"), madrid("2026-12-16"), "ana", BEGUN, 2))
    after, spoke = run(madrid("2026-12-11 09:00"), ROW, held, world())
    assert (spoke, after.rung) == ([], 2)


def test_void_when_its_giver_is_gone_or_unreachable() -> None:
    """Left the company, or no route that is not dead: in the same check somebody else hears of it."""
    for place in (world(inactive=("ana",)), world(dead=("ana",))):
        said = decide(madrid("2026-12-08 12:00"), ROW, in_hand("2026-12-17"), place)
        assert said.void == (1,)
        after, _ = run(madrid("2026-12-08 12:00"), ROW, in_hand("2026-12-17"), place)
        assert after.acks[-1].void_at == madrid("2026-12-08 12:00")
        _, spoke = run(madrid("2026-12-09 09:00"), ROW, after, place)
        assert [one.stage for one in spoke] == ["lapsed@2026-12-08"]
    gone = in_hand("2026-12-17", "nobody-of-the-config")
    assert decide(madrid("2026-12-08 12:00"), ROW, gone, world()).void == (1,)
    kept = decide(madrid("2026-12-08 12:00"), ROW, in_hand("2026-12-17"), world(unproven=("ana",)))
    assert kept.void == ()


def test_void_by_a_nearer_deadline_is_no_broken_promise() -> None:
    """What was promised for the old date counts no more, and nobody broke it: `moved` speaks, no lapse does."""
    moved = madrid("2026-12-08 12:00")
    nearer = credential(madrid("2026-12-16"))
    held = in_hand("2026-12-17")
    void = replace(held, moved_at=moved, acks=tuple(replace(ack, void_at=moved) for ack in held.acks))
    keys = [s.key for s in stages(timeline(nearer, void, world()), madrid("2026-12-09 09:00"))]
    assert not [key for key in keys if key.startswith("lapsed")]
    _, spoke = run(moved, nearer, void, world())
    assert [said.stage for said in spoke] == ["moved@2026-12-16"]


def test_a_promise_never_silences_past_its_bound() -> None:
    """Both kinds, on each day of the life: the furthest day ends before the last day of the credential is over."""
    line = timeline(ROW, episode(ROW), world())
    day = at("2026-11-01 10:00")
    while day < line.when.expires_at - DAY:
        for kind in AckKind:
            last = latest_day(line.calendar, line.when, kind, day, None)
            if kind is BEGUN:
                assert end_of(line.calendar, last) <= line.when.expires_at
            elif day < line.when.start_by - 3 * DAY:
                assert last <= date(2026, 12, 14)
        day += DAY


def test_only_a_code_or_a_name_takes_anything() -> None:
    """Opening a link or a mail can make no promise: there are two ways in, and both need a person's words."""
    public = {name for name in vars(acking) if not name.startswith("_") and callable(getattr(acking, name))}
    own = {name for name in public if getattr(acking, name).__module__ == "keywatch.acking"}
    assert {"by_code", "by_name"} <= own
    assert own <= {"by_code", "by_name", "unknown_code", "Answer", "Promise", "Taken"}

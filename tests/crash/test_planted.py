"""The harness finds what it is for: each classic mistake, planted in the program, is caught."""

import pytest

from tests.crash.judging import Judge, Tally
from tests.crash.scenes import Kitchen
from tests.crash.test_overlap import between, stop


def kills(kitchen: Kitchen, plant: str, most: int, *points: str) -> Tally:
    """Kill a planted check of eight messages at the first `most` of its points of these names."""
    scene = kitchen.scene("send")
    judge = Judge(kitchen, scene, f"planted {plant}", plant)
    found = [k for k, point in enumerate(scene.marks["point"]) if not points or str(point) in points]
    for k in found[:most]:
        judge.trial(do="kill", at="point", k=k)
    print(judge.tally.line())
    return judge.tally


def stops(kitchen: Kitchen, plant: str) -> Tally:
    """Stop a planted check of two messages at each point between transactions."""
    judge = Judge(kitchen, kitchen.scene("brief"), f"planted {plant}", plant)
    for k in between(kitchen, "brief"):
        stop(judge, k)
        if judge.tally.broken:
            break
    print(judge.tally.line())
    return judge.tally


def test_mark_before_send_is_caught(kitchen: Kitchen) -> None:
    """Settled first and sent then: letters are lost, and count as accepted."""
    tally = kills(kitchen, "mark_before_send", 3, "keywatch.message.sending")
    assert tally.lost > 0
    assert tally.false > 0


def test_a_claim_of_the_living_that_is_taken_is_caught(kitchen: Kitchen) -> None:
    """No lease: a run that was only stopped finds that another one has sent its message too."""
    tally = stops(kitchen, "no_lease")
    assert tally.copies > 0
    assert any("extra copies after 0 kill" in problem for problem in tally.broken)


def test_a_claim_of_the_dead_that_stays_is_caught(kitchen: Kitchen) -> None:
    """No recovery: the message stays leased for ever."""
    tally = kills(kitchen, "no_recovery", 2, "keywatch.message.sending")
    assert tally.lost > 0
    assert any("still leased" in problem for problem in tally.broken)


def test_a_notice_without_a_key_is_caught(kitchen: Kitchen) -> None:
    """No unique key: two runs that planned from the same facts both send."""
    tally = stops(kitchen, "no_unique_key")
    assert any("under several Message-IDs" in problem for problem in tally.broken)


def test_the_key_makes_up_for_old_facts(kitchen: Kitchen) -> None:
    """The same two runs with the key: nothing is wrong. It was the key, then."""
    assert stops(kitchen, "old_facts").broken == []


def test_batch_settle_is_caught(kitchen: Kitchen) -> None:
    """All sent, then all settled: one kill costs more than one copy."""
    tally = kills(kitchen, "batch_settle", 8, "keywatch.message.sending")
    assert any("extra copies after 1 kill" in problem for problem in tally.broken)


@pytest.mark.parametrize("plant", [""])
def test_without_a_plant_nothing_is_found(kitchen: Kitchen, plant: str) -> None:
    """The control: the same kills of the program as it is."""
    assert kills(kitchen, plant, 3, "keywatch.message.sending", "keywatch.message.sent").broken == []

"""What the model found in the program and what is not mended yet: each as small as it gets, with the rule it breaks.

A test that passes again says so by failing (`strict`): then its mark goes, and the judge's tolerance with it.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.model.days import HOUR, midnight, nine
from tests.model.installation import template
from tests.model.world import START, World


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    """An installation whose first run is over, so that nothing is adopted."""
    (tmp_path / "w").mkdir()
    made = World.made(tmp_path / "w", template(tmp_path, START))
    made.run()
    yield made
    made.close()


def told(place: World, name: str) -> list[tuple[datetime, str]]:
    """When whoever was told of a credential, and as what."""
    return list(dict.fromkeys((mail.at, mail.names[name]) for mail in place.post.log if name in mail.names))


def test_the_newest_promise_is_the_one_that_is_shown(place: World) -> None:
    """DESIGN §5, Ack: when the date passes, escalation resumes; a message that resumes it does not say IN HAND."""
    name = place.add("platform", midnight(date(2026, 10, 24)), 5)
    place.now = nine(date(2026, 10, 12)) + HOUR
    place.run()
    mail = next(mail for mail in place.post.log if mail.code and mail.person == "li" and name in mail.names)
    assert place.ack(mail, begun=True, until=date(2026, 10, 20))
    other = next((m for m in place.post.log if m.code and m.person == "mia" and name in m.names), mail)
    place.now += HOUR
    assert place.ack(other, begun=True, until=date(2026, 10, 13))
    place.now = nine(date(2026, 10, 14))
    place.run()
    assert told(place, name)[-1][0] == place.now
    assert told(place, name)[-1][1] != "IN HAND"


def test_what_a_promise_answered_is_not_said_after_it(place: World) -> None:
    """DESIGN §5, Ack and When: an ack silences; its lapse waits for a working day and is the next thing that is said.

    The 2d stage of Friday falls into a promise that ends on Friday; on Saturday it is said, and on Monday the lapse.
    """
    name = place.add("platform", midnight(date(2026, 10, 20)), 5)
    place.now = nine(date(2026, 10, 6))
    place.run()
    mail = next(mail for mail in place.post.log if mail.code and name in mail.names)
    place.now = nine(date(2026, 10, 8))
    assert place.ack(mail, begun=True, until=date(2026, 10, 9))
    place.now = nine(date(2026, 10, 9))
    place.run()
    before = told(place, name)
    place.now = nine(date(2026, 10, 10))
    place.run()
    assert told(place, name) == before

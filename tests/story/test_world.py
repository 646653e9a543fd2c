"""Worlds of 120 days: whatever the rhythm of the runs, nobody is unheard and nobody is told the same thing twice."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import Story, telling

RHYTHMS = {
    "daily at 09:00": ("2026-10-05 08:00", timedelta(days=1)),
    "daily at 02:00": ("2026-10-05 01:00", timedelta(days=1)),
    "hourly": ("2026-10-05 07:00", timedelta(hours=1)),
}
CREDENTIALS = {
    "paygate-api": ("2026-12-19", "21bd"),
    "sftp-settlement": ("2027-01-15", "10bd"),
    "mailgun-smtp": ("2026-11-30", "3w"),
    "acquirer-mtls": ("2026-11-05", "2bd"),
    "bank-feed": ("2027-03-20", "40bd"),
}


def notices(sent: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(message, notice) for message in sent for notice in message["notices"]]


@pytest.mark.slow
@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_nobody_is_unheard(tmp_path: Path, rhythm: str) -> None:
    """Each call reached a living person, none twice by the same route, and a broken promise resumed one rung higher."""
    start, every = RHYTHMS[rhythm]
    with telling(tmp_path, start=start) as story:
        for name, (expires, lead) in CREDENTIALS.items():
            story.add(name, expires, lead)
        broken = _live(story, every)
    accepted = [(m, n) for m, n in notices(story.sent) if m["verdict"] == "accepted"]
    calls = {(n["credential"], n["stage"]) for _, n in notices(story.sent)}
    reached = {(n["credential"], n["stage"]) for m, n in accepted if m["person"]}
    assert calls == reached, "a call that reached no person"
    twice = [
        key
        for key, count in Counter((n["credential"], n["stage"], m["route"]) for m, n in accepted).items()
        if count > 1
    ]
    assert twice == []
    assert {n["credential"] for _, n in accepted} == set(CREDENTIALS)
    assert Counter(m["verdict"] for m in story.sent if m["route"] == "payments-alias") == {"refused": 1}
    rung_before, name = broken
    after = [n["rung"] for m, n in accepted if n["credential"] == name and n["stage"].startswith("lapsed")]
    assert max(after) == rung_before + 1


def _live(story: Story, every: timedelta) -> tuple[int, str]:
    """120 days; the first message of `paygate-api` that asks at rung 1 is answered, and the promise is not kept."""
    end = story.now + timedelta(days=120)
    broken = None
    while story.now < end:
        story.now += every
        for message in story.check():
            about = [n for n in message["notices"] if n["credential"] == "paygate-api" and n["stage"].startswith("7d")]
            if about and broken is None and message["verdict"] == "accepted":
                rung = 1
                story.run("ack", message["code"], "--only", "paygate-api")
                broken = (rung, "paygate-api")
    assert broken is not None
    return broken

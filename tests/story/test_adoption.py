"""The first day: what is late when first seen is one message per person, asked calmly, and said again in a week."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import CONFIG, Story, telling

COUNT = 60


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A mail server that takes everything, and a spreadsheet of sixty late credentials (ten of them expired)."""
    rows = ["name,expires,owner,lead"]
    for n in range(COUNT):
        rows.append(f"key-{n:02},{'2026-09-28' if n < 10 else '2026-10-28'},payments,21bd")
    (tmp_path / "sheet.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with telling(tmp_path, refuses={}, every_days=365) as told:
        yield told


def adopted(story: Story) -> list[dict[str, Any]]:
    """Import on Monday morning, and the run of Tuesday 09:00 that speaks of it."""
    story.run("import", "sheet.csv")
    return story.at("2026-10-06 07:00").check()


def test_sixty_late_items_are_one_message_a_person(story: Story) -> None:
    """Rung 1: the person on call, the head and the alias get one message each that holds all sixty."""
    messages = adopted(story)
    assert Counter(m["route"] for m in messages) == {"ana:mail": 1, "mia:mail": 1, "payments-alias": 1}
    for message in messages:
        assert len(message["notices"]) == COUNT
        assert {n["rung"] for n in message["notices"]} <= {0, 1}
        assert {n["stage"] for n in message["notices"]} == {"adopted@2026-10-05"}
    mails = story.inbox()
    assert len(mails) == 3
    assert all("key-59" in mail.text and "key-00" in mail.text for mail in mails)


def test_it_does_not_climb_and_speaks_again_after_a_week(story: Story) -> None:
    """Nobody answers: silence for seven days, then the ladder takes over, again in few messages."""
    adopted(story)
    story.inbox()
    for _ in range(6 * 4):
        story.now += timedelta(hours=6)
        assert [m for m in story.check() if m["kind"] == "notice"] == [], story.now
    story.at("2026-10-13 07:00")
    again = [m for m in story.check() if m["kind"] == "notice"]
    assert {"ana:mail", "mia:mail"} <= {m["route"] for m in again}
    assert max(Counter(m["route"] for m in again).values()) == 1
    assert {n["credential"] for m in again for n in m["notices"]} == {f"key-{n:02}" for n in range(COUNT)}


def test_an_answer_to_it_may_reach_to_its_end(story: Story) -> None:
    """One code takes all sixty, until the end of the week."""
    code = next(m["code"] for m in adopted(story) if m["person"] == "ana")
    answer = story.run("ack", code, "--until", "2026-10-12")
    assert answer.out.count("key-") >= COUNT
    for _ in range(5):
        story.now += timedelta(days=1)
        assert [m for m in story.check() if m["kind"] == "notice"] == []


def test_a_source_of_late_items_is_adopted_too(tmp_path: Path) -> None:
    """The first complete run of a source is an adoption like an import; what it shows later is not."""
    source = '\n[[source]]\nname = "sheet"\nkind = "file"\npath = "sheet.csv"\nevery = "0"\n'
    rows = "name,expires,owner,lead\n" + "".join(f"key-{n},2026-10-28,payments,21bd\n" for n in range(12))
    (tmp_path / "sheet.csv").write_text(rows, encoding="utf-8")
    with telling(tmp_path, refuses={}, every_days=365, config=CONFIG + source) as story:
        story.check()
        first = story.at("2026-10-06 07:00").check()
        assert {n["stage"] for m in first for n in m["notices"]} == {"adopted@2026-10-05"}
        (tmp_path / "sheet.csv").write_text(rows + "late-comer,2026-10-28,payments,21bd\n", encoding="utf-8")
        story.at("2026-10-06 08:00").check()
        second = story.at("2026-10-07 07:00").check()
        stages = {n["stage"].partition("@")[0] for m in second for n in m["notices"]}
        assert {n["credential"] for m in second for n in m["notices"]} == {"late-comer"}
        assert "adopted" not in stages
        assert {n["rung"] for m in second for n in m["notices"]} == {0, 1, 2}


def test_what_expires_within_the_week_speaks_by_the_ladder(tmp_path: Path) -> None:
    """An adopted credential that dies in three days is no calm matter: its last day and its expiry are said."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        (tmp_path / "one.csv").write_text("name,expires,owner\nkey,2026-10-08,payments\n", encoding="utf-8")
        story.run("import", "one.csv")
        stages = []
        for _ in range(4 * 24):
            story.now += timedelta(hours=1)
            for message in story.check():
                stages += [n["stage"].partition("@")[0] for n in message["notices"]]
        assert list(dict.fromkeys(stages)) == ["late", "last", "expired", "expired+1d"]

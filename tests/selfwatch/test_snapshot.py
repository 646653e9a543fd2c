"""The snapshot is as fresh as it promises: an emergency and a gate may have nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import CONFIG, Story, telling


def taken(story: Story) -> Any:
    """The snapshot beside the store."""
    return json.loads((story.folder / "keywatch.db.snapshot.json").read_text())


def names(story: Story) -> set[str]:
    return {one["name"] for one in taken(story)["credentials"]}


@pytest.mark.parametrize(
    ("said", "there"),
    [
        (["add", "new-key", "--expires", "2026-12-24", "--owner", "payments"], {"paygate-api", "new-key"}),
        (["retire", "paygate-api", "--reason", "gone"], set()),
    ],
)
def test_what_people_did_is_in_the_next_one(story: Story, said: list[str], there: set[str]) -> None:
    """A run that had nobody to tell still leaves one: a credential registered an hour ago must not be missing."""
    story.at("2026-10-20 09:00").run(*said)
    story.at("2026-10-20 09:15").run("check")
    assert names(story) == there


def test_an_idle_run_after_six_hours_leaves_one(tmp_path: Path) -> None:
    """Where nothing is ever due, the snapshot is six hours old at most, and one run in six hours is not idle."""
    quiet = CONFIG.replace('roster = "payments"', 'people = ["ana"]')  # no roster that is asked each hour
    with telling(tmp_path, "2026-10-20 08:30", config=quiet) as story:
        story.add()
        seen = []
        for at in ("08:30", "14:15", "14:45", "15:00"):
            idle = story.at(f"2026-10-20 {at}").run("check", "-o", "json").json["idle"]
            seen.append((at, idle, taken(story)["at"][11:16]))
    assert seen == [
        ("08:30", False, "08:30"),
        ("14:15", True, "08:30"),
        ("14:45", False, "14:45"),
        ("15:00", True, "14:45"),
    ]


def test_it_says_which_store_it_is_of(story: Story) -> None:
    """The Message-ID of an emergency is made of it."""
    assert taken(story)["store"] == story.ask("SELECT value FROM meta WHERE name = 'store_uuid'")[0][0]

"""`keywatch why`: the whole story of an open episode, so that nobody has to ask what a line means."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.story.story import Story, telling

NEXT = (
    "next: Mon 23 Nov 2026 09:00: the promise was not kept, so it goes on one rung higher: "
    "Ana Ruiz, Mia Okafor, Bo Lind, Cy Park, Li Wei"
)
LEAD = "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A dead alias, a climb, and a promise of Cy that was not kept."""
    with telling(tmp_path, every_days=365) as told:
        told.at("2026-10-20 08:00")
        told.add("paygate-api", "2026-12-19", LEAD)
        told.check()
        told.at("2026-10-21 07:00").check()
        told.at("2026-11-13 08:00").check()
        told.at("2026-11-16 08:00").check()
        climbed = told.at("2026-11-17 08:00").check()
        code = next(one["code"] for one in climbed if one["kind"] == "notice" and one["person"] == "cy")
        told.at("2026-11-17 09:00").run("ack", code, "--begun", "--until", "2026-11-20")
        yield told


def test_the_story(story: Story) -> None:
    """Each call with who was told by which route, what it was worth then and what became of it; promises; what next."""
    story.advance(days=5, every=timedelta(hours=6))
    assert story.run("why", "paygate-api").out.splitlines()[1:] == [
        "episode towards 2026-12-19, rung 2",
        "  2026-10-21 09:00 30d before start by, asks for an answer",
        "    ✗ payments-alias (unproven), a route of payments: refused 550 5.1.1 no such user here",
        "    ✓ Ana Ruiz by ana:mail (unproven), on call for payments until Tue 5 Oct 09:00: accepted",
        "    ✓ Mia Okafor by mia:mail (unproven), rung 1, head of payments: accepted",
        "  2026-10-21 09:00 out of order: The route payments-alias (payments-alerts@example.com) is dead (550 5.1.1)",
        "  2026-11-13 09:00 7d before start by, asks for an answer (said instead of 14d before start by)",
        "    ✓ Ana Ruiz by ana:mail (unproven), on call for payments until Tue 5 Oct 09:00: accepted",
        "    ✓ Mia Okafor by mia:mail (unproven), rung 1, head of payments: accepted",
        "    ✗ payments-alias: not told, it was dead by then",
        "  2026-11-17 09:00 7d before start by: nobody had answered, rung 2",
        "    ✓ Bo Lind by bo:mail (unproven), rung 2, member of payments: accepted",
        "    ✓ Cy Park by cy:mail (unproven), rung 2, member of payments: accepted",
        "  2026-11-17 10:00 Cy Park has begun, done by 2026-11-20, said with the code from cy:mail",
        "  2026-11-19 10:00 half time: Cy Park was reminded: half of the time until 2026-11-20 has passed",
        "  2026-11-21 00:00 the promise of Cy Park lapsed: its date passed and the expiry had not moved",
        NEXT,
    ]


def test_what_it_says_comes_next_is_what_check_does(story: Story) -> None:
    """The instant, and everybody by name: the rules are asked, not a copy of them."""
    said = story.run("why", "paygate-api", "-o", "json").json["next"]
    assert said["sentence"].startswith("Cy Park has it in hand until 2026-11-20; if the date has not moved by then")
    while story.now.strftime("%Y-%m-%dT%H:%M:%SZ") < said["at"]:
        story.now += timedelta(hours=1)
        sent = [one for one in story.check() if one["kind"] == "notice"]
        assert bool(sent) == (story.now.strftime("%Y-%m-%dT%H:%M:%SZ") == said["at"])
    people = {"ana": "Ana Ruiz", "bo": "Bo Lind", "cy": "Cy Park", "mia": "Mia Okafor", "li": "Li Wei"}
    assert {people[one["person"]] for one in sent} == set(said["people"])


def test_promises_for_programs(story: Story) -> None:
    """How each ended, and by which message it was given."""
    (ack,) = story.run("why", "paygate-api", "-o", "json").json["episode"]["acks"]
    assert (ack["end"], ack["route"], ack["ended_at"]) == ("holds", "cy:mail", None)
    story.advance(days=5, every=timedelta(hours=6))
    (ack,) = story.run("why", "paygate-api", "-o", "json").json["episode"]["acks"]
    assert (ack["end"], ack["ended_at"]) == ("lapsed", "2026-11-20T23:00:00Z")


def test_an_episode_that_is_over(story: Story) -> None:
    """One line: towards what, how many calls, how it ended; the new one says that nobody was told of it yet."""
    story.now += timedelta(hours=1)
    story.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    lines = story.run("why", "paygate-api").out.splitlines()
    assert lines[1:4] == [
        "episode towards 2026-12-19, 2 calls: renewed by Bo Lind on 2026-11-17 11:00",
        "episode towards 2027-12-19",
        "  nobody was told of it yet",
    ]
    assert lines[-1].startswith("next: Wed 20 Oct 2027 09:00: the first message (30d before start by): ")


def test_how_far_the_renewal_is(story: Story) -> None:
    """Which steps are done, which one is waited for, and when that was said."""
    assert "done of its renewal" not in story.run("why", "paygate-api").out
    story.run("renew", "paygate-api", "--done", "approval", "--by", "cy")
    lines = story.run("why", "paygate-api").out.splitlines()
    assert lines[1] == "done of its renewal: approval; now issue (1bd), then deploy (3bd), then margin (2bd)"
    assert any("a step of the renewal is done: approval done; to go: issue, deploy, margin" in line for line in lines)


def test_it_fits_a_terminal(story: Story) -> None:
    """All but what comes from outside and the last line stays within 110 columns."""
    story.advance(days=5, every=timedelta(hours=6))
    assert max(len(line) for line in story.run("why", "paygate-api").out.splitlines()[:-1]) <= 110

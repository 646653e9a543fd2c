"""Quiet words: half of a promise has passed, and with a duty somebody inherits what is open."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.story.story import CONFIG, Story, telling

LEAD = "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"
THURSDAYS = '\n[digest]\nat = "Thu 09:00"\n'


def reminders(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["kind"] == "reminder"]


def begun(story: Story, name: str = "paygate-api", until: str = "2026-11-27", by: str = "bo") -> None:
    story.run("ack", name, "--begun", "--until", until, "--by", by)


@pytest.fixture
def rota(tmp_path: Path) -> Iterator[Story]:
    """Ana and Bo take turns each Monday at 09:00 in Madrid; every route accepts, and the digest has another day."""
    with telling(tmp_path, start="2026-11-16 08:30", refuses={}, config=CONFIG + THURSDAYS) as told:
        yield told


# --------------------------------------------------------------------------- half of a promise


def test_half_of_a_promise_is_one_quiet_word_to_its_giver(story: Story) -> None:
    """Once, at [policy] at of a working day, to the giver alone, with what comes then and how to extend it."""
    story.at("2026-11-13 08:00").add("paygate-api", "2026-12-19", LEAD)
    story.check()
    begun(story, until="2026-11-25")
    story.inbox()
    story.at("2026-11-19 08:00")
    quiet = story.advance(days=0.7, every=timedelta(hours=6))
    assert reminders(quiet) == [], "half is on Thursday at noon: it waits for 09:00 of Friday"
    story.at("2026-11-20 08:00")
    said = story.check()
    assert [(one["kind"], one["person"]) for one in said] == [("reminder", "bo")]
    mail = story.inbox("bo")[-1]
    assert mail.message["Subject"] == "Half time: you have paygate-api until Wed 25 Nov"
    for words in (
        "work has begun, done by Wed 25 Nov",
        "said again Thu 26 Nov 09:00, one rung higher",
        "keywatch ack paygate-api --begun --until DATE",
        "keywatch renew paygate-api --expires DATE",
        "keywatch renew paygate-api --done approval",
    ):
        assert words in mail.text, mail.text
    later = story.advance(days=4, every=timedelta(hours=6))
    assert reminders(later) == []


def test_several_promises_of_one_person_are_one_message(story: Story) -> None:
    """One message per route and slot, however many promises are half over."""
    story.at("2026-11-13 08:00")
    for name in ("paygate-api", "checkout-db"):
        story.add(name, "2026-12-19", LEAD)
        begun(story, name, "2026-11-25")
    said = reminders(story.advance(days=10, every=timedelta(hours=3)))
    assert len(said) == 1
    mail = next(m for m in story.inbox("bo") if "Half time" in m.message["Subject"])
    assert mail.message["Subject"].endswith("(and 1 more)")
    assert "checkout-db (production)" in mail.text
    assert "paygate-api (production)" in mail.text


def test_each_promise_is_reminded_of_once(story: Story) -> None:
    """What was said in one message is not said again in the next, where another promise is half over."""
    story.at("2026-11-13 08:00")
    for name, until in (("paygate-api", "2026-11-25"), ("checkout-db", "2026-12-03")):
        story.add(name, "2026-12-19", LEAD)
        begun(story, name, until)
    for day, name, other in (("20", "paygate-api", "checkout-db"), ("24", "checkout-db", "paygate-api")):
        story.at(f"2026-11-{int(day) - 1} 08:00").check()  # the digest of the week, too
        story.inbox()
        assert len(reminders(story.at(f"2026-11-{day} 08:00").check())) == 1
        mail = next(m for m in story.inbox("bo") if "Half time" in m.message["Subject"])
        assert name in mail.text
        assert other not in mail.text


def test_a_short_promise_or_one_that_was_replaced_is_not_reminded_of(story: Story) -> None:
    """Less than two days, half within 12 h of the end, void or taken over: nothing is said."""
    story.at("2026-11-16 08:00").add("paygate-api", "2026-12-19", LEAD)
    begun(story, until="2026-11-17")
    assert reminders(story.advance(days=2, every=timedelta(hours=3))) == []
    story.at("2026-11-20 12:00")
    begun(story, until="2026-11-22")
    assert reminders(story.advance(days=3, every=timedelta(hours=3))) == [], "half is on Saturday, the end on Sunday"
    story.at("2026-11-24 08:00")
    begun(story, until="2026-11-30")
    story.at("2026-11-25 08:00")
    begun(story, until="2026-11-26", by="cy")
    assert reminders(story.advance(days=4, every=timedelta(hours=3))) == [], "it is in another hand"


def test_an_idle_installation_wakes_for_the_half(story: Story) -> None:
    """The instant is known beforehand: runs in between stay idle, and the one at that instant speaks."""
    story.at("2026-11-13 08:00").add("paygate-api", "2026-12-19", LEAD)
    story.check()
    begun(story, until="2026-11-25")
    story.at("2026-11-18 20:10").check()
    (reach,) = story.ask("SELECT value FROM meta WHERE name = 'reach_at'")[0]
    assert reach.startswith("2026-11-20 08:00"), reach


def test_the_code_of_a_reminder_proves_and_promises_nothing(story: Story) -> None:
    """It says that the reader is alive; the promise stays as it is."""
    story.at("2026-11-13 08:00").add("paygate-api", "2026-12-19", LEAD)
    begun(story, until="2026-11-25")
    story.at("2026-11-20 08:00")
    code = reminders(story.check())[0]["code"]
    before = story.state()["in_hand"]
    answer = story.run("ack", code)
    assert "bo:mail is proven" in answer.err
    assert "asks for no promise, so none was made" in answer.err
    assert story.state()["in_hand"] == before


# --------------------------------------------------------------------------- on the day of the digest


def test_on_the_day_of_the_digest_a_reminder_stands_in_it(tmp_path: Path) -> None:
    """Half time and a new duty head the Monday mail of whom they concern, once, and take no message of their own."""
    with telling(tmp_path, start="2026-11-16 08:30", refuses={}, config=CONFIG) as story:
        story.add("paygate-api", "2026-12-19", LEAD)
        story.check()
        begun(story, until="2026-11-27", by="cy")
        story.inbox()
        said = story.at("2026-11-23 08:10").check()
        assert reminders(said) == []
        mails = {mail.to.partition("@")[0]: mail for mail in story.inbox() if "eek of" in mail.message["Subject"]}
        cy, others = mails.pop("cy"), list(mails.values())
        assert cy.message["Subject"].startswith("Half time: you have paygate-api until Fri 27 Nov; week of payments: ")
        for text in (cy.text, cy.html):
            assert text.index("half of the time that you gave yourself") < text.index("this is the week of payments")
        assert cy.text.count("keywatch ack ") == 2, "to extend it, and one code that shows that it was read"
        (new,) = [one for one in others if "on call" in one.message["Subject"]]
        assert "You are on call for payments: 1 open credential; week of " in new.message["Subject"]
        assert "IN HAND: paygate-api (production)" in new.text
        assert not [one for one in others if "half of the time" in one.text], "it is said to its giver alone"
        assert reminders(story.advance(days=3, every=timedelta(hours=6))) == []
        assert story.ask("SELECT count(*) FROM event WHERE kind = 'reminded'") == [(1,)]


def test_a_reminder_that_takes_more_routes_than_the_digest_goes_by_itself(tmp_path: Path) -> None:
    """The digest takes one route; whoever has two that nobody proved is reminded on both."""
    two = CONFIG + '\n[routes.cy-too]\nmail = "cy.park@example.com"\nperson = "cy"\n'
    with telling(tmp_path, start="2026-11-16 08:30", refuses={}, config=two) as story:
        story.add("paygate-api", "2026-12-19", LEAD)
        story.check()
        begun(story, until="2026-11-27", by="cy")
        said = story.at("2026-11-23 08:10").check()
        assert {one["route"] for one in reminders(said)} == {"cy:mail", "cy-too"}
        assert [one["route"] for one in said if one["kind"] == "digest" and one["person"] == "cy"] == ["cy:mail"]


def test_a_digest_that_was_sent_by_hand_carries_no_reminder_later(tmp_path: Path) -> None:
    """What went out before it was due cannot take it along, so it goes by itself and is not lost."""
    with telling(tmp_path, start="2026-11-16 08:30", refuses={}, config=CONFIG) as story:
        story.add("paygate-api", "2026-12-19", LEAD)
        story.check()
        begun(story, until="2026-11-27", by="cy")
        story.at("2026-11-23 07:00").run("digest", "--send")
        assert "cy" in {one["person"] for one in reminders(story.at("2026-11-23 08:10").check())}


# --------------------------------------------------------------------------- a duty that begins


def test_who_comes_on_duty_hears_what_they_inherit(rota: Story) -> None:
    """At the start of the shift the new person gets one message with everything open, its state and its holder."""
    rota.add("paygate-api", "2026-12-19", LEAD)
    rota.add("checkout-db", "2026-12-19", LEAD)
    rota.add("far-away", "2027-12-19", LEAD)
    rota.check()
    begun(rota, until="2026-11-30", by="cy")
    quiet = rota.at("2026-11-20 08:00").advance(days=2, every=timedelta(hours=6))
    assert not [one for one in reminders(quiet) if one["person"] != "cy"]
    rota.inbox()
    said = reminders(rota.at("2026-11-23 08:10").check())
    new = {one["person"] for one in said} - {"cy"}
    assert len(new) == 1
    mail = next(m for m in rota.inbox(new.pop()) if "on call" in m.message["Subject"])
    assert mail.message["Subject"] == "You are on call for payments: 2 open credentials"
    assert "until Mon 30 Nov 09:00; you inherit:" in mail.text
    assert "LATE: checkout-db (production)" in mail.text
    assert "nobody has it" in mail.text
    assert "IN HAND: paygate-api (production)" in mail.text
    assert "Cy Park has it until Mon 30 Nov; next: approval by" in mail.text
    assert "far-away" not in mail.text
    again = rota.advance(days=5, every=timedelta(hours=6))
    assert not [one for one in reminders(again) if one["person"] != "cy"]


def test_a_duty_without_anything_open_says_nothing(rota: Story) -> None:
    """Nothing is inherited, so nobody is bothered."""
    rota.add("far-away", "2027-12-19", LEAD)
    rota.check()
    assert reminders(rota.advance(days=10, every=timedelta(hours=6))) == []


def test_a_shift_that_starts_at_night_is_told_in_the_morning(tmp_path: Path) -> None:
    """From 20:00 to [policy] at it waits; whoever was on duty at the first run is not new."""
    night = (CONFIG + THURSDAYS).replace("at = 09:00:00", "at = 23:00:00")
    with telling(tmp_path, start="2026-11-16 08:30", refuses={}, config=night) as story:
        story.add("paygate-api", "2026-12-19", LEAD)
        story.check()
        story.at("2026-11-23 07:30")
        assert reminders(story.check()) == []
        story.at("2026-11-23 22:10")
        assert reminders(story.check()) == []
        story.at("2026-11-24 07:00")
        assert reminders(story.check()) == []
        story.at("2026-11-24 08:00")
        assert len(reminders(story.check())) == 1

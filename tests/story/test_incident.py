"""The incident, by name: payments were down, the gateway's credentials had expired, and only a dead alias was told."""

from datetime import timedelta

from tests.story.story import Story

QUARTER_DAY = timedelta(hours=6)
EXPIRES, LEAD = "2026-12-19", "approval=15bd,issue=1bd,deploy=3bd,margin=2bd"


def told(messages: list[dict[str, object]]) -> set[object]:
    """Who accepted a notice; digests are another matter."""
    return {m["person"] for m in messages if m["verdict"] == "accepted" and m["kind"] == "notice"}


def test_payments_were_down(story: Story) -> None:
    """The alias refuses, so the person on call hears of it in the same run; nobody answers, so it climbs; an answer by
    code proves the route and silences it until its date; the renewal ends it."""
    story.at("2026-10-20 08:00")
    answer = story.add("paygate-api", EXPIRES, LEAD)
    assert "first message Wed 21 Oct 09:00 to Ana Ruiz" in answer.out + answer.err
    assert story.check() == []

    story.at("2026-10-21 07:00")
    first = story.check()
    refused = [message for message in first if message["verdict"] == "refused"]
    assert [message["route"] for message in refused] == ["payments-alias"]
    assert "ana" in told(first)
    assert "mia" in told(first), "one unproven route alone is no cover: the head is told in the same run"
    assert {mail.to for mail in story.inbox()} == {"ana@example.com", "mia@example.com"}

    story.at("2026-11-13 08:00")
    week = story.check()
    assert told(week) == {"ana", "mia"}
    assert all(message["route"] != "payments-alias" for message in week), "a dead route is not sent to"
    mail = next(mail for mail in story.inbox("ana"))
    assert mail.message["Subject"] == "Start by 20 Nov: paygate-api (production), expires 19 Dec"
    assert "payments-alias: refused 550 5.1.1 on 21 Oct, marked dead" in mail.text

    story.at("2026-11-16 08:00")
    assert [message for message in story.check() if message["kind"] == "notice"] == []
    story.at("2026-11-17 08:00")
    climbed = story.check()
    assert told(climbed) == {"bo", "cy"}, "two working days without an answer: the members, who had not heard"
    assert {notice["rung"] for message in climbed for notice in message["notices"]} == {2}

    code = next(message["code"] for message in climbed if message["person"] == "bo")
    story.at("2026-11-17 09:00")
    taken = story.run("ack", code.lower(), "--begun", "--until", "2026-12-04")
    assert "paygate-api" in taken.out
    row = story.state()
    assert row["state"] == "IN HAND"
    assert row["in_hand"]["person"] == "bo"
    quiet = story.advance(days=14, every=QUARTER_DAY)
    assert [m for m in quiet if m["kind"] == "notice"] == [], "in hand: nothing is said"

    story.at("2026-12-03 12:00")
    story.run("renew", "paygate-api", "--expires", "2027-12-19", "--by", "bo")
    assert story.state()["state"] == "OK"
    assert [m for m in story.advance(days=30, every=QUARTER_DAY) if m["kind"] == "notice"] == []


def test_a_promise_that_is_not_kept(story: Story) -> None:
    """When the date of an ack passes and the expiry has not moved, escalation resumes one rung higher."""
    story.at("2026-11-13 07:30")
    story.add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00")
    week = story.check()
    assert {notice["rung"] for message in week for notice in message["notices"]} <= {0, 1}
    code = next(message["code"] for message in week if message["person"] == "ana")
    story.run("ack", code, "--begun", "--until", "2026-11-18")
    assert [m for m in story.advance(days=5, every=QUARTER_DAY) if m["kind"] == "notice"] == []
    story.at("2026-11-19 08:00")
    lapsed = [message for message in story.check() if message["kind"] == "notice"]
    assert {notice["stage"] for message in lapsed for notice in message["notices"]} == {"lapsed@2026-11-18"}
    assert "ana" in told(lapsed), "who promised is told"
    assert {notice["rung"] for message in lapsed for notice in message["notices"]} == {0, 1, 2}


def test_suspects_of_the_call(story: Story) -> None:
    """The call: every payment fails. One command says which credential of checkout died, and whom to wake."""
    story.at("2026-12-01 08:00")
    story.add("paygate-api", EXPIRES, LEAD)
    story.at("2026-12-19 10:00").check(expect=None)
    answer = story.run("suspects", "--service", "checkout", expect=1)
    assert "paygate-api" in answer.out
    assert "Ana Ruiz" in answer.out


def test_suspects_of_the_checkout_post_mortem(story: Story) -> None:
    """The post-mortem: 40 minutes went into the wrong component. The answer no is plain, and it is given at once."""
    story.at("2026-10-20 08:00")
    story.add("paygate-api", EXPIRES, LEAD)
    story.add("checkout-db", "2027-06-01", "5bd")
    story.check()
    story.at("2026-10-20 14:00").check()
    answer = story.run("suspects", "--service", "checkout", "--since", "2h")
    assert "none of 2 expired or changed since" in answer.out
    assert "next paygate-api in 59 d" in answer.out


def test_a_lesser_answer_takes_nothing_back(story: Story) -> None:
    """Who promised `--begun` until a date and then answers a later message without one keeps the longer promise."""
    story.at("2026-11-13 07:30")
    story.add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00")
    code = next(message["code"] for message in story.check() if message["person"] == "ana")
    story.run("ack", code, "--begun", "--until", "2026-11-18")
    story.run("ack", code)
    held = story.state()["in_hand"]
    assert (held["person"], held["until"]) == ("ana", "2026-11-18T23:00:00Z")

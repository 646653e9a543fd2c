"""Quiet times: an alias dies without a bounce, and its people hear of it months before anything expires."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.smtp import Received, SmtpServer
from tests.story.story import ALIAS, CONFIG, Story, telling

DAY = timedelta(days=1)
ASKING = CONFIG.replace("questions = false", "questions = true")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A Sunday, ana on call until February; every address accepts, the alias too."""
    with telling(tmp_path, "2026-10-04 08:00", refuses={}, every_days=120, config=ASKING) as told:
        told.run("add", "far", "--expires", "2027-12-19", "--lead", "5bd", "--owner", "payments")
        told.check()
        yield told


def asked(sent: list[dict[str, Any]]) -> dict[str, list[datetime]]:
    """When each route was asked."""
    found: dict[str, list[datetime]] = {}
    for one in sent:
        if one["kind"] == "question":
            found.setdefault(one["route"], []).append(one["at"])
    return found


def mail_to(story: Story, person: str, words: str) -> Received:
    (found,) = [mail for mail in story.inbox(person) if words in f"{mail.message['Subject']}\n{mail.text}"]
    return found


def answer(story: Story, sent: list[dict[str, Any]], *but: str) -> None:
    """Everybody who is asked answers in the same hour, except those routes."""
    for one in sent:
        if one["kind"] == "question" and one["route"] not in but:
            by = () if one["person"] else ("--by", "cy")
            story.run("ack", one["code"], *by)


def live(story: Story, days: int, *silent: str) -> list[dict[str, Any]]:
    """Let the time pass with a run a day, at ten or nine in Madrid; every question is answered but to these routes."""
    sent, end = [], story.now + days * DAY
    while story.now < end:
        story.now += DAY
        found = story.check(expect=None)
        answer(story, found, *silent)
        sent += found
    return sent


# --------------------------------------------------------------------------- asking


def test_the_first_slot_asks_each_once(story: Story) -> None:
    """At nine o'clock, not before: the alias, who is on duty, and the last resort; the next four weeks are quiet."""
    assert asked(story.at("2026-10-05 06:30").check()) == {}
    sent = story.advance(days=0.5)
    answer(story, sent)
    sent += live(story.at("2026-10-05 08:00"), 20)
    nine = datetime.fromisoformat("2026-10-05T07:30Z")
    once = {route: [nine] for route in ("payments-alias", "ana:mail", "li:mail", "mia:mail")}
    assert asked(sent) == once


def test_what_a_clock_that_was_ahead_asked_keeps_nobody_from_being_asked(story: Story) -> None:
    """A question dated next year, and the clock is right again: the alias is asked at the next slot all the same."""
    assert "payments-alias" in asked(story.at("2026-10-05 07:30").check())
    with contextlib.closing(sqlite3.connect(story.folder / "keywatch.db")) as connection:
        connection.execute("UPDATE message SET created_at = '2027-10-05 07:30:00.000000' WHERE kind = 'question'")
        connection.execute("UPDATE message SET accepted_at = created_at WHERE kind = 'question'")
        connection.commit()
    assert "payments-alias" in asked(story.at("2026-10-06 07:30").check())


def test_it_is_asked_again_when_the_answer_is_four_weeks_old(story: Story) -> None:
    """Shared routes every four weeks on the same weekday, people two weeks before their proof ends; nobody else."""
    sent = live(story, 90)
    days = [f"{at:%Y-%m-%d %H}" for at in asked(sent)["payments-alias"]]
    assert days == ["2026-10-05 08", "2026-11-02 08", "2026-11-30 08", "2026-12-28 08"]
    assert [f"{at:%Y-%m-%d}" for at in asked(sent)["ana:mail"]] == ["2026-10-05", "2026-12-21"]
    assert set(asked(sent)) == {"payments-alias", "ana:mail", "li:mail", "mia:mail"}


def test_the_answer_proves_the_route(story: Story) -> None:
    """By the code of the question, as somebody of the team; it promises nothing."""
    sent = story.at("2026-10-05 08:00").check()
    answer(story, [one for one in sent if one["route"] == "payments-alias"])
    assert story.ask("SELECT route, kind, person FROM evidence") == [("payments-alias", "attested", "cy")]
    assert story.ask("SELECT count(*) FROM ack") == [(0,)]


def test_a_question_says_all_that_it_takes(story: Story) -> None:
    """Who is asked and why, that nothing expires, the line to type, what follows; no promise to read replies."""
    story.at("2026-10-05 08:00").check()
    mails = {
        mail.to.partition("@")[0]: mail for mail in story.inbox() if "do you read" in mail.text or "still" in mail.text
    }
    assert set(mails) == {"payments-alerts", "ana", "li", "mia"}
    alias, ana, li = mails["payments-alerts"], mails["ana"], mails["li"]
    code = re.search(r"keywatch ack ([0-9A-Z]{5}) --by YOUR-NAME", alias.text)
    assert code
    assert alias.message["Subject"] == f"Still read here: payments-alias? Answer with {code[1]}"
    assert "keywatch writes here of what payments must renew." in alias.text
    assert "If nobody answers within two weeks, payments will be asked to name another route." in alias.text
    assert "Ana Ruiz, do you read ana:mail? You are on call for payments until " in ana.text
    assert "--by" not in ana.text
    assert "You are in the last resort." in li.text
    for mail in mails.values():
        assert "Nothing expires because of this message" in mail.text
        assert "reply" not in mail.text
        assert "CODE$" not in mail.text


def test_switched_off_nobody_is_asked(story: Story) -> None:
    """`[policy] questions = false`, and not a word."""
    story.rewrite("questions = true", "questions = false")
    assert asked(live(story, 40)) == {}


def test_who_is_called_that_day_is_not_asked_besides(story: Story) -> None:
    """The answer to the call would prove the route as well; the question waits for the next working day."""
    story.add("soon", "2026-10-23", "5bd")
    story.at("2026-10-05 07:00")
    sent = story.check()
    assert "notice" in [one["kind"] for one in sent if one["route"] == "ana:mail"]
    assert "ana:mail" not in asked(sent)
    assert asked(live(story.at("2026-10-05 08:00"), 2))["ana:mail"] == [datetime.fromisoformat("2026-10-06T08:00Z")]


def test_without_a_credential_nobody_is_asked(tmp_path: Path) -> None:
    """Nothing hangs on the routes of an installation that is empty; the first credential changes that."""
    with telling(tmp_path, "2026-10-04 08:00", refuses={}, every_days=120, config=ASKING) as story:
        assert asked(live(story, 3)) == {}
        story.add("far", "2027-12-19")
        assert "payments-alias" in asked(live(story, 2))


@pytest.mark.parametrize(("hour", "step"), [(7, 24), (0, 24), (6, 1)])
def test_idle_runs_sleep_through_no_question(tmp_path: Path, hour: int, step: int) -> None:
    """Whether it runs daily at nine, daily at two in the night or hourly: the first run from the slot on asks."""
    with telling(tmp_path, f"2026-10-04 {hour:02}:00", refuses={}, every_days=120, config=ASKING) as story:
        story.run("add", "far", "--expires", "2027-12-19", "--lead", "5bd", "--owner", "payments")
        sent = story.check()
        sent += story.advance(days=3, every=timedelta(hours=step), expect=None)
        (first,) = asked(sent)["payments-alias"]
        slot = datetime.fromisoformat("2026-10-05T07:00Z")
        assert slot <= first < slot + DAY


# --------------------------------------------------------------------------- nobody answers


def said(story: Story, words: str, sent: list[dict[str, Any]]) -> tuple[datetime, Received]:
    """When the first finding went out that says it, and the mail."""
    ids = {one["message_id"]: one["at"] for one in sent if one["kind"] == "finding"}
    found = [mail for mail in story.inbox() if words in mail.text and str(mail.message["Message-ID"]) in ids]
    first = min(found, key=lambda mail: (ids[str(mail.message["Message-ID"])], mail.to))
    return ids[str(first.message["Message-ID"])], first


def test_an_alias_that_dies_without_a_bounce_is_said(story: Story) -> None:
    """Its readers answer in October, then nobody reads it: asked on 2 November, said on 16 November to ana."""
    sent = live(story, 7)
    for day in ("11-02 08:00", "11-16 05:00", "11-16 08:00"):
        sent += story.at(f"2026-{day}").check()
    at, mail = said(story, "that they read payments-alias", sent)
    assert f"{at:%Y-%m-%d %H}" == "2026-11-16 08"
    assert "it was asked on 2 Nov" in mail.text
    assert "Name a replacement" in mail.text
    assert "  far" in mail.text
    assert mail.to == "ana@example.com"
    rows = story.ask("SELECT detail FROM evidence WHERE kind = 'unanswered'")
    assert rows == [("2 Nov",)]


@pytest.mark.parametrize("day", [0, 20])
def test_it_is_said_in_time_whenever_it_dies(story: Story, day: int) -> None:
    """At the latest 46 days after the last one who read it has left."""
    sent = live(story, 14 + day)
    died = story.now
    sent += live(story, 47, "payments-alias")
    at, _ = said(story, "that they read payments-alias", sent)
    assert timedelta(0) < at - died <= 46 * DAY


def test_a_late_answer_ends_it(story: Story) -> None:
    """Three weeks after the question somebody answers it: the route is proven, and the trouble is over."""
    sent = live(story, 21, "payments-alias")
    (question,) = [one for one in sent if one["route"] == "payments-alias" and one["kind"] == "question"]
    subjects = "SELECT subject, outcome FROM episode WHERE credential_id IS NULL"
    assert story.ask(subjects) == [("route:payments-alias", "")]
    answer(story, [question])
    story.now += timedelta(hours=1)
    story.check()
    assert story.ask(subjects) == [("route:payments-alias", "renewed")]


def test_a_question_that_never_left_is_no_silence(story: Story) -> None:
    """The mail server is down for three weeks: nothing is held against the alias, and nothing is asked twice."""
    story.server.stop()
    sent = [one for day in ("05", "12", "20", "26") for one in story.at(f"2026-10-{day} 08:00").check(expect=None)]
    assert not [one for one in sent if one["verdict"] == "accepted"]
    assert story.ask("SELECT count(*) FROM evidence WHERE kind = 'unanswered'") == [(0,)]
    assert story.ask("SELECT count(*) FROM message WHERE kind = 'question' AND route = 'payments-alias'") == [(1,)]
    story.serve(SmtpServer({}, port=story.server.port))
    sent = live(story, 24, "payments-alias")
    (arrived,) = [
        one["at"]
        for one in sent
        if one["kind"] == "question" and one["route"] == "payments-alias" and one["verdict"] == "accepted"
    ]
    (noted,) = story.ask("SELECT at FROM evidence WHERE kind = 'unanswered'")
    assert datetime.fromisoformat(f"{noted[0]}+00:00") - arrived >= 13 * DAY


def test_a_dead_alias_is_not_asked(tmp_path: Path) -> None:
    """It refused once: that is said at once; whoever does not exist is not asked whether he reads."""
    with telling(tmp_path, "2026-10-04 08:00", every_days=120, config=ASKING) as story:
        story.run("add", "far", "--expires", "2027-12-19", "--lead", "5bd", "--owner", "payments")
        sent = live(story, 60, "payments-alias")
        assert len(asked(sent)["payments-alias"]) == 1
        assert [kind for (kind,) in story.ask("SELECT kind FROM evidence WHERE route = 'payments-alias'")] == [
            "refused"
        ]


def test_another_address_is_asked_anew(story: Story) -> None:
    """What nobody answered at the old address is not held against the new one, which is asked at the next slot."""
    live(story, 10, "payments-alias")
    story.rewrite(ALIAS, "payments@example.com")
    sent = live(story, 10)
    assert len(asked(sent)["payments-alias"]) == 1
    assert story.ask("SELECT count(*) FROM evidence WHERE kind = 'unanswered'") == [(0,)]


# --------------------------------------------------------------------------- issuers


def test_the_address_of_an_issuer_is_asked(story: Story) -> None:
    """Nobody here writes to it, so only this question finds out that the mails of PayGate are read by nobody."""
    story.run(
        *("add", "paygate-api", "--expires", "2027-11-19", "--lead", "5bd", "--owner", "payments"),
        *("--issuer-writes-to", "ap@example.com"),
    )
    sent = live(story, 1)
    assert len(asked(sent)["issuer:ap@example.com"]) == 1
    mail = mail_to(story, "ap", "still read this")
    assert mail.text.startswith("To whoever reads ap@example.com: does anybody still read this?")
    assert "The issuer of paygate-api writes to this address." in mail.text

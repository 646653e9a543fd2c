"""A roster that cannot answer is never "nobody": whoever it leaves unknown, more people are told, not fewer."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.web import Page, WebServer
from tests.story.story import CONFIG, Story, telling

ROTATION = CONFIG[CONFIG.index("[rosters.payments]") : CONFIG.index("[owners.payments]")]
FEED = "/payments.ics"
PLAN, FORTNIGHT = "2026-10-21 07:00", "2026-11-06 08:00"
"""When the 30d and the 14d stage of the story's credential speak, both at rung 0."""
TO_RUNG_2 = ["ana:mail", "bo:mail", "cy:mail", "mia:mail", "payments-alias"]
EVERYBODY = sorted([*TO_RUNG_2, "li:mail"])
"""With the fallback: where nobody is known to be on duty, it takes one of the fallback to cover a call."""
EVERYONE = ["ana", "bo", "cy", "li", "mia", "payments-alerts"]
LOGIN = Page(body=b"<!doctype html><html><form>Sign in</form></html>", headers={"Content-Type": "text/html"})
BAD = {
    "404": (Page(404), "unknown-target: the calendar at 127.0.0.1 answered 404"),
    "500": (Page(500), "unreachable: the calendar at 127.0.0.1 answered 500"),
    "403": (Page(403), "denied: the calendar at 127.0.0.1 answered 403"),
    "garbage": (Page(body=b"\x00\xffnot a calendar"), "nonsense: "),
    "empty": (Page(body=b""), "nonsense: "),
    "login page": (LOGIN, "nonsense: the calendar at 127.0.0.1 answered with a web page"),
    "half a calendar": (Page(body=b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n"), "nonsense: "),
}


def calendar(*shifts: tuple[str, str, str]) -> Page:
    """A feed with `(start, until, ATTENDEE or SUMMARY line)`."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rota//EN"]
    for n, (start, until, who) in enumerate(shifts):
        lines += ["BEGIN:VEVENT", f"UID:{n}@rota", "DTSTAMP:20261001T000000Z", f"DTSTART:{start}", f"DTEND:{until}"]
        lines += [who, "END:VEVENT"]
    return Page(body="\r\n".join([*lines, "END:VCALENDAR", ""]).encode(), headers={"Content-Type": "text/calendar"})


ANA = ("20261001T000000Z", "20270301T000000Z", "ATTENDEE;CN=Ana Ruiz:mailto:ana@example.com")


@contextmanager
def on_feed(folder: Path, page: Page, url: str = "") -> Iterator[tuple[Story, WebServer]]:
    """The story with its rota behind a calendar feed, and every mail accepted."""
    with WebServer({FEED: page}) as web:
        roster = f'[rosters.payments]\nkind = "ical"\nurl = "{url or web.url(FEED)}"\n\n'
        with telling(folder, refuses={}, config=CONFIG.replace(ROTATION, roster)) as story:
            story.at("2026-10-20 08:00").add()
            yield story, web


def told(messages: list[dict[str, Any]]) -> list[str]:
    return sorted(message["route"] for message in messages if message["kind"] == "notice")


def test_a_feed_that_answers(tmp_path: Path) -> None:
    """The measure for all that follows: with the rota known, the first stage goes to the person on call alone."""
    with on_feed(tmp_path, calendar(ANA)) as (story, _):
        assert told(story.at(PLAN).check()) == ["ana:mail", "payments-alias"]


@pytest.mark.parametrize("fault", BAD)
def test_unknown_from_the_start(tmp_path: Path, fault: str) -> None:
    """Never read: the members and the head hear of it too, the run exits 3 and says why, once; then it recovers."""
    page, reason = BAD[fault]
    with on_feed(tmp_path, page) as (story, web):
        story.at(PLAN)
        answer = story.run("check", expect=3)
        assert f"roster payments: {reason}" in answer.err
        assert web.url(FEED) not in answer.err, "the address of a feed is a secret"
        assert sorted(mail.to.partition("@")[0] for mail in story.inbox()) == EVERYONE
        story.at("2026-10-21 09:00")
        again = story.run("check", "-q", expect=3)
        assert again.out + again.err == ""
        web.pages[FEED] = calendar(ANA)
        story.at(FORTNIGHT)
        healed = story.run("check", "-q")
        assert healed.err == "roster payments: can be read again\n"


def test_unreachable(tmp_path: Path) -> None:
    """Nobody listens there: the same as any other way of not answering."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}{FEED}"
    with on_feed(tmp_path, calendar(ANA), closed) as (story, _):
        answer = story.at(PLAN).run("check", "-o", "json", expect=3).json
        assert told(answer["messages"]) == EVERYBODY
        assert answer["rosters"][0]["problem"].startswith("unreachable: ")


@pytest.mark.parametrize("fault", ["404", "garbage", "login page"])
def test_a_silent_roster_answers_what_was_planned(tmp_path: Path, fault: str) -> None:
    """Read before, silent now: the planned person, and one rung more; after two weeks of silence nothing is known."""
    with on_feed(tmp_path, calendar(ANA)) as (story, web):
        assert story.check() == []
        web.pages[FEED] = BAD[fault][0]
        story.at(PLAN)
        assert told(story.check(expect=3)) == ["ana:mail", "mia:mail", "payments-alias"]
        story.at(FORTNIGHT)
        assert told(story.check(expect=3)) == TO_RUNG_2


def test_a_healed_roster_narrows_again(tmp_path: Path) -> None:
    """What a fault widened is not kept: the next call goes to whom the rota names."""
    with on_feed(tmp_path, Page(404)) as (story, web):
        assert told(story.at(PLAN).check(expect=3)) == EVERYBODY
        web.pages[FEED] = calendar(ANA)
        story.at("2026-10-21 10:00")
        assert told(story.check()) == []
        assert told(story.at(FORTNIGHT).check()) == ["ana:mail", "payments-alias"]


NOBODY = {
    "an empty calendar": calendar(),
    "a hole in the rota": calendar(("20261001T000000Z", "20261015T000000Z", ANA[2])),
    "a person without a route": calendar((ANA[0], ANA[1], "SUMMARY:Zoe")),
}


@pytest.mark.parametrize("hole", NOBODY)
def test_nobody_on_duty_is_an_answer(tmp_path: Path, hole: str) -> None:
    """The roster could be read, so the run is well; but nobody who is on duty can be told, so the others are."""
    with on_feed(tmp_path, NOBODY[hole]) as (story, _):
        assert set(told(story.at(PLAN).check())) >= set(EVERYBODY)


def test_a_change_of_the_rota_is_seen_before_anybody_is_told(tmp_path: Path) -> None:
    """A render older than 15 minutes is renewed before a notice is planned: who swapped this morning is on call."""
    bo = (*ANA[:2], "ATTENDEE;CN=Bo Lind:mailto:bo@example.com")
    with on_feed(tmp_path, calendar(ANA)) as (story, web):
        story.at("2026-10-21 06:30").check()
        web.pages[FEED] = calendar(bo)
        assert told(story.at(PLAN).check()) == ["bo:mail", "payments-alias"]


def test_somebody_only_the_roster_knows(tmp_path: Path) -> None:
    """An address in the feed is enough to tell its person; the code of that message proves their route."""
    zoe = (*ANA[:2], "ATTENDEE;CN=Zoe Novak:mailto:zoe@example.net")
    with on_feed(tmp_path, calendar(zoe)) as (story, _):
        sent = story.at(PLAN).check()
        assert [mail.to for mail in story.inbox("zoe")] == ["zoe@example.net"]
        code = next(message["code"] for message in sent if message["person"] == "zoe@example.net")
        story.run("ack", code)
        assert story.state()["in_hand"]["person"] == "zoe@example.net"

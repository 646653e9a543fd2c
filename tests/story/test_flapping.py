"""What comes and goes is said when it is new, and not at every turn; what ends says truly why."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.inbox.mailing import READING, bounce, deliver, reply, sent_to
from tests.story.story import ALIAS, CONFIG, Story, telling

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALIAS_ROUTE = "payments-alias"
ROTATION = CONFIG[CONFIG.index("[rosters.payments]") : CONFIG.index("[owners.payments]")]
ROTA = CONFIG.replace(ROTATION, '[rosters.payments]\nkind = "ical"\nurl = "rota.ics"\n\n')
ANA = "ATTENDEE;CN=Ana Ruiz:mailto:ana@example.com"
OFFICE = ("DTSTART;TZID=Europe/Madrid:20261005T090000", "DTEND;TZID=Europe/Madrid:20261005T180000", ANA)
WEEKDAYS = "RRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR"
CY = 'cy = { name = "Cy Park", mail = "cy@example.com" }\n'


def findings(sent: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(when, by which route) of everything that was said about keywatch itself."""
    return sorted((f"{one['at']:%m-%d %H:%M}", one["route"]) for one in sent if one["kind"] == "finding")


def far(story: Story, *more: str) -> None:
    """A credential that says nothing for a year."""
    story.run("add", "far", "--expires", "2027-12-19", "--lead", "5bd", "--owner", "payments", *more)


@contextmanager
def rota(folder: Path, *lines: str) -> Iterator[Story]:
    """The payments team behind a calendar of one event, from a Monday morning on."""
    event = ["BEGIN:VEVENT", "UID:1@rota", "DTSTAMP:20261001T000000Z", *lines, "END:VEVENT"]
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rota//EN", *event, "END:VCALENDAR", ""])
    (folder / "rota.ics").write_text(text, newline="")
    with telling(folder, "2026-10-05 08:00", refuses={}, config=ROTA) as story:
        far(story)
        yield story


# --------------------------------------------------------------------------- rosters


def test_nobody_is_on_call_at_night(tmp_path: Path) -> None:
    """A roster of office hours is no trouble at night and at the weekend: messages wait for the morning as well."""
    with rota(tmp_path, *OFFICE, WEEKDAYS) as story:
        assert findings(story.advance(days=8, every=4 * HOUR)) == []


def test_nobody_is_on_call_in_the_morning(tmp_path: Path) -> None:
    """The ground of the test above: where the next working morning has nobody, that is said in it."""
    with rota(tmp_path, *OFFICE, f"{WEEKDAYS};UNTIL=20261009T170000Z") as story:
        assert findings(story.advance(days=4.5, every=4 * HOUR)) == []
        said = findings(story.advance(days=3.5, every=4 * HOUR))
        assert said == [("10-12 08:00", "ana:mail"), ("10-12 08:00", ALIAS_ROUTE)]


def hiccup(story: Story) -> list[dict[str, Any]]:
    """A day of runs; in one of them the calendar cannot be read, in the next it answers again."""
    there, away = story.folder / "rota.ics", story.folder / "away.ics"
    sent = []
    for hours, now in ((2, away), (2, there), (20, there)):
        (there if there.exists() else away).rename(now)
        story.now += hours * HOUR
        sent += story.check(expect=None)
    return sent


def test_a_flaky_roster_with_a_standing_trouble(tmp_path: Path) -> None:
    """Somebody unknown is on call: that is said once, and not again at each hiccup of the calendar."""
    zoe = ("DTSTART:20261001T000000Z", "DTEND:20270101T000000Z", "SUMMARY:Zoe Gone")
    with rota(tmp_path, *zoe) as story:
        story.check(expect=None)
        first = findings(story.advance(days=1, expect=None))
        assert ("10-06 07:00", "mia:mail") in first
        assert len(first) == len(set(first))
        assert findings([one for _ in range(5) for one in hiccup(story)]) == []


# --------------------------------------------------------------------------- people


def leaves(story: Story) -> None:
    story.rewrite(CY, "")
    story.rewrite('"bo", "cy"]\nroutes', '"bo"]\nroutes')


def returns(story: Story) -> None:
    story.rewrite("mia = {", f"{CY}mia = {{")
    story.rewrite('"bo"]\nroutes', '"bo", "cy"]\nroutes')


def test_somebody_who_is_gone_again(tmp_path: Path) -> None:
    """That the only one who can renew it is gone is said once; after they were back it is news again."""
    with telling(tmp_path, "2026-10-05 08:00", refuses={}, every_days=365) as story:
        far(story, "--renewable-by", "cy")
        story.check()
        leaves(story)
        first = findings(story.advance(days=10, every=DAY))
        returns(story)
        assert findings(story.advance(days=10, every=DAY)) == []
        leaves(story)
        again = findings(story.advance(days=10, every=DAY))
        assert {route for _, route in first} == {ALIAS_ROUTE, "ana:mail", "mia:mail"}
        assert {route for _, route in again} == {route for _, route in first}
        assert len({when for when, _ in first}) == len({when for when, _ in again}) == 1


@pytest.mark.parametrize(
    ("early", "told"),
    [
        ((), ["11-16 08:03 ana:mail", "11-23 08:03 bo:mail"]),
        ((16, 23), ["11-17 08:03 ana:mail", "11-24 08:03 bo:mail"]),
    ],
)
def test_a_shift_that_began_right_after_a_run(tmp_path: Path, early: tuple[int, ...], told: list[str]) -> None:
    """Runs are a day and some minutes apart: whoever came on call in between hears in the next one, once."""
    config = CONFIG + '\n[digest]\nat = "Thu 09:00"\n'  # which would carry it
    with telling(tmp_path, "2026-11-06 07:05", refuses={}, config=config) as story:  # shifts begin Mondays at 08:00 UTC
        story.add()
        for day in range(12, 26):
            story.at(f"2026-11-{day:02} {'07:58' if day in early else '08:03'}").check(expect=None)
        assert [f"{one['at']:%m-%d %H:%M} {one['route']}" for one in story.sent if one["kind"] == "reminder"] == told


# --------------------------------------------------------------------------- routes


def events(story: Story) -> list[str]:
    rows = story.ask("SELECT text FROM event WHERE kind IN ('trouble', 'recovered') ORDER BY id")
    return [text for (text,) in rows]


def test_a_dead_route_that_nothing_hangs_on_is_not_well(tmp_path: Path) -> None:
    """The last credential of a dead address is retired: the trouble ends, and nobody says that the address lives."""
    with telling(tmp_path, "2026-10-05 08:00", every_days=365) as story:
        story.rewrite(f'routes = ["{ALIAS_ROUTE}"]\n', "routes = []\n")
        far(story, "--issuer-writes-to", ALIAS)
        story.check()
        story.run("test", ALIAS_ROUTE, expect=None)
        story.now += HOUR
        assert findings(story.check())
        story.run("retire", "far")
        story.now += HOUR
        story.check()
        assert events(story)[-1] == f"route {ALIAS_ROUTE} is not needed any more"
        assert story.ask("SELECT outcome FROM episode WHERE subject = ?", f"route:{ALIAS_ROUTE}") == [("retired",)]


@contextmanager
def partial(folder: Path) -> Iterator[Story]:
    """Quiet times in which one member of the alias is found to be gone."""
    for name in ("tmp", "new", "cur"):
        (folder / "box" / name).mkdir(parents=True)
    config = READING.replace("questions = false", "questions = true")
    with telling(folder, "2026-10-04 08:00", refuses={}, every_days=365, config=config) as story:
        far(story)
        assert ALIAS_ROUTE in {one["route"] for one in live(story, 2)}
        deliver(story, bounce(sent_to(story, ALIAS_ROUTE).address, "left@example.com", original=ALIAS))
        yield story


def live(story: Story, days: int) -> list[dict[str, Any]]:
    """A run a day, in which the people answer their questions."""
    sent = []
    for _ in range(days):
        story.now += DAY
        for one in story.check():
            sent.append(one)
            if one["kind"] == "question" and one["route"] != ALIAS_ROUTE:
                story.run("ack", one["code"])
    return sent


def about_the_member(story: Story) -> list[str]:
    return [mail.to for mail in story.inbox() if "Some who should read" in str(mail.message["Subject"])]


def is_partial(story: Story) -> bool:
    rows = story.ask("SELECT 1 FROM episode WHERE subject = ? AND ended_at IS NULL", f"route:{ALIAS_ROUTE}")
    return bool(rows) and "Some who should read" in events(story)[-1]


def test_a_partial_alias_is_said_once(tmp_path: Path) -> None:
    """The others still get what is sent: one message, and the digest for the rest."""
    with partial(tmp_path) as story:
        story.run("ack", sent_to(story, ALIAS_ROUTE).code, "--by", "cy")
        live(story, 26)
        said = about_the_member(story)
        assert said
        assert len(said) == len(set(said))
        assert is_partial(story)


def by_code(story: Story) -> None:
    story.run("ack", sent_to(story, ALIAS_ROUTE).code, "--by", "cy")


def by_mail(story: Story) -> None:
    deliver(story, reply(sent_to(story, ALIAS_ROUTE), "cy@example.com", "Yes."))


@pytest.mark.parametrize("answering", [by_code, by_mail])
def test_a_partial_alias_is_mended_by_an_answered_question(tmp_path: Path, answering: Any) -> None:
    """The next question went to everybody who is left, nothing came back, and somebody answered: it is whole."""
    with partial(tmp_path) as story:
        by_code(story)
        sent = live(story, 30)
        assert [one["kind"] for one in sent if one["route"] == ALIAS_ROUTE] == ["question"]
        assert is_partial(story)
        answering(story)
        live(story, 2)
        assert events(story)[-1] == f"route {ALIAS_ROUTE} is well again"
        assert not is_partial(story)

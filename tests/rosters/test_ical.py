"""On-call from a calendar feed: the same answers as the rotation it was written from, and errors instead of guesses."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch.errors import KeywatchError, RosterError
from keywatch.model import Duty, Person
from keywatch.testing import LentRun
from keywatch.testing_people import BrokenRoster, RosterContract
from keywatch_ical import IcalRoster
from keywatch_rotation import RotationRoster
from tests.servers.certificates import issue
from tests.servers.web import Page, WebServer

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKEN = "canary-feed-token"
HOUR = timedelta(hours=1)


def calendar(*events: str, head: str = "") -> bytes:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//\n{head}{''.join(events)}END:VCALENDAR\n".encode()


def event(*lines: str, uid: str = "a") -> str:
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT", ""])


def shift(start: str, end: str, *lines: str, uid: str = "a") -> str:
    return event(f"DTSTART{start}", f"DTEND{end}", *lines, uid=uid)


def as_calendar(people: Sequence[str], anchor: date, at: time, every: int, zone: str) -> bytes:
    """A rotation written as a calendar: for each person one event that repeats when their turn comes again."""

    def begins(turn: int) -> str:
        return f";TZID={zone}:{datetime.combine(anchor + timedelta(days=every * turn), at):%Y%m%dT%H%M%S}"

    rule = f"RRULE:FREQ=DAILY;INTERVAL={every * len(people)}"
    rows = enumerate(people)
    return calendar(*(shift(begins(n), begins(n + 1), rule, f"SUMMARY:{who}", uid=who) for n, who in rows))


@pytest.fixture
def run(tmp_path: Path) -> LentRun:
    return LentRun(NOW, tmp_path)


def roster(run: LentRun, content: bytes, **more: Any) -> IcalRoster:
    (run.base / "feed.ics").write_bytes(content)
    return IcalRoster(IcalRoster.Settings("feed.ics", **more))


def duties(run: LentRun, content: bytes, days: int = 30, **more: Any) -> Sequence[Duty]:
    return roster(run, content, **more).shifts(run, "", run.now, run.now + timedelta(days=days))


class TestContract(RosterContract):
    """The feed keeps the rules of every roster."""

    plugin = "keywatch_ical"
    heavy = ("requests", "icalendar", "recurring_ical_events")

    @pytest.fixture
    def roster(self, run: LentRun) -> IcalRoster:
        return roster(run, as_calendar(("ana", "bo", "cy"), date(2026, 1, 5), time(9), 7, "Europe/Berlin"))

    @pytest.fixture
    def broken(self, run: LentRun) -> Iterator[Sequence[BrokenRoster]]:
        statuses = {401: "denied", 403: "denied", 404: "unknown-target", 410: "unknown-target", 500: "unreachable"}
        contents = {
            "empty": b"",
            "garbage": b"\x00\xff\x00zzz",
            "login": b"<!doctype html><form>password</form>",
            "no zone": calendar(shift(";TZID=Mars/Olympus:20261101T090000", ";TZID=Mars/Olympus:20261201T090000")),
            "zone is a folder": calendar(shift(";TZID=Europe:20261101T090000", ";TZID=Europe:20261201T090000")),
            "no start": calendar(event("SUMMARY:ana")),
            "bad start": calendar(shift(":yesterday", ":20261201T090000Z", "SUMMARY:ana")),
            "bad end": calendar(shift(":20261101T090000Z", ":tomorrow", "SUMMARY:ana")),
            "bad rule": calendar(shift(":20261101T090000Z", ":20261102T090000Z", "RRULE:FREQ=NOW", "SUMMARY:ana")),
            "every second": calendar(shift(":20261101T090000Z", ":20261102T090000Z", "RRULE:FREQ=SECONDLY")),
            "cut off": calendar(shift(":20261101T090000Z", ":20261102T090000Z"))[:-30],
            "an event alone": event("DTSTART:20261101T090000Z").encode(),
            "bad own zone": calendar(shift(":20261101T090000", ":20261201T090000"), head="X-WR-TIMEZONE:Mars\n"),
        }
        pages = {f"/{status}": Page(status) for status in statuses}
        pages |= {f"/{name.replace(' ', '-')}": Page(body=content) for name, content in contents.items()}
        pages |= {"/hang": Page(hang=True), "/drip": Page(body=b"BEGIN:" * 90, drip=True)}
        pages |= {"/big": Page(body=b"x" * (2**20 + 1)), "/loop": Page(302, headers={"Location": "/loop"})}
        with WebServer(pages) as server:
            yield [self._ask(server.url(path), self._kind(path, statuses)) for path in pages] + [
                self._ask("http://127.0.0.1:1/x", "unreachable"),
                self._ask("http://no-such-host.invalid/x", "unreachable"),
                self._ask("http://[broken/x", "nonsense"),
                self._ask("nowhere.ics", "unknown-target"),
                self._ask(".", "nonsense"),
                self._ask("env:NO_SUCH_FEED", "denied"),
                (IcalRoster(IcalRoster.Settings("x.ics")), "payments", "unknown-target"),
            ]

    def _kind(self, path: str, statuses: dict[int, str]) -> str:
        special = {"/hang": "unreachable", "/drip": "unreachable", "/loop": "unreachable"}
        return special.get(path) or (statuses[int(path[1:])] if path[1:].isdigit() else "nonsense")

    def _ask(self, url: str, kind: str) -> BrokenRoster:
        return IcalRoster(IcalRoster.Settings(url, max_mb=1, timeout_s=0.3)), "", kind


# --------------------------------------------------------------------------- when


def test_hour_by_hour_as_the_rotation_it_came_from(run: LentRun) -> None:
    """Over both ends of daylight saving the feed names whom the rotation names, in one rendering and hour by hour."""
    people = ("ana", "bo", "cy")
    oracle = RotationRoster(RotationRoster.Settings(people, date(2026, 1, 5), time(9), 7, "Europe/Berlin"))
    feed = roster(run, as_calendar(people, date(2026, 1, 5), time(9), 7, "Europe/Berlin"))
    for begins in (datetime(2026, 10, 18, tzinfo=UTC), datetime(2027, 3, 21, tzinfo=UTC)):
        hours = [begins + HOUR * n for n in range(14 * 24)]
        said = feed.shifts(run, "", begins, begins + timedelta(days=14))
        meant = oracle.shifts(run, "", begins, begins + timedelta(days=14))
        assert [_on(said, hour) for hour in hours] == [_on(meant, hour) for hour in hours]
        assert [(d.start, d.until) for d in said] == [(d.start, d.until) for d in meant]
        for hour in hours[6 * 24 : 9 * 24]:
            assert _on(feed.shifts(run, "", hour, hour + timedelta(seconds=1)), hour) == _on(meant, hour)


def _on(said: Sequence[Duty], moment: datetime) -> list[str]:
    return [duty.person.key for duty in said if duty.covers(moment)]


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    at=st.times().filter(lambda t: t.hour > 3).map(lambda t: t.replace(second=0, microsecond=0)),
    every=st.integers(1, 14),
    people=st.integers(1, 4),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),
)
def test_any_rotation_survives_being_a_calendar(
    tmp_path_factory: pytest.TempPathFactory, zone: str, at: time, every: int, people: int, moment: datetime
) -> None:
    """Whatever the zone, the hour and the length of a turn: the same person at the same instant."""
    team = tuple(f"p{n}" for n in range(people))
    here = LentRun(moment, tmp_path_factory.mktemp("feed"))
    oracle = RotationRoster(RotationRoster.Settings(team, date(2025, 6, 2), at, every, zone))
    feed = roster(here, as_calendar(team, date(2025, 6, 2), at, every, zone))
    window = ("", moment, moment + timedelta(days=5))
    said, meant = feed.shifts(here, *window), oracle.shifts(here, *window)
    assert [(d.person.key, d.start, d.until) for d in said] == [(d.person.key, d.start, d.until) for d in meant]


def test_the_second_of_the_handover(run: LentRun) -> None:
    """Half-open: at the hand-over the new person has it, alone."""
    feed = roster(run, as_calendar(("ana", "bo"), date(2026, 11, 16), time(9), 7, "UTC"))
    handover = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert _on(feed.shifts(run, "", handover, handover + HOUR), handover) == ["bo"]
    assert [d.person.key for d in feed.shifts(run, "", handover - HOUR, handover)] == ["ana"]


def test_a_long_shift_is_seen_from_its_middle(run: LentRun) -> None:
    """A shift of half a year that began months ago is still a shift now."""
    (duty,) = duties(run, calendar(shift(":20260801T000000Z", ":20270201T000000Z", "SUMMARY:ana")))
    assert (duty.start, duty.until) == (datetime(2026, 8, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))


def test_days_and_times_without_a_zone(run: LentRun) -> None:
    """They are in the calendar's own zone where it names one, else in the source's: days are whole days there."""
    whole = shift(";VALUE=DATE:20261124", ";VALUE=DATE:20261126", "SUMMARY:ana")
    floating = shift(":20261127T090000", ":20261128T090000", "SUMMARY:bo", uid="b")
    here = LentRun(NOW, run.base, BERLIN)
    own = duties(run, calendar(whole, floating, head="X-WR-TIMEZONE:America/New_York\n"))
    assert [d.start.hour for d in own if d.start] == [5, 14]
    assert [d.start.hour for d in duties(here, calendar(whole, floating)) if d.start] == [23, 8]
    assert [d.start.hour for d in duties(run, calendar(whole, floating)) if d.start] == [0, 9]


def test_zones_as_outlook_names_them(run: LentRun) -> None:
    """Windows names are known; guessing them would hand over an hour wrong."""
    zone = "W. Europe Standard Time"
    (duty,) = duties(
        run, calendar(shift(f";TZID={zone}:20261124T090000", f";TZID={zone}:20261125T090000", "SUMMARY:a"))
    )
    assert duty.start == datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_moved_and_cancelled_occurrences(run: LentRun) -> None:
    """A swapped week is swapped, an excluded or cancelled one is nobody's."""
    weekly = shift(
        ":20261123T090000Z", ":20261130T090000Z", "RRULE:FREQ=WEEKLY", "EXDATE:20261207T090000Z", "SUMMARY:ana"
    )
    swap = shift(":20261130T090000Z", ":20261207T090000Z", "RECURRENCE-ID:20261130T090000Z", "SUMMARY:bo")
    off = shift(":20261214T090000Z", ":20261221T090000Z", "RECURRENCE-ID:20261214T090000Z", "STATUS:CANCELLED")
    assert [d.person.key for d in duties(run, calendar(weekly, swap, off))] == ["ana", "bo"]


# --------------------------------------------------------------------------- who

WEEK = (":20261116T090000Z", ":20261123T090000Z")


def test_attendees_are_the_people(run: LentRun) -> None:
    """Each by mail address, which is where they can be told; a name alone is still a person, a room is nobody."""
    guests = (
        'ATTENDEE;CN="Ana Lee":MAILTO:Ana@Corp.test',
        "ATTENDEE:mailto:bo@corp.test",
        "ATTENDEE;CN=Cy:invalid:nomail",
        "ATTENDEE;CN=War room;CUTYPE=ROOM:mailto:room@corp.test",
    )
    said = [duty.person for duty in duties(run, calendar(shift(*WEEK, "SUMMARY:On call", *guests)))]
    assert said == [
        Person("Cy", "Cy"),
        Person("ana@corp.test", "Ana Lee", "ana@corp.test"),
        Person("bo@corp.test", "bo@corp.test", "bo@corp.test"),
    ]


def test_names_in_summaries(run: LentRun) -> None:
    """With a pattern only what it matches is a shift; without, the whole summary is the name, in one line."""
    events = [shift(*WEEK, "SUMMARY:On call:  Ana   Lee"), shift(*WEEK, "SUMMARY:Team lunch", uid="b")]
    patterns = ["On call: +(?P<name>.+)", "On call: +(.+)", "Ana +Lee"]
    assert [[d.person.key for d in duties(run, calendar(*events), person_pattern=p)] for p in patterns] == [
        ["Ana Lee"]
    ] * 3
    assert [d.person.key for d in duties(run, calendar(*events))] == ["On call: Ana Lee", "Team lunch"]
    assert duties(run, calendar(shift(*WEEK))) == []


def test_levels_in_summaries(run: LentRun) -> None:
    """Level 1 unless the pattern matches; its group is the level, a match alone means level 2."""
    events = [shift(*WEEK, f"SUMMARY:{name}", uid=name) for name in ("ana", "bo L2", "cy L3", "dee backup")]
    said = duties(run, calendar(*events), level_pattern=r"L(\d)", person_pattern=r"^\w+")
    assert [(d.person.key, d.level) for d in said] == [("ana", 1), ("dee", 1), ("bo", 2), ("cy", 3)]
    assert [d.level for d in duties(run, calendar(*events), level_pattern="backup")] == [1, 1, 1, 2]


def test_a_name_is_short_printable_text(run: LentRun) -> None:
    """A summary is written by anybody: in messages and tables it must not break a line."""
    (duty,) = duties(run, calendar(shift(*WEEK, "SUMMARY:ana\\nBcc: x\u2028y\x1b[31m" + "z" * 300)))
    assert duty.person.key.isprintable()
    assert len(duty.person.key) <= 100


def test_members_are_those_of_three_months(run: LentRun) -> None:
    """Who was on duty in the last month or will be in the next two belongs to the rota; last year's people do not."""
    weeks = {"left": "20250101", "recent": "20261025", "soon": "20270110", "far": "20270601"}
    events = [shift(f":{day}T000000Z", f":{day}T230000Z", f"SUMMARY:{who}", uid=who) for who, day in weeks.items()]
    assert [person.key for person in roster(run, calendar(*events)).members(run, "")] == ["recent", "soon"]


def test_an_empty_calendar_is_nobody(run: LentRun) -> None:
    """A calendar without events is an answer: nobody is on duty. It is not an error."""
    assert duties(run, calendar()) == []


# --------------------------------------------------------------------------- where from


def test_the_address_is_never_said(
    run: LentRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a password: not in an error, not in its chain, not in a log, not in the settings."""
    pages = {f"/{TOKEN}/{n}": Page(n) for n in (401, 404, 500)} | {f"/{TOKEN}/bad": Page(body=b"x")}
    with WebServer(pages) as server, caplog.at_level(logging.NOTSET):
        places = [
            *(server.url(path) for path in pages),
            f"http://127.0.0.1:1/{TOKEN}",
            f"http://u:{TOKEN}@127.0.0.1:1/",
        ]
        for place in places:
            monkeypatch.setenv("FEED", place)
            feed = IcalRoster(IcalRoster.Settings("env:FEED", timeout_s=1))
            with pytest.raises(RosterError) as problem:
                feed.shifts(run, "", run.now, run.now + HOUR)
            shown = f"{problem.value.what} {problem.value.hint} {problem.value!r} {problem.value.__cause__!r}"
            assert TOKEN not in shown
            assert problem.value.__suppress_context__ or problem.value.__context__ is None
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(IcalRoster.Settings(places[0]))


def test_one_fetch_for_one_run(run: LentRun) -> None:
    """Shifts and members of one run cost one request; a minute later it is asked anew."""
    with WebServer({"/feed": Page(body=calendar(shift(*WEEK, "SUMMARY:ana")))}) as server:
        feed = IcalRoster(IcalRoster.Settings(server.url("/feed")))
        feed.shifts(run, "", run.now, run.now + HOUR)
        feed.members(run, "")
        assert len(server.requests) == 1
        feed.members(LentRun(NOW + timedelta(minutes=2), run.base), "")
        assert len(server.requests) == 2


def test_an_own_authority(run: LentRun) -> None:
    """A private calendar server needs its CA file, relative to the config; without it there is no answer."""
    made = issue(run.base)
    with WebServer({"/feed": Page(body=calendar(shift(*WEEK, "SUMMARY:ana")))}, made.good) as server:
        trusting = IcalRoster(IcalRoster.Settings(server.url("/feed"), ca="ca.pem"))
        assert trusting.shifts(run, "", run.now, run.now + HOUR)
        for ca in ("", "no-such.pem"):
            with pytest.raises(RosterError) as problem:
                IcalRoster(IcalRoster.Settings(server.url("/feed"), ca=ca)).members(run, "")
            assert problem.value.kind == "unreachable"


@pytest.mark.parametrize(
    "wrong", [{"url": ""}, {"person_pattern": "("}, {"level_pattern": "["}, {"max_mb": 0}, {"timeout_s": 0}]
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    """A pattern that is none would make every event nobody's."""
    with pytest.raises(KeywatchError) as problem:
        IcalRoster(IcalRoster.Settings(**{"url": "feed.ics"} | wrong))
    assert problem.value.hint

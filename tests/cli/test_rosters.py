"""`keywatch rosters`: who is on call now and next, where nobody is, and who of a roster cannot be reached."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keywatch import oncall, outlook
from keywatch.model import Evidence, EvidenceKind
from keywatch.read import FeedRow
from tests.cli_read.house import NOW, TOML, House

DAY = timedelta(days=1)


def rendered(house: House, ago: timedelta = timedelta(minutes=10), problem: str = "", **answer: Any) -> None:
    """The roster was read `ago`, and does not answer since where there is a `problem`."""
    config = house.config
    with house.store as store, store.write() as tx:
        for reference in outlook.roster_references(config):
            feed = oncall.ask(config, reference, None, NOW - ago)
            tx.put_feed(replace(feed, problem=problem, answer={**feed.answer, **answer}))


def duty(key: str, start: str, until: str, level: int = 1, **person: Any) -> dict[str, Any]:
    """A shift as a feed keeps it."""
    mail = person.get("mail", f"{key}@example.com")
    who = {"key": key, "name": key, "mail": mail, "active": person.get("active", True)}
    return who | {"level": level, "start": f"{start}T09:00:00+00:00", "until": f"{until}T09:00:00+00:00"}


def entry(house: House, *args: str) -> dict[str, Any]:
    (one,) = house.run("rosters", *args, "-o", "json").json["rosters"]
    made: dict[str, Any] = one
    return made


def test_who_is_on_call_now_and_next(house: House) -> None:
    """With the hand-over as the owner's clock shows it; in JSON as an instant."""
    rendered(house)
    said = house.run("rosters")
    cells = [cell.strip() for cell in said.out.splitlines()[1].split("  ") if cell]
    now, ahead = "Ana Ruiz until Mon 23 Nov 09:00", "bo from Mon 23 Nov 09:00"
    assert cells == ["payments", "live", "10 min ago", now, ahead, "none", "payments", "nothing"]
    assert said.err == "somebody is on call by each of them\n"
    one = entry(house)
    assert (one["reference"], one["trust"], one["timezone"], one["gaps"]) == ("payments", "live", "Europe/Madrid", [])
    assert [(d["person"], d["until"]) for d in one["now"]] == [("ana", "2026-11-23T08:00:00Z")]
    assert [(d["person"], d["start"]) for d in one["next"]] == [("bo", "2026-11-23T08:00:00Z")]


def test_a_roster_that_fell_silent(house: House) -> None:
    """Planned while what it said before still holds, with the reason and with what follows for calls."""
    rendered(house, 2 * DAY, problem="unreachable: no route to host")
    out = house.run("rosters", "payments").out
    assert out.startswith("payments (rotation) is planned: read 48 h ago, known until Thu 3 Dec 10:00\n")
    assert "more people than these are told at once while it does not answer" in out
    assert "wrong: unreachable: no route to host" in out
    assert house.run("rosters").err == "look at payments: `keywatch rosters payments`\n"
    rendered(house, 20 * DAY, problem="unreachable: no route to host")
    assert entry(house)["trust"] == "unknown"
    assert "now: nobody is known, so whoever is on call" in house.run("rosters", "payments").out


def test_a_roster_that_was_never_read(house: House) -> None:
    """It is unknown, and says that it was never read."""
    assert (entry(house)["trust"], entry(house)["now"]) == ("unknown", [])
    assert "it was never read" in house.run("rosters", "payments").out


def test_gaps_of_the_next_two_weeks(house: House) -> None:
    """Between two shifts, and while somebody is on call whom nothing reaches."""
    rendered(
        house,
        duties=[
            duty("ana", "2026-11-20", "2026-11-22"),
            duty("bo", "2026-11-24", "2026-11-30"),
            duty("ghost", "2026-11-30", "2026-12-20", mail=""),
        ],
    )
    assert [(gap["start"], gap["until"]) for gap in entry(house)["gaps"]] == [
        ("2026-11-22T09:00:00Z", "2026-11-24T09:00:00Z"),
        ("2026-11-30T09:00:00Z", "2026-12-05T08:50:00Z"),
    ]
    out = house.run("rosters", "payments").out
    assert "gap: nobody who can be reached is on call Sun 22 Nov 10:00 to Tue 24 Nov 10:00" in out
    assert "wrong: ghost has no route: give [people] an address" in out


def test_who_cannot_be_reached(house: House) -> None:
    """Inactive, or with nothing but dead routes: also of those who are on call only later."""
    rendered(
        house,
        duties=[duty("ana", "2026-11-20", "2026-12-20"), duty("zoe", "2026-11-25", "2026-12-20", 2, active=False)],
        members=[{"key": "bo", "name": "bo", "mail": "bo@example.com", "active": True}],
    )
    config = house.config
    with house.store as store, store.write() as tx:
        for route in ("bo:mail", "ops-phone"):
            at = outlook.address_hash(tx.read.meta("key"), config.routes[route], config.base)
            tx.add_evidence(Evidence(NOW - DAY, route, EvidenceKind.REFUSED, "smtp", "550 5.1.1"), at)
    one = entry(house)
    assert {(lost["name"], lost["why"]) for lost in one["unreachable"]} == {
        ("bo", "has only dead routes (bo:mail, ops-phone)"),
        ("zoe", "is not active"),
    }
    assert [(d["person"], d["level"]) for d in one["next"]] == [("zoe@example.com", 2)]


def test_next_is_somebody_else(house: House) -> None:
    """Two shifts of the same person in a row are no hand-over."""
    days = ["2026-11-20", "2026-11-22", "2026-11-24", "2026-12-20"]
    rendered(house, duties=[duty(key, days[n], days[n + 1]) for n, key in enumerate(("ana", "ana", "bo"))])
    assert [(d["person"], d["start"]) for d in entry(house)["next"]] == [("bo", "2026-11-24T09:00:00Z")]


def test_nobody_is_on_call_now(house: House) -> None:
    """A roster that answers with nobody is no roster that does not answer: both are said, differently."""
    rendered(house, duties=[duty("bo", "2026-11-24", "2026-12-20")])
    assert "wrong: it names nobody for now" in house.run("rosters", "payments").out
    assert entry(house)["trust"] == "live"


def test_owners_of_one_roster(house: House) -> None:
    """All who use it stand there."""
    more = '[owners.growth]\nroster = "payments"\n'
    (house.folder / "keywatch.toml").write_text(TOML + more)
    rendered(house)
    assert entry(house)["owners"] == ["payments", "growth"]
    (row,) = csv.DictReader(io.StringIO(house.run("rosters", "-o", "csv").out))
    assert (row["on_call"], row["until"], row["next"], row["owners"]) == (
        "ana",
        "2026-11-23T08:00:00Z",
        "bo",
        "payments growth",
    )


def test_without_a_roster(house: House) -> None:
    """Nothing to show is said in a sentence that leads on."""
    text = TOML.replace('roster = "payments"', 'people = ["ana"]')
    (house.folder / "keywatch.toml").write_text(text)
    said = house.run("rosters")
    assert (said.out, said.code) == ("", 0)
    assert "the people of each owner are always on duty" in said.err


def test_a_roster_that_nobody_uses(house: House) -> None:
    """Exit 2, with what there is."""
    said = house.run("rosters", "paymnts")
    assert (said.code, "did you mean payments?" in said.error) == (2, True)


def test_nothing_is_asked(house: House) -> None:
    """It shows what runs know; a roster that is down makes it no slower."""
    rendered(house)
    with house.store as store, store.write() as tx:
        before = tx.read.feed("roster", "payments")
        house.run("rosters")
        assert isinstance(before, FeedRow)
        assert tx.read.feed("roster", "payments") == before

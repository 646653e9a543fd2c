"""What the report says of the turns that the founding incident did not take, and what it must not do to its reader."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch import history, outlook
from keywatch.config import load
from keywatch.model import AckKind, Decision, Event, Evidence, EvidenceKind, HealthState, Planned
from keywatch.read import open_reader
from tests.cli_read.house import HOSTILE, NOW, House
from tests.history.page import rendered
from tests.servers.smtp import SmtpServer
from tests.story.story import ALIAS, CONFIG, Story, telling

EXPIRES, LEAD = "2026-12-19", "21bd"
HIDDEN = frozenset("\x1b\u202e\x9b\r\t")
SOURCE = '\n[[source]]\nname = "listed"\nkind = "file"\npath = "creds.csv"\nevery = "0"\n'
PAYGATE = "paygate-api,2026-12-19,,payments,21bd,\n"
DIES = (
    "import os, sys\nsys.addaudithook(lambda name, _: name == 'keywatch.message.sending' and os.kill(os.getpid(), 9))"
)
"""A process that is killed the first time it is about to send."""


def audit(story: Story, name: str = "paygate-api") -> dict[str, Any]:
    made: dict[str, Any] = story.run("audit", name, "-o", "json").json
    return made


def kinds(made: dict[str, Any], *kinds: str) -> list[str]:
    """The texts of the lines of these kinds."""
    return [line["text"] for line in made["timeline"] if line["kind"] in kinds]


def write(folder: Path, rows: str) -> None:
    """The file that is the source."""
    (folder / "creds.csv").write_text(f"name,expires,issued,owner,lead,automatic\n{rows}", encoding="utf-8")


def code(story: Story, person: str) -> str:
    """The code of the latest notice to somebody."""
    notices = [message for message in reversed(story.sent) if message["kind"] == "notice"]
    return str(next(message["code"] for message in notices if message["person"] == person))


# --------------------------------------------------------------------------- little to tell


def test_nobody_was_ever_told(story: Story) -> None:
    """A credential that is far from its date has a report all the same, which says that nobody was told."""
    story.at("2026-10-20 08:00").add("calm", "2028-06-01", "5bd")
    story.check()
    document = story.run("audit", "calm", "-o", "md").out
    assert "- Nobody was told of it.\n- Nobody had it in hand.\n- It has not ended" in document
    assert "## Who was told\n\nNobody was ever told.\n" in document
    assert "## Promises\n\nNobody promised anything.\n" in document
    made = audit(story, "calm")
    assert (made["told"], made["promises"]) == ([], [])
    assert (made["head"]["first_notice_at"], made["head"]["first_read"], made["head"]["outcome"]) == (None, None, None)


def test_a_credential_without_a_date(story: Story) -> None:
    """Without a date there is no episode: the head says so, and nothing is made up."""
    story.at("2026-10-20 08:00").run("add", "certless", "--never", "--owner", "payments")
    assert "It never had a date to watch" in story.run("audit", "certless").out
    assert audit(story, "certless")["head"] is None


def test_whose_name_nobody_knows(story: Story) -> None:
    """NAME is read as everywhere: an unknown one is a usage error, a retired one still has its history."""
    assert "no credential is called 'nope'" in story.run("audit", "nope", expect=2).err
    story.at("2026-10-20 08:00").add()
    story.at("2026-10-22 08:00").run("retire", "paygate-api", "--reason", "we left them", "--by", "mia")
    said = story.run("audit", "paygate-api").out
    assert "retired by mia: we left them" in said.replace("Mia Okafor", "mia")
    assert "the episode ends: retired by Mia Okafor (was 2026-12-19)" in said


# --------------------------------------------------------------------------- calls


def test_a_call_that_nobody_who_counts_accepted(story: Story) -> None:
    """All addresses but an unproven one refuse: each is told, the call is uncovered, no living reader is claimed."""
    refuses = {"ana@example.com": "accept", "*": "550 5.1.1 no such user here"}
    story.serve(SmtpServer(refuses, port=story.server.port))
    story.at("2026-11-13 07:30").add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00").check(expect=1)
    made = audit(story)
    assert len(kinds(made, "uncovered")) == 1
    assert made["head"]["failures"] == len(kinds(made, "attempt")) - 1 > 3
    assert made["head"]["last_failure"]["at"] >= made["head"]["first_failure"]["at"]
    said = story.run("audit", "paygate-api").out
    assert "The last of" in said
    assert "No notice was accepted on a route that a living person is known to read." in said


def test_a_run_that_died(story: Story) -> None:
    """A run that is killed before its send leaves a try whose end is unknown; the next run's is told as the second."""
    story.at("2026-11-13 07:30").add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00")
    with story.spawn("check", before=DIES) as dying:
        dying.communicate(timeout=60)
    assert dying.returncode == -9
    assert any("not settled" in text for text in kinds(audit(story), "attempt"))
    story.at("2026-11-13 08:30").check()
    made = audit(story)
    assert any("unknown the run that sent it ended before it was settled" in text for text in kinds(made, "attempt"))
    assert any(", try 2: " in text for text in kinds(made, "attempt"))
    assert any(text.startswith("Whether a message whose try is unknown") for text in made["unknown"])


def test_weeks_without_a_run(story: Story) -> None:
    """Calls that were due and not planned for days are named as what nobody knows the reason of; a promise is one."""
    story.at("2026-10-20 08:00").add()
    story.at("2026-10-21 07:00").check()
    story.at("2026-11-16 08:00").check()
    gaps = [text for text in audit(story)["unknown"] if text.startswith("Why nothing was planned")]
    assert len(gaps) == 1
    assert "until 2026-11-16T08:00" in gaps[0]
    assert "2 calls were due" in gaps[0]
    assert len(kinds(audit(story), "passed-over")) == 1


# --------------------------------------------------------------------------- promises


def test_what_became_of_a_promise(story: Story) -> None:
    """Taken over by somebody else, void because the date came nearer, kept by the renewal: each is told as such."""
    story.at("2026-11-13 07:30").add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00").check()
    story.at("2026-11-13 09:00").run("ack", code(story, "ana"), "--until", "2026-11-18")
    story.at("2026-11-13 10:00").run("ack", code(story, "mia"), "--begun", "--until", "2026-11-25")
    story.at("2026-11-17 10:00").run("edit", "paygate-api", "--expires", "2026-12-15", "--by", "bo")
    story.run("ack", "paygate-api", "--begun", "--by", "cy", "--until", "2026-11-27")
    story.at("2026-11-20 10:00").run("renew", "paygate-api", "--expires", "2027-12-15", "--by", "cy")
    made = audit(story)
    assert [(one["person"], one["end"]) for one in made["promises"]] == [
        ("ana", "followed"),
        ("mia", "nearer"),
        ("cy", "kept"),
    ]
    assert [one["route"] for one in made["promises"]] == ["ana:mail", "mia:mail", None]
    assert len(kinds(made, "void")) == 1
    said = story.run("audit", "paygate-api").out
    assert "it was taken over by Mia Okafor" in said
    assert "became void: the date came nearer" in said
    assert "its date came nearer by Bo Lind: expires 2026-12-15\n" in said, "in the owner's zone, like every date"
    assert "expires: 2026-12-19 → 2026-12-15" in said, "a date that was edited is told with the old and the new one"
    assert "it was kept: renewed" in said


def test_a_giver_who_cannot_be_reached_any_more(story: Story) -> None:
    """A promise ends when its giver's only route dies; that is no lapse."""
    story.at("2026-11-13 07:30").add("paygate-api", EXPIRES, LEAD)
    story.at("2026-11-13 08:00").check()
    story.at("2026-11-13 09:00").run("ack", "paygate-api", "--by", "ana", "--until", "2026-11-18")
    story.serve(SmtpServer({"ana@*": "550 5.1.1 gone", ALIAS: "550 5.1.1 gone"}, port=story.server.port))
    story.at("2026-11-16 09:00").run("test", "ana:mail", expect=None)
    story.at("2026-11-16 10:00").check(expect=None)
    assert [one["end"] for one in audit(story)["promises"]] == ["unreachable"]


def test_what_its_source_said(tmp_path: Path) -> None:
    """First seen, moved, a gap, out of the listing and gone: all of it is told, by whom and with both dates."""
    config = CONFIG + SOURCE
    write(tmp_path, PAYGATE)
    with telling(tmp_path, refuses={}, every_days=365, config=config) as story:
        story.check()
        write(tmp_path, PAYGATE.replace("2026-12-19", "2027-03-01"))
        for hour in ("2026-10-06 08:00", "2026-10-07 09:00"):
            story.at(hour).check()
        (tmp_path / "creds.csv").rename(tmp_path / "away.csv")
        story.at("2026-10-08 08:00").check(expect=3)
        assert kinds(audit(story), "stale") == ["its source has not shown it since: its last known date goes on"]
        write(tmp_path, PAYGATE.replace("2026-12-19", "2027-03-01"))
        story.at("2026-10-09 08:00").check()
        story.run("accept-risk", "paygate-api", "--until", "2027-04-01", "--reason", "unused", "--by", "mia")
        write(tmp_path, "other,2027-06-01,,payments,5bd,\nmore,2027-06-01,,payments,5bd,\n")
        for hour in ("2026-10-10 08:00", "2026-10-10 09:00"):
            story.at(hour).check(expect=None)
        said = story.run("audit", "paygate-api").out
    assert "first seen by source:listed: paygate-api, creds.csv: expires = 2026-12-19" in said
    assert "rescheduled by source:listed, now expires 2027-03-01 (was 2026-12-19)" in said
    assert "a gap is reported by source:listed: " in said
    assert "not listed any more by source:listed" in said
    assert "2026-10-10 11:00  retired by source:listed" in said, "no episode was open that could have ended so"


# --------------------------------------------------------------------------- routes as they were


def test_a_route_is_what_was_known_of_it_then(story: Story) -> None:
    """What was learnt later, and what is known of an address that came later, changes nothing of an earlier verdict."""
    story.at("2026-10-20 08:00").add()
    story.at("2026-10-21 07:00").check()
    story.rewrite(ALIAS, "payments-new@example.com")
    story.at("2026-11-13 08:00").check()
    past = read(story)
    first, later = (chapter.told[at].at for chapter in past.chapters for at in (0, -1))
    assert past.health("payments-alias", first).state is HealthState.UNPROVEN
    assert past.health("payments-alias", first + timedelta(days=2)).state is HealthState.DEAD
    assert past.health("payments-alias", later).state is HealthState.UNPROVEN, "the new address is another matter"


def test_a_silence_is_known_only_when_it_was_judged(story: Story) -> None:
    """Three calls nobody answered make a route suspect; the call that judges the third was planned before that."""
    story.at("2026-11-20 07:30").add("paygate-api", EXPIRES, LEAD)
    for day in ("2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"):
        story.at(f"{day} 08:00").check(expect=None)
    past = read(story)
    states = [past.health("ana:mail", row.at).state for row in past.chapters[0].told if row.told.route == "ana:mail"]
    judged = states.index(HealthState.SUSPECT)
    assert set(states[:judged]) == {HealthState.UNPROVEN}
    assert judged == 4
    assert past.first_read(past.chapters[0]) is None, "evidence of silence shows no reader"


def read(story: Story) -> history.History:
    """The history as `audit` reads it."""
    config = load(story.folder / "keywatch.toml", {})
    with open_reader(config.store) as reader:
        row = reader.find("paygate-api", story.now)[0]
        return history.read(row, reader, outlook.world(config, reader, story.now), story.now)


# --------------------------------------------------------------------------- text from outside


@pytest.fixture
def hostile(house: House) -> House:
    """Everything that people, sources and servers may write is meant to break the page."""
    credential = house.put(HOSTILE, 20, owner="payments", lead="21bd", service=HOSTILE)
    with house.store as store, store.write(plan=True) as tx:
        episode = tx.read.episodes([credential])[credential]
        told = (Planned("payments-alias", "", 0, HOSTILE, False), Planned("gone|<b>", HOSTILE, 0, HOSTILE, True))
        tx.apply(episode.id, Decision("late@2026-11-20|`<i>", True, told), NOW, "2026-11-21", "kw.example")
        tx.add_ack(episode.id, AckKind.BEGUN, HOSTILE, NOW, NOW + timedelta(days=3), HOSTILE, HOSTILE, "gone|<b>")
        row = tx.read.credentials_by_id([credential], NOW)[credential]
        tx.add_event(Event(NOW, HOSTILE, f"{row.source}:{row.ref}", HOSTILE, HOSTILE, {"<b>": HOSTILE}))
        refused = Evidence(NOW, "payments-alias", EvidenceKind.REFUSED, "smtp", "550|", HOSTILE, HOSTILE)
        tx.add_evidence(refused, "hash")
    return house


def test_a_hostile_name_breaks_no_page(hostile: House) -> None:
    """Names, notes, reasons and answers of servers render as text: no tag, no new cell, row, title or list item."""
    document = hostile.run("audit", HOSTILE, "-o", "md").out
    assert not set(document) & HIDDEN
    page = rendered(document)
    assert page.strange == []
    assert len(page.titles) == 7
    assert [{len(row) for row in table} for table in page.tables] == [{2}, {8}, {4}, {7}]
    assert any("<b>&amp;" in cell for table in page.tables for row in table for cell in row), "it is shown as it is"


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_hostile_name_moves_no_cursor(hostile: House, output: str) -> None:
    """Neither terminals nor programs get a control, format or direction character."""
    assert not set(hostile.run("audit", HOSTILE, "-o", output).out) & HIDDEN

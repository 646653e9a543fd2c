"""The report of the founding incident, as a whole: the document that its writer starts from."""

import os
from pathlib import Path

import pytest

from tests.history.incident import REFUSES, Played, at_the_keyboard, play
from tests.history.page import rendered
from tests.servers.postgres import PostgresServer
from tests.story.story import CONFIG, telling

GOLDEN = Path(__file__).with_name("incident.md")


def test_the_draft_of_the_founding_incident(incident: Played) -> None:
    """Dead alias, refusal, wider audience, two broken promises, expiry, renewal: the draft reads as `incident.md`.

    It is compared word for word, so a person can review what a change does to it (`UPDATE_DOCS=1` writes it anew).
    """
    said = incident.story.run("audit", "paygate-api", "-o", "md").out
    if os.environ.get("UPDATE_DOCS"):
        GOLDEN.write_text(said, encoding="utf-8")
    assert said == GOLDEN.read_text(encoding="utf-8")


def test_the_draft_renders() -> None:
    """On a page it is one title, six sections, one list above and one below, and tables whose rows have all cells."""
    page = rendered(GOLDEN.read_text(encoding="utf-8"))
    assert page.titles == [
        "Draft of an incident report: paygate-api",
        *("Summary", "Timeline", "Who was told", "Routes", "Promises", "What keywatch does not know"),
    ]
    assert [len(table) > 1 and {len(row) for row in table} for table in page.tables] == [{2}, {8}, {4}, {7}]
    assert len(page.items) > 10


def test_the_figures_of_the_head(incident: Played) -> None:
    """For programs: first notice, failures, first route that somebody reads, promises and end, in UTC."""
    made = incident.story.run("audit", "paygate-api", "-o", "json").json
    head = made["head"]
    assert (made["schema"], made["zone"], made["left_out"]) == (1, "Europe/Madrid", 0)
    assert (head["expires_at"], head["start_by"]) == ("2026-12-18T23:00:00Z", "2026-11-19T23:00:00Z")
    assert (head["first_notice_at"][:16], head["days_before_expiry"]) == ("2026-10-21T07:00", 59)
    failed = head["first_failure"]
    assert (failed["route"], failed["verdict"], failed["code"]) == ("payments-alias", "refused", "550 5.1.1")
    assert (head["failures"], head["last_failure"]["route"], head["last_failure"]["code"]) == (
        2,
        "mia:mail",
        "451 4.7.1",
    )
    read = head["first_read"]
    assert (read["route"], read["at"][:10], read["evidence_at"][:10]) == ("ana:mail", "2026-10-21", "2026-11-13")
    assert [(one["person"], one["end"]) for one in head["in_hand"]] == [("ana", "lapsed"), ("bo", "lapsed")]
    assert (head["outcome"], head["ended_by"], head["ended_at"][:16]) == ("renewed", "bo", "2026-12-19T09:30")
    assert sorted(line["at"] for line in made["timeline"]) == [line["at"] for line in made["timeline"]]
    assert all(line["at"].endswith("Z") for line in made["timeline"])


def test_since_cuts_the_timeline_and_not_the_head(incident: Played) -> None:
    """The head tells the whole story; what is left out of the timeline is counted."""
    story = incident.story
    whole = story.run("audit", "paygate-api", "-o", "json").json
    late = story.run("audit", "paygate-api", "-o", "json", "--since", "2026-12-14").json
    assert {key: late[key] for key in ("head", "summary", "told", "routes", "promises")} == {
        key: whole[key] for key in ("head", "summary", "told", "routes", "promises")
    }
    assert late["timeline"] == [line for line in whole["timeline"] if line["at"] >= "2026-12-13T23:00:00Z"]
    assert late["left_out"] == len(whole["timeline"]) - len(late["timeline"]) > 0
    document = story.run("audit", "paygate-api", "-o", "md", "--since", "2026-12-14").out
    assert f"{late['left_out']} earlier lines, before 2026-12-14 00:00, are left out." in document
    assert (
        f"({late['left_out']} earlier lines are left out)"
        in story.run("audit", "paygate-api", "--since", "2026-12-14").out
    )
    assert "no day to begin with" in story.run("audit", "paygate-api", "--since", "9999-12-31", expect=2).err


def test_no_code_is_in_it(incident: Played) -> None:
    """A report is passed around: the code of a message, which proves a route, is not in it."""
    codes = {message["code"] for message in incident.story.sent}
    for output in ("text", "md", "json"):
        said = incident.story.run("audit", "paygate-api", "-o", output).out
        assert [code for code in codes if code in said] == []


@pytest.mark.server
def test_postgresql_tells_the_same(tmp_path: Path) -> None:
    """The rows of a PostgreSQL store make the same document, word for word."""
    with PostgresServer() as server:
        config = CONFIG.replace("sqlite:///keywatch.db", server.database())
        with at_the_keyboard("ana"), telling(tmp_path, refuses=REFUSES, every_days=365, config=config) as story:
            play(story)
            said = story.at("2026-12-20 10:00").run("audit", "paygate-api", "-o", "md").out
    assert said == GOLDEN.read_text(encoding="utf-8")

"""The only one who can renew something has left, or everybody of a team: said at once, a year before it matters."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch.findings import Finding, out_of_reach
from keywatch.model import Credential, Person, Trust, World
from tests.policy.build import at, owner, roster, world
from tests.servers.smtp import Received
from tests.story.story import CONFIG, Story, telling

NOW = at("2026-11-02 08:00")
JANE = '[people]\njane = {{ name = "Jane Doe", mail = "jane@example.com" }}\n'
GONE = "550 5.1.1 no such user here"


def apns(**details: str) -> Credential:
    """Expires in a year; only one person can renew it."""
    fields: dict[str, Any] = {"expires_at": NOW + timedelta(days=365), "owner": "pay"}
    return Credential(1, "manual", "apns-cert", "apns-cert", details=details, **fields)


def said(seen: World, **details: str) -> list[Finding]:
    return list(out_of_reach([apns(**details)], seen, NOW))


# --------------------------------------------------------------------------- the rule


def test_nothing_is_said_of_people_who_are_there() -> None:
    """Nor of what nobody in particular renews."""
    assert said(world(), renewable_by="cy", deputy="di") == []
    assert said(world()) == []


@pytest.mark.parametrize(
    ("seen", "who", "why"),
    [
        (world(), "jane@x.example", "only jane@x.example can renew apns-cert, and is not there any more"),
        (world(dead=["cy"]), "cy", "only cy can renew apns-cert, and no route leads to them any more"),
        (world(inactive=["cy"]), "cy", "only cy can renew apns-cert, and is not active any more"),
        (world(rota=roster(inactive=["bo"])), "bo", "only bo can renew apns-cert, and is not active any more"),
    ],
    ids=["gone", "no living route", "inactive", "inactive in the roster alone"],
)
def test_who_alone_can_renew_it_is_gone(seen: World, who: str, why: str) -> None:
    """AS-28: whatever the reason, and however far away the expiry is; it is the owner's people who are told."""
    (one,) = said(seen, renewable_by=who)
    assert one.what.startswith(why)
    assert (one.owner.name, one.reach) == ("pay", True)
    assert "--renewable-by" in one.todo


def test_a_deputy_is_named() -> None:
    """Who can renew it now is the first thing to know; a deputy who is gone too is no way out and is said as such."""
    (one,) = said(world(dead=["cy"]), renewable_by="cy", deputy="di")
    assert one.todo.startswith("di is the deputy and can renew it. ")
    (one,) = said(world(dead=["cy", "di"]), renewable_by="cy", deputy="di")
    assert one.todo.startswith("The deputy di cannot be reached either. ")


def test_a_silent_roster_takes_nobody_away() -> None:
    """Somebody only a roster knows is not gone because that roster cannot be read."""
    assert said(world(rota=roster(trust=Trust.UNKNOWN)), renewable_by="jane@x.example") == []
    assert len(said(world(rota=roster(trust=Trust.PLANNED)), renewable_by="jane@x.example")) == 1


def test_active_in_one_roster_is_active() -> None:
    """A person of two rosters has left only when no roster has them as active."""
    seen = world(rota=roster(inactive=["bo"]))
    there = replace(roster(), members=(Person("bo", "bo"),))
    assert said(replace(seen, on_call={**seen.on_call, "other": there}), renewable_by="bo") == []
    assert said(replace(seen, on_call={"other": there, **seen.on_call}), renewable_by="bo") == []


def test_an_owner_without_anybody() -> None:
    """AS-14: said on the day on which nobody of a team is left to be reached; one of them is enough."""
    team = owner(roster="", people=("ana", "bo"), head="hana", members=())
    assert said(world(team, dead=["ana", "hana"])) == []
    (one,) = said(world(team, dead=["ana", "hana"], inactive=["bo"]))
    assert (one.what, one.owner.name) == ("none of the people of pay can be reached", "pay")
    assert "bo" in one.detail


def test_a_roster_that_nobody_knows_makes_no_orphans() -> None:
    """Who its people are is not known then, which is said by itself."""
    team = owner(head="", members=())
    assert said(world(team, roster(trust=Trust.UNKNOWN))) == []
    assert len(said(world(team, roster([], [])))) == 1


# --------------------------------------------------------------------------- the program


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Jane is in no team; Cy is the whole of the team growth."""
    config = CONFIG.replace("[people]\n", JANE) + '\n[owners.growth]\npeople = ["cy"]\ncalendar = "madrid"\n'
    with telling(tmp_path, refuses={"cy@example.com": GONE}, every_days=365, config=config) as told:
        yield told


def findings(story: Story, text: str) -> list[Received]:
    return [mail for mail in story.inbox() if text in mail.text]


def test_jane_leaves_a_year_before_the_expiry(story: Story) -> None:
    """Her line goes from the config in the evening; the next run tells who is on call and the head, once."""
    story.at("2026-10-20 08:00")
    story.add("apns-cert", "2027-10-20", "5bd", "--owner", "payments", "--renewable-by", "Jane Doe", "--deputy", "bo")
    assert story.check() == []
    story.rewrite(JANE.removeprefix("[people]\n").replace("{{", "{").replace("}}", "}"), "")
    story.at("2026-10-20 19:00")
    assert {(one["kind"], one["route"]) for one in story.check()} >= {("finding", "ana:mail"), ("finding", "mia:mail")}
    mail = findings(story, "only jane can renew apns-cert")[0]
    assert mail.message["Subject"] == (
        "only jane can renew apns-cert, and is not there any more: no roster and no [people] has them"
    )
    assert "Bo Lind is the deputy and can renew it." in mail.text
    story.advance(days=5, every=timedelta(hours=6))
    assert findings(story, "is not there any more") == []
    story.at("2026-10-26 08:00").check()
    (digest,) = [mail for mail in story.inbox("mia") if str(mail.message["Subject"]).startswith("Week of")]
    assert "What keeps keywatch from reaching people:\n  only jane can renew apns-cert" in digest.text


def test_a_team_whose_only_address_dies(story: Story) -> None:
    """The refusal of a call is the moment: the fallback is told that nobody of that team is left, and the digest of
    whoever reads that team's names the dead route and the team."""
    story.at("2026-10-20 08:00")
    story.add("ads-token", "2027-10-20", "5bd", "--owner", "growth")
    story.check()
    story.run("test", "cy:mail", expect=1)
    story.now += timedelta(minutes=15)
    told = story.check()
    assert {one["kind"] for one in told} == {"finding"}
    assert {mail.to for mail in findings(story, "none of the people of growth can be reached (Cy Park)")} == {
        "li@example.com"
    }
    story.at("2026-10-26 08:00").check()
    mails = [mail for mail in story.inbox("li") if str(mail.message["Subject"]).startswith("Week of")]
    part = mails[0].text.partition("What keeps keywatch from reaching people:")[2]
    assert "cy:mail" in part
    assert "is dead (550 5.1.1)" in part
    assert "  none of the people of growth can be reached" in mails[0].text
    assert "Nothing needs you" not in mails[0].text

"""A mail server that refuses everybody kills no route; a second time it is believed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers.smtp import SmtpServer
from tests.story.story import Story, telling

EVERYBODY = [f"{one}@example.com" for one in ("ana", "bo", "cy", "mia", "li", "payments-alerts")]
GONE = dict.fromkeys(EVERYBODY, "550 5.1.1 no such user here")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with telling(tmp_path, refuses=GONE) as found:
        yield found


def deaths(story: Story) -> list[str]:
    return [kind for (kind,) in story.ask("SELECT kind FROM evidence ORDER BY id")]


def test_a_mass_of_refusals_blames_the_transport(story: Story) -> None:
    """Nobody is dead, and the run is bad: nobody was reached. The same messages arrive once the server is well."""
    story.at("2026-10-20 07:00").add()
    refused = story.at("2026-11-13 08:30").check(expect=1)
    assert len(refused) >= 3
    assert deaths(story).count("exonerated") == deaths(story).count("refused") == 3
    assert story.ask("SELECT count(*) FROM message WHERE state = 'refused'") == [(0,)]
    story.serve(SmtpServer({}, port=story.server.port))
    story.now += timedelta(minutes=15)
    sent = story.check()
    assert {one["message_id"] for one in sent if one["kind"] == "notice"} <= {one["message_id"] for one in refused}
    assert {one["verdict"] for one in sent} == {"accepted"}


def test_an_outage_that_lasts_kills_nobody_and_is_no_well(story: Story) -> None:
    """The same refusals in each run of an hour: no route is dead, and the run says that nobody was reached."""
    story.at("2026-10-20 07:00").add()
    story.at("2026-11-13 08:30").check(expect=1)
    for _ in range(4):
        story.now += timedelta(minutes=15)
        story.check(expect=1)
    assert deaths(story).count("refused") == deaths(story).count("exonerated") > 0


def test_a_day_later_it_is_believed(story: Story) -> None:
    """The same refusals a day later: what refused then is dead now."""
    story.at("2026-10-20 07:00").add()
    story.at("2026-11-13 08:30").check(expect=1)
    story.now += timedelta(hours=25)
    story.check(expect=1)
    refused, freed = deaths(story).count("refused"), deaths(story).count("exonerated")
    assert refused > freed > 0


def test_one_dead_alias_among_living_routes_is_dead(tmp_path: Path) -> None:
    """A single refusal blames its route at once."""
    with telling(tmp_path) as story:
        story.at("2026-10-20 07:00").add()
        story.at("2026-11-13 08:30").check()
        assert "refused" in deaths(story)
        assert "exonerated" not in deaths(story)

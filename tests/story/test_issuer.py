"""The address an issuer writes to is a route: when nobody reads it any more, somebody is told to change it there."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keywatch import outlook
from keywatch.config import load
from keywatch.model import Evidence, EvidenceKind
from keywatch.store import Store
from tests.servers.smtp import Received
from tests.story.story import ALIAS, Story, telling

OTHER = "payments-certs@example.com"
GONE = "550 5.1.1 no such user here"
STILL = "The issuer of {} still writes to {}: change it there."


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with telling(tmp_path, refuses={ALIAS: GONE, OTHER: GONE}, every_days=365) as told:
        yield told


def register(story: Story, name: str, address: str, expires: str = "2027-12-19") -> None:
    story.add(name, expires, "21bd", "--owner", "payments", "--issuer-writes-to", address)


def reports(story: Story) -> list[Received]:
    """The mails that say that an issuer writes where nobody reads."""
    return [mail for mail in story.inbox() if "still writes to" in mail.text]


def test_an_issuer_writes_to_an_address_of_its_own(story: Story) -> None:
    """Nobody is told by it, so no call could ever find out: a refused test does, and the owner's people hear of it the
    same day, once, with the credential, however far its expiry is."""
    story.at("2026-10-20 08:00")
    register(story, "paygate-api", OTHER)
    register(story, "sftp", "somebody@example.com")
    assert story.check() == []
    story.run("test", f"issuer:{OTHER}", expect=1)
    story.now += timedelta(hours=1)
    story.check()
    said = reports(story)
    assert said, "at once"
    assert all(STILL.format("paygate-api", OTHER) in mail.text for mail in said)
    lines = [line for mail in said for line in mail.text.splitlines() if "still writes to" in line]
    assert all("sftp" not in line for line in lines), "its issuer writes elsewhere"
    story.advance(days=3, every=timedelta(hours=6))
    assert reports(story) == [], "said once, and again a week later"

    shown = story.run("routes", f"issuer:{OTHER}").out
    assert shown.startswith(f"issuer:{OTHER} is dead: refused 550 5.1.1 no such user here, 20 Oct 2026\n")
    assert "the issuer of paygate-api writes there" in shown
    (one,) = story.run("routes", f"issuer:{OTHER}", "-o", "json").json["routes"]
    assert (one["kind"], one["credentials"], one["issuer_of"]) == ("issuer", ["paygate-api"], ["paygate-api"])


def test_an_issuer_writes_to_the_alias_of_the_config(story: Story) -> None:
    """It is one route and not two: the message about the dead alias says of whose issuer it is the address, too."""
    story.at("2026-10-20 08:00")
    register(story, "paygate-api", ALIAS.upper(), "2026-12-19")
    register(story, "sftp", "")
    story.at("2026-10-21 07:00").check()
    story.at("2026-11-13 08:00").check()
    said = reports(story)
    assert said
    assert all(STILL.format("paygate-api", ALIAS) in mail.text for mail in said)
    assert "issuer:" not in story.run("routes").out
    (one,) = story.run("routes", "payments-alias", "-o", "json").json["routes"]
    assert (one["credentials"], one["issuer_of"]) == (["paygate-api", "sftp"], ["paygate-api"])


def test_changed_at_the_issuer(story: Story) -> None:
    """Another address is another route: the trouble ends, and nothing hangs on the old one."""
    story.at("2026-10-20 08:00")
    register(story, "paygate-api", OTHER)
    story.check()
    story.run("test", f"issuer:{OTHER}", expect=1)
    story.now += timedelta(hours=1)
    story.check()
    story.run("edit", "paygate-api", "--issuer-writes-to", "somebody@example.com")
    story.now += timedelta(hours=1)
    story.check()
    routes = {one["route"]: one["health"] for one in story.run("routes", "-o", "json").json["routes"]}
    assert routes["issuer:somebody@example.com"] == "unproven"
    assert f"issuer:{OTHER}" not in routes
    events = "SELECT kind FROM event WHERE kind IN ('trouble', 'recovered') AND credential = ? ORDER BY id"
    assert story.ask(events, f"route:issuer:{OTHER}") == [("trouble",), ("recovered",)]


def test_somebody_says_that_it_is_read(story: Story) -> None:
    """A proof through the address holds as long as one of any shared route, and `routes` says whose it was."""
    story.at("2026-10-20 08:00")
    register(story, "paygate-api", "somebody@example.com")
    story.check()
    attest(story, "issuer:somebody@example.com", "ana")
    story.now += timedelta(days=44)
    (row,) = [line for line in story.run("routes").out.splitlines() if "issuer:" in line]
    assert row.startswith("proven")
    assert "Ana Ruiz said that it is read, 20 Oct 2026" in row
    story.now += timedelta(days=2)
    assert "that is too long ago" in story.run("routes", "issuer:somebody@example.com").out


def attest(story: Story, route: str, person: str) -> None:
    """Somebody says that a route is read, as an answer to a question is written down."""
    config = load(story.folder / "keywatch.toml", {})
    with Store(config.store) as store, store.write() as tx:
        world = outlook.world(config, tx.read, story.now)
        at = outlook.address_hash(tx.read.meta("key"), world.routes[route], config.base)
        tx.add_evidence(Evidence(story.now, route, EvidenceKind.ATTESTED, "inbox", person=person), at)


@pytest.mark.parametrize("address", ["payments", "a@b@c", "Ana <ana@example.com>", "a b@example.com"])
def test_what_is_no_address_is_refused(story: Story, address: str) -> None:
    """A typing mistake would be a route that leads nowhere, found out by a bounce at best."""
    said = story.run("add", "paygate-api", "--expires", "2027-12-19", "--issuer-writes-to", address, expect=2)
    assert "is no mail address" in said.err
    assert story.run("list", "-o", "json").json["credentials"] == []

"""What keeps keywatch from reaching people is itself said: once, with all that hangs on it, until it is mended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywatch.config import load
from keywatch.model import Evidence, EvidenceKind
from keywatch.outlook import address_hashes, world
from keywatch.store import Store
from tests.servers.smtp import Received, SmtpServer
from tests.servers.web import Page, WebServer
from tests.story.story import ALIAS, Story, telling

FIRST = "2026-10-21 07:00"
"""The 30d stage of paygate-api speaks for the first time."""


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with telling(tmp_path) as found:
        found.at("2026-10-20 08:00").add()
        yield found


def findings(sent: list[dict[str, Any]]) -> list[str]:
    return sorted(message["route"] for message in sent if message["kind"] == "finding")


def about(story: Story, words: str) -> list[Received]:
    return [mail for mail in story.inbox() if words in mail.text and not mail.message["References"]]


def open_subjects(story: Story) -> list[str]:
    rows = story.ask("SELECT subject FROM episode WHERE credential_id IS NULL AND ended_at IS NULL ORDER BY subject")
    return [subject for (subject,) in rows]


def test_a_dead_alias_is_said_at_once_with_all_that_hangs_on_it(story: Story) -> None:
    """One message a person in the run that finds it, naming each credential; not again the next day."""
    for n in range(30):
        story.add(f"partner-{n:02}", "2027-06-30")
    story.at(FIRST)
    assert findings(story.check()) == ["ana:mail", "mia:mail"]
    (mail,) = [
        one
        for one in about(story, "The route payments-alias (payments-alerts@example.com) is dead")
        if one.to == "ana@example.com"
    ]
    assert all(f"partner-{n:02}" in mail.text for n in range(30))
    assert "paygate-api" in mail.text
    assert "Name a replacement" in mail.text
    assert open_subjects(story) == ["route:payments-alias"]
    assert findings(story.advance(days=6, every=timedelta(hours=6))) == []


def test_it_is_said_again_a_week_later_and_wider(story: Story) -> None:
    """Nobody mended it: the members hear of it too, then the fallback; it wakes nobody."""
    story.at(FIRST).check()
    story.now += timedelta(days=1)
    heard = [set(findings(story.advance(days=7, every=timedelta(days=1)))) for _ in range(3)]
    assert heard[0] == {"bo:mail", "mia:mail"}
    assert heard[1] == {"ana:mail", "bo:mail", "cy:mail", "mia:mail"}
    assert heard[2] == heard[1] | {"li:mail"}


def test_a_route_that_lives_again_is_no_trouble(story: Story) -> None:
    """`keywatch test` and its code revive it: the episode ends as renewed, the timeline says so."""
    story.at(FIRST).check()
    story.serve(SmtpServer({}, port=story.server.port))
    story.run("test", "payments-alias")
    code = story.ask("SELECT code FROM message WHERE kind = 'test'")[0][0]
    story.now += timedelta(minutes=5)
    story.run("ack", code, "--by", "ana")
    story.now += timedelta(minutes=5)
    story.check()
    assert open_subjects(story) == []
    assert story.ask("SELECT outcome FROM episode WHERE credential_id IS NULL") == [("renewed",)]
    assert ("recovered",) in story.ask("SELECT kind FROM event WHERE credential = 'route:payments-alias'")


def test_a_route_that_left_the_config_is_retired(story: Story) -> None:
    """Somebody took it out: nobody hears of it any more."""
    story.at(FIRST).check()
    story.rewrite('routes = ["payments-alias"]\n', "")
    story.rewrite(f'[routes.payments-alias]\nmail = "{ALIAS}"\nshared = true\n', "")
    story.now += timedelta(hours=1)
    story.check()
    assert story.ask("SELECT outcome FROM episode WHERE credential_id IS NULL") == [("retired",)]
    assert findings(story.advance(days=8, every=timedelta(days=1))) == []


def test_a_second_run_is_idle(story: Story) -> None:
    """What was said leaves nothing to do: the next run writes only that it was here."""
    story.at(FIRST).check()
    before = story.dump()
    story.now += timedelta(minutes=1)
    assert story.check() == []
    after = story.dump()
    assert {key for key in after if after[key] != before.get(key)} <= {"meta last_run", "meta high_water"}


def test_a_dry_run_names_who_would_hear_of_it(story: Story) -> None:
    """Foreseen and not written: the run after it says it for the first time."""
    story.at(FIRST).check()
    story.now += timedelta(days=8)
    before = story.dump()
    said = story.run("check", "--dry-run").out
    assert "mia:mail" in said
    assert {k: v for k, v in story.dump().items() if "meta" not in k} == {
        k: v for k, v in before.items() if "meta" not in k
    }


SOURCE = '[[source]]\nname = "partners"\nkind = "file"\npath = "partners.toml"\nevery = "1h"\n\n[policy]'


def test_a_source_that_cannot_be_read_for_a_day_is_said(tmp_path: Path) -> None:
    """Not in the first hours, then once to the installation's owner with what it lists; mended in time: never."""
    with telling(tmp_path, refuses={}) as story:
        listed = story.folder / "partners.toml"
        listed.write_text('[[credential]]\nname = "bank-cert"\nexpires = 2027-09-01\n')
        story.rewrite("[policy]", SOURCE)
        story.at("2026-10-20 08:00").check()
        listed.rename(listed.with_suffix(".away"))
        assert findings(story.advance(days=0.9, every=timedelta(hours=2), expect=None)) == []
        listed.with_suffix(".away").rename(listed)
        assert findings(story.advance(days=0.5, every=timedelta(hours=2), expect=None)) == []
        listed.rename(listed.with_suffix(".away"))
        story.inbox()
        assert "li:mail" in findings(story.advance(days=2, every=timedelta(hours=2), expect=None))
        told = about(story, "The source partners cannot be read")
        assert {mail.to for mail in told} == {"li@example.com", "mia@example.com"}
        assert all("bank-cert" in mail.text for mail in told)
        listed.with_suffix(".away").rename(listed)
        story.advance(days=0.1, expect=None)
        assert open_subjects(story) == []


def test_whoever_is_on_call_and_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """A person of the rota without a route: their team hears of it the next morning, and is told to mend it."""
    with telling(tmp_path, refuses={}) as story:
        story.rewrite('ana = { name = "Ana Ruiz", mail = "ana@example.com" }', 'ana = { name = "Ana Ruiz" }')
        story.at("2026-10-20 08:00").add("later", "2027-12-31")
        sent = story.advance(days=14, every=timedelta(hours=12))
        assert findings(sent)
        mails = about(story, "Ana Ruiz is on call by payments and has no route")
        assert {mail.to for mail in mails} >= {"mia@example.com"}
        assert "ana@example.com" not in {mail.to for mail in mails}


def test_what_is_mended_before_the_morning_is_not_said(tmp_path: Path) -> None:
    """A trouble that waits for 09:00 and is over by then: its message is dropped."""
    with telling(tmp_path, refuses={}) as story:
        story.rewrite('ana = { name = "Ana Ruiz", mail = "ana@example.com" }', 'ana = { name = "Ana Ruiz" }')
        story.at("2026-10-20 10:00").add("later", "2027-12-31")
        story.check()
        waiting = "SELECT count(*) FROM message WHERE kind = 'finding' AND state = 'pending'"
        assert story.ask(waiting) > [(0,)]
        story.rewrite('ana = { name = "Ana Ruiz" }', 'ana = { name = "Ana Ruiz", mail = "ana@example.com" }')
        assert findings(story.advance(days=2, every=timedelta(hours=1))) == []
        assert story.ask(waiting) == [(0,)]


GONE = "550 5.1.1 no such user here"


def leaves(story: Story) -> None:
    """Cy, the only one who can renew it, is in no config any more: that is said at once."""
    story.add("apns-cert", "2027-10-05", "5bd", "--owner", "payments", "--renewable-by", "cy")
    story.check()
    story.rewrite('cy = { name = "Cy Park", mail = "cy@example.com" }\n', "")
    story.rewrite('members = ["ana", "bo", "cy"]', 'members = ["ana", "bo"]')
    story.now += timedelta(hours=2)


def test_a_finding_that_nobody_takes_goes_on_to_others(tmp_path: Path) -> None:
    """The person on call and the head refuse it, an alias that nobody proved takes it: it goes on in the same run."""
    refuses = {"ana@example.com": GONE, "mia@example.com": GONE}
    with telling(tmp_path, refuses=refuses, every_days=365) as story:
        leaves(story)
        story.check()
        told = {mail.to for mail in about(story, "only cy can renew apns-cert")}
        assert told == {ALIAS, "bo@example.com", "li@example.com"}
        assert [mail for mail in story.inbox() if "apns-cert" in mail.text] == []
        assert story.ask("SELECT count(*) FROM event WHERE kind = 'finding'") == [(1,)], "it is one finding"
        story.advance(days=6, every=timedelta(hours=6))
        assert about(story, "only cy can renew apns-cert") == []


def test_a_trouble_that_nobody_takes_goes_on_to_others(tmp_path: Path) -> None:
    """So does what is said of a dead route: the first ones to be told are gone as well."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.at("2026-10-20 08:00").add("later", "2027-12-31")
        story.check()
        story.server.rules.recipients |= {ALIAS: GONE, "ana@example.com": GONE, "mia@example.com": GONE}
        story.run("test", "payments-alias", expect=1)
        story.now += timedelta(minutes=5)
        story.check()
        told = about(story, "The route payments-alias (payments-alerts@example.com) is dead")
        assert {mail.to for mail in told} == {"bo@example.com", "cy@example.com", "li@example.com"}


@contextmanager
def an_hour_later(story: Story) -> Iterator[Callable[[str, EvidenceKind], None]]:
    """The inbox learns something of routes, and a run follows."""
    config = load(story.folder / "keywatch.toml", {})
    story.now += timedelta(hours=1)
    with Store(config.store) as store, store.write(plan=True) as tx:
        hashes = address_hashes(config, tx.read, world(config, tx.read, story.now).routes)

        def learn(route: str, kind: EvidenceKind) -> None:
            tx.add_evidence(Evidence(story.now, route, kind, "inbox"), hashes[route])

        yield learn
    story.inbox()
    story.now += timedelta(minutes=5)
    story.check(expect=None)


@pytest.mark.parametrize("kind", [EvidenceKind.REFUSED, EvidenceKind.FULL])
def test_a_finding_that_comes_back_later_goes_on_to_others(tmp_path: Path, kind: EvidenceKind) -> None:
    """Taken by the server and bounced an hour after: the run after the bounces tells others, once."""
    words = "only cy can renew apns-cert"
    with telling(tmp_path, refuses={}, every_days=365) as story:
        leaves(story)
        story.check()
        assert {mail.to for mail in about(story, words)} == {ALIAS, "ana@example.com", "mia@example.com"}
        with an_hour_later(story) as learn:
            for route in ("payments-alias", "ana:mail", "mia:mail"):
                learn(route, kind)
        assert {mail.to for mail in about(story, words)} == {"bo@example.com", "li@example.com"}
        story.advance(days=2, every=timedelta(hours=6), expect=None)
        assert about(story, words) == []


def test_a_finding_that_comes_back_for_the_senders_sake_goes_on_too(tmp_path: Path) -> None:
    """It blames no route, so nothing is learnt of one; all the same nobody has read it."""
    words = "only cy can renew apns-cert"
    with telling(tmp_path, refuses={}, every_days=365) as story:
        leaves(story)
        story.check()
        story.inbox()
        config = load(story.folder / "keywatch.toml", {})
        with Store(config.store) as store, store.write(plan=True) as tx:
            for (number,) in story.ask("SELECT id FROM message WHERE kind = 'finding'"):
                tx.came_back(number, story.now + timedelta(minutes=5))
        story.now += timedelta(minutes=10)
        story.check(expect=None)
        assert {mail.to for mail in about(story, words)} == {"bo@example.com", "li@example.com"}


def test_what_got_worse_is_told_to_whoever_heard_of_less(tmp_path: Path) -> None:
    """Who was told that a mailbox is full hears that it is gone, too, though others of that telling bounced."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.at("2026-10-20 07:00").add("later", "2027-12-31")
        story.check()
        with an_hour_later(story) as learn:
            learn("payments-alias", EvidenceKind.FULL)
        story.at("2026-10-21 07:10").check()
        assert "ana@example.com" in {mail.to for mail in about(story, "The mailbox behind payments-alias")}
        with an_hour_later(story) as learn:
            learn("payments-alias", EvidenceKind.REFUSED)
            learn("mia:mail", EvidenceKind.REFUSED)
        dead = "The route payments-alias (payments-alerts@example.com) is dead"
        assert "ana@example.com" in {mail.to for mail in about(story, dead)}


def test_a_web_service_that_is_not_found_is_said_and_dies_the_second_time(tmp_path: Path) -> None:
    """404 once: suspect, and its people are told the next morning; again in a later run: dead, and they are told so."""
    with WebServer({"/hook": Page(404)}) as web, telling(tmp_path, refuses={}, every_days=365) as story:
        (story.folder / "hook-url").write_text(f"json://{web.place}/hook")
        hook = '[routes.hook]\nurl = "file:hook-url"\nshared = true\n\n[routes.payments-alias]'
        story.rewrite("[routes.payments-alias]", hook)
        story.rewrite('routes = ["payments-alias"]', 'routes = ["payments-alias", "hook"]')
        story.at("2026-10-20 10:00").add("later", "2027-12-31")
        story.run("test", "hook", expect=1)
        story.now += timedelta(minutes=5)
        story.check()
        assert about(story, "The route hook") == []
        story.at("2026-10-21 07:10").check()
        assert about(story, "The route hook is dead or was moved (404)")
        story.run("test", "hook", expect=1)
        story.now += timedelta(minutes=5)
        story.check()
        assert about(story, "The route hook is dead (404)")


def test_a_finding_that_everybody_refuses_ends_the_run(tmp_path: Path) -> None:
    """A server that wants none of our mail blames no route: it is tried as far as the fallback, and not for ever."""
    refused = dict.fromkeys(
        (ALIAS, *(f"{who}@example.com" for who in ("ana", "bo", "cy", "mia", "li"))), "550 5.7.1 spam"
    )
    with telling(tmp_path, refuses=refused, every_days=365) as story:
        leaves(story)
        story.check(expect=None)
        tried = story.ask("SELECT route, count(*) FROM message WHERE kind = 'finding' GROUP BY 1 ORDER BY 1")
        assert dict(tried).keys() >= {"ana:mail", "mia:mail"}
        assert max(count for _, count in tried) <= 4


def test_many_troubles_are_one_message(tmp_path: Path) -> None:
    """Two dead aliases found in one run: whoever is told gets one message that names both."""
    with telling(tmp_path, refuses={ALIAS: "550 5.1.1 no", "web-alerts@example.com": "550 5.1.1 no"}) as story:
        story.rewrite(
            "[routes.payments-alias]",
            '[routes.web]\nmail = "web-alerts@example.com"\nshared = true\n\n[routes.payments-alias]',
        )
        story.rewrite('routes = ["payments-alias"]', 'routes = ["payments-alias", "web"]')
        story.at("2026-10-20 08:00").add()
        assert findings(story.at(FIRST).check()) == ["ana:mail", "mia:mail"]
        (mail,) = [
            one
            for one in about(story, "The route payments-alias (payments-alerts@example.com) is dead")
            if one.to == "ana@example.com"
        ]
        assert "The route web (web-alerts@example.com) is dead" in mail.text

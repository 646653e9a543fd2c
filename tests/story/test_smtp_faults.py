"""Every answer a mail server can give: who is told instead, what the run says, and what the next run does."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.smtp import SmtpServer
from tests.story.story import ALIAS, Story, telling

ANA, MIA = "ana@example.com", "mia@example.com"


@pytest.fixture
def fair(tmp_path: Path) -> Iterator[Story]:
    """A server that takes everything, until the test says otherwise; the credential is due on 13 Nov 08:00 UTC."""
    with telling(tmp_path, refuses={}, every_days=365) as told:
        yield due(told)


def due(story: Story) -> Story:
    story.at("2026-11-13 07:30").add()
    return story.at("2026-11-13 08:00")


def routes(messages: list[dict[str, Any]], verdict: str) -> list[str]:
    return sorted(message["route"] for message in messages if message["verdict"] == verdict)


def returns(story: Story) -> None:
    """The mail server is back, on the same port, and takes everything."""
    story.serve(SmtpServer(port=story.server.port))


# --------------------------------------------------------------------------- nobody there


def test_everything_refused_is_said_by_name(fair: Story) -> None:
    """Closed port, runs far apart: retried in the run, widened to the last resort, then exit 1 and the name on stderr.

    The run after the server is back delivers all of it, once to each, under the Message-IDs of the first try.
    """
    fair.server.stop()
    answer = fair.run("check", expect=1)
    assert "uncovered: paygate-api" in answer.err
    identities = dict(fair.ask("SELECT route, message_id FROM message"))
    assert {"ana:mail", "mia:mail", "bo:mail", "cy:mail", "li:mail"} <= identities.keys()
    fair.at("2026-11-13 08:15")
    assert "uncovered" not in fair.run("check", "-q", expect=1).err, "said once"
    returns(fair)
    fair.at("2026-11-13 14:30")
    sent = fair.check()
    assert routes(sent, "accepted") == sorted(identities)
    mails = fair.inbox()
    assert set(Counter(mail.to for mail in mails).values()) == {1}
    assert {str(mail.message["Message-ID"]) for mail in mails} == set(identities.values())
    assert fair.run("check").code == 0


def test_down_for_a_quarter_of_an_hour(fair: Story) -> None:
    """Runs every 15 minutes: the first failure waits (exit 0, nobody else told), the next run finds the server back."""
    fair.at("2026-11-13 07:45").check()
    fair.server.stop()
    fair.at("2026-11-13 08:00")
    assert routes(fair.check(), "unreachable") == ["ana:mail", "mia:mail", "payments-alias"]
    returns(fair)
    fair.at("2026-11-13 08:15")
    assert routes(fair.check(), "accepted") == ["ana:mail", "mia:mail", "payments-alias"]
    assert len(fair.inbox()) == 3


def test_down_in_the_last_day_does_not_wait(fair: Story) -> None:
    """In the last 24 h the first failure widens at once, to the last resort, and the run exits 1."""
    fair.at("2026-12-18 12:00")
    fair.server.stop()
    answer = fair.run("check", "-o", "json", expect=1).json
    assert answer["uncovered"] == ["paygate-api"]
    told = {(m["route"], n["rung"]) for m in answer["messages"] for n in m["notices"]}
    assert {("li:mail", 3), ("mia:mail", 1)} <= told


# --------------------------------------------------------------------------- not now


def test_greylisting_with_a_daily_run(fair: Story) -> None:
    """451 at first: each message is tried again at the end of the same run and taken; nobody else is told."""
    fair.server.rules.recipients["*"] = "greylist"
    sent = fair.check()
    assert routes(sent, "deferred") == routes(sent, "accepted") == ["ana:mail", "mia:mail", "payments-alias"]
    assert len(fair.inbox()) == 3
    assert fair.state()["state"] == "START"


def test_greylisting_with_a_run_every_15_minutes(fair: Story) -> None:
    """Waiting is neither covered nor uncovered: exit 0, nobody else is told, and the next run delivers it."""
    fair.server.rules.recipients["*"] = "greylist"
    fair.at("2026-11-13 07:45").check()
    first = fair.at("2026-11-13 08:00").check()
    assert routes(first, "deferred") == ["ana:mail", "mia:mail", "payments-alias"]
    assert len(first) == 3
    dry = fair.at("2026-11-13 08:15").run("check", "--dry-run").out
    assert dry.splitlines()[-1] == "would send 3 messages to 2 people, 0 pages", "what waits is foreseen too"
    assert routes(fair.check(), "accepted") == ["ana:mail", "mia:mail", "payments-alias"]
    assert len(fair.inbox()) == 3


def test_put_off_for_good(fair: Story) -> None:
    """A server that puts everybody off for days is no reader: the second failure widens, and it goes on being tried."""
    fair.server.rules.recipients["*"] = "450 4.2.1 try again later"
    fair.at("2026-11-13 07:45").check()
    fair.at("2026-11-13 08:00").check()
    later = fair.at("2026-11-13 08:15").check(expect=None)
    assert {"bo:mail", "cy:mail"} <= set(routes(later, "deferred"))
    fair.at("2026-11-13 08:45").check(expect=None)
    assert fair.run("check", expect=1).code == 1
    fair.server.rules.recipients.clear()
    fair.at("2026-11-14 08:45")
    assert "ana:mail" in routes(fair.check(), "accepted")


# --------------------------------------------------------------------------- no


def test_a_refused_person_is_dead_at_once(fair: Story) -> None:
    """550 5.1.1 for the person on call: the route is dead, and members and fallback hear of it in the same run."""
    fair.server.rules.recipients |= {ANA: "550 5.1.1 no such user", ALIAS: "550 5.1.1 no such user"}
    answer = fair.run("check")
    assert "route ana:mail is dead: 550 5.1.1 no such user" in answer.err
    assert {mail.to for mail in fair.inbox()} == {MIA, "bo@example.com", "cy@example.com", "li@example.com"}
    fair.at("2026-11-18 08:00")
    assert "ana:mail" not in {message["route"] for message in fair.check()}


def test_a_refused_sender_blames_no_route(tmp_path: Path) -> None:
    """550 5.7.1 for our own address: exit 1, the hint about `bounces` on stderr, and every route lives on."""
    with telling(tmp_path, refuses={}, every_days=365) as story:
        story.rewrite("[mail]\n", '[mail]\nbounces = "keywatch+{token}@example.com"\n')
        due(story)
        story.server.rules.senders["*"] = "550 5.7.1 sender address rejected: not owned by user"
        answer = story.run("check", expect=1)
        assert "refused (sender): 550 5.7.1" in answer.err
        assert "try without [mail] bounces" in answer.err
        assert "dead" not in answer.err
        assert story.ask("SELECT count(*) FROM evidence") == [(0,)]
        story.server.rules.senders.clear()
        story.at("2026-11-13 10:00")
        assert "ana:mail" in routes(story.check(), "accepted")


@pytest.mark.parametrize("where", ["hang", "hang data"])
def test_a_server_that_hangs(fair: Story, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A server that falls silent costs a timeout; the others are told, and a copy has the same Message-ID."""
    import smtplib

    class Impatient(smtplib.SMTP):
        def __init__(self, host: str, port: int, timeout: float) -> None:
            super().__init__(host, port, timeout=min(timeout, 0.3))

    monkeypatch.setattr(smtplib, "SMTP", Impatient)
    fair.server.rules.recipients[ANA] = where
    sent = fair.check()
    failed = "unreachable" if where == "hang" else "unknown"
    assert routes(sent, failed) == ["ana:mail", "ana:mail"]
    assert {"mia:mail", "payments-alias"} <= set(routes(sent, "accepted"))
    assert len({message["message_id"] for message in sent if message["route"] == "ana:mail"}) == 1
    fair.server.rules.recipients.clear()
    fair.at("2026-11-14 08:00")
    assert "ana:mail" in routes(fair.check(), "accepted")
    identities = {str(mail.message["Message-ID"]) for mail in fair.inbox("ana")}
    assert len(identities) == 1


# --------------------------------------------------------------------------- words


POISON = "pay<b>gate</b>\u202e {{7*7}} {{% x %}}\x1b[31m ${HOME}"


def test_poisoned_text_arrives_clean(fair: Story) -> None:
    """What sources and people write is data: no header, no tag, no colour, no template of theirs takes effect."""
    table = f"""
[[credential]]
name = "odd\\nBcc: eve@example.com\\n {_toml(POISON)}"
expires = "2026-12-19"
owner = "payments"
lead = "21bd"
impact = "cards stop\\n\\nX-Evil: 1 {_toml(POISON)}"
runbook = "javascript:alert(1)"
approver = "<script>alert(1)</script>"
"""
    (fair.folder / "odd.toml").write_text(table, encoding="utf-8")
    fair.rewrite("[people]", '[[source]]\nname = "odd"\nkind = "file"\npath = "odd.toml"\n[people]')
    fair.check()
    fair.inbox()
    fair.at("2026-11-16 08:00").check()
    mail = next(mail for mail in fair.inbox("ana") if "{{7*7}}" in mail.text)
    assert mail.message["Bcc"] is None
    assert mail.message["X-Evil"] is None
    shown = str(mail.message["Subject"]) + mail.text + mail.html
    assert "{{7*7}}" in shown
    assert "49" not in str(mail.message["Subject"])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown.replace("\r", ""))
    assert "<b>gate" not in mail.html
    assert "<script" not in mail.html
    assert 'href="javascript' not in mail.html
    for command in (["list"], ["show", "paygate-api"], ["why", "paygate-api"], ["digest"]):
        out = fair.run(*command).out
        assert not re.search("[\x1b\u202e]", out), command


def _toml(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\x1b", "\\u001b").replace('"', '\\"')


# --------------------------------------------------------------------------- routes that change


def test_a_route_leaves_the_config_while_its_message_waits(tmp_path: Path) -> None:
    """The message is superseded, and whoever it takes for cover is told in the same run."""
    with telling(tmp_path, refuses={ALIAS: "451 4.7.1 later"}, every_days=365) as story:
        story.at("2026-11-06 07:30").add()
        story.at("2026-11-06 07:45").check()
        first = story.at("2026-11-06 08:00").check()
        assert (routes(first, "deferred"), routes(first, "accepted")) == (["payments-alias"], ["ana:mail"])
        story.rewrite('routes = ["payments-alias"]\n', "")
        story.rewrite(f'[routes.payments-alias]\nmail = "{ALIAS}"\nshared = true\n', "")
        second = story.at("2026-11-06 08:15").check()
        assert routes(second, "accepted") == ["mia:mail"]
        assert story.ask("SELECT state FROM message WHERE route = 'payments-alias'") == [("superseded",)]


def test_an_edited_address_starts_unproven(tmp_path: Path) -> None:
    """Proof belongs to an address: whoever is proven is enough alone, and is not any more when it changes."""
    with telling(tmp_path, every_days=365) as story:
        story.at("2026-12-01 08:00").add()
        code = next(m["code"] for m in story.at("2026-12-02 08:00").check() if m["person"] == "ana")
        story.run("ack", code)
        story.run("renew", "paygate-api", "--expires", "2027-12-19")
        story.add("second", "2027-01-29", "5bd")
        month = notices(story.at("2026-12-23 08:00").check())
        assert routes(month, "accepted") == ["ana:mail"], "proven, so alone enough"
        story.rewrite(ANA, "ana.ruiz@example.com")
        fortnight = notices(story.at("2027-01-08 08:00").check())
        assert routes(fortnight, "accepted") == ["ana:mail", "mia:mail"], "unproven: the head is told too"


def notices(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["kind"] == "notice"]

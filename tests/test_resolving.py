"""A domain that takes no mail any more kills the routes that lead there; a DNS that is sick kills none."""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from keywatch import config, resolving
from keywatch.errors import ConfigError
from keywatch.model import Route
from keywatch.outlook import SELF_PROOF
from tests.servers.dns import NULL_MX, DnsServer, Zone, mail, serving
from tests.story import story as stories
from tests.story.story import Story, telling

OWN, OLD = "example.com", "old-team.example.net"
ALIVE: Zone = {OWN: mail(), OLD: mail()}
GONE: Zone = {OWN: mail()}
SWITCHED_ON = stories.CONFIG.replace("[mail]", "[mail]\ndns = true").replace(
    "payments-alerts@example.com", f"payments-alerts@{OLD}"
)


# --------------------------------------------------------------------------- what one domain says


@pytest.mark.parametrize(
    ("records", "takes_mail", "code"),
    [
        (mail(), True, ""),
        ({"A": ["192.0.2.1"]}, True, ""),
        ({"AAAA": ["2001:db8::1"]}, True, ""),
        ({"MX": ["0 .", "10 mx.example.com."]}, True, ""),
        (NULL_MX, False, "null MX"),
        (None, False, "NXDOMAIN"),
        ({"TXT": ['"v=spf1 -all"']}, False, "no MX"),
        ("SERVFAIL", None, ""),
        ("REFUSED", None, ""),
        ("silence", None, ""),
    ],
    ids=["MX", "A", "AAAA", "half null", "null MX", "NXDOMAIN", "neither", "SERVFAIL", "REFUSED", "silence"],
)
def test_only_a_clear_answer_counts(
    records: object, takes_mail: bool | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MX or an address takes mail; no such domain, a null MX or neither takes none; all else is not known."""
    monkeypatch.setattr(resolving, "PATIENCE_S", 0.6)
    zone = {OLD: records} if records is not None else {}
    with serving(zone):  # type: ignore[arg-type]
        found = resolving.look_up([OLD])[OLD]
    assert (found.takes_mail, found.code) == (takes_mail, code)
    assert takes_mail or OLD in found.words


@pytest.mark.parametrize("name", ["x" * 64 + ".example.com", ".".join(["a" * 60] * 5)], ids=["label", "name"])
def test_a_domain_that_no_dns_can_hold_is_no_evidence(name: str) -> None:
    """What cannot even be asked is not known, and raises nothing."""
    with serving(ALIVE):
        assert resolving.look_up([name])[name].takes_mail is None


def test_a_dns_that_is_silent_costs_seconds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many domains there are, all of them together wait no longer than the patience of one run."""
    assert resolving.PATIENCE_S <= 5
    monkeypatch.setattr(resolving, "PATIENCE_S", 0.7)
    names = [f"d{number}.example.net" for number in range(60)]
    began = time.monotonic()
    with serving(dict.fromkeys(names, "silence")):
        found = resolving.look_up(names)
    assert {one.takes_mail for one in found.values()} == {None}
    assert time.monotonic() - began < 2.5


# --------------------------------------------------------------------------- a run


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with serving(ALIVE) as server:
        yield server


@pytest.fixture
def story(tmp_path: Path, dns: DnsServer) -> Iterator[Story]:
    """The alias stands at a domain of its own; every mail server still accepts mail for it."""
    with telling(tmp_path, refuses={}, every_days=365, config=SWITCHED_ON) as told:
        yield told


def looked_up(story: Story) -> list[tuple[str, ...]]:
    return story.ask("SELECT route, kind, code FROM evidence WHERE source = 'dns' ORDER BY id")


def test_a_domain_that_is_gone_kills_its_routes_before_a_message_needs_them(story: Story, dns: DnsServer) -> None:
    """The call that is due in the same run knows it already: the alias gets no mail, and people are told why."""
    story.at("2026-11-12 08:30").add()
    story.check()
    dns.zone = GONE
    sent = story.at("2026-11-13 08:30").check()
    assert looked_up(story) == [("payments-alias", "unresolved", "NXDOMAIN")]
    assert "payments-alias" not in {one["route"] for one in sent if one["kind"] == "notice"}
    assert {"ana"} <= {one["person"] for one in sent}
    told = [one.text for one in story.inbox() if "leads nowhere" in one.text]
    assert told
    assert f"the domain {OLD} does not exist" in " ".join(told[0].split())


def test_it_is_written_down_once_and_taken_back_once(story: Story, dns: DnsServer) -> None:
    """Three days gone are one row; found again is one row, and said."""
    dns.zone = GONE
    for day in ("13", "14", "15"):
        story.at(f"2026-11-{day} 08:30").check()
    dns.zone = ALIVE
    for day in ("16", "17"):
        story.at(f"2026-11-{day} 08:30").check()
    assert [kind for _, kind, _ in looked_up(story)] == ["unresolved", "resolved"]
    assert "route payments-alias is well again" in [text for (text,) in story.ask("SELECT text FROM event")]


def test_a_domain_is_looked_up_once_a_day(story: Story, dns: DnsServer) -> None:
    """Runs every hour of two days: one question about each domain on each day, and an idle run asks nothing."""
    story.at("2026-11-13 00:30").check()
    dns.asked.clear()
    for _ in range(47):
        story.now += timedelta(hours=1)
        story.check()
    assert sorted(dns.asked) == [f"{OWN} MX", f"{OLD} MX"]


def test_a_domain_that_nobody_writes_to_any_more_keeps_no_run_busy(story: Story, dns: DnsServer) -> None:
    """The only credential whose issuer writes there is retired: it is not asked about, and an idle run stays idle."""
    dns.zone = {**ALIVE, "issuer.example.org": mail()}
    story.at("2026-11-13 08:30").add("x", "2027-12-19", "5bd", "--issuer-writes-to", "us@issuer.example.org")
    story.check()
    assert "issuer.example.org MX" in dns.asked
    story.run("retire", "x")
    dns.asked.clear()
    story.at("2026-11-14 08:30").check()
    assert sorted(dns.asked) == [f"{OWN} MX", f"{OLD} MX"]
    story.now += timedelta(minutes=15)
    assert story.run("check", "-o", "json").json["idle"]


@pytest.mark.parametrize("trouble", ["SERVFAIL", "silence"])
def test_an_outage_of_the_dns_kills_no_route(
    story: Story, dns: DnsServer, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is no evidence, the run is well, and nothing waits for longer than the patience of one run."""
    monkeypatch.setattr(resolving, "PATIENCE_S", 0.6)
    dns.zone = {OWN: trouble, OLD: trouble}
    began = time.monotonic()
    story.at("2026-11-13 08:30").check(expect=0)
    assert time.monotonic() - began < 6
    assert looked_up(story) == []


@pytest.mark.parametrize("zone", [{}, {OLD: mail()}, {OWN: "SERVFAIL"}], ids=["nothing", "not us", "no one"])
def test_a_resolver_that_knows_nobody_is_not_believed(story: Story, dns: DnsServer, zone: Zone) -> None:
    """NXDOMAIN for everybody, or for the domain keywatch writes from, is the resolver's own trouble; doctor says it."""
    dns.zone = zone
    story.at("2026-11-13 08:30").check()
    assert looked_up(story) == []
    assert "2 domains were not looked up: the resolver " in story.run("doctor", "--offline", expect=None).out


def test_a_person_who_answers_since_is_believed(story: Story, dns: DnsServer) -> None:
    """A person who answers after the domain was not found is believed: the same answer of the DNS kills no more."""
    dns.zone = GONE
    story.at("2026-11-12 08:30").check()
    story.at("2026-11-12 09:00").run("test", "payments-alias", expect=None)
    code = story.ask("SELECT code FROM message WHERE route = 'payments-alias' ORDER BY id DESC LIMIT 1")[0][0]
    story.run("ack", code, "--by", "ana")
    assert story.ask("SELECT count(*) FROM evidence WHERE route = 'payments-alias' AND kind = 'attested'") == [(1,)]
    story.at("2026-11-13 08:30").check()
    assert [kind for _, kind, _ in looked_up(story)] == ["unresolved"]


def test_a_new_address_is_looked_up_at_once(story: Story, dns: DnsServer) -> None:
    """After a change of the config nothing waits for the next day, and the dead address was that address's own."""
    dns.zone = GONE
    story.at("2026-11-13 08:30").check()
    story.rewrite(f"payments-alerts@{OLD}", "payments-alerts@typo.example.org")
    story.at("2026-11-13 09:30").check()
    assert [(route, kind) for route, kind, _ in looked_up(story)] == [("payments-alias", "unresolved")] * 2


def test_a_route_that_moves_to_a_dead_domain_is_dead_at_once(story: Story, dns: DnsServer) -> None:
    """That domain was looked up this very day, and is again: another config asks about everything anew."""
    dns.zone = GONE
    story.at("2026-11-13 08:30").check()
    story.rewrite('mail = "cy@example.com"', f'mail = "cy@{OLD}"')
    story.at("2026-11-13 09:30").check()
    assert [(route, kind) for route, kind, _ in looked_up(story)][1:] == [("cy:mail", "unresolved")]


def test_without_the_switch_nothing_is_asked(tmp_path: Path, dns: DnsServer) -> None:
    """A company whose addresses only its own mail server knows leaves it off."""
    with telling(tmp_path, refuses={}) as story:
        dns.zone = {}
        story.at("2026-11-13 08:30").check()
    assert dns.asked == []


def test_without_the_library_a_check_goes_on_and_doctor_says_so(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is switched on and cannot be done: no route dies of it, no reminder waits, and doctor names the extra."""
    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    story.at("2026-11-12 08:30").add()
    story.check()
    assert {"ana"} <= {one["person"] for one in story.at("2026-11-13 08:30").check()}
    assert looked_up(story) == []
    assert "keywatch[dns]" in story.run("doctor", "--offline", expect=1).out


def test_the_switch_is_true_or_false(tmp_path: Path) -> None:
    """Any other value is a problem with its key."""
    path = tmp_path / "keywatch.toml"
    base = '[keywatch]\nowner = "o"\n[people.a]\n[owners.o]\npeople = ["a"]\n'
    path.write_text(f'{base}[mail]\nfrom = "k@example.com"\nsmtp = "smtp://h"\ndns = "yes"', encoding="utf-8")
    with pytest.raises(ConfigError) as bad:
        config.load(path, {})
    assert bad.value.problems == ["[mail] dns: must be true or false"]


@pytest.mark.parametrize("domain", ["intranet", "printer.local", "app.localhost"])
def test_names_that_no_public_dns_knows_are_left_alone(domain: str) -> None:
    """A single word and what only this network knows would look dead; the self-proof's address is nobody's anyway."""
    assert resolving.domain_of(Route("x", mail=f"ana@{domain}")) == ""
    assert resolving.domain_of(Route("x", mail="ana@Example.COM")) == "example.com"
    assert resolving.domain_of(Route(SELF_PROOF, mail="nobody@example.com")) == ""

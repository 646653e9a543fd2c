"""The bounce corpus as a table: which mails, from which systems, and what each of them does to a route.

The verdicts are written down here, file by file, and do not come from the reader. `pytest -s` prints the table.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from keywatch.inbox.reading import Kind, Reading, read

MAILS = Path(__file__).parents[1] / "corpus" / "mails"
NOW = datetime(2026, 12, 21, 9, tzinfo=UTC)
BOUNCES = "keywatch+{token}@keywatch.test"
WRITERS = ("dsn", "exim", "postfix", "letter", "auto", "away", "left", "mdn", "arf", "hostile", "reply", "other")

DEAD = """
dsn-base64-status dsn-exim-remote dsn-exim-unrouteable dsn-global dsn-gmail dsn-html-only dsn-no-status
dsn-office365 dsn-postfix-mixed dsn-postfix-null-mx dsn-sendmail dsn-ses dsn-without-token exim-2 exim-far exim-mixed
exim-old-team exim-old-team-no-token exim-whole-team hostile-forged-bounce letter-aol letter-exchange-55 letter-exim-3
letter-german letter-gmail-2012 letter-lotus letter-qmail postfix-2
"""
"""Somebody named in it does not exist: 5.1.x, 5.2.1. (Whether the message was ours is the matching's affair.)"""
FULL = "dsn-exchange-full exim-full letter-full letter-yahoo"
SENDER = "dsn-spf-blocked letter-blocked"
"""The server does not want what we send: blames no route."""
TRANSIENT = "dsn-exim-timeout dsn-postfix-expired"
"""Given up after days of 4.x: no hard evidence."""
DELAYED = "dsn-postfix-delayed letter-exim-warning letter-gmail-delay"
DELIVERED = "dsn-delivered-relayed exim-1 postfix-1"
"""A machine took it: proves nothing."""
AWAY = """
away-bare-subject away-de away-de-back away-de-range away-es away-exchange away-exchange-null away-fr away-gmail
away-it away-nl away-no-date away-past away-pl away-pt away-sieve away-too-far away-us-date
"""
LEFT = "left-de left-en left-en-2 left-es left-fr left-it left-nl left-null-no-marks left-pl left-pt"
MACHINE = "arf-spam-report auto-noreply auto-ticket mdn-displayed"
PERSON = """
hostile-base64 hostile-charset hostile-date hostile-header-injection hostile-nul hostile-punycode reply-ack
reply-alone reply-auto-no reply-by-friday reply-copied reply-german reply-html reply-latin1 reply-left-by-human
reply-mailto reply-no-code reply-outlook reply-two-by reply-unmarked-quote reply-wrapped reply-yes
"""
NOTHING = """
hostile-boundary hostile-empty hostile-groups hostile-name-is-address hostile-no-headers hostile-status-garbage
other-human other-newsletter
"""
"""It names nobody and no message: nothing follows from it."""
VERDICTS = {
    "dead": DEAD,
    "mailbox full": FULL,
    "blames the sender": SENDER,
    "given up, transient": TRANSIENT,
    "delayed": DELAYED,
    "a machine took it": DELIVERED,
    "away": AWAY,
    "has left": LEFT,
    "another machine": MACHINE,
    "a person": PERSON,
    "nothing": NOTHING,
}
RIGHT = {name: verdict for verdict, names in VERDICTS.items() for name in names.split()}


def verdict(reading: Reading) -> str:
    """What a mail says of the route, by the rules: the class of the code, and who failed."""
    if reading.kind is Kind.BOUNCE and reading.failed:
        return of_code(reading.code)
    return {
        Kind.DELAYED: "delayed",
        Kind.DELIVERED: "a machine took it",
        Kind.AWAY: "away",
        Kind.LEFT: "has left",
        Kind.AUTO: "another machine",
        Kind.REPLY: "a person",
    }.get(reading.kind, "nothing")


def of_code(code: str) -> str:
    """RFC 3463: 5.1.x addresses, 5.2.1 disabled, 5.2.2 full, 5.7.x policy; 4.x and 5.4.7 came of waiting."""
    if code.startswith("4.") or code == "5.4.7":
        return "given up, transient"
    if code == "5.2.2":
        return "mailbox full"
    if code.startswith("5.7."):
        return "blames the sender"
    return "dead" if code.startswith("5.1.") or code == "5.2.1" else f"unknown {code}"


def whom(reading: Reading) -> str:
    """Whose addresses failed; in brackets the alias that stood before them, which then is partly dead at most."""
    members = [address for address in reading.failed if address != reading.original]
    alias = f" ({reading.original})" if members and reading.original else ""
    return ", ".join(members or reading.failed) + alias


def test_the_table() -> None:
    """Every mail of the corpus has the verdict that was written down for it, and none is missing."""
    found = {path.stem: read(path.read_bytes(), BOUNCES, NOW) for path in MAILS.glob("*.eml")}
    assert set(found) == set(RIGHT)
    lines = []
    for name, right in sorted(RIGHT.items(), key=lambda pair: (list(VERDICTS).index(pair[1]), pair[0])):
        said, reading = verdict(found[name]), found[name]
        mark = "right" if said == right else f"WRONG, is {right}"
        until = f"until {reading.until:%Y-%m-%d}" if reading.until else ""
        lines.append(f"{name:26} {said:20} {reading.code or until:16} {mark:6} {whom(reading)}".rstrip())
    wrong = [line for line in lines if "WRONG" in line]
    print(f"\n{'mail':26} {'verdict':20} {'code or until':16} {'':6} who failed (of)", *lines, sep="\n")
    print(f"{len(lines)} mails, {len(lines) - len(wrong)} right: {dict(Counter(RIGHT.values()))}")
    assert wrong == []


def test_every_kind_of_writer_is_there() -> None:
    """Both dialects, letters of old servers, robots, people and enemies: a corpus that lost one would prove less."""
    assert {name.partition("-")[0] for name in RIGHT} == set(WRITERS)
    assert set(RIGHT.values()) == set(VERDICTS)

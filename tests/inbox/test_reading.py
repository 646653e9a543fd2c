"""What a mail means: a corpus of what mail servers, robots, people and enemies write, and any bytes at all."""

import json
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from keywatch.inbox.reading import Kind, Reading, read
from keywatch.inbox.words import CODE
from keywatch.store.mint import CODE_LETTERS

MAILS = Path(__file__).parents[1] / "corpus" / "mails"
INDEX: dict[str, dict[str, Any]] = json.loads((MAILS / "index.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 12, 21, 9, tzinfo=UTC)
BOUNCES = "keywatch+{token}@keywatch.test"
TOKEN = "mfrggzdfmztwq2lknnwg23tpoa"


def said(reading: Reading) -> dict[str, Any]:
    """A reading in the form of the index."""
    return {
        "kind": reading.kind.value,
        "token": reading.token,
        "envid": reading.envid,
        "message_ids": list(reading.message_ids),
        "sender": reading.sender,
        "code": reading.code,
        "failed": list(reading.failed),
        "original": reading.original,
        "until": reading.until.isoformat() if reading.until else None,
        "words": reading.words,
        "codes": list(reading.code_words),
        "answer_until": reading.answer.until.isoformat() if reading.answer.until else None,
        "begun": reading.answer.begun,
        "by": reading.answer.by,
        "still_read": reading.answer.still_read,
    }


@pytest.mark.parametrize("name", sorted(INDEX))
def test_corpus(name: str) -> None:
    """Each mail of the corpus means what its line in the index says."""
    wanted = {key: value for key, value in INDEX[name].items() if key not in ("origin", "system")}
    found = said(read((MAILS / name).read_bytes(), BOUNCES, NOW))
    assert {key: found[key] for key in wanted} == wanted


def test_the_index_is_whole() -> None:
    """Every mail has its line, says where it comes from and from which system; there are at least 60."""
    assert set(INDEX) == {path.name for path in MAILS.glob("*.eml")}
    assert len(INDEX) >= 60
    for name, line in INDEX.items():
        assert line["origin"] in ("captured", "written"), name
        assert line["system"], name


@pytest.mark.parametrize("name", sorted(INDEX))
def test_line_ends_mean_nothing(name: str) -> None:
    """With CRLF, as mails come by IMAP, each means the same."""
    raw = (MAILS / name).read_bytes()
    wired = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert said(read(wired, BOUNCES, NOW)) == said(read(raw, BOUNCES, NOW))


def test_no_machine_answers_as_a_person() -> None:
    """Of all the mails that a machine wrote none is a reply, and none carries an answer."""
    for name, line in INDEX.items():
        reading = read((MAILS / name).read_bytes(), BOUNCES, NOW)
        if line["kind"] not in ("reply", "other"):
            assert reading.kind is not Kind.REPLY
            assert reading.code_words == ()


# --------------------------------------------------------------------------- whom it is about


def mail(body: str = "x", **headers: str) -> bytes:
    """A mail of a person, unless the headers say otherwise (`Return_Path` is Return-Path)."""
    lines = {"From": "ana@corp.test", "To": "keywatch@keywatch.test", "Subject": "Re: x"} | headers
    text = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in lines.items())
    return f"{text}\n{body}\n".encode()


@pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To", "Envelope-To", "Original-Recipient", "To"])
def test_token_from_any_recipient(header: str) -> None:
    """Each mail server has a header of its own for whom a mail came to; upper case, as some write it, is the same."""
    raw = mail(**{header: f"<KEYWATCH+{TOKEN.upper()}@Keywatch.test>"})
    assert read(raw, BOUNCES, NOW).token == TOKEN


def test_our_own_server_knows_best() -> None:
    """What our server wrote outranks To, which the sender writes; the topmost of the same name is ours."""
    other = "a" * 26
    raw = f"Delivered-To: keywatch+{TOKEN}@keywatch.test\nDelivered-To: keywatch+{other}@keywatch.test\n".encode()
    assert read(raw + mail(To=f"keywatch+{other}@keywatch.test"), BOUNCES, NOW).token == TOKEN


@pytest.mark.parametrize(
    ("bounces", "to", "token"),
    [
        ("b-{token}@keywatch.test", f"b-{TOKEN}@keywatch.test", TOKEN),
        (BOUNCES, f"prvs=0123abcdef=keywatch+{TOKEN}@keywatch.test", TOKEN),
        ("", f"keywatch+{TOKEN}@keywatch.test", ""),
        (BOUNCES, f"keywatch+{TOKEN}@keywatch.test.evil.test", ""),
        (BOUNCES, f"xkeywatch+{TOKEN}@keywatch.test", ""),
        ("key.atch+{token}@k.test", f"keywatch+{TOKEN}@k.test", ""),
    ],
)
def test_only_our_addresses_carry_a_token(bounces: str, to: str, token: str) -> None:
    """The pattern is taken to the letter and to its end; tags of servers on the way (BATV) are seen through."""
    assert read(mail(To=to), bounces, NOW).token == token


def test_answered_message_first() -> None:
    """In-Reply-To stands before References, and of these the last, which is the mail that was answered."""
    raw = mail(In_Reply_To="<c@k.test>", References="<a@k.test> <b@k.test> <c@k.test>")
    assert read(raw, "", NOW).message_ids == ("<c@k.test>", "<b@k.test>", "<a@k.test>")


def test_a_mail_without_an_id_has_one() -> None:
    """So that it is read only once: a hash of its bytes, the same for the same bytes."""
    assert read(mail(), "", NOW).own_id == read(mail(), "", NOW).own_id != read(mail("y"), "", NOW).own_id
    assert read(mail(Message_ID="<a@b.test>"), "", NOW).own_id == "<a@b.test>"


# --------------------------------------------------------------------------- who vouches

PASS = "mx.keywatch.test (our own); dkim=pass header.d=corp.test; spf=pass smtp.mailfrom=ana@corp.test"


@pytest.mark.parametrize(
    ("results", "authserv", "verdict"),
    [
        (PASS, "mx.keywatch.test", True),
        (PASS, "", None),
        (PASS, "mx.evil.test", None),
        ("mx.keywatch.test; dmarc=fail header.from=corp.test; dkim=pass header.d=corp.test", "mx.keywatch.test", False),
        ("mx.keywatch.test; dmarc=pass header.from=corp.test", "mx.keywatch.test", True),
        ("mx.keywatch.test; spf=pass smtp.mailfrom=x@evil.test", "mx.keywatch.test", None),
        ("mx.keywatch.test; dkim=pass header.i=@evilcorp.test; spf=fail", "mx.keywatch.test", False),
        ("mx.keywatch.test; none", "mx.keywatch.test", None),
    ],
)
def test_authentication(results: str, authserv: str, verdict: bool | None) -> None:
    """Only our own server's word counts, and only for the domain that stands in From."""
    assert read(mail(Authentication_Results=results), "", NOW, authserv).authenticated is verdict


def test_only_the_topmost_results_count() -> None:
    """Those below were there before the mail reached us: anybody can write them."""
    raw = b"Authentication-Results: mx.keywatch.test; dmarc=fail\n" + mail(Authentication_Results=PASS)
    assert read(raw, "", NOW, "mx.keywatch.test").authenticated is False
    raw = b"Authentication-Results: other.test; none\n" + mail(Authentication_Results=PASS)
    assert read(raw, "", NOW, "mx.keywatch.test").authenticated is None


# --------------------------------------------------------------------------- codes of letters


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("550 5.1.1 no such user", "5.1.1"),
        ("(Exim 4.96.1) mailbox is full", "5.2.2"),
        ("host 5.1.1.7 said: user unknown", "5.1.1"),
        ("host 4.3.2.1 said: rejected as spam, user unknown", "5.7.1"),
        ("550 5.0.0 this account is disabled", "5.2.1"),
        ("it could not be delivered", ""),
    ],
)
def test_codes_of_letters(words: str, code: str) -> None:
    """A status code, not a version or an address; else what the words mean, the sender's own fault first."""
    raw = mail(f"<bo@corp.test>:\n{words}", From="MAILER-DAEMON@mx.test", Subject="failure notice")
    reading = read(raw, "", NOW)
    assert (reading.kind, reading.code, reading.failed) == (Kind.BOUNCE, code, ("bo@corp.test",))


# --------------------------------------------------------------------------- machine or person


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-notified; owner=x"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "1"},
        {"Precedence": "auto_reply"},
        {"Precedence": "Junk"},
        {"X_Auto_Response_Suppress": "OOF"},
        {"X_MS_Exchange_Generated_Message_Source": "Mailbox Rules Agent"},
        {"Return_Path": "<>"},
        {"From": "no-reply@vendor.test"},
        {"Subject": "Autoreply: x"},
    ],
)
def test_marks_of_a_machine(headers: dict[str, str]) -> None:
    """Any one of them is enough; a code in such a mail is not even looked for."""
    reading = read(mail("ack 7KQF2", In_Reply_To="<a@k.test>", **headers), "", NOW)
    assert reading.kind in (Kind.AUTO, Kind.AWAY)
    assert reading.code_words == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "no"},
        {"Precedence": "list"},
        {"Return_Path": "<ana@corp.test>"},
        {"Subject": "Re: Automatic reply of yesterday"},
        {"X_Autoreply": "no"},
    ],
)
def test_no_marks_of_a_machine(headers: dict[str, str]) -> None:
    """People write through mailing lists too, and about automatic replies."""
    assert read(mail("ack 7KQF2", In_Reply_To="<a@k.test>", **headers), "", NOW).kind is Kind.REPLY


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("until 7 January", date(2027, 1, 8)),
        ("until January 7th", date(2027, 1, 8)),
        ("until and including the 7th of January 2027", date(2027, 1, 8)),
        ("until Friday, 8 Jan 2027", date(2027, 1, 9)),
        ("until 2027-01-07", date(2027, 1, 8)),
        ("back on 8 Jan 2027", date(2027, 1, 8)),
        ("back in the office on Monday, January 11", date(2027, 1, 11)),
        ("returning on 11 January", date(2027, 1, 11)),
        ("24 Dec – 3 Jan", date(2027, 1, 4)),
        ("from 24/12/2026 to 03/01/2027", date(2027, 1, 4)),
        ("bis einschliesslich 7.1.", date(2027, 1, 8)),
        ("bis zum 07.01.2027", date(2027, 1, 8)),
        ("bis 7. Jänner", date(2027, 1, 8)),
        ("ab dem 8.1. wieder da", date(2027, 1, 8)),
        ("wieder im Büro am 11.01.27", date(2027, 1, 11)),
        ("du 24 décembre au 4 janvier", date(2027, 1, 5)),
        ("de retour le lundi 4 janvier", date(2027, 1, 4)),
        ("del 24 de diciembre al 6 de enero", date(2027, 1, 7)),
        ("vuelvo el 7 de enero", date(2027, 1, 7)),
        ("fino all'8 gennaio", date(2027, 1, 9)),
        ("regresso a 5 de janeiro", date(2027, 1, 5)),
        ("tot 4 januari", date(2027, 1, 5)),
        ("wracam 7 stycznia", date(2027, 1, 7)),
        ("until 21 December", date(2026, 12, 22)),
        ("until 20 December", None),
        ("until 31 February", None),
        ("until further notice, call +49 30 1234.56", None),
        ("since 7 January", None),
        ("until 2027-06-01", None),
    ],
)
def test_away_until(words: str, until: date | None) -> None:
    """The first instant after the last day away, in UTC; what is not said plainly, or is too far, is not guessed."""
    raw = mail(f"I am out of office {words}.", Auto_Submitted="auto-replied")
    reading = read(raw, "", NOW)
    assert reading.kind is Kind.AWAY
    assert reading.until == (datetime(until.year, until.month, until.day, tzinfo=UTC) if until else None)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("Bo has left our team", True),
        ("Ich arbeite nicht mehr hier", True),
        ("Bo ist aus dem Unternehmen ausgeschieden", True),
        ("Je ne travaille plus ici", True),
        ("Bo a quitté l'entreprise", True),
        ("Bo ha dejado la empresa", True),
        ("Ho lasciato l'azienda", True),
        ("O Bo deixou a empresa", True),
        ("Hij heeft het bedrijf verlaten", True),
        ("Już nie pracuję w firmie", True),
        ("I have left the office for today", False),
        ("Ich bin heute nicht mehr im Büro", False),
        ("Ich bin nicht mehr bei der Arbeit", False),
        ("I will no longer be able to answer today", False),
        ("Je suis absent", False),
    ],
)
def test_gone_for_good(words: str, gone: bool) -> None:
    """Who left the company is told from who left the office, in eight languages; only a machine's word makes it so."""
    assert (read(mail(words, Auto_Submitted="auto-replied"), "", NOW).kind is Kind.LEFT) is gone
    assert read(mail(words, In_Reply_To="<a@k.test>"), "", NOW).kind is Kind.REPLY


# --------------------------------------------------------------------------- what people ask


def test_codes_are_those_of_the_store() -> None:
    """The alphabet of codes is the store's."""
    import re

    every = [chr(number) for number in range(128)]
    assert {c for c in every if re.fullmatch(CODE, c * 5)} == set(CODE_LETTERS)


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("ack 7KQF2", ("7KQF2",)),
        ("Ack: 7kqf2.", ("7KQF2",)),
        ("I'll take 7KQF2 and 8ABCD", ("7KQF2", "8ABCD")),
        ("7KQF2\n8ABCD", ("7KQF2", "8ABCD")),
        ("7kqf2", ("7KQF2",)),
        ("Great", ()),
        ("back 7KQF2", ()),
        ("see 7KQF2 for more", ()),
        ("ack 7KQF22", ()),
        ("ack 7KQI2", ()),
        ("ok\n> ack 7KQF2", ()),
        ("ok\n-- \nack 7KQF2", ()),
        ("ok\n-----Original Message-----\nack 7KQF2", ()),
        ("ok\n\nLe lun. 21 déc. 2026 à 08:00, keywatch <k@k.test> a écrit :\nack 7KQF2", ()),
        ("ok\n\nEl lun, 21 dic 2026 a las 8:00, keywatch escribió:\nack 7KQF2", ()),
        ("ok\n\nVon: keywatch\nGesendet: Montag\nAn: Ana\n\nack 7KQF2", ()),
        ("ok\n\nOp ma 21 dec 2026 om 08:00 schreef keywatch:\nack 7KQF2", ()),
        ("\n" + "line\n" * 30 + "ack 7KQF2", ()),
    ],
)
def test_codes(words: str, codes: tuple[str, ...]) -> None:
    """A code counts after `ack` or `take`, or alone on a line, at the top, in the person's own words only."""
    assert read(mail(words, In_Reply_To="<a@k.test>"), "", NOW).code_words == codes


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        ("ack 7KQF2 begun", True),
        ("started yesterday", True),
        ("not started yet", False),
        ("I haven't begun", False),
        ("noch nicht begonnen", False),
        ("fine", False),
    ],
)
def test_begun(words: str, begun: bool) -> None:
    """Work has begun only where somebody says so, not where they deny it."""
    assert read(mail(words, In_Reply_To="<a@k.test>"), "", NOW).answer.begun is begun


@pytest.mark.parametrize(
    ("words", "yes"),
    [
        ("Yes", True),
        ("yes, Ana", True),
        ("Ja!", True),
        ("Oui.", True),
        ("Sí", True),
        ("No", False),
        ("Yes? what is this", False),
        ("Yesterday", False),
        ("yes but nobody on it is in payments any more", False),
        ("Hello\nyes", False),
    ],
)
def test_still_read(words: str, yes: bool) -> None:
    """Only a plain yes at the very top answers "still read here?"."""
    assert read(mail(words, In_Reply_To="<a@k.test>"), "", NOW).answer.still_read is yes


def test_words_are_bounded() -> None:
    """A person's words are kept to 2 000 characters."""
    assert len(read(mail("word " * 5000, In_Reply_To="<a@k.test>"), "", NOW).words) <= 2000


def test_written_mails_read_as_written() -> None:
    """What the library itself writes for a reply is read back: encoded, folded and quoted as it likes."""
    message = EmailMessage()
    message["From"] = "Jürgen Größe <juergen@corp.test>"
    message["To"] = f"keywatch+{TOKEN}@keywatch.test"
    message["Subject"] = "Re: " + "sehr lange Überschrift " * 10
    message["References"] = " ".join(f"<{n}-{'x' * 40}@keywatch.test>" for n in range(30))
    message.set_content("Übernehme ich.\nack 7KQF2 bis 2026-12-28\n")
    message.add_alternative("<p>ack 8ABCD</p>", subtype="html")
    reading = read(message.as_bytes(), BOUNCES, NOW)
    assert (reading.kind, reading.token, reading.sender) == (Kind.REPLY, TOKEN, "juergen@corp.test")
    assert reading.answer.codes == ("7KQF2",)
    assert reading.answer.until == date(2026, 12, 28)
    assert len(reading.message_ids) == 20

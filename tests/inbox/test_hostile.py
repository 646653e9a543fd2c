"""Mails made to break whoever reads them: for any bytes there is a reading, and it costs little."""

import base64
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keywatch.inbox.reading import Kind, Reading, read
from tests.inbox.test_reading import BOUNCES, INDEX, MAILS, NOW, mail

SECONDS = 1.0
"""More than any mail may take, however it is made."""


def nested(depth: int) -> bytes:
    """Mails inside mails inside mails."""
    opening = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    return f"From: a@b.test\n{opening}\nack 7KQF2".encode()


def forwarded(depth: int) -> bytes:
    return b"From: a@b.test\n" + b"Content-Type: message/rfc822\n\n" * depth + b"x"


def tiny_parts(count: int) -> bytes:
    return b'Content-Type: multipart/digest; boundary="b"\n\n' + b"--b\n\n\n" * count + b"--b--\n"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "10 MB of text": lambda: mail() + b"x" * 10_000_000,
    "10 MB of lines": lambda: mail() + b"\n" * 10_000_000,
    "10 MB in one header": lambda: b"Subject: " + b"x" * 10_000_000 + b"\n\n",
    "10 MB of folded parameters": lambda: b"Content-Type: multipart/mixed;\n" + b' a="b";\n' * 1_000_000 + b"\nx",
    "many headers": lambda: b"Delivered-To: x@y.test\n" * 400_000 + b"\n",
    "nested 5000 deep": lambda: nested(5000),
    "nested 40 deep with many lines": lambda: nested(38) + b"\n" * 300_000,
    "forwarded 5000 deep": lambda: forwarded(5000),
    "100 000 parts": lambda: tiny_parts(100_000),
    "encoded words without an end": lambda: (b"Return-Path: " + b"=?a?q?" * 1500 + b"\n") * 400 + b"\n",
    "quotes without an end": lambda: (b'From: "' + b'\\"' * 4000 + b"\n") * 50 + b"\n",
    "HTML without an end": lambda: mail("<!--" * 100_000 + "<" * 100_000, Content_Type="text/html"),
    "HTML nested": lambda: mail("<blockquote><b> " * 100_000, Content_Type="text/html"),
    "punycode": lambda: mail(
        base64.encodebytes(b"-" + b"a" * 120_000).decode(),
        Content_Type="text/plain; charset=punycode",
        Content_Transfer_Encoding="base64",
    ),
    "a charset in two languages, and bytes": lambda: b"Content-Type: text/plain; charset*=a'b'c\n\n\xff ack 7KQF2",
    "punycode bytes": lambda: b"Content-Type: text/plain; charset=punycode\n\n\xff" + b"-aaaa" * 50_000,
    "wide folded parameters": lambda: b"Content-Type: multipart/mixed" + (b"\n " + b";a=b" * 490) * 130 + b"\n\nx",
    "addresses without an end": lambda: mail("user " * 20_000 + "a" * 200_000 + "@", From="mailer-daemon@x.test"),
    "names of ids": lambda: mail("message-id" * 20_000 + " failure notice", From="mailer-daemon@x.test"),
    "quotations": lambda: mail("On " * 60_000 + "\n", In_Reply_To="<a@k.test>"),
    "words between date and cue": lambda: mail("until " + "ele" * 50_000 + " 7 January", Auto_Submitted="auto-replied"),
    "blanks": lambda: mail(" " * 200_000 + "x", From="mailer-daemon@x.test", Subject="failure notice"),
    "reports of 10 000 recipients": lambda: (
        mail(Content_Type='multipart/report; boundary="b"')
        + b"--b\nContent-Type: message/delivery-status\n\n"
        + b"Final-Recipient: rfc822; a@b.test\nAction: failed\n\n" * 10_000
    ),
    "results": lambda: mail(Authentication_Results="mx; " + "header.d=" * 20_000, In_Reply_To="<a@k.test>"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_mails_cost_little(name: str) -> None:
    """However big, deep or crooked: a reading, within a second of the processor, and none needs the last resort."""
    raw = HOSTILE[name]()
    began = time.process_time()
    reading = read(raw, BOUNCES, NOW, "mx")
    assert time.process_time() - began < SECONDS
    assert reading.kind is not Kind.UNREADABLE, reading.detail
    assert reading.code_words == () or reading.kind is Kind.REPLY


def test_what_the_parser_raises_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of the library becomes UNREADABLE, by its name, without a word of the mail."""

    def broken(*_: object) -> object:
        raise RecursionError("secret words of the mail")

    monkeypatch.setattr("email.message.Message.raw_items", broken)
    reading = read(mail(), BOUNCES, NOW)
    assert (reading.kind, reading.detail) == (Kind.UNREADABLE, "RecursionError")
    assert reading.own_id.startswith("<sha256:")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=4096))
def test_any_bytes(raw: bytes) -> None:
    """For any bytes there is a reading, and it is quick."""
    began = time.process_time()
    assert isinstance(read(raw, BOUNCES, NOW), Reading)
    assert time.process_time() - began < SECONDS


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_mutated_mails(data: st.DataObject) -> None:
    """A mail of the corpus with pieces cut out, doubled, moved or overwritten still gives a reading, quickly."""
    raw = (MAILS / data.draw(st.sampled_from(sorted(INDEX)))).read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        at, length = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 200))
        piece = data.draw(
            st.one_of(
                st.just(b""),
                st.just(raw[at : at + length] * 3),
                st.binary(max_size=20),
                st.sampled_from([b"\0", b"\r", b"\n\n", b"=?", b";", b"--", b"\xff", b'"', b"<", b"charset=idna"]),
            )
        )
        raw = raw[:at] + piece + raw[at + length :]
    began = time.process_time()
    assert isinstance(read(raw, BOUNCES, NOW), Reading)
    assert time.process_time() - began < SECONDS

"""`keywatch handover`: what it changes, whom it tells, and what it refuses."""

from tests.cli_write.keyboard import Keyboard

SENT = "SELECT person, kind FROM message WHERE kind = 'reminder' ORDER BY id"
PROOFS = "SELECT count(*) FROM evidence WHERE kind IN ('ack', 'reply', 'attested')"


def held(kw: Keyboard, name: str = "paygate-api", by: str = "ana", until: str = "2026-11-13") -> None:
    """Somebody has work in hand until a day."""
    kw.add(name)
    kw.at = "2026-11-02T10:00:00Z"
    kw.ok("ack", name, "--begun", "--until", until, "--by", by)


def test_a_promise_stands_in_the_name_of_the_other(kw: Keyboard) -> None:
    """The same kind and the same end; who did it is recorded; no route is proven by it."""
    held(kw)
    before = kw.known()["paygate-api"]["in_hand"]
    done = kw.ok("handover", "paygate-api", "--to", "bo", "--by", "mia")
    assert "paygate-api: in hand, bo has begun, done by Fri 13 Nov" in done.out
    assert "until now ana had it" in done.out
    after = kw.known()["paygate-api"]["in_hand"]
    assert after == before | {"person": "bo"}
    (kind, by) = kw.select("SELECT kind, who FROM event WHERE kind = 'handover'")[0]
    assert (kind, by) == ("handover", "mia")
    assert kw.select(PROOFS) == [(0,)]
    assert "was taken over by bo" in kw.ok("audit", "paygate-api").out


def test_both_are_told_unless_they_did_it(kw: Keyboard) -> None:
    """The receiver hears what and until when, the former giver that it is not theirs any more."""
    held(kw)
    kw.ok("handover", "paygate-api", "--to", "bo", "--by", "mia")
    assert kw.select(SENT) == [("bo", "reminder"), ("ana", "reminder")]
    kw.check("2026-11-02T10:05:00Z")
    mails = {one.to: one for one in kw.server.received if one.to in ("bo@example.com", "ana@example.com")}
    assert mails["bo@example.com"].message["Subject"] == "Handed over to you: paygate-api"
    assert "mia handed this over to you" in mails["bo@example.com"].text
    assert "work has begun, to be done by Fri 13 Nov" in mails["bo@example.com"].text
    assert mails["ana@example.com"].message["Subject"] == "bo has it now: paygate-api"
    kw.ok("handover", "paygate-api", "--to", "ana", "--by", "bo")
    assert [one for one, _ in kw.select(SENT)][2:] == ["ana"], "bo did it"
    kw.ok("handover", "paygate-api", "--to", "mia", "--by", "mia")
    assert [one for one, _ in kw.select(SENT)][3:] == ["ana"], "mia took it herself"


def test_everything_that_somebody_holds(kw: Keyboard) -> None:
    """Without a name all of it changes hands in one message; what others hold stays."""
    held(kw)
    held(kw, "checkout-db")
    held(kw, "other", by="mia")
    done = kw.ok("handover", "--from", "ana", "--to", "bo", "-o", "json").json
    assert {(one["credential"], one["from"], one["person"]) for one in done["handed"]} == {
        ("paygate-api", "ana", "bo"),
        ("checkout-db", "ana", "bo"),
    }
    assert kw.known()["other"]["in_hand"]["person"] == "mia"
    assert kw.select(SENT) == [("bo", "reminder"), ("ana", "reminder")]


def test_the_end_is_bounded_by_what_is_allowed_now(kw: Keyboard) -> None:
    """ "I will begin by start by" was promised early; three days before it another may promise the next working day."""
    kw.add()
    kw.at = "2026-11-02T10:00:00Z"
    kw.ok("ack", "paygate-api", "--until", "2026-11-20", "--by", "ana")
    kw.at = "2026-11-17T10:00:00Z"
    done = kw.ok("handover", "paygate-api", "--to", "bo")
    assert "Wed 18 Nov is the last day that it allows now" in done.out
    assert kw.known()["paygate-api"]["in_hand"]["until"] == "2026-11-18T23:00:00Z"


def test_what_is_refused(kw: Keyboard) -> None:
    """Nobody holds it, unknown or unreachable people, the same person, somebody else's: two lines, nothing written."""
    held(kw)
    kw.add("free")
    for args, words in (
        (("free", "--to", "bo"), "nobody has free in hand"),
        (("paygate-api", "free", "--to", "bo"), "nobody has free in hand"),
        (("paygate-api", "--to", "nemo"), "nobody is called 'nemo'"),
        (("paygate-api", "--to", "ana"), "Ana Ruiz has paygate-api in hand already"),
        (("--from", "ana", "--to", "ana"), "both the giver and the receiver"),
        (("--from", "mia", "--to", "bo"), "mia has nothing in hand"),
        (("paygate-api", "--from", "mia", "--to", "bo"), "paygate-api is not in the hand of mia: Ana Ruiz has it"),
        (("nothing", "--to", "bo"), "no credential is called 'nothing'"),
        (("--to", "bo"), "name credentials, or --from PERSON"),
        (("paygate-api",), "Missing option '--to'"),
    ):
        assert words in kw.refused("handover", *args)


def test_the_receiver_must_be_reachable(kw: Keyboard) -> None:
    """A promise in the name of somebody whom nothing reaches would be void at once."""
    held(kw)
    text = (kw.folder / "keywatch.toml").read_text().replace('mail = "mia@example.com"\n', "")
    (kw.folder / "keywatch.toml").write_text(text)
    assert "mia has no living route" in kw.refused("handover", "paygate-api", "--to", "mia")

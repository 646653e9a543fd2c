"""`test`: a real message whose code, and nothing else, proves the route."""

import pytest

from tests.cli_write.keyboard import CONFIG, Keyboard, code_in


def test_the_code_of_a_test_proves_the_route(kw: Keyboard) -> None:
    """Accepted proves nothing; the code from the mail does. A rehearsal prints it, so that it can be played."""
    done = kw.ok("test", "ana")
    code = kw.code_for("ana@example.com")
    assert "ana:mail: accepted" in done.out
    assert f"keywatch ack {code}" in done.out
    assert kw.select("SELECT count(*) FROM evidence") == [(0,)]
    assert "ana:mail is proven" in kw.ok("ack", code).err
    assert kw.select("SELECT route, person, kind FROM evidence") == [("ana:mail", "ana", "attested")]


def test_a_promise_needs_something_to_promise(kw: Keyboard) -> None:
    """`--until` with the code of a test proves the route, and says that nothing was promised."""
    kw.ok("test", "bo")
    done = kw.ok("ack", kw.code_for("bo@example.com"), "--until", "2026-12-01")
    assert "that test asks for no promise, so none was made" in done.err
    assert "bo:mail is proven" in done.err


def test_on_a_real_store_the_code_stands_only_in_the_mail(bare: Keyboard) -> None:
    """What a terminal or a log shows must not be able to prove a route."""
    bare.at = ""
    (bare.folder / "keywatch.toml").write_text(CONFIG.replace(":25", f":{bare.server.port}"))
    bare.ok("init")
    text, data = bare.ok("test", "ana"), bare.ok("test", "bo", "-o", "json")
    codes = [code_in(mail) for mail in bare.server.received]
    assert len(codes) == 2
    assert not any(code in text.out + text.err + data.out + data.err for code in codes)
    assert "keywatch ack CODE" in text.out
    assert data.json["tests"][0]["code"] is None
    bare.ok("ack", codes[0])


def test_a_shared_route_is_asked_for_a_name(kw: Keyboard) -> None:
    """Its mail says --by, and without one its code is refused."""
    kw.ok("test", "payments-alias")
    mail = kw.server.received[-1]
    assert "--by YOUR-NAME" in mail.text
    kw.refused("ack", code_in(mail))
    assert "payments-alias is proven" in kw.ok("ack", code_in(mail), "--by", "mia").err


def test_a_person_is_not_woken_by_a_test(kw: Keyboard) -> None:
    """Of a person's routes those that wake are left out; by its own name such a route is tested."""
    with (kw.folder / "keywatch.toml").open("a") as file:
        file.write('[routes.pager]\nmail = "pager@example.com"\npage = true\nperson = "li"\n')
    kw.ok("test", "Li Wei")
    assert [one.to for one in kw.server.received] == ["li@example.com"]
    kw.ok("test", "pager")
    assert kw.server.received[-1].to == "pager@example.com"


@pytest.mark.parametrize(
    ("rule", "verdict", "code"),
    [("550 5.1.1 no such user", "refused", 1), ("greylist", "deferred", 3), ("451 4.3.0 later", "deferred", 3)],
)
def test_the_exit_code_says_how_it_went(kw: Keyboard, rule: str, verdict: str, code: int) -> None:
    """Refused 1, not delivered yet 3; a refusal of the recipient is evidence against the route."""
    kw.server.rules.recipients["ana@example.com"] = rule
    done = kw("test", "ana")
    assert (done.code, done.err) == (code, "")
    assert f"ana:mail: {verdict}" in done.out
    assert kw.select("SELECT count(*) FROM evidence WHERE kind = 'refused'") == [(int(code == 1),)]


def test_a_dead_route_is_tested_all_the_same(kw: Keyboard) -> None:
    """That is the way back: the code of a test that arrives revives it."""
    kw.server.rules.recipients["ana@example.com"] = "550 5.1.1 no such user"
    assert kw("test", "ana").code == 1
    kw.server.rules.recipients.clear()
    kw.ok("test", "ana")
    assert "lives again" in kw.ok("ack", kw.code_for("ana@example.com")).err


def test_a_mail_server_that_is_down(kw: Keyboard) -> None:
    """Exit 3; the message stays in the outbox and the next run delivers it."""
    kw.server.rules.recipients["ana@example.com"] = "451 4.3.0 later"
    assert "next `keywatch check`" in kw("test", "ana").out
    kw.server.rules.recipients.clear()
    assert [one["route"] for one in kw.check("2026-09-01T12:00:00Z")] == ["ana:mail"]


@pytest.mark.parametrize(("name", "said"), [("anna", "did you mean 'ana'"), ("", "no route"), ("\x1b[2J", "no route")])
def test_an_unknown_route_is_refused(kw: Keyboard, name: str, said: str) -> None:
    """Exit 2, nothing enqueued."""
    assert said in kw.refused("test", name)
    assert kw.server.received == []


def test_somebody_without_a_route(kw: Keyboard) -> None:
    """Exit 2 and what is missing in the config."""
    with (kw.folder / "keywatch.toml").open("a") as file:
        file.write('[people.zoe]\nname = "Zoe"\n')
    assert "no route of their own" in kw.refused("test", "zoe")

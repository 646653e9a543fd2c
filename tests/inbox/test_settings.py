"""What `inbox = …` may say, and what is refused before any server is asked."""

import pytest

from keywatch.errors import Exit, KeywatchError
from keywatch.inbox.boxes import Settings, settings


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("imaps://kw@mail.example.com/INBOX", Settings("", "mail.example.com", 993, "tls", "kw", "pw", "INBOX")),
        ("imaps://kw@mail.example.com", Settings("", "mail.example.com", 993, "tls", "kw", "pw", "INBOX")),
        ("imap://kw@mail.example.com", Settings("", "mail.example.com", 143, "starttls", "kw", "pw", "INBOX")),
        ("imaps://kw@corp.test@m.test:1993/a/b", Settings("", "m.test", 1993, "tls", "kw@corp.test", "pw", "a/b")),
        ("imaps://kw%40corp.test@m.test/My%20Box", Settings("", "m.test", 993, "tls", "kw@corp.test", "pw", "My Box")),
        ("imaps://kw@[::1]/INBOX", Settings("", "::1", 993, "tls", "kw", "pw", "INBOX")),
        ("maildir:/var/mail/keywatch", Settings("/var/mail/keywatch")),
        ("maildir:///var/mail/keywatch", Settings("/var/mail/keywatch")),
    ],
)
def test_settings(text: str, wanted: Settings) -> None:
    """What stands in the config, taken apart; the defaults are those of the protocol."""
    assert settings(text, "pw") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INBOX",
        "https://mail.example.com",
        "pop3://kw@mail.example.com",
        "imaps://mail.example.com/INBOX",
        "imaps://kw@/INBOX",
        "imaps://kw@mail.example.com:99999/",
        "imaps://kw@mail.example.com:0/",
        "imaps://kw@mail.example.com:x/",
        "imaps://kw@mail.example.com/INBOX?x=1",
        "imaps://kw@[::1/INBOX",
        "imaps://kw:canary-in-url@mail.example.com/INBOX",
        "imaps://kw@mail.example.com/Größe",
        "imaps://kw@mail.example.com/a%0D%0Ab",
        "imaps://k%0Aw@mail.example.com/",
        "maildir:",
        "maildir:relative/path",
        "maildir:/",
        "maildir://host/path\n",
    ],
)
def test_bad_settings(text: str) -> None:
    """Each is refused with a hint, exit code 2; a password in the address is not repeated."""
    if text == "maildir://host/path\n":
        assert settings(text).path == "/host/path"  # white space around it is nothing
        return
    with pytest.raises(KeywatchError) as caught:
        settings(text, "canary-password")
    assert caught.value.exit_code is Exit.USAGE
    assert caught.value.hint
    assert "canary" not in f"{caught.value.what}{caught.value.hint}"


def test_imap_needs_a_password() -> None:
    """An empty one is told before any server is asked, and none is shown by the settings."""
    with pytest.raises(KeywatchError, match="needs a password"):
        settings("imaps://kw@mail.example.com/INBOX", "")
    assert "canary" not in repr(settings("imaps://kw@mail.example.com", "canary-1"))

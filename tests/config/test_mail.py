"""How messages leave is settled by one URL, and a login never travels in the clear."""

from pathlib import Path

import pytest

from keywatch import config
from keywatch.errors import ConfigError

LOGIN = 'user = "k"\npassword = "env:PW"'
BASE = '[keywatch]\nowner = "o"\n[people.a]\n[owners.o]\npeople = ["a"]\n[mail]\nfrom = "k@example.com"\n'


def mail(folder: Path, lines: str) -> config.MailSettings:
    path = folder / "keywatch.toml"
    path.write_text(BASE + lines, encoding="utf-8")
    read = config.load(path, {}).mail
    assert read
    return read


@pytest.mark.parametrize(
    ("smtp", "more", "host", "port", "security"),
    [
        ("smtp://127.0.0.1:2525", "", "127.0.0.1", 2525, "plain"),
        ("smtp://localhost:2525", "", "localhost", 2525, "plain"),
        ("smtp://[::1]:2525", "", "::1", 2525, "plain"),
        ("smtp://127.0.0.1:2525", LOGIN, "127.0.0.1", 2525, "starttls"),
        ("smtp://mail.example.com:587", LOGIN, "mail.example.com", 587, "starttls"),
        ("smtp://mail.example.com", "", "mail.example.com", 25, "auto"),
        ("smtp://mail.example.com", 'ca = "ca.pem"', "mail.example.com", 25, "starttls"),
        ("smtp://mail.example.com?starttls=always", "", "mail.example.com", 25, "starttls"),
        ("smtp://mail.example.com?starttls=never", "", "mail.example.com", 25, "plain"),
        ("smtp://localhost?starttls=always", "", "localhost", 25, "starttls"),
        ("smtps://mail.example.com", LOGIN, "mail.example.com", 465, "tls"),
        ("smtps://127.0.0.1:4650", "", "127.0.0.1", 4650, "tls"),
    ],
)
def test_the_way_to_the_server(tmp_path: Path, smtp: str, more: str, host: str, port: int, security: str) -> None:
    """smtps is TLS, a login or a ca requires STARTTLS, and only the way to this machine itself is plain unasked."""
    read = mail(tmp_path, f'smtp = "{smtp}"\n{more}')
    assert (read.sender, read.host, read.port, read.security) == ("k@example.com", host, port, security)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('smtp = "smtp://u:s3cr3t@h"', "[mail] smtp: a login does not belong in the URL"),
        ('smtp = "smtp://u@h"', "[mail] smtp: a login does not belong in the URL"),
        ('smtp = "mail.example.com:587"', "[mail] smtp: write smtp://mail.example.com:587"),
        ('smtp = "https://h"', "[mail] smtp: write smtp://mail.example.com:587"),
        ('smtp = "smtp://"', "[mail] smtp: write smtp://mail.example.com:587"),
        ('smtp = "smtp://h:99999"', "[mail] smtp: is not a URL"),
        ('smtp = "smtp://[::1"', "[mail] smtp: is not a URL"),
        ('smtp = "smtp://h/path"', "[mail] smtp: nothing but ?starttls="),
        ('smtp = "smtp://h?verify=no"', "[mail] smtp: nothing but ?starttls="),
        ('smtp = "smtp://h?starttls=maybe"', "[mail] smtp: only smtp:// takes"),
        ('smtp = "smtps://h?starttls=never"', "[mail] smtp: only smtp:// takes"),
        (f'smtp = "smtp://h?starttls=never"\n{LOGIN}', "would show the password"),
        ('smtp = "smtp://h"\nuser = "k"', "[mail] password: is missing"),
        ('smtp = "smtp://h"\npassword = "env:PW"', "[mail] user: is missing"),
        ('smtp = "smtp://h"\nuser = "k"\npassword = "s3cr3t"', "write env:NAME, file:/path or cmd:argv"),
        ('smtp = "smtp://h"\nbounces = "k@example.com"', "[mail] bounces: write an address with {token}"),
        ('smtp = "smtp://h"\nbounces = "k@{token}.example.com"', "[mail] bounces: write an address with {token}"),
        ('smtp = "smtp://h"\nbounces = "{token}{token}@example.com"', "[mail] bounces"),
        (f'smtp = "smtp://h"\nbounces = "{"k" * 50}+{{token}}@example.com"', "[mail] bounces"),
        ('smtp = "smtp://h"\npasswort = "s3cr3t"', "[mail] passwort: unknown key (did you mean 'password'?)"),
        ("", "[mail] smtp: is missing"),
    ],
)
def test_a_mail_server_that_cannot_be_meant(tmp_path: Path, lines: str, problem: str) -> None:
    """Each mistake says what to write instead, and no secret is repeated."""
    with pytest.raises(ConfigError) as caught:
        mail(tmp_path, lines)
    assert any(problem in line for line in caught.value.problems)
    assert "s3cr3t" not in str(caught.value)


def test_bounces_and_login(tmp_path: Path) -> None:
    """The references are kept as they are; nothing is resolved when the file is read."""
    read = mail(tmp_path, f'smtp = "smtps://h"\nbounces = "k+{{token}}@example.com"\n{LOGIN}')
    assert (read.bounces, read.user, read.password) == ("k+{token}@example.com", "k", "env:PW")
    assert "env:PW" not in repr(read)

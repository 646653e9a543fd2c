"""Boxes: one suite for a Maildir and for an IMAP folder on a real Dovecot, then what each can meet on its own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keywatch.errors import Exit, KeywatchError
from keywatch.inbox import boxes
from keywatch.inbox.boxes import Box, Maildir
from tests.servers.dovecot import Dovecot

RAW = b"From: ana@corp.test\nSubject: one\n\nack 7KQF2\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A box, what brings a mail into it, and what opens it a second time."""

    box: Box
    deliver: Callable[[bytes], object]
    again: Callable[[], Box]
    maildir: Path


@pytest.fixture(params=["maildir", "tls", "starttls"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """An empty box of each sort; a server is asked for only where one is needed."""
    if request.param == "maildir":
        home = Path(request.getfixturevalue("tmp_path")) / "box"
        for folder in ("tmp", "new", "cur"):
            (home / folder).mkdir(parents=True)
        yield Place(Maildir(home), lambda raw: deliver(home, raw), lambda: Maildir(home), home)
        return
    server: Dovecot = request.getfixturevalue("server")
    for folder in ("new", "cur"):
        for left in (server.maildir / folder).glob("*"):
            left.unlink()

    def opened() -> Box:
        return server.box(request.param)

    box = opened()
    yield Place(box, server.deliver, opened, server.maildir)
    box.close()


def deliver(home: Path, raw: bytes, name: str = "") -> str:
    """As a mail server does: written in tmp, then moved to new."""
    name = name or f"{1795000000 + len(list((home / 'new').iterdir()))}.M{time.monotonic_ns()}.mx"
    (home / "tmp" / name).write_bytes(raw)
    (home / "tmp" / name).rename(home / "new" / name)
    return name


def plain(raw: bytes) -> bytes:
    """Without the carriage returns of the wire."""
    return raw.replace(b"\r\n", b"\n")


class TestEveryBox:
    """What a Maildir and an IMAP folder have in common."""

    def test_oldest_first_and_nothing_is_marked(self, place: Place) -> None:
        """Reading changes nothing: the next call, and the next program, see the same mails in the same order."""
        for number in range(12):
            place.deliver(b"Subject: %d\n\nx\n" % number)
        wanted = [b"Subject: %d\n\nx\n" % number for number in range(12)]
        assert [plain(mail.raw) for mail in place.box.unread()] == wanted
        assert [plain(mail.raw) for mail in place.box.unread()] == wanted
        second = place.again()
        assert [plain(mail.raw) for mail in second.unread()] == wanted
        second.close()

    def test_seen_ones_do_not_come_again(self, place: Place) -> None:
        """Only those that were named are marked, and for every program; marking twice is the same as once."""
        for number in range(3):
            place.deliver(b"Subject: %d\n\nx\n" % number)
        first, second, third = place.box.unread()
        place.box.seen([first.uid, third.uid])
        place.box.seen([first.uid, third.uid])
        assert [mail.uid for mail in place.box.unread()] == [second.uid]
        other = place.again()
        assert [plain(mail.raw) for mail in other.unread()] == [plain(second.raw)]
        other.close()

    def test_nobody_else_needs_to_keep_still(self, place: Place) -> None:
        """Mails that come while we read are there at the next call; those that somebody takes away are passed over."""
        place.deliver(b"Subject: 1\n\n")
        place.deliver(b"Subject: 2\n\n")
        reading = place.box.unread()
        first = next(reading)
        place.deliver(b"Subject: 3\n\n")
        for path in [*(place.maildir / "new").iterdir(), *(place.maildir / "cur").iterdir()]:
            if b"Subject: 2" in path.read_bytes():
                path.unlink()
        assert [plain(mail.raw) for mail in reading] in ([], [b"Subject: 3\n\n"])
        place.box.seen([first.uid, "no such mail", "1.999", ""])
        assert [plain(mail.raw) for mail in place.box.unread()] == [b"Subject: 3\n\n"]

    def test_a_huge_mail_is_cut(self, place: Place) -> None:
        """The first 1 MiB comes, and the word that it was cut; one of exactly that size is whole."""
        place.deliver(b"S: 1\r\n\r\n" + b"x" * (boxes.LONGEST - 8))
        place.deliver(b"S: 2\r\n\r\n" + b"x" * (boxes.LONGEST + 5000))
        whole, cut = place.box.unread()
        assert (len(whole.raw), whole.cut) == (boxes.LONGEST, False)
        assert (len(cut.raw), cut.cut) == (boxes.LONGEST, True)

    def test_at_most_so_many(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """A flood comes in portions, oldest first; the rest is left for the next call."""
        monkeypatch.setattr(boxes, "MOST_MAILS", 3)
        monkeypatch.setattr("keywatch.inbox.imap.MOST_MAILS", 3)
        for number in range(5):
            place.deliver(b"Subject: %d\n\n" % number)
        portion = list(place.box.unread())
        assert [plain(mail.raw) for mail in portion] == [b"Subject: %d\n\n" % number for number in range(3)]
        place.box.seen(mail.uid for mail in portion)
        assert len(list(place.box.unread())) == 2

    def test_any_bytes_come_back(self, place: Place) -> None:
        """Bytes of no charset, long lines and no line at all are handed over as they lie there."""
        for raw in (b"\xff\xfe: \x80\n\n\xc3", b"S: " + b"x" * 5000 + b"\n\n", b"* 1 FETCH (UID 1)\n\n)\n"):
            place.deliver(raw)
            (mail,) = place.box.unread()
            assert plain(mail.raw) == raw
            place.box.seen([mail.uid])

    def test_close_twice(self, place: Place) -> None:
        """Closing is never a failure, and a closed box can be used again."""
        place.deliver(RAW)
        place.box.close()
        place.box.close()
        assert len(list(place.box.unread())) == 1


# --------------------------------------------------------------------------- Maildir


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / "box" / folder).mkdir(parents=True)
    return tmp_path / "box"


def test_a_mail_program_beside_us(home: Path) -> None:
    """One that looks at the folder moves mails from new to cur; unread is what has no flag S, and flags are kept."""
    name = deliver(home, RAW)
    (home / "new" / name).rename(home / "cur" / f"{name}:2,F")
    (home / "cur" / "1.read.mx:2,RS").write_bytes(b"old")
    (mail,) = Maildir(home).unread()
    assert (mail.uid, mail.raw) == (name, RAW)
    Maildir(home).seen([mail.uid])
    assert {path.name for path in (home / "cur").iterdir()} == {f"{name}:2,FS", "1.read.mx:2,RS"}


def test_a_mail_moves_while_we_read(home: Path) -> None:
    """Listed in new, opened in cur: it is found where it went."""
    box = Maildir(home)
    names = [deliver(home, b"%d" % number, f"{number}.x") for number in range(2)]
    reading = box.unread()
    next(reading)
    (home / "new" / names[1]).rename(home / "cur" / f"{names[1]}:2,")
    assert [mail.raw for mail in reading] == [b"1"]


def test_only_mails_are_read(home: Path, tmp_path: Path) -> None:
    """Folders, links out of the box, pipes and hidden files are no mails, and none of them holds us up."""
    (tmp_path / "secret").write_text("never")
    (home / "new" / "link").symlink_to(tmp_path / "secret")
    (home / "new" / "folder").mkdir()
    (home / "new" / ".hidden").write_text("x")
    os.mkfifo(home / "new" / "pipe")
    assert list(Maildir(home).unread()) == []


def test_uids_lead_nowhere_else(home: Path, tmp_path: Path) -> None:
    """A uid is looked up among the names that are there, never made into a path."""
    (tmp_path / "victim").write_text("x")
    Maildir(home).seen(["../../victim", "/etc/passwd", "../new/x", ".."])
    assert (tmp_path / "victim").exists()
    assert list((home / "cur").iterdir()) == []


def test_oldest_by_delivery(home: Path) -> None:
    """Names begin with the second of the delivery, which is no text: 9 comes before 10."""
    for name in ("10.b", "9.z", "100.a"):
        deliver(home, name.encode(), name)
    assert [mail.uid for mail in Maildir(home).unread()] == ["9.z", "10.b", "100.a"]


DELIVERER = """
import sys, os, pathlib
home = pathlib.Path(sys.argv[1])
for number in range(400):
    name = f"{1795000000 + number}.M{number}.mx"
    (home / "tmp" / name).write_bytes(b"Subject: %d\\n\\nx\\n" % number)
    os.rename(home / "tmp" / name, home / "new" / name)
"""


def test_nothing_is_lost_under_delivery(home: Path) -> None:
    """While another process delivers 400 mails, each is read whole, once, and marked."""
    box, read = Maildir(home), []
    with subprocess.Popen([sys.executable, "-c", DELIVERER, str(home)]) as process:
        while process.poll() is None or list(box.unread()):
            mails = list(box.unread())
            read += [mail.raw for mail in mails]
            box.seen(mail.uid for mail in mails)
    assert process.returncode == 0
    assert sorted(read) == sorted(b"Subject: %d\n\nx\n" % number for number in range(400))


@pytest.mark.parametrize("missing", ["", "new", "cur"])
def test_a_maildir_that_is_none(home: Path, missing: str) -> None:
    """It is told in one sentence, for reading and for marking, and is exit code 3: nothing could be found out."""
    box = Maildir(home / missing if not missing else home)
    if missing:
        (home / missing).rmdir()
    else:
        box = Maildir(home / "nowhere")
    for use in (lambda: list(box.unread()), lambda: box.seen(["x"])):
        with pytest.raises(KeywatchError, match="inbox: the maildir is not there") as caught:
            use()
        assert caught.value.exit_code is Exit.UNKNOWN
    (home / "file").write_text("x")
    with pytest.raises(KeywatchError, match="is no maildir"):
        list(Maildir(home / "file").unread())


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A Maildir that this process can use only as an ordinary user, as root may read everything."""
    home = Path(tempfile.mkdtemp(prefix="kw-maildir-"))
    home.chmod(0o755)
    for folder in ("tmp", "new", "cur"):
        (home / folder).mkdir()
    user = os.geteuid()
    yield home
    os.seteuid(user)
    shutil.rmtree(home)


def test_one_mail_of_somebody_else(ordinary: Path) -> None:
    """It keeps nobody from reading the others, and is told at the end."""
    for number in range(3):
        deliver(ordinary, b"%d" % number, f"{number}.x")
    (ordinary / "new" / "1.x").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    reading = Maildir(ordinary).unread()
    assert [next(reading).raw, next(reading).raw] == [b"0", b"2"]
    with pytest.raises(KeywatchError, match="may not be read and written by this user"):
        next(reading)

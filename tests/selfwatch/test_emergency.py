"""When `check` cannot use its store, last resort and planned duty hear of it, from the snapshot, once in six hours."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keywatch import emergency
from keywatch.config import load
from keywatch.errors import StoreError
from keywatch.read import refusal
from tests.servers.smtp import Received, SmtpServer
from tests.servers.web import Page, WebServer
from tests.story.story import CONFIG, Answer, Story, telling

SUBJECT = "keywatch cannot open its store: nobody is being reminded"
EVERYBODY = {"li@example.com", "mia@example.com", "ana@example.com"}
"""The last resort, and Ana, who is on duty for payments."""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's temporary folder is another one in each test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


def emergencies(story: Story) -> list[Received]:
    """The mails of that kind since the last look."""
    return [mail for mail in story.inbox() if mail.message["Subject"] == SUBJECT]


def lose(story: Story) -> None:
    """The store is gone; the snapshot stays."""
    for path in story.folder.glob("keywatch.db*"):
        if "snapshot" not in path.name:
            path.unlink()


def refused(story: Story, *args: str) -> Answer:
    """A check that cannot use its store: exit 3, two lines of error, no traceback."""
    answer = story.run("check", "-q", *args, expect=3)
    assert "Error: " in answer.err
    assert "Traceback" not in answer.err
    return answer


# --------------------------------------------------------------------------- what it says


def test_a_store_that_is_gone_is_told_to_last_resort_and_duty(story: Story) -> None:
    """What happened, what to do, what is near and since when that is known; stderr says whom it reached."""
    story.add("old-key", "2026-10-25")
    story.add("staging-key", "2027-01-31", "5bd", "--owner", "payments", "--env", "staging")
    story.check()
    lose(story)
    story.at("2026-10-20 10:00")
    answer = refused(story)
    assert "the emergency is told to li by li:mail, mia by mia:mail, ana by ana:mail" in answer.err
    mails = emergencies(story)
    assert {mail.to for mail in mails} == EVERYBODY
    text = mails[0].text
    assert f"What happened: there is no store at {story.folder / 'keywatch.db'}: No such file or directory" in text
    assert "What to do: was there one? Restore it from a backup" in text
    assert "restored from a backup" in text
    assert "known, 2026-10-20 10:00 (2 h ago)" in text
    near = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.split()[1] for line in near] == ["old-key", "paygate-api", "staging-key"]
    assert near[1] == "- paygate-api (production), expires 2026-12-19, start by 2026-11-20; owner payments"
    assert "This goes to: li, mia, ana." in text


def test_only_the_twenty_nearest_are_named(story: Story) -> None:
    """A mail is read on a phone; the rest is in the snapshot, and is counted."""
    for n in range(24):
        story.add(f"key-{n:02}", f"2026-12-{n + 1:02}")
    story.check()
    lose(story)
    refused(story)
    text = emergencies(story)[0].text
    assert sum(line.startswith("- ") for line in text.splitlines()) == 20
    assert "- key-00 " in text
    assert f"and 5 more in {story.folder / 'keywatch.db.snapshot.json'}" in text


def test_whoever_is_on_duty_now_is_told(tmp_path: Path) -> None:
    """The planned duty at this instant, not at the one of the snapshot: after the hand-over it is Bo's."""
    with telling(tmp_path, "2026-10-09 08:00") as story:
        story.add()
        story.check()
        lose(story)
        refused(story.at("2026-10-13 08:00"))
        assert {mail.to for mail in emergencies(story)} == {"li@example.com", "mia@example.com", "bo@example.com"}


def test_without_a_snapshot_only_the_last_resort_hears_and_is_told_why(story: Story) -> None:
    """Nothing is known of duty or of dates then, and the message says so."""
    lose(story)
    (story.folder / "keywatch.db.snapshot.json").unlink()
    refused(story)
    mails = emergencies(story)
    assert {mail.to for mail in mails} == {"li@example.com", "mia@example.com"}
    assert "What is near is not known: cannot read" in mails[0].text
    assert "nobody but the last resort" in mails[0].text


def test_a_broken_snapshot_is_none(story: Story) -> None:
    """Whatever stands in it, the last resort hears of the store."""
    lose(story)
    (story.folder / "keywatch.db.snapshot.json").write_text('{"schema": 1, "duties": [{}]}')
    refused(story)
    assert {mail.to for mail in emergencies(story)} == {"li@example.com", "mia@example.com"}


def test_nobody_to_tell_is_said(story: Story) -> None:
    """No last resort and no snapshot: the line on stderr is all that is left."""
    story.rewrite('last_resort = ["li:mail", "mia:mail"]\n', "")
    lose(story)
    (story.folder / "keywatch.db.snapshot.json").unlink()
    assert "the emergency is told to nobody: [keywatch] last_resort is empty" in refused(story).err


# --------------------------------------------------------------------------- every way a store can fail


def _corrupt(path: Path) -> None:
    """Everything behind the first page is noise."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def _sql(text: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(text)

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is an empty file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "keywatch.db"),
    "noise": (lambda path: path.write_bytes(os.urandom(8192)), "is not a keywatch store"),
    "damaged": (_corrupt, "is damaged"),
    "another program's": (_sql("DROP TABLE meta"), "holds no keywatch tables"),
    "too new": (_sql("UPDATE meta SET value = '99' WHERE name = 'min_writer'"), "needs"),
    "too old": (_sql("UPDATE alembic_version SET version_num = '20261121_first'"), "older keywatch"),
    "unfinished": (_sql("DELETE FROM meta WHERE name = 'store_uuid'"), "is not a finished keywatch store"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_broken_store_is_told(story: Story, damage: str) -> None:
    """Exit 3, and the mail says in the words of the error what is wrong with the store."""
    breaks, words = DAMAGES[damage]
    path = story.folder / "keywatch.db"
    for more in story.folder.glob("keywatch.db-*"):
        more.unlink()
    breaks(path)
    story.at("2026-10-20 10:00")
    answer = refused(story)
    assert words in answer.err
    mails = emergencies(story)
    assert {mail.to for mail in mails} == EVERYBODY
    (happened,) = [line for line in mails[0].text.splitlines() if line.startswith("What happened")]
    assert words in happened


def test_a_store_that_cannot_be_written_is_told(story: Story) -> None:
    """The timer's user may not write the file: as an ordinary user, since root ignores modes."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become an ordinary user")
    for path in (story.folder / "keywatch.db", *story.folder.glob("keywatch.db-*")):
        path.chmod(0o444)
    (story.folder / "keywatch.db.snapshot.json").chmod(0o644)
    with _reachable(story.folder):
        story.at("2026-10-21 07:00")
        code = "import sys; from keywatch.cli import main; main(sys.argv[1:])"
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code]
        env = {"PATH": os.environ["PATH"], "KEYWATCH_NOW": "2026-10-21T07:00:00Z", "HOME": "/nonexistent"}
        env |= {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": "/tmp"}
        argv += ["--config", str(story.folder / "keywatch.toml"), "check", "-q"]
        done = subprocess.run(argv, cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "cannot be written to" in done.stderr
    assert {mail.to for mail in emergencies(story)} == EVERYBODY
    for left in Path("/tmp").glob("keywatch-65534-*.emergency.json"):
        left.unlink()


@contextlib.contextmanager
def _reachable(folder: Path) -> Iterator[None]:
    """Everybody may pass through the folders above, for as long as this lasts."""
    above = [one for one in (folder, *folder.parents) if not one.stat().st_mode & 0o001]
    modes = {one: one.stat().st_mode for one in above}
    for one in above:
        one.chmod(modes[one] | 0o055)
    try:
        yield
    finally:
        for one, mode in modes.items():
            one.chmod(mode)


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY"])
def test_what_a_disk_says_is_told(story: Story, name: str) -> None:
    """A full disk and a failing one: the sentence of the refusal, with its hint, is what the message says."""
    broken = sqlite3.OperationalError("x")
    broken.sqlite_errorname = name
    problem = refusal(broken, "/var/lib/keywatch/keywatch.db")
    assert problem
    said, reached = emergency.tell(load(story.folder / "keywatch.toml", {}), problem, story.now)
    assert reached
    assert said == ["the emergency is told to li by li:mail, mia by mia:mail, ana by ana:mail"]
    text = emergencies(story)[0].text
    assert f"What happened: {problem.what}\nWhat to do: {problem.hint}" in text


def test_a_database_server_that_does_not_answer_is_told(story: Story) -> None:
    """PostgreSQL away: the snapshot stands beside the config, and every host tells the same once."""
    pytest.importorskip("psycopg")
    (story.folder / "keywatch.db.snapshot.json").rename(story.folder / "keywatch.toml.snapshot.json")
    story.rewrite("sqlite:///keywatch.db", "postgresql://me:4f1d@127.0.0.1:9/keywatch")
    answer = refused(story)
    assert "the store does not answer (PostgreSQL at 127.0.0.1/keywatch)" in answer.err
    mails = emergencies(story)
    assert {mail.to for mail in mails} == EVERYBODY
    assert "4f1d" not in mails[0].raw.decode() + answer.err


# --------------------------------------------------------------------------- a store that is only busy


@pytest.fixture
def locked(story: Story, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Somebody else is writing and does not come to an end."""
    monkeypatch.setattr("keywatch.read.opening.BUSY_MS", 100)
    with contextlib.closing(sqlite3.connect(story.folder / "keywatch.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield story
        other.execute("ROLLBACK")


def test_a_busy_store_is_no_emergency(locked: Story) -> None:
    """The next run goes on: nobody is woken for five seconds."""
    locked.at("2026-10-20 13:59")
    assert "the store is busy" in refused(locked).err
    assert emergencies(locked) == []


def test_a_store_that_stays_busy_is_one(locked: Story) -> None:
    """No run has come through for six hours: then it is broken, whatever the reason."""
    locked.at("2026-10-20 14:01")
    assert "the emergency is told to" in refused(locked).err
    assert {mail.to for mail in emergencies(locked)} == EVERYBODY


# --------------------------------------------------------------------------- once in a slot


def test_once_in_six_hours_to_each(story: Story) -> None:
    """The second run of a slot tells nobody and says so; the next slot tells again, with another Message-ID."""
    lose(story)
    refused(story.at("2026-10-20 06:30"))
    first = {mail.to: mail.message["Message-ID"] for mail in emergencies(story)}
    again = refused(story.at("2026-10-20 11:45"))
    assert "the emergency was told within these six hours to li by li:mail, mia by mia:mail, ana" in again.err
    assert emergencies(story) == []
    refused(story.at("2026-10-20 12:00"))
    second = {mail.to: mail.message["Message-ID"] for mail in emergencies(story)}
    assert first.keys() == second.keys() == EVERYBODY
    assert len({*first.values(), *second.values()}) == 6
    marker = story.folder / "keywatch.db.emergency.json"
    assert marker.stat().st_mode & 0o777 == 0o600
    assert json.loads(marker.read_text()) == {"slot": "2026-10-20/2", "told": ["ana:mail", "li:mail", "mia:mail"]}


def test_without_a_marker_it_goes_out_with_the_same_message_id(story: Story) -> None:
    """Neither folder takes a marker: better twice than never, and a mail program can tell that it is the same."""
    lose(story)
    ids = []
    for _ in range(2):
        refused(story)
        ids.append(sorted(mail.message["Message-ID"] for mail in emergencies(story)))
        (story.folder / "keywatch.db.emergency.json").unlink()
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_two_stores_never_share_a_message_id(story: Story, tmp_path: Path) -> None:
    """A mail server that drops what it has seen must not swallow the message of another machine."""
    lose(story)
    refused(story)
    first = {mail.message["Message-ID"] for mail in emergencies(story)}
    (tmp_path / "other").mkdir()
    with telling(tmp_path / "other", "2026-10-20 08:00", every_days=365) as other:
        other.check()
        lose(other)
        refused(other)
        assert first.isdisjoint(mail.message["Message-ID"] for mail in emergencies(other))


def test_a_folder_that_takes_no_marker_has_a_stand_in(story: Story, tmp_path: Path) -> None:
    """Where nothing can be written beside the snapshot, the marker is in the system's temporary folder."""
    lose(story)
    (story.folder / "keywatch.db.emergency.json").mkdir()  # no file can take that name: root ignores modes
    refused(story)
    assert len(emergencies(story)) == 3
    (marker,) = (tmp_path / "tmp").iterdir()
    assert marker.stat().st_mode & 0o777 == 0o600
    refused(story)
    assert emergencies(story) == []


def test_a_marker_that_somebody_else_planted_is_not_believed(story: Story, tmp_path: Path) -> None:
    """A link, or a file that others may write, in the temporary folder: it keeps nobody from hearing of it."""
    lose(story)
    (story.folder / "keywatch.db.emergency.json").mkdir()
    refused(story)
    (marker,) = (tmp_path / "tmp").iterdir()
    real = tmp_path / "elsewhere.json"
    marker.rename(real)
    marker.symlink_to(real)
    before = real.read_text()
    emergencies(story)
    refused(story)
    assert len(emergencies(story)) == 3
    assert not marker.is_symlink()
    assert real.read_text() == before
    marker.chmod(0o666)
    refused(story)
    assert len(emergencies(story)) == 3


def test_whom_it_did_not_reach_hears_of_it_from_the_next_run(story: Story) -> None:
    """The marker is written after acceptance, for each route: one that refused is tried again, the others are not."""
    lose(story)
    story.server.rules.recipients["li@example.com"] = "451 4.3.0 come back later"
    said = refused(story).err
    assert "the emergency is told to mia by mia:mail, ana by ana:mail" in said
    assert "the emergency is not told to li by li:mail: deferred: 451 4.3.0" in said
    emergencies(story)
    del story.server.rules.recipients["li@example.com"]
    refused(story)
    assert [mail.to for mail in emergencies(story)] == ["li@example.com"]


# --------------------------------------------------------------------------- other troubles at the same time


def test_a_mail_server_that_is_down_is_a_line_and_exit_1(story: Story) -> None:
    """It is asked once, not for each person; the store's error is still the last word.

    Nobody was told, so the exit code is 1: the timer's unit takes 3 for well.
    """
    lose(story)
    story.server.stop()
    lines = story.run("check", "-q", expect=1).err.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [
        f"the emergency is not told to {name} by {name}" for name in ("li", "mia", "ana")
    ]
    assert lines[3].startswith("Error: there is no store")
    assert not (story.folder / "keywatch.db.emergency.json").exists()


def test_a_service_hears_of_it_when_mail_is_down(tmp_path: Path) -> None:
    """A last resort by another transport is what it is for: the phone's service takes it, mail does not."""
    routes = '[routes.phone]\nurl = "env:PHONE"\npage = true\nperson = "li"\n\n[rosters.payments]'
    config = CONFIG.replace("[rosters.payments]", routes).replace('["li:mail", "mia:mail"]', '["mia:mail", "phone"]')
    with WebServer({"/hook": Page()}) as web, telling(tmp_path, "2026-10-20 08:00", config=config) as story:
        story.check()
        lose(story)
        story.server.stop()
        os.environ["PHONE"] = web.url("/hook").replace("http://", "json://")
        try:
            said = refused(story).err
        finally:
            del os.environ["PHONE"]
        assert "the emergency is told to li by phone" in said
        assert web.place not in said
        (request,) = web.requests
        assert json.loads(request.body)["title"] == SUBJECT


def test_a_secret_that_cannot_be_resolved_is_one_routes_trouble(story: Story) -> None:
    """The others are told; the line names the reference."""
    story.rewrite("[rosters.payments]", '[routes.phone]\nurl = "env:NOT_SET_HERE"\n\n[rosters.payments]')
    story.rewrite('last_resort = ["li:mail"', 'last_resort = ["phone", "li:mail"')
    lose(story)
    assert "not told to phone: unreachable: the environment variable NOT_SET_HERE is not set" in refused(story).err
    assert {mail.to for mail in emergencies(story)} == EVERYBODY


def test_a_dry_run_sends_nothing(story: Story) -> None:
    """It is an error all the same."""
    lose(story)
    refused(story, "--dry-run")
    assert emergencies(story) == []


def test_other_commands_do_not_tell(story: Story) -> None:
    """Whoever types a command sees the error; only the timer's run is alone."""
    lose(story)
    story.run("list", expect=3)
    story.run("status", expect=3)
    assert emergencies(story) == []


# --------------------------------------------------------------------------- which time


def test_a_rehearsal_tells_with_its_own_time(story: Story) -> None:
    """The snapshot says that it is of a rehearsal, so its clock is the one that counts."""
    lose(story)
    refused(story.at("2026-10-20 10:00"))
    assert "Tue, 20 Oct 2026 10:00" in emergencies(story)[0].message["Date"]


@pytest.mark.parametrize("said", ["real", "nothing"])
def test_a_pretended_time_counts_nowhere_else(story: Story, said: str) -> None:
    """KEYWATCH_NOW is left over on a real machine: the message goes out with the time that is true."""
    place = story.folder / "keywatch.db.snapshot.json"
    if said == "real":
        place.write_text(json.dumps(json.loads(place.read_text()) | {"rehearsal": False}))
    else:
        place.unlink()
    lose(story)
    refused(story.at("2031-01-01 10:00"))
    sent = datetime.strptime(emergencies(story)[0].message["Date"], "%a, %d %b %Y %H:%M:%S %z")
    assert abs(datetime.now(UTC) - sent) < timedelta(minutes=5)


def test_nothing_that_breaks_here_hides_the_error(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's own refusal comes through, whatever happens on the way."""
    config = load(story.folder / "keywatch.toml", {})
    object.__setattr__(config, "last_resort", ("gone",))
    said = emergency.tell(config, StoreError("the store is gone"), story.now)
    assert said == (["the emergency is told to nobody: KeyError"], False)


def test_the_server_is_the_real_one(story: Story) -> None:
    """It goes by the same notifiers as every message: same sender, no reply expected from a machine."""
    lose(story)
    refused(story)
    mail = emergencies(story)[0]
    assert isinstance(story.server, SmtpServer)
    assert (mail.mail_from, mail.message["Auto-Submitted"]) == ("keywatch@example.com", "auto-generated")

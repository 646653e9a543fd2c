"""One simulated year: the timer runs, people read and work in between, and the judge looks on."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tests.servers.smtp import SmtpServer
from tests.story.company import START, Company, Human, Item
from tests.story.company_bounces import Postmaster
from tests.story.company_days import DAY, HOUR
from tests.story.company_judge import Judge
from tests.story.company_people import Crowd
from tests.story.company_post import Answers, Letter, Post, plugged
from tests.story.company_program import Program


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When the timer starts a run."""

    name: str
    every: timedelta
    hour: int = 0
    """Of its first run, UTC."""

    def runs(self, company: Company) -> Iterator[datetime]:
        """Every start until the end, none in the gap."""
        at = START.replace(hour=0) + self.hour * HOUR
        while at < company.end:
            if at >= START and not company.gap.holds(at):
                yield at
            at += self.every


RHYTHMS = {
    one.name: one
    for one in (
        Rhythm("every 15 minutes", timedelta(minutes=15)),
        Rhythm("hourly", HOUR),
        Rhythm("daily at 09:00", DAY, 8),
        Rhythm("daily at 02:00", DAY, 1),
    )
}
"""The hours are those of Madrid in winter; in summer such a cron runs an hour later by the wall."""


@dataclass
class Life:
    """One company, one installation, one rhythm."""

    folder: Path
    company: Company
    rhythm: Rhythm
    questions: bool = True
    over_smtp: bool = False
    """Through the real mail plugin and a real server, instead of the mail world in memory."""
    with_inbox: bool = False
    """keywatch reads a Maildir, and aliases bounce into it instead of refusing."""
    now: datetime = START
    checks: int = 0
    program: Program = field(init=False)
    post: Post = field(init=False)
    judge: Judge = field(init=False)
    crowd: Crowd = field(init=False)
    _port: int = 9
    _told: int = 0
    _config: str = ""
    _dirty: bool = True

    def __post_init__(self) -> None:
        self.post = Post(self.company, lambda: self.now, over_smtp=self.over_smtp)
        if self.with_inbox:
            self.post.postmaster = Postmaster(self.folder / "inbox")
        self.program = Program(self.folder, lambda: self.now, self._wait)
        self.judge = Judge(self.company, self.post.log)
        self.crowd = Crowd(
            self.company,
            self.program,
            lambda: self.now,
            on_read=lambda letter, human: self.judge.read(letter, human, self.now),
            on_proof=self._proved,
            on_promise=lambda name, person, until: self.judge.promised(name, person, until, self.now),
            on_renewed=self._renewed,
            log=self.post.log,
        )

    def live(self) -> Judge:
        """From the import of the first 150 to the end."""
        with ExitStack() as ends:
            ends.enter_context(plugged(self.post))
            if self.over_smtp:
                server = ends.enter_context(SmtpServer())
                server.rules, self._port = Answers(self.post), server.port
            self._begin()
            ends.callback(self.program.close)
            for at in self.rhythm.runs(self.company):
                self._people_until(at)
                self.now = max(self.now, at)
                self._run()
            self._people_until(self.company.end)
        return self.judge

    def _begin(self) -> None:
        self._config = self._text()
        self.program.begin(self._config)
        items = list(self.company.items.values())
        self.program.imports([item for item in items if item.by_hand])
        for item in items:
            self.judge.seen(item, self.now)
            if item.robot:
                self.crowd.robots(item)
        self._run()  # as whoever sets it up does

    def _text(self) -> str:
        inbox = str(self.folder / "inbox") if self.with_inbox else ""
        return self.company.config(self.now, self._port, questions=self.questions, inbox=inbox)

    def _wait(self, pause: timedelta) -> None:
        self.now += pause

    def _people_until(self, at: datetime) -> None:
        while coming := self.crowd.next_before(at):
            self.now = max(self.now, coming[0])
            coming[1]()
            self._look()

    def _run(self) -> None:
        """One run of the timer, with the config and the file as they are then."""
        if (text := self._text()) != self._config:
            self._config = text
            self.program.configure(text)
        if self._dirty:
            self.program.write_file([item for item in self.company.items.values() if not item.by_hand])
            self._dirty = False
        code, report = self.program.run()
        self.checks += report is not None
        self._look()
        self.judge.ran(code, self.now)

    def _look(self) -> None:
        """What went out since the last look arrives."""
        while self._told < len(self.post.log):
            letter = self.post.log[self._told]
            self._told += 1
            self._label(letter)
            self.judge.sent(letter)
            if letter.accepted:
                self.crowd.arrived(letter)

    def _label(self, letter: Letter) -> None:
        """What only the store knows of a message: its kind, and of what it speaks as to the last resort."""
        message = self.program.reader.message_by(message_ids=[letter.message_id])
        assert message is not None
        letter.kind = message.kind.value
        if letter.notice:
            items = self.program.reader.items(message.id, self.now, superseded=True)
            letter.stages = {item.credential.name: item.stage for item in items}
            letter.last_resort = frozenset(item.credential.name for item in items if item.why == "last resort")

    def _proved(self, letter: Letter, human: Human) -> None:
        del human
        self.judge.proved(letter.to, self.now)

    def _renewed(self, item: Item) -> None:
        self._dirty = self._dirty or not item.by_hand
        self.judge.seen(item, self.now)
        if item.robot:
            self.crowd.robots(item)

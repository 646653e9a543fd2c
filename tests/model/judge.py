"""What must hold after every run, judged from the oracle's books and the post office's log.

I1 told · I2 the whole audience · I3 one message · I4 acks end · I5 absence proves nothing · I6 the most urgent stage ·
cover · quiet. I4 and I5 have no line of their own: the books drop a promise with its version and its date, and keep
what a listing did not show, so that I1, I2 and cover ask for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.model.books import Books, Known
from tests.model.days import DAY, HOUR, Stage
from tests.model.edges import Mail

ALIAS = "alias@example.com"
RUNGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "payments": (("*duty", "@alias"), ("mia",), ("ana", "bo", "cy"), ("li",)),
    "web": (("cy",), ("dee",), (), ("li",)),
    "platform": (("li",), ("mia",), (), ()),
}
"""Who joins at which rung; `*duty` is whoever has the week, `@alias` the shared route."""
LAST_RESORT = {"li", "mia"}
RETRY = timedelta(minutes=10)
SILENCES = 3


@dataclass(frozen=True)
class Run:
    """What one run looked like from outside; a killed one and the one that recovers it are one run."""

    at: datetime
    first: int
    """Where its part of the log begins; a killed run began before the one that took over."""
    mails: list[Mail]
    code: int
    uncovered: frozenset[str]
    far: bool
    """More than an hour after the one before: it retries before it ends."""
    trouble: bool
    """The source or the roster does not answer."""
    killed: bool = False


@dataclass
class Judge:
    """Compares one run with the books."""

    books: Books
    log: list[Mail]
    address: dict[str, str]
    """The mailbox each person has now."""

    def broken(self, run: Run) -> list[str]:
        """Every invariant that does not hold, each with what was expected."""
        said = [*self._exit_code(run), *self._one_message(run), *self._quiet(run)]
        for name, known in self.books.known.items():
            due = known.due(run.at)
            if due:
                said += [f"{name}: {what} [{due[-1]}; {known}]" for what in self._one(name, known, due, run)]
        return [f"{run.at}: {what}" for what in said]

    def _one(self, name: str, known: Known, due: list[Stage], run: Run) -> Iterator[str]:
        stage = due[-1]
        since = [m for m in self.log if name in m.names and m.at >= stage.due]
        called = any(name in m.names and m.at >= stage.due for m in self.log[: run.first])
        heard = [m for m in since if m.accepted]
        excused = name in run.uncovered or self._waiting(since, known, run)
        if not heard and not excused:
            yield "I1 nobody was told"
        if heard and not excused and not self._covers(heard, known, run):
            yield f"cover: {[m.to for m in heard]} are not enough for exit {run.code}"
        if not called:
            rung = max(s.rung for s in due if s.due == stage.due)
            missed = self._audience(known, rung, run.at) - {m.to for m in since} - set(self.books.dead)
            if missed:
                yield f"I2 {sorted(missed)} of rung {rung} were not addressed"

    # ------------------------------------------------------------- I1, cover

    def _waiting(self, since: list[Mail], known: Known, run: Run) -> bool:
        """Put off for the first time, the retry is not due yet, and there is time."""
        early = run.at < known.row.expires - DAY
        failed = [m for m in since if not m.accepted and m.at > run.at - RETRY]
        return early and bool(failed) and (run.killed or not run.far)

    def _covers(self, heard: list[Mail], known: Known, run: Run) -> bool:
        alive = [m for m in heard if m.to not in self.books.dead]
        if any(m.person and self.books.proven(m.to, m.at, run.at) for m in alive):
            return True
        duty = {m.to for m in alive if m.person in self._counting(known.row.owner, m.at)}
        return bool(duty) and len({m.to for m in alive}) > 1

    def _counting(self, owner: str, at: datetime) -> set[str]:
        """People on duty, of the fallback or of the last resort."""
        on_duty = {"payments": self.books.on_duty(at), "web": "cy"}
        return {on_duty.get(owner, "li"), *LAST_RESORT}

    # ------------------------------------------------------------- I2

    def _audience(self, known: Known, rung: int, at: datetime) -> set[str]:
        """The mailboxes of everybody up to a rung; where nobody on duty can be reached, of the members too."""
        owner, duty = known.row.owner, self.books.on_duty(at)
        on_duty = {"payments": duty, "web": "cy"}.get(owner, "li")
        if not on_duty or self.address[on_duty] in self.books.dead:
            rung = max(rung, 2)
        people = [one for step in RUNGS[owner][: rung + 1] for one in step]
        named = [duty if one == "*duty" else one for one in people if one != "@alias"]
        broken = known.broken(at)
        if broken and broken[-1].ends >= at - HOUR and known.due(at)[-1].kind == "lapsed":
            named.append(broken[-1].person)
        alias = {ALIAS} if "@alias" in people else set()
        return {self.address[one] for one in named if one} | alias

    # ------------------------------------------------------------- I3, I6, quiet

    def _one_message(self, run: Run) -> Iterator[str]:
        earlier = {m.message_id for m in self.log[: run.first]}
        first: dict[str, str] = {}
        failed = False
        for mail in run.mails:
            failed = failed or not mail.accepted
            if not mail.notice or mail.message_id in earlier:
                continue
            if first.setdefault(mail.to, mail.message_id) != mail.message_id and not failed:
                yield f"I3 {mail.to} got a second message in one run"

    def _quiet(self, run: Run) -> Iterator[str]:
        earlier = {m.message_id for m in self.log[: run.first]}
        for mail in run.mails:
            for name, state in mail.names.items():
                known = self.books.known.get(name)
                if known is None:
                    yield f"quiet: {name} is over, and {mail.to} is told of it"
                elif mail.message_id not in earlier and not known.due(mail.at):
                    yield f"quiet: nothing of {name} is due, and {mail.to} is told of it [{known}]"
                elif state != known.state(mail.at):
                    yield f"I6 {mail.to} is told that {name} is {state}, and it is {known.state(mail.at)} [{known}]"

    def _exit_code(self, run: Run) -> Iterator[str]:
        wanted = 1 if run.uncovered else 3 if run.trouble else 0
        if run.code != wanted:
            yield f"exit {run.code}, and it should be {wanted}"
        last = {mail.message_id: mail.accepted for mail in self.log}  # one that waits for its next try reached nobody
        fine = not self.books.dead and not self._suspects() and all(last.values())
        if run.uncovered and fine and not run.trouble:
            yield f"uncovered {set(run.uncovered)}, and every mailbox takes everything"

    def _suspects(self) -> set[str]:
        """Mailboxes that may count for nothing: three days on which they were asked and nobody answered."""
        asked: dict[str, set[date]] = {}
        for mail in self.log:
            if (
                mail.accepted
                and mail.notice
                and mail.code
                and mail.at > max(self.books.proofs.get(mail.to, [mail.at - DAY]))
            ):
                asked.setdefault(mail.to, set()).add(mail.at.date())
        return {to for to, days in asked.items() if len(days) >= SILENCES}

"""Faults of rosters: what a rota that does not answer, or answers with nobody, does to who is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from keywatch.errors import Exit
from tests.faults.bench import Bench, closed_port
from tests.faults.fault import Fault, Truth, Undo
from tests.servers.web import Page
from tests.story.test_roster_faults import ANA, BAD, FEED, NOBODY, PLAN, calendar, on_feed

PLANNED = ("ana", "mia", "payments-alerts")
FULL = ("ana", "bo", "cy", "li", "mia", "payments-alerts")


@contextmanager
def rota(folder: Path) -> Iterator[Bench]:
    """A rota behind a calendar feed that was read yesterday; a stage comes due, of which Ana alone would hear."""
    with ExitStack() as rest:
        story, web = rest.enter_context(on_feed(folder, calendar(ANA)))
        bench = Bench(story, frozenset(PLANNED), timedelta(minutes=61), own={"web": web})
        story.check()
        story.at(PLAN)
        yield bench.begin()


def _page(page: Page, *names: str) -> Callable[[Bench], Undo]:
    def arrange(bench: Bench) -> Undo:
        if names:
            bench.due = frozenset(names)
        pages = bench.own["web"].pages
        pages[FEED] = page

        def undo() -> None:
            pages[FEED] = calendar(ANA)

        return undo

    return arrange


def _unreachable(bench: Bench) -> Undo:
    place = bench.own["web"].place
    closed = f"127.0.0.1:{closed_port()}"
    bench.story.rewrite(place, closed)
    return lambda: bench.story.rewrite(closed, place)


def _once(bench: Bench) -> None:
    assert bench.heard == dict.fromkeys(bench.due, 1)


WIDER = Truth("whom the last answer named is told, and one rung more", _once)
WIDEST = Truth("all of the team, its head and the fallback are told", _once)
AGAIN = Truth("says `can be read again`; tells nobody twice, and from now on only whom the rota names", _once)
SAME = Truth("goes on; nobody is told twice", _once)

ROWS = [
    Fault(
        "the rota cannot be reached",
        Exit.UNKNOWN,
        "roster payments: unreachable: the calendar at 127.0.0.1 could not be reached; its last known data go on",
        WIDER,
        AGAIN,
        _unreachable,
        setting=rota,
    ),
    Fault(
        "the rota denies access",
        Exit.UNKNOWN,
        "roster payments: denied: the calendar at 127.0.0.1 answered 403; its last known data go on",
        WIDER,
        AGAIN,
        _page(BAD["403"][0]),
        setting=rota,
    ),
    Fault(
        "the rota does not exist any more",
        Exit.UNKNOWN,
        "roster payments: unknown-target: the calendar at 127.0.0.1 answered 404; its last known data go on",
        WIDER,
        AGAIN,
        _page(BAD["404"][0]),
        setting=rota,
    ),
    Fault(
        "the rota answers with a login page",
        Exit.UNKNOWN,
        "roster payments: nonsense: the calendar at 127.0.0.1 answered with a web page; its last known data go on",
        WIDER,
        AGAIN,
        _page(BAD["login page"][0]),
        setting=rota,
    ),
    Fault(
        "the rota answers with half a calendar",
        Exit.UNKNOWN,
        "roster payments: nonsense: …; its last known data go on",
        WIDER,
        AGAIN,
        _page(BAD["half a calendar"][0]),
        setting=rota,
    ),
    Fault("nobody is on duty", Exit.WELL, "", WIDEST, SAME, _page(NOBODY["an empty calendar"], *FULL), setting=rota),
    Fault(
        "who is on duty has no route",
        Exit.WELL,
        "",
        WIDEST,
        SAME,
        _page(NOBODY["a person without a route"], *FULL),
        setting=rota,
    ),
]

"""What a person who reads cron mails must know of a run and was not told yet."""

from collections.abc import Iterable

from keywatch.dispatch import Sent
from keywatch.model import Blame, VerdictKind
from keywatch.policy.health import VAGUE
from keywatch.read import FeedRow


def news(
    feeds: tuple[list[FeedRow], list[FeedRow]], sent: Iterable[Sent], uncovered: tuple[list[str], list[str]]
) -> list[str]:
    """One line each. Feeds, and the credentials whose call is uncovered: as they were before the run, and after it."""
    problems = {(feed.kind, feed.name, feed.target): feed.problem for feed in feeds[0]}
    said = []
    for feed in feeds[1]:
        was, name = problems.get((feed.kind, feed.name, feed.target), ""), _name(feed)
        if feed.problem and feed.problem != was:
            said.append(f"{name}: {feed.problem}; its last known data go on")
        elif was and not feed.problem:
            said.append(f"{name}: can be read again")
    said += [_not_accepted(one) for one in sent if one.verdict.kind is not VerdictKind.ACCEPTED]
    before, after = uncovered
    said += [f"uncovered: {name}: nobody who counts has accepted it" for name in after if name not in before]
    said += [f"covered again: {name}" for name in before if name not in after]
    return said


def _name(feed: FeedRow) -> str:
    return feed.kind if feed.kind == feed.name else f"{feed.kind} {feed.name}"


def _not_accepted(sent: Sent) -> str:
    verdict, route = sent.verdict, sent.message.route
    words = " ".join(part for part in (verdict.code, verdict.text) if part)
    if verdict.kind is VerdictKind.REFUSED and verdict.blame is Blame.ROUTE:
        dead = "dead or moved" if verdict.code == VAGUE else "dead"
        return f"route {route} is {dead}: {words}; others are told instead"
    blame = f" ({verdict.blame.value})" if verdict.blame else ""
    return f"route {route}: {verdict.kind.value}{blame}: {words}; it is tried again"

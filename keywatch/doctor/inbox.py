"""Whether what comes back by mail is heard of: without it a dead alias looks like one that is read."""

from collections.abc import Iterator
from contextlib import closing

from keywatch.doctor.values import Check, Mark, Patient
from keywatch.errors import KeywatchError
from keywatch.report import distance

_READ = ("inbox", "inbox")
_BOUNCES = 'write [mail] bounces = "keywatch+{token}@example.com", an address that leads into the inbox'


def inbox(patient: Patient) -> Iterator[Check]:
    """What is configured, and how the last reading of it went."""
    bounces = patient.config.mail.bounces if patient.config.mail else ""
    if patient.config.inbox is None:
        if bounces:
            what = f"bounces go to {bounces}, and there is no [inbox]: nobody reads them"
            yield Check(Mark.NOTE, what, 'give [inbox] url = "maildir:/path" or "imaps://user@host/INBOX"')
        return
    if not bounces:
        what = "[mail] bounces is not set: bounces are matched by ENVID and Message-ID only, which some of them lack"
        yield Check(Mark.NOTE, what, _BOUNCES)
    feed = patient.reader.feed(*_READ)
    if feed is None or feed.tried_at is None:
        yield Check(Mark.PROBLEM, "the inbox was never read", "run `keywatch check`, or `keywatch inbox`")
        return
    read = f"last read {distance(patient.now, feed.complete_at)}" if feed.complete_at else "never read"
    if feed.problem:
        yield Check(Mark.PROBLEM, f"the inbox cannot be read: {feed.problem}; {read}", "look at [inbox]")
    else:
        yield Check(Mark.FINE, f"the inbox was {read}")


def inbox_server(patient: Patient) -> Iterator[Check]:
    """Whether it can be read now. Nothing is marked as seen."""
    if patient.config.inbox is None:
        return
    from keywatch.intake import box_of  # brings the store with it

    try:
        with closing(box_of(patient.config)) as box:
            next(iter(box.unread()), None)
    except KeywatchError as problem:
        yield Check(Mark.PROBLEM, problem.what, problem.hint or "look at [inbox]")
    else:
        yield Check(Mark.FINE, "the inbox answers")

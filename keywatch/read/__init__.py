"""Everything keywatch reads from its store: plain SQL on the plain DB-API, frozen values out.

`list`, `gate`, `suspects`, `status`, completion and the question "is anything due?" need only this and the standard
library, so they start in milliseconds. `keywatch.store` lends its connection to the same `Reader` inside a write
transaction: there is one way to read. The only write here is `mark_run`.
"""

from keywatch.read.episodes import standing_of
from keywatch.read.opening import REVISIONS, SCHEMA, connect, judge, place_of, refusal, verify
from keywatch.read.reader import Reader, open_reader
from keywatch.read.rows import (
    COLUMNS,
    Asked,
    Attempt,
    Counts,
    Ended,
    FeedRow,
    Item,
    NoticeRow,
    Subject,
    instant_of,
    stored,
    text_of,
)

__all__ = [
    "COLUMNS",
    "REVISIONS",
    "SCHEMA",
    "Asked",
    "Attempt",
    "Counts",
    "Ended",
    "FeedRow",
    "Item",
    "NoticeRow",
    "Reader",
    "Subject",
    "connect",
    "instant_of",
    "judge",
    "open_reader",
    "place_of",
    "refusal",
    "standing_of",
    "stored",
    "text_of",
    "verify",
]

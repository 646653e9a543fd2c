"""Registers many credentials at once: all of a file or nothing of it, and running it again changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keywatch import labels as reading
from keywatch import register
from keywatch.config import Config
from keywatch.errors import KeywatchError
from keywatch.model import MANUAL, Credential, World
from keywatch.read import Reader
from keywatch.register import Said, Speaker
from keywatch.store import Tx
from keywatch_file import Row, TableError


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does, each by name."""

    new: tuple[tuple[Row, Said], ...] = ()
    updated: tuple[tuple[Credential, Said], ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        """`12 new, 1 updated, 3 unchanged`."""
        return f"{len(self.new)} new, {len(self.updated)} updated, {len(self.unchanged)} unchanged"


def plan(config: Config, world: World, reader: Reader, rows: Sequence[Row], now: datetime, *, update: bool) -> Plan:
    """Hold every row against what is known.

    Raises:
        TableError: rows that name an unknown owner, environment or person, or a name that is in use; all of them.
    """
    problems: list[str] = []
    known = {row.name: row for row in reader.credentials(now, names=[row.name for row in rows])}
    new, updated, unchanged = [], [], []
    for row in rows:
        said = _said(config, world, row, problems)
        old = known.get(row.name)
        if old is None:
            new.append((row, said))
        elif old.source != MANUAL:
            problems.append(f"{_place(row)}: there is one already, from {old.source}:{old.ref}")
        elif _same(old, said):
            unchanged.append(row.name)
        elif update:
            updated.append((old, said))
        else:
            problems.append(f"{_place(row)}: there is one already, and it differs; --update takes what stands here")
    if problems:
        raise TableError(problems)
    return Plan(tuple(new), tuple(updated), tuple(unchanged))


def _place(row: Row) -> str:
    return f"line {row.line} ({row.name})" if row.line else f"'{row.name}'"


def _said(config: Config, world: World, row: Row, problems: list[str]) -> Said:
    labels = {}
    for key, text in row.labels.items():
        try:
            labels[key] = reading.label(config, world, key, text)
        except KeywatchError as problem:
            problems.append(f"{_place(row)}: {problem.what}; {problem.hint}")
    return Said(row.expires, row.never, row.issued, row.automatic or None, labels)


def _same(old: Credential, said: Said) -> bool:
    """Whether saying it changes nothing; what a row leaves out it does not say."""
    dates = (said.expires or old.expires_at, said.issued or old.issued) == (old.expires_at, old.issued)
    flags = (said.never or old.never) == old.never and (said.automatic or old.automatic) == old.automatic
    return dates and flags and {**old.labels, **said.labels} == dict(old.labels)


def carry_out(tx: Tx, config: Config, world: World, what: Plan, who: Speaker, now: datetime) -> list[Credential]:
    """Write a plan down in the caller's transaction. What is new is adopted: asked about, not escalated, for a week."""
    rows = [register.add(tx, config, world, row.name, said, who, now, adopted=True) for row, said in what.new]
    for old, said in what.updated:
        changed = said if said.expires != old.expires_at else replace(said, expires=None)
        rows.append(register.edit(tx, config, world, old, changed, who, now, same_date=False))
    return rows

"""The file as a source: every row Found and everything Covered, or one Gap; a file is never half believed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import ClassVar, cast
from zoneinfo import ZoneInfo

from keywatch.errors import KeywatchError
from keywatch.model import Basis, Covered, Deadline, Found, Gap, Scanned
from keywatch.plugins import Run
from keywatch.text import clean
from keywatch_file.table import LARGEST_BYTES, Kind, Row, TableError, rows

SHOWN = 3
"""Problems named in a gap; `preflight` names them all."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The keys of a `[[source]]` with `kind = "file"`."""

    path: str
    """A .toml or .csv file, relative to the config."""


class FileProvider:
    """Reads one file at each scan."""

    Settings: ClassVar[type[FileSettings]] = FileSettings

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings

    def scan(self, run: Run) -> Iterator[Scanned]:
        """Every row of the file, then Covered; whatever is wrong with the file is one Gap and nothing goes missing."""
        path = run.path(self._settings.path)
        try:
            read = rows(*_content(path), run.zone)
        except TableError as error:
            more = len(error.problems) - SHOWN
            told = "; ".join(error.problems[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
            yield Gap("", f"{clean(path.name)}: {told}")
            return
        except KeywatchError as error:
            yield Gap("", error.what)
            return
        yield from (_found(row, clean(path.name, 100), run.zone) for row in read)
        yield Covered("")

    def preflight(self, run: Run) -> Iterator[str]:
        """Every problem of the file, each in a sentence."""
        path = run.path(self._settings.path)
        try:
            rows(*_content(path), run.zone)
        except TableError as error:
            yield from (f"{clean(path.name)}: {problem}" for problem in error.problems)
        except KeywatchError as error:
            yield error.what


def _content(path: Path) -> tuple[str, Kind]:
    """The text of the file and its kind.

    Raises:
        KeywatchError: neither .toml nor .csv, unreadable, too large or not UTF-8.
    """
    name, kind = clean(path.name), path.suffix.lower().lstrip(".")
    if kind not in ("toml", "csv"):
        raise KeywatchError(f"{name} is neither a .toml nor a .csv file")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise KeywatchError(f"{name} is larger than {LARGEST_BYTES // 1024**2} MiB")
        return content.decode("utf-8-sig"), cast(Kind, kind)
    except OSError as problem:
        raise KeywatchError(f"cannot read {name}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise KeywatchError(f"{name} is not UTF-8; save it as UTF-8 text") from None


def _found(row: Row, file: str, zone: ZoneInfo) -> Found:
    because = f"{file}: expires = {_written(row.expires, zone)}" if row.expires else ""
    return Found(
        ref=row.name,
        # a changed date alone is "rescheduled"; only a new day of issue says that there is a new credential
        version=_written(row.issued, zone) if row.issued else "1",
        name=row.name,
        deadlines=(Deadline(row.expires, Basis.DECLARED, because),) if row.expires else (),
        issued=row.issued,
        never=row.never,
        automatic=row.automatic,
        labels=row.labels,
    )


def _written(at: datetime, zone: ZoneInfo) -> str:
    """The date where it is the start of a day, else the instant."""
    local = at.astimezone(zone)
    if local.time() == time(0):
        return local.date().isoformat()
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

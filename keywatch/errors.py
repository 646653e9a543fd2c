"""The ways keywatch refuses: what happened, what to do about it, and the exit code that says which kind it was."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same in every command."""

    WELL = 0
    BAD = 1
    """The answer is bad: a due notice reached nobody who counts, a gate is blocked, there are suspects."""
    USAGE = 2
    """Usage or configuration."""
    UNKNOWN = 3
    """Could not find out: a source, a roster or the store is down, or the data is too old."""


class KeywatchError(Exception):
    """Something a person can mend. Printed as two lines, never as a traceback."""

    exit_code: Exit = Exit.USAGE

    def __init__(self, what: str, hint: str = "", exit_code: Exit | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class ConfigError(KeywatchError):
    """keywatch.toml says something keywatch cannot use; `problems` holds every one of them."""

    def __init__(self, path: str, problems: list[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__(f"{count} in {path}:\n" + "\n".join(f"  {p}" for p in problems), "mend them and try again")
        self.problems = problems


class DateError(KeywatchError):
    """A date or a duration that cannot be read."""


class StoreError(KeywatchError):
    """The store is missing, empty, damaged, busy or newer than this program."""

    exit_code = Exit.UNKNOWN


class StoreBusyError(StoreError):
    """Somebody else is writing to it: that passes."""


class StoreAwayError(StoreError):
    """The database server does not answer; it may only be starting again."""


class RosterError(KeywatchError):
    """A roster did not answer the question. `kind` tells apart what must not be mistaken for "nobody on duty"."""

    exit_code = Exit.UNKNOWN

    def __init__(self, kind: str, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.kind = kind
        """unreachable, denied, unknown-target or nonsense."""

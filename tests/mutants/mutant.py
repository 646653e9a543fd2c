"""What a planted mistake is: one edit of the program that breaks one rule, and the tests that must notice."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit, and its judges."""

    name: str
    rule: str
    """The rule that no longer holds, in one sentence."""
    file: str
    """Relative to the root of the project."""
    old: str
    """Occurs exactly once in the file."""
    new: str
    judges: tuple[str, ...]
    """Files or node ids below `tests/`; at least one of them must fail."""

    def planted(self, text: str) -> str:
        """`text` with the edit made.

        Raises:
            ValueError: the old text does not occur exactly once, so the catalogue is older than the program.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"{self.name}: {count} times in {self.file}, not once: {self.old!r}")
        return text.replace(self.old, self.new)

    def plant(self, root: Path) -> None:
        """Make the edit in the tree at `root`; byte code of the file goes, as it may be of the same size and second."""
        path = root / self.file
        path.write_text(self.planted(path.read_text(encoding="utf-8")), encoding="utf-8")
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            stale.unlink()

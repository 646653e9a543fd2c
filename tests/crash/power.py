"""The disk as a power cut leaves it, rebuilt from a trace: what was synced is there, of the rest any part may be.

A kill cannot show this, for the kernel keeps what a dead process wrote. Writes that were not synced are kept, dropped,
applied out of order or torn at sectors of 512 bytes; a file made or removed since may be there or not. `-shm` is left
out: SQLite makes it anew.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.state import STORE
from tests.crash.straces import Call, calls

OPTIONS = (
    *("-y", "-xx", "-s", "100000000"),
    *("-e", "trace=pwrite64,write,ftruncate,fdatasync,fsync,unlink,sendto,recvfrom"),
)
"""strace writes every byte."""
SECTOR = 512
FILES = (STORE, f"{STORE}-wal")
_FILE = re.compile(r"^\d+<([^>]*)>(?:\(deleted\))?(?:, )?(.*)$")
_TEXT = re.compile(r'^"([^"]*)"(?:, (\d+)(?:, (\d+))?)?')
_IDENTITY = re.compile(rb"^Message-ID: *(<[^>]+>)", re.MULTILINE | re.IGNORECASE)

Piece = tuple[int, bytes | None]
"""Bytes at an offset; None: the file ends there."""


@dataclass
class Inode:
    """The content of one file: what a power cut cannot take away, and what it can."""

    safe: bytes = b""
    loose: list[Piece] = field(default_factory=list)

    def sync(self) -> None:
        self.safe, self.loose = _written(self.safe, self.loose), []

    def cut(self, chance: random.Random) -> bytes:
        """One of the contents it may have afterwards."""
        keeps = chance.choice((0.0, 0.5, 0.9, 1.0))
        kept = [piece for piece in self.loose if chance.random() < keeps]
        if chance.random() < 0.3:
            chance.shuffle(kept)
        if kept and chance.random() < 0.5:
            at = chance.randrange(len(kept))
            kept[at : at + 1] = _torn(kept[at], chance)
        return _written(self.safe, kept)


def _written(content: bytes, pieces: list[Piece]) -> bytes:
    grown = bytearray(content)
    for offset, data in pieces:
        if data is None:
            del grown[offset:]
        grown.extend(bytes(max(0, offset - len(grown))))
        if data is not None:
            grown[offset : offset + len(data)] = data
    return bytes(grown)


def _torn(piece: Piece, chance: random.Random) -> list[Piece]:
    """Some sectors of a write."""
    offset, data = piece
    if data is None:
        return [piece]
    sectors = [(offset + at, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR)]
    return [sector for sector in sectors if chance.random() < 0.5]


@dataclass
class Disk:
    """The files of a store, by what their names may lead to."""

    names: dict[str, list[Inode | None]]
    taken: list[str] = field(default_factory=list)
    """The Message-IDs the mail server has said that it has."""
    said: bytes = b""
    """What the command has printed."""
    _letter: bytes = b""

    def play(self, call: Call) -> bool:
        """Let one system call happen. Returns whether it could matter to the store or to anybody outside."""
        if call.name == "unlink":
            return self._unlinked(Path(_bytes(call.rest[1:]).decode(errors="replace").rstrip('"')).name)
        found = _FILE.match(call.rest)
        if found is None:
            return False
        name, rest = Path(_bytes(found[1]).decode(errors="replace")).name, found[2]
        if name in FILES:
            return self._changed(name, call.name, rest)
        return self._spoken(call, found[0], rest)

    def cut(self, chance: random.Random, folder: Path) -> None:
        """Write one of the states that a power cut now may leave."""
        for name, choices in self.names.items():
            inode = chance.choice(choices)
            (folder / name).unlink(missing_ok=True)
            if inode is not None:
                (folder / name).write_bytes(inode.cut(chance))
        (folder / f"{STORE}-shm").unlink(missing_ok=True)

    def _unlinked(self, name: str) -> bool:
        if name in FILES and self.names[name][-1] is not None:
            self.names[name].append(None)
            return True
        return False

    def _changed(self, name: str, call: str, rest: str) -> bool:
        inode = self.names[name][-1]
        if inode is None:
            inode = Inode()
            self.names[name].append(inode)
        if call in ("fdatasync", "fsync"):
            inode.sync()
            self.names[name] = [inode]
        elif call == "ftruncate":
            inode.loose.append((int(rest), None))
        else:
            data, _, offset = _arguments(rest)
            inode.loose.append((offset, data))
        return True

    def _spoken(self, call: Call, whole: str, rest: str) -> bool:
        data, _, _ = _arguments(rest)
        if call.name == "write" and whole.startswith("1<"):
            self.said += data
            return True
        if call.name == "sendto":
            self._letter += data
        elif call.name == "recvfrom" and b"queued as" in data:
            self.taken += [name.decode() for name in _IDENTITY.findall(self._letter)]
            self._letter = b""
            return True
        return False


def _bytes(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


def _arguments(rest: str) -> tuple[bytes, int, int]:
    """Data, length and offset of a write."""
    found = _TEXT.match(rest)
    if found is None:
        return b"", 0, 0
    return _bytes(found[1]), int(found[2] or 0), int(found[3] or 0)


def moments(log: Path, template: Path) -> Iterator[Disk]:
    """The disk of `template` after each call of a trace that could matter; always the same object, moved on."""
    names: dict[str, list[Inode | None]] = {}
    for name in FILES:
        path = template / name
        names[name] = [Inode(path.read_bytes()) if path.exists() else None]
    disk = Disk(names)
    for call in calls(log):
        if disk.play(call):
            yield disk

"""What a trial's process is given before it runs: a mark at which it kills or stops itself, or a pen to list the marks.

A mark is a failpoint (`sys.audit("keywatch.…")`) or a line of our own packages. Only the trial's own process knows of
it; the program under test is as it is shipped.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

Order = dict[str, Any]
"""`{"do": "count" | "kill" | "stop", "at": "point" | "line", …}`; a line is `file`, `line` and the how manyth
`hit` after so many `point`s."""


def obey(order: Order) -> Callable[[], Any]:
    """Set the mark. Returns what to call at a peaceful end: the marks that were seen, for `count`."""
    if not order:
        return list
    seen: list[Any] = []
    if order["at"] == "point":
        sys.addaudithook(_points(order, seen))
    else:
        Lines(order, seen).begin()
    return lambda: seen


def _end(order: Order) -> None:
    """SIGKILL to this very process: no handler, no cleaning up, nothing flushed. Or SIGSTOP, and on again later."""
    os.kill(os.getpid(), signal.SIGKILL if order["do"] == "kill" else signal.SIGSTOP)


def _points(order: Order, seen: list[Any]) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, _: tuple[Any, ...]) -> None:
        if event.startswith("keywatch."):
            seen.append(event)
            if len(seen) - 1 == order.get("k"):
                _end(order)

    return hook


class Lines:
    """Follows the lines of our packages, counted anew from each failpoint of the main thread on.

    To strike, it starts at the failpoint before the line: up to there a run goes at its full speed.
    """

    def __init__(self, order: Order, seen: list[Any]) -> None:
        self._order, self._seen = order, seen
        self._point = 0
        self._hits: dict[tuple[str, int], int] = {}
        self._followed: dict[CodeType, str] = {}

    def begin(self) -> None:
        sys.addaudithook(self._passed)
        if self._order["do"] == "count" or self._order["point"] == 0:
            self._follow()

    def _passed(self, event: str, _: tuple[Any, ...]) -> None:
        if not event.startswith("keywatch.") or threading.current_thread() is not threading.main_thread():
            return
        self._point += 1
        self._hits.clear()
        if self._order["do"] != "count" and self._point == self._order["point"]:
            self._follow()

    def _follow(self) -> None:
        """From here on, in the functions that are running too; mail goes out from threads that are yet to come."""
        threading.settrace(self._call)
        sys.settrace(self._call)
        frame: FrameType | None = sys._getframe(1)
        while frame:
            if self._name(frame.f_code):
                frame.f_trace = self._line
            frame = frame.f_back

    def _name(self, code: CodeType) -> str:
        """The file of a function that is to be followed, else ""; to strike, that is the one function with the line."""
        if code not in self._followed:
            name = ours(code.co_filename)
            if self._order["do"] != "count":
                held = {line for _, _, line in code.co_lines()}
                name = name if name == self._order["file"] and self._order["line"] in held else ""
            self._followed[code] = name
        return self._followed[code]

    def _call(self, frame: FrameType, _: str, __: Any) -> Any:
        return self._line if self._name(frame.f_code) else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            key = self._name(frame.f_code), frame.f_lineno
            self._hits[key] = self._hits.get(key, 0) + 1
            if self._order["do"] == "count":
                self._seen.append([*key, self._point, self._hits[key]])
            elif key == (self._order["file"], self._order["line"]) and self._hits[key] == self._order["hit"]:
                _end(self._order)
        return self._line


def ours(path: str) -> str:
    """A source file of one of our packages, from the package on (`keywatch/store/outbox.py`); "" for any other."""
    if not _ROOTS:
        tops = {name for name in sys.modules if name.startswith("keywatch") and "." not in name}
        folders = (Path(str(sys.modules[name].__file__)).parent for name in tops)
        _ROOTS.update((f"{folder}/", f"{folder.name}/") for folder in folders)
    found = (name + path.removeprefix(root) for root, name in _ROOTS.items() if path.startswith(root))
    scripts = path.rpartition("/keywatch_migrations/")  # a copy with one migration more
    return next(found, scripts[2] and "keywatch_migrations/" + scripts[2] if scripts[1] else "")


_ROOTS: dict[str, str] = {}
"""The folders of our packages, with what they are called."""

"""A warm process that has imported everything, and forks a run of keywatch in milliseconds: each trial is a real
process with the program as it is, and dies a real death.

As a process:   python -m tests.crash.forkserver      (one JSON order a line on stdin, one JSON answer a line on stdout)
"""

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

LONGEST_S = 120
"""Seconds a run may take; then it hangs, which is a failure of its own."""
PR_SET_PDEATHSIG, PR_SET_PTRACER = 1, 0x59616D61
"""Numbers of <linux/prctl.h>."""
FIRST = (
    *(
        "keywatch_mail.kwmail",
        "keywatch_apprise.dispatcher",
        "keywatch_file",
        "keywatch_rotation",
        "keywatch_migrations",
    ),
    *(
        "sqlalchemy.dialects.sqlite.pysqlite",
        "sqlite3",
        "smtplib",
        "jinja2",
        "tests.crash.killers",
        "tests.crash.plants",
    ),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    code: int
    """Its exit code; negative: the signal that killed it."""
    out: str = ""
    err: str = ""
    seen: list[Any] = field(default_factory=list)
    """The marks of a run that ended in peace."""
    stopped: int = 0
    """Not ended: the process of this id has stopped itself and waits for `go`."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Forks:
    """The fork server as a test sees it."""

    def __enter__(self) -> Self:
        env = {name: value for name, value in os.environ.items() if not name.startswith("KEYWATCH_")}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forkserver"],
            env=env | {"PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.communicate()

    def run(self, folder: Path, now: str, *args: str, plant: str = "", **order: Any) -> Ended:
        """One command in a process of its own, in `folder`, with `now` as the time of its rehearsal."""
        return self._ask({"folder": str(folder), "now": now, "args": args, "plant": plant, "order": order})

    def go(self, stopped: int) -> Ended:
        """Let a process that stopped itself go on to its end."""
        return self._ask({"go": stopped})

    def _ask(self, order: dict[str, Any]) -> Ended:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the fork server died"
        return Ended(**json.loads(answer))


# --------------------------------------------------------------------------- the process itself


def main() -> None:
    """Serve until the end of stdin."""
    _warm()
    papers: dict[int, tuple[int, int, int]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "go" in order:
            pid = order["go"]
            os.kill(pid, signal.SIGCONT)
        else:
            files = os.memfd_create("out"), os.memfd_create("err"), os.memfd_create("seen")
            pid = os.fork()
            if pid == 0:
                _child(order, *files)
            papers[pid] = files
        print(json.dumps(_wait(pid, papers)), flush=True)


def _warm() -> None:
    """Import whatever a run could need, so that no trial pays for it."""
    warnings.simplefilter("ignore")
    import keywatch
    from keywatch import render

    found = (module.name for module in pkgutil.walk_packages(keywatch.__path__, "keywatch."))
    for name in [*FIRST, *(name for name in found if not name.endswith("__main__"))]:
        with suppress(Exception):  # what cannot be imported fails where it is needed
            importlib.import_module(name)
    for template in ("message.txt", "message.html"):
        render._environment().get_template(template)
    gc.collect()
    gc.freeze()


def _wait(pid: int, papers: dict[int, tuple[int, int, int]]) -> dict[str, Any]:
    """Until it ends or stops itself."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"code": 0, "stopped": pid}
    out, err, seen = (_read(file) for file in papers.pop(pid))
    return {"code": os.waitstatus_to_exitcode(status), "out": out, "err": err, "seen": json.loads(seen or "[]")}


def _read(file: int) -> str:
    with os.fdopen(file, "rb") as paper:
        paper.seek(0)
        return paper.read().decode(errors="replace")


def _child(order: dict[str, Any], out: int, err: int, seen: int) -> None:
    """The trial. Never returns."""
    code = 70
    try:
        _tied()
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(order["folder"])
        os.environ["KEYWATCH_NOW"] = order["now"]
        code, marks = _act(order)
        os.write(seen, json.dumps(marks).encode())
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _tied() -> None:
    """It dies with the fork server, also where it has stopped itself, and strace may attach to it (Yama)."""
    signal.alarm(LONGEST_S)
    system = ctypes.CDLL(None)
    system.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    system.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))


def _act(order: dict[str, Any]) -> tuple[int, list[Any]]:
    from tests.crash.killers import obey
    from tests.crash.plants import plant

    if order["plant"]:
        plant(order["plant"])
    if order["order"].get("at") == "start":
        os.kill(os.getpid(), signal.SIGSTOP)
        return _command(order["args"]), []
    marks = obey(order["order"])
    code = _command(order["args"])
    sys.settrace(None)
    return code, marks()


def _command(args: list[str]) -> int:
    """`@upgrade URL FOLDER` upgrades with the migrations of another folder; all else is the command line."""
    if args[0] == "@upgrade":
        from keywatch import schema

        schema.upgrade(args[1], Path(args[2]))
        return 0
    from keywatch.cli import main as command_line

    try:
        command_line(args)
    except SystemExit as done:
        return int(done.code or 0)
    return 0


if __name__ == "__main__":
    main()

"""Traces and kills a run from outside, at the system calls by which it changes anything, with strace.

Everything that SQLite does inside a commit lies between two lines of Python; only here a run dies in the middle of it.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash.forkserver import Ended, Forks
from tests.servers.need import missing

CALLS = (
    *("pwrite64", "write", "ftruncate", "fdatasync", "fsync", "unlink", "rename", "link", "fcntl"),
    *("connect", "sendto", "recvfrom", "fchmod", "chmod", "mkdir"),
)
"""What changes files, or speaks with the mail server, and what stands between."""
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_RETURNS = re.compile(r"\) += (-?\d+)(?:<.*>)?(?: .*)?$")


def needed() -> None:
    """Skip without strace, or where it may not trace; in CI that is a failure."""
    if shutil.which("strace") is None:
        missing("no strace on PATH; the package of the distribution is called strace")
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        missing(f"strace may not trace here: {tried.stderr.strip()[-200:]}; a container needs CAP_SYS_PTRACE")


def traced(forks: Forks, folder: Path, now: str, args: tuple[str, ...], log: Path, *options: str) -> Ended:
    """One run with strace attached before its first step; what it traces goes to `log`."""
    halted = forks.run(folder, now, *args, do="stop", at="start")
    command = ["strace", "-f", "-p", str(halted.stopped), "-o", str(log), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        ended = forks.go(halted.stopped)
        tracer.stderr.read()
    return ended


def killed(forks: Forks, folder: Path, now: str, args: tuple[str, ...], call: str, n: int) -> Ended:
    """A run that dies as it makes the n-th system call of this name."""
    options = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}")
    return traced(forks, folder, now, args, Path("/dev/null"), *options)


def installed(folder: Path, now: str, args: tuple[str, ...], call: str, n: int) -> int:
    """The same to the installed command, from its very start; its exit status as a shell sees it."""
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}"]
    program = [str(Path(sys.executable).with_name("keywatch")), *args]
    env = {"PATH": "/usr/bin:/bin", "KEYWATCH_NOW": now, "HOME": str(folder)}
    return subprocess.run([*command, *program], cwd=folder, env=env, capture_output=True, check=False).returncode


def counted(log: Path) -> dict[str, int]:
    """How often each call was made."""
    found = dict.fromkeys(CALLS, 0)
    for call in calls(log):
        if call.name in found:
            found[call.name] += 1
    return found


@dataclass(frozen=True, slots=True)
class Call:
    """One finished system call."""

    name: str
    rest: str
    """The arguments as strace writes them."""
    result: int


def calls(log: Path) -> Iterator[Call]:
    """The finished calls of a trace, in the order in which they ended; those of two threads come in two halves."""
    begun: dict[str, str] = {}
    for line in log.read_text(encoding="ascii", errors="replace").splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        pid, name, rest = found.groups()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        returns = _RETURNS.search(rest)
        if returns:
            yield Call(name, begun.pop(pid, "") + rest[: returns.start()], int(returns[1]))

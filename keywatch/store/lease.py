"""Who holds a lease, and whether that process is certainly dead, so that a killed run is taken over at once.

An owner is `host:boot:pid:start`. Only a process of the same host and the same pid namespace can be judged; of any
other the lease must run out.
"""

import os
import socket
from pathlib import Path

PROC = Path("/proc")


def owner_name(pid: int | None = None, proc: Path = PROC) -> str:
    """The name under which a process (default: this one) holds leases."""
    pid = pid or os.getpid()
    return f"{_host(proc)}:{_boot(proc)}:{pid}:{_started(pid, proc)}"


def is_gone(owner: str, proc: Path = PROC) -> bool:
    """Whether the process behind an owner is certainly dead; False wherever that cannot be known."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or not parts[2].isdecimal() or not parts[1] or not _boot(proc):
        return False
    host, boot, pid, started = parts
    if host != _host(proc):
        return False
    if boot != _boot(proc):
        return True
    now = _started(int(pid), proc)
    return now != started if now is not None else not _exists(int(pid))


def _exists(pid: int) -> bool:
    """Whether there is such a process, also one of another user that /proc does not show."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _host(proc: Path) -> str:
    """The host with its pid namespace: two containers can share a name."""
    try:
        space = (proc / "self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"


def _boot(proc: Path) -> str:
    try:
        return (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int, proc: Path) -> str | None:
    """When a process started, in ticks since boot; "" = it is a zombie, so gone; None = /proc does not show it."""
    try:
        after_name = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if after_name[0] in "ZX" else after_name[19]

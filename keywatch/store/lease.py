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
    return boot != _boot(proc) or _started(int(pid), proc) != started


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


def _started(pid: int, proc: Path) -> str:
    """When a process started, in ticks since boot; "" = it is gone (a zombie is gone too)."""
    try:
        after_name = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]

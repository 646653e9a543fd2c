"""A real DNS server over UDP on the loopback: a test says which domains there are, and how it fails."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.servers.need import missing

Zone = Mapping[str, Mapping[str, Sequence[str]] | str]
"""Domain → its records by type (`{"MX": ["10 mx.example.com."]}`), or `SERVFAIL`, or `silence`; others do not exist."""
NULL_MX = {"MX": ["0 ."]}


def mail(host: str = "mx.example.com.") -> Mapping[str, Sequence[str]]:
    """The records of a domain that takes mail."""
    return {"MX": [f"10 {host}"]}


@dataclass
class DnsServer:
    """A running server. `zone` may change while it runs; `asked` holds every question, such as `example.com MX`."""

    zone: Zone
    port: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, wire: bytes) -> bytes | None:
        """The reply to one packet; None: silence."""
        import dns.message
        import dns.rcode
        import dns.rdatatype
        import dns.rrset

        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        records: Any = self.zone.get(name)
        if records == "silence":
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if records is None or isinstance(records, str):
            reply.set_rcode(dns.rcode.from_text(records or "NXDOMAIN"))
        elif kind in records:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records[kind]))
        return bytes(reply.to_wire())


@contextmanager
def serving(zone: Zone) -> Iterator[DnsServer]:
    """Serve on a free port, and be what this process's resolver asks, until the block ends."""
    try:
        import dns.resolver
    except ImportError:
        missing("no dnspython; pip install 'keywatch[dns]'")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.05)
        server, over = DnsServer(zone, listening.getsockname()[1]), threading.Event()
        thread = threading.Thread(target=_serve, args=(server, listening, over))
        thread.start()
        resolver: Any = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
        # dnspython's own place for the resolver of a process; the code under test asks for that one.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns.resolver, "default_resolver", resolver)
            try:
                yield server
            finally:
                over.set()
                thread.join()


def _serve(server: DnsServer, listening: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        try:
            wire, sender = listening.recvfrom(4096)
        except TimeoutError:
            continue
        if (reply := server.answer(wire)) is not None:
            listening.sendto(reply, sender)

"""A small real HTTP server on loopback: one answer per path, everything that came in kept.

with WebServer({"/feed.ics": Page(body=b"BEGIN:VCALENDAR…"), "/gone": Page(410), "/slow": Page(hang=True)}) as server: …
"""

import contextlib
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Page:
    """What one path answers. `hang`: nothing at all. `drip`: a byte of the body every 50 ms."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drip: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class WebServer:
    """Start on entering, stop on leaving; `pages` may change in between. Paths are compared without their query."""

    def __init__(self, pages: Mapping[str, Page] | None = None, certificate: Path | None = None) -> None:
        self.pages = dict(pages or {})
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def place(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str) -> str:
        return f"{self._scheme}://{self.place}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = Request(self.command, self.path, dict(self.headers), self.rfile.read(length))
                outer.requests.append(asked)
                page = outer.pages.get(self.path.partition("?")[0], Page(404))
                with contextlib.suppress(OSError):
                    outer._speak(self, page)

            do_GET = do_POST = do_HEAD = do_PUT = _answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Quiet: the test looks at `requests`."""

        return Handler

    def _speak(self, to: BaseHTTPRequestHandler, page: Page) -> None:
        if page.hang:
            self._stopping.wait()
            return
        to.send_response(page.status)
        for name, value in page.headers.items():
            to.send_header(name, value)
        if "Content-Length" not in page.headers:
            to.send_header("Content-Length", str(len(page.body)))
        to.end_headers()
        if not page.drip:
            to.wfile.write(page.body)
            return
        for byte in page.body:
            if self._stopping.wait(0.05):
                return
            to.wfile.write(bytes([byte]))
            to.wfile.flush()

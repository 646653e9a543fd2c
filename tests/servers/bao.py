"""A real OpenBao (or Vault) server for one test, with an audit log that tells what was really asked of it."""

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.servers.need import free_port, program

READY_SECONDS = 20


@dataclass(frozen=True)
class Bao:
    """A running, unsealed development server; `secret/` is a KV v2 mount."""

    address: str
    root: str
    log: Path
    ca: str = ""
    openbao: bool = True
    """False: HashiCorp Vault, which lacks namespaces and pages."""

    def api(self, method: str, path: str, body: Any = None, token: str = "", namespace: str = "") -> dict[str, Any]:
        """One request as root or as `token`; any refusal fails the test."""
        headers = {"X-Vault-Token": token or self.root} | ({"X-Vault-Namespace": namespace} if namespace else {})
        answer = requests.request(
            method, f"{self.address}/v1/{path}", json=body, headers=headers, timeout=10, verify=self.ca or True
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def note(self, path: str, mount: str = "secret", namespace: str = "", **custom: str) -> None:
        """Write custom metadata onto a secret."""
        self.api("POST", f"{mount}/metadata/{path}", {"custom_metadata": custom}, namespace=namespace)

    def put(self, path: str, mount: str = "secret", **value: str) -> None:
        """Write a new version of a secret's value."""
        self.api("POST", f"{mount}/data/{path}", {"data": value or {"password": "x"}})

    def token(self, policy: str, **options: Any) -> str:
        """A token that has this policy (HCL) and `default`, and is called `keywatch` in the audit log."""
        name = f"p{secrets.token_hex(4)}"
        self.api("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        asked = {"policies": [name], "display_name": "keywatch", **options}
        return str(self.api("POST", "auth/token/create", asked)["auth"]["client_token"])

    def asked(self) -> list[tuple[str, str]]:
        """(operation, path) of every request that was not made as root, from the audit log."""
        entries = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        # what has no remote address is the server's own trial of the log
        wire = [e for e in entries if e["type"] == "request" and e["request"].get("remote_address")]
        mine = [e["request"] for e in wire if "root" not in (e.get("auth") or {}).get("policies", [])]
        return [(request["operation"], request["path"]) for request in mine]


@contextmanager
def bao(folder: Path, *, tls: bool = False) -> Iterator[Bao]:
    """Start a fresh server on a free port and end it with the block."""
    binary = program("bao", "vault")
    port, root, log = free_port(), f"root-{secrets.token_hex(8)}", folder / "audit.log"
    config = folder / "server.hcl"
    openbao = binary.name == "bao"
    # OpenBao takes audit devices from its configuration only, Vault through its API only
    config.write_text(f'audit "file" "tests" {{\n  options {{ file_path = "{log}" }}\n}}\n' if openbao else "\n")
    argv = [str(binary), "server", "-dev", f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"]
    argv += [f"-config={config}", f"-dev-root-token-id={root}"]
    argv += ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else []
    with (folder / "server.out").open("wb") as out:
        process = subprocess.Popen(
            argv,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
    try:
        server = Bao(
            f"{'https' if tls else 'http'}://127.0.0.1:{port}", root, log, _ready(process, port, folder, tls), openbao
        )
        if not openbao:
            server.api("PUT", "sys/audit/tests", {"type": "file", "options": {"file_path": str(log)}})
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", port: int, folder: Path, tls: bool) -> str:
    """Wait until it has mounted `secret/` and listens; the CA file that vouches for it, or ""."""
    until = time.monotonic() + READY_SECONDS
    said = ""
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.03)
        said = (folder / "server.out").read_text(encoding="utf-8")
        if "Root Token" not in said:  # the last thing a development server prints about itself
            continue
        ca = next((str(file) for file in folder.glob("*-ca.pem")), "")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return ca if tls else ""
    raise AssertionError(f"the server did not start:\n{said[-2000:]}")

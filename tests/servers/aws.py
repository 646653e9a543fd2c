"""moto's server over real HTTP, with a recording of every operation it was asked for."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Aws:
    """A running server. What is asked is recorded from `record` on."""

    address: str

    def client(self, region: str = "eu-west-1") -> Any:
        """A Secrets Manager client of the test's own."""
        return boto3.client("secretsmanager", region_name=region, endpoint_url=self.address)

    def reset(self) -> None:
        """Forget every secret and what was recorded."""
        requests.post(f"{self.address}/moto-api/reset", timeout=10)
        requests.post(f"{self.address}/moto-api/recorder/reset-recording", timeout=10)
        requests.post(f"{self.address}/moto-api/recorder/stop-recording", timeout=10)

    def record(self) -> None:
        requests.post(f"{self.address}/moto-api/recorder/start-recording", timeout=10)

    def operations(self) -> list[str]:
        """The operations asked for since `record`: `ListSecrets`, `GetCallerIdentity`. The access log cannot tell."""
        text = requests.get(f"{self.address}/moto-api/recorder/download-recording", timeout=10).text
        return [_operation(json.loads(line)) for line in text.splitlines() if line]


def _operation(entry: dict[str, Any]) -> str:
    headers = {name.lower(): value for name, value in entry["headers"].items()}
    if target := headers.get("x-amz-target"):
        return str(target).rpartition(".")[2]
    body = entry["body"]
    if entry["body_encoded"]:
        import base64

        body = base64.b64decode(body).decode()
    return str(body).partition("Action=")[2].partition("&")[0] or str(entry["url"])


@contextmanager
def aws(folder: Path) -> Iterator[Aws]:
    """Serve on a free port of the loopback until the block ends."""
    os.environ["MOTO_RECORDER_FILEPATH"] = str(folder / "recording")  # read when moto is imported
    (folder / "recording").touch()
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Aws(f"http://{host}:{port}")
    finally:
        server.stop()

"""What the suites of the notifiers share: certificates and one message."""

from pathlib import Path

import pytest

from keywatch.model import Outgoing, Rendered
from tests.servers.certificates import Certificates, issue


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return issue(folder)


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(
        rendered=Rendered(
            "Start today: paygate-api (production), expires 19 Dec",
            "You are on call.\n\nkeywatch ack 7KQF2\n",
            "<p>You are on call.</p>",
        ),
        message_id="<01j.1@keywatch.test>",
        token="t0k3n",
        to="ana@corp.test",
        thread="<episode-7@keywatch.test>",
    )

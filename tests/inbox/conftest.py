"""What the suites of the boxes share: certificates and one Dovecot."""

from collections.abc import Iterator

import pytest

from tests.servers.certificates import Certificates, issue
from tests.servers.dovecot import Dovecot


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> Iterator[Dovecot]:
    with Dovecot(certificates) as running:
        yield running

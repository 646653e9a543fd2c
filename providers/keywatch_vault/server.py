"""The wire to Vault or OpenBao: the few requests keywatch ever makes, what their failures mean, and retries.

There is no way through here to a secret's value: every path is built by `_metadata`, below `<mount>/metadata/`.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import hvac
import hvac.exceptions
import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.util.retry import Retry

from keywatch.text import clean

RETRIED = (412, 429, 472, 473, 500, 502, 503)
ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 20
THREADS = 16
"""Connections kept open; the run decides how many threads use them."""

_TRANSIENT = (
    hvac.exceptions.VaultDown,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.BadGateway,
    hvac.exceptions.RateLimitExceeded,
    hvac.exceptions.UnexpectedError,  # 412, 472 and 473: the wrong node, or one that lags behind
)


class RefusedError(Exception):
    """A request that brought nothing, and what that means."""

    def __init__(self, reason: str, *, transient: bool = False, denied: bool = False, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        """Fit to be shown: names paths, never a token."""
        self.transient = transient
        self.denied = denied
        """403: of this path, or of the token itself."""
        self.gone = gone
        """404 without a word: there is no such secret, or the folder is empty."""


class _PatientRetry(Retry):
    """Obeys Retry-After, but not for longer than a scan can wait."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, LONGEST_PAUSE_SECONDS)


class Server:
    """One server and one token; safe to use from several threads."""

    def __init__(self, address: str, token: str, *, ca: str, namespace: str, timeout: int) -> None:
        self._namespace = namespace
        self._timeout = timeout
        self._session = _session(ca, retried=True)
        self._login_session = _session(ca, retried=False)
        self._client = self._connect(address, token, self._session)
        self._pages = True
        """Whether the server knows `after`; learnt once, so that Vault is not asked twice for each folder."""

    def _connect(self, address: str, token: str, session: requests.Session) -> Any:
        # token="" keeps hvac from taking VAULT_TOKEN or ~/.vault-token, which may be a developer's root token
        namespace = self._namespace or None
        return hvac.Client(address, token=token, session=session, timeout=self._timeout, namespace=namespace)

    def close(self) -> None:
        self._session.close()
        self._login_session.close()

    def login(self, role_id: str, secret_id: str, mount: str) -> None:
        """Take a token by AppRole; tried once, because each try uses up a secret id.

        Raises:
            RefusedError: the server did not give one.
        """
        client = self._connect(self._client.url, "", self._login_session)
        _tried(lambda: client.auth.approle.login(role_id, secret_id, mount_point=mount), f"auth/{mount}/login")
        self._client.token = client.token

    def revoke_own_token(self) -> None:
        """Give a token of `login` back, so that hourly runs do not pile them up. It ends by itself should that fail."""
        try:
            _tried(self._client.auth.token.revoke_self, "auth/token/revoke-self")
        except RefusedError:
            return

    def own_token_accepted(self) -> None:
        """Ask whether the token is good.

        Raises:
            RefusedError: `denied` when the server does not know it, or its policies lack `lookup-self`.
        """
        _tried(self._client.auth.token.lookup_self, "auth/token/lookup-self")

    def capabilities(self, paths: list[str]) -> dict[str, list[str]]:
        """What the token may do with each API path.

        Raises:
            RefusedError: it may not even ask.
        """
        answer = _tried(lambda: self._client.sys.get_capabilities(paths), "sys/capabilities-self")
        return {path: list(_data(answer, "sys/capabilities-self").get(path, [])) for path in paths}

    def keys(self, mount: str, folder: str) -> list[str]:
        """Every name in a folder ("" or ending in `/`); subfolders end in `/`. A short page is never believed.

        Raises:
            RefusedError: it could not be listed to the end.
        """
        url = _metadata(mount, folder)
        known: dict[str, None] = {}
        after = ""
        while True:
            page = self._page(url, after)
            fresh = [key for key in page if not after or key > after]
            known |= dict.fromkeys(fresh)
            if after and len(fresh) < len(page):
                self._pages = False  # it sent everything again: it had done so the first time
            if not fresh or len(fresh) < len(page) or not self._pages:
                return list(known)
            after = page[-1]

    def _page(self, url: str, after: str) -> list[str]:
        try:
            params = {"after": after} if after else None
            answer = _tried(lambda: self._client.adapter.list(f"/v1/{url}", params=params), f"LIST {url}")
        except RefusedError as refused:
            if refused.gone:
                return []
            raise
        return [str(key) for key in _data(answer, url).get("keys") or []]

    def metadata(self, mount: str, path: str) -> dict[str, Any]:
        """The metadata of one secret.

        Raises:
            RefusedError: `gone` when it vanished since it was listed.
        """
        url = _metadata(mount, path)
        return _data(_tried(lambda: self._client.adapter.get(f"/v1/{url}"), f"GET {url}"), url)


def _session(ca: str, *, retried: bool) -> requests.Session:
    # LIST and POST are not in urllib3's list of methods worth a retry; all of ours only look. `other=0`: a
    # certificate that is refused stays refused.
    retry = _PatientRetry(
        total=ATTEMPTS - 1 if retried else 0,
        other=0,
        backoff_factor=0.3,
        backoff_jitter=0.3,
        status_forcelist=RETRIED if retried else (),
        allowed_methods=None,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=THREADS))
    session.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=THREADS))
    session.verify = ca or True  # hvac prefers the session's word to its own `verify=`
    return session


def _metadata(mount: str, path: str) -> str:
    """The API path of a secret's metadata or of a folder of it.

    Raises:
        RefusedError: a part of it is `.` or `..`, which HTTP clients resolve: it could lead to a value.
    """
    if any(part in (".", "..") for part in path.split("/")):
        raise RefusedError(f"there is a path with '.' or '..' in {clean(mount)}; it is not followed")
    return f"{quote(mount)}/metadata/{quote(path)}"


def _tried(request: Callable[[], Any], what: str) -> Any:
    try:
        return request()
    except hvac.exceptions.VaultError as error:
        raise _meaning(error, what) from None
    except requests.exceptions.SSLError as error:
        raise RefusedError(f"the server's certificate is not trusted: {clean(_last_cause(error))}") from None
    except requests.exceptions.RequestException as error:
        raise RefusedError(f"cannot be reached: {type(error).__name__}", transient=True) from None
    except (OSError, ValueError) as error:
        raise RefusedError(f"cannot be asked: {clean(str(error))}") from None


def _meaning(error: hvac.exceptions.VaultError, what: str) -> RefusedError:
    said = clean("; ".join(str(text) for text in error.errors or []) or type(error).__name__)
    reason = f"{said} on {clean(what)}"
    if isinstance(error, hvac.exceptions.InvalidPath):
        return RefusedError(reason, gone=error.errors == [])
    if isinstance(error, hvac.exceptions.Forbidden | hvac.exceptions.Unauthorized):
        return RefusedError(f"403 {reason}", denied=True)
    upgrading = isinstance(error, hvac.exceptions.InvalidRequest) and "pgrading" in said
    return RefusedError(reason, transient=upgrading or isinstance(error, _TRANSIENT))


def _last_cause(error: requests.exceptions.RequestException) -> str:
    cause = getattr(error.args[0], "reason", error) if error.args else error
    return str(cause)


def _data(answer: Any, url: str) -> dict[str, Any]:
    """The data of an answer; what is not JSON of that shape comes from something in between."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise RefusedError(f"what answers on {clean(url)} is not Vault (a proxy or a login page?)", transient=True)
    return data

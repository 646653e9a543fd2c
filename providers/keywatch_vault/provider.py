"""The scan itself: which folders are walked, and what is said of those that cannot be."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from keywatch.declared import EXPIRES
from keywatch.errors import KeywatchError
from keywatch.model import Covered, Found, Gap, Scanned
from keywatch.plugins import Run
from keywatch.text import clean

if TYPE_CHECKING:
    from keywatch_vault.server import RefusedError, Server

UNSET = (
    "neither token nor role_id and secret_id is set; VAULT_TOKEN and ~/.vault-token are never used by themselves, "
    'write token = "env:VAULT_TOKEN" if that is the one'
)
OWN_REFUSED = "keywatch's own token is not accepted: expired, revoked, or of another namespace"


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """The keys of a `[[source]]` with `kind = "vault"`."""

    address: str
    """`https://vault.example.com:8200`."""
    token: str = ""
    """A reference, resolved at each scan: `file:/run/vault/token` is read anew."""
    role_id: str = ""
    secret_id: str = ""
    """A reference. With role_id: AppRole instead of a token."""
    approle_mount: str = "approle"
    mounts: tuple[str, ...] = ("secret",)
    """KV version 2 mounts."""
    folders: tuple[str, ...] = ()
    """Only these, mount included (`secret/payments/`); a mount without one is walked whole."""
    ca: str = ""
    """A PEM file of the authorities to trust instead of the system's."""
    namespace: str = ""
    expires_keys: tuple[str, ...] = EXPIRES
    """Keys of the custom metadata that hold an expiry date."""
    timeout: int = 30
    """Seconds for one request."""


@dataclass(frozen=True, slots=True)
class _Folder:
    mount: str
    path: str
    """Inside the mount: "" or ending in `/`."""

    @property
    def prefix(self) -> str:
        return f"{self.mount}/{self.path}"


class VaultProvider:
    """Walks the metadata of KV v2 mounts. It never asks for a value and needs no right to."""

    Settings: ClassVar[type[VaultSettings]] = VaultSettings

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings

    def scan(self, run: Run) -> Iterator[Scanned]:
        """Found for each secret; Covered for each configured mount or folder; Gap for what could not be looked at."""
        from keywatch_vault.server import RefusedError

        try:
            with self._server(run) as server:
                yield from _Walk(server, run, self._settings).events(self._roots())
        except RefusedError as refused:
            yield Gap("", refused.reason, refused.transient)
        except KeywatchError as error:
            yield Gap("", error.what)

    def preflight(self, run: Run) -> Iterator[str]:
        """What the token lacks, path by path, before an empty listing could be mistaken for an empty vault."""
        from keywatch_vault.server import RefusedError

        try:
            roots = self._roots()
            with self._server(run) as server:
                wanted = {f"{root.mount}/metadata/{root.path}": ("list", root) for root in roots}
                wanted |= {f"{root.mount}/metadata/{root.path}+": ("read", root) for root in roots}
                held = server.capabilities(list(wanted))
        except RefusedError as refused:
            yield f"{self._settings.address}: {OWN_REFUSED if refused.denied else refused.reason}"
            return
        except KeywatchError as error:
            yield f"{self._settings.address}: {error.what}"
            return
        for path, (capability, _) in wanted.items():
            if not {capability, "root"} & set(held[path]):
                yield f"the token lacks '{capability}' on {path.removesuffix('+')}*; see `keywatch permissions`"

    def permissions(self) -> str:
        """The policy that is enough: metadata to list and read, and nothing else."""
        blocks = (
            f'path "{r.mount}/metadata/{r.path}*" {{\n  capabilities = ["list", "read"]\n}}\n' for r in self._roots()
        )
        return "\n".join(blocks)

    def _roots(self) -> list[_Folder]:
        """The mounts and folders to walk, none inside another.

        Raises:
            KeywatchError: a folder lies in none of the mounts.
        """
        mounts = sorted({mount.strip("/") for mount in self._settings.mounts}, key=lambda m: (-len(m), m))
        roots: dict[str, list[str]] = {mount: [] for mount in mounts}
        for folder in self._settings.folders:
            path = folder.strip("/") + "/"
            mount = next((mount for mount in mounts if path.startswith(f"{mount}/")), None)
            if mount is None:
                raise KeywatchError(f"the folder {folder} lies in none of the mounts {', '.join(mounts)}")
            roots[mount].append(path.removeprefix(f"{mount}/"))
        chosen = [(mount, path) for mount in mounts for path in sorted(set(roots[mount] or [""]))]
        return [_Folder(m, p) for m, p in chosen if not any(m == n and p != q and p.startswith(q) for n, q in chosen)]

    @contextmanager
    def _server(self, run: Run) -> "Iterator[Server]":
        """The server with a good token, which is given back if it was taken for this scan."""
        from keywatch_vault.server import Server

        s = self._settings
        approle = bool(s.role_id and s.secret_id)
        token = run.secret(s.token) if s.token and not approle else ""
        if not approle and not token:
            raise KeywatchError(UNSET)
        ca = str(run.path(s.ca)) if s.ca else ""
        server = Server(s.address, token, ca=ca, namespace=s.namespace, timeout=s.timeout)
        with closing(server):
            if not approle:
                yield server
                return
            server.login(run.secret(s.role_id), run.secret(s.secret_id), s.approle_mount)
            try:
                yield server
            finally:
                server.revoke_own_token()


class _Walk:
    """One walk over all roots: level by level, the folders and then the secrets of each on a few threads."""

    def __init__(self, server: "Server", run: Run, settings: VaultSettings) -> None:
        self._server = server
        self._run = run
        self._keys = settings.expires_keys
        self._gaps: dict[str, Gap] = {}
        """By prefix. Below "" or a whole mount, the walk does not go on: the token died, or it is down."""
        self._listed: _Folder | None = None
        """A folder that could be listed in this walk: asked again when the token is in doubt."""

    def events(self, roots: list[_Folder]) -> Iterator[Scanned]:
        """Everything found, then what was covered and where there are gaps."""
        from keywatch_vault.server import RefusedError

        try:
            self._server.own_token_accepted()
        except RefusedError as refused:
            if not refused.denied:
                raise
            # it may only lack lookup-self: the walk will show
        level = roots
        while level:
            folders: list[_Folder] = []
            secrets: list[_Folder] = []
            for folder, keys in zip(level, self._run.map(self._list, level), strict=True):
                for key in keys:
                    (folders if key.endswith("/") else secrets).append(_Folder(folder.mount, folder.path + key))
            yield from (found for found in self._run.map(self._read, secrets) if found)
            level = folders
        if whole := self._gaps.get(""):
            yield whole
            return
        yield from (Covered(root.prefix) for root in roots)
        yield from self._gaps.values()

    def _hopeless(self, place: _Folder) -> bool:
        return "" in self._gaps or f"{place.mount}/" in self._gaps

    def _list(self, folder: _Folder) -> list[str]:
        from keywatch_vault.server import RefusedError

        if self._hopeless(folder):
            return []
        try:
            keys = self._server.keys(folder.mount, folder.path)
        except RefusedError as refused:
            self._missed(folder.mount, folder.prefix, refused)
            return []
        self._listed = folder
        return keys

    def _read(self, secret: _Folder) -> Found | None:
        from keywatch_vault.reading import found
        from keywatch_vault.server import RefusedError

        if self._hopeless(secret):
            return None
        try:
            metadata = self._server.metadata(secret.mount, secret.path)
        except RefusedError as refused:
            if not refused.gone:  # a secret may vanish between the listing and the look at it
                self._missed(secret.mount, secret.prefix.rpartition("/")[0] + "/", refused)
            return None
        return found(clean(secret.prefix, 1024), metadata, self._keys, self._run.now, self._run.zone)

    def _missed(self, mount: str, prefix: str, refused: "RefusedError") -> None:
        """Remember a gap; a dead token or an outage is one gap for everything or the mount, not thousands."""
        ill = self._illness(refused)
        if ill:
            self._gaps.setdefault("", ill)
            return
        prefix = f"{mount}/" if refused.transient else prefix
        self._gaps.setdefault(prefix, Gap(clean(prefix, 1024), refused.reason, refused.transient))

    def _illness(self, refused: "RefusedError") -> Gap | None:
        """What is wrong with the server or the token as a whole; None when the refusal is about that path alone."""
        from keywatch_vault.server import RefusedError

        if not refused.denied and not refused.transient:
            return None
        try:
            self._server.own_token_accepted()
            return None
        except RefusedError as whole:
            if not whole.denied:
                return Gap("", whole.reason, whole.transient)
        try:  # refused itself, or only the right to look itself up? What could be listed before tells
            if self._listed:
                self._server.keys(self._listed.mount, self._listed.path)
                return None
        except RefusedError as whole:
            if not whole.denied:
                return Gap("", whole.reason, whole.transient)
        return Gap("", OWN_REFUSED)

"""Reading credentials: the list, one by name, what is due."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from keywatch.model import PRODUCTION, Credential
from keywatch.read.queries import Queries
from keywatch.read.rows import columns, credential_of

_WHAT = columns("credential", "c") + ", h.kind AS hand_kind, h.person AS hand_person, h.until AS hand_until"
_FROM = """FROM credential c
LEFT JOIN episode e ON e.credential_id = c.id AND e.ended_at IS NULL
LEFT JOIN ack h ON h.id = (SELECT x.id FROM ack x WHERE x.episode_id = e.id AND x.at <= ?
    ORDER BY x.at DESC, x.id DESC LIMIT 1) AND h.until > ? AND (h.void_at IS NULL OR h.void_at > ?)
WHERE """
_LIVE = "c.retired_at IS NULL"


class Credentials(Queries):
    """What is known of credentials. `now` decides which promise holds."""

    def credentials(
        self,
        now: datetime,
        *,
        include_retired: bool = False,
        env: str | None = None,
        owner: str | None = None,
        service: str | None = None,
        source: str | None = None,
        names: Collection[str] | None = None,
    ) -> list[Credential]:
        """Credentials by name. `env="production"` includes those without an environment."""
        conditions, values = ["1 = 1" if include_retired else _LIVE], []
        if env is not None:
            condition, value = self.among("c.env", ("", PRODUCTION) if env in ("", PRODUCTION) else (env,))
            conditions.append(condition)
            values.append(value)
        for column, wanted in (("owner", owner), ("service", service), ("source", source)):
            if wanted is not None:
                conditions.append(f"c.{column} = ?")
                values.append(wanted)
        if names is not None:
            condition, value = self.among("c.name", names)
            conditions.append(condition)
            values.append(value)
        return self._credentials(now, " AND ".join(conditions), values)

    def credentials_by_id(self, ids: Collection[int], now: datetime) -> dict[int, Credential]:
        """The credentials with these ids, retired ones too."""
        condition, value = self.among("c.id", ids)
        return {found.id: found for found in self._credentials(now, condition, [value])}

    def find(self, name: str, now: datetime) -> list[Credential]:
        """What NAME can mean: a name or `source:ref`, else an ending after `/` or `:`, else any ending.

        Retired ones only if nothing else fits. None or several: the caller says so.
        """
        if not name:
            return []
        ends = "substr({0}, -length(?)) = ?" if self.dialect == "sqlite" else "right({0}, length(?)) = ?"
        condition = " OR ".join(ends.format(column) for column in ("c.name", "c.source || ':' || c.ref"))
        found = self._credentials(now, f"({condition})", [name] * 4)
        live = [c for c in found if not c.retired_at]
        return _closest(name, live or found)

    def due(self, now: datetime) -> list[Credential]:
        """Credentials of which a rule could speak by now."""
        return self._credentials(now, f"c.next_at <= ? AND {_LIVE}", [now])

    def held(self, now: datetime) -> list[Credential]:
        """Credentials that somebody promised to see to, and whose promise holds."""
        return self._credentials(now, f"h.id IS NOT NULL AND {_LIVE}", [])

    def _credentials(self, now: datetime, condition: str, values: Sequence[Any]) -> list[Credential]:
        rows = self.rows(_WHAT, f"{_FROM}{condition} ORDER BY c.name, c.id", [now, now, now, *values])
        return [credential_of(row) for row in rows]


def _closest(name: str, found: list[Credential]) -> list[Credential]:
    texts = {c.id: (c.name, f"{c.source}:{c.ref}") for c in found}
    for close in ((name,), (f"/{name}", f":{name}")):
        exact = [c for c in found if any(t in close if close == (name,) else t.endswith(close) for t in texts[c.id])]
        if exact:
            return exact
    return found

"""The file each run leaves behind: what CI needs to judge a release, and whom to tell when the store cannot be opened.

It holds no secret and no URL of a route. Reading it needs nothing of an installation: no config, no store.
"""

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from keywatch.errors import Exit, KeywatchError
from keywatch.model import PRODUCTION, Credential, Duty, InHand, Person, Rules, State, World
from keywatch.policy.state import state
from keywatch.read import instant_of, text_of
from keywatch.report import record, utc

if TYPE_CHECKING:
    from keywatch.config import Config
    from keywatch.store import Tx

SCHEMA = 1
HORIZON = timedelta(days=120)
"""How far it looks ahead."""
EVERY = timedelta(hours=6)
"""The longest time between two of them, also when nothing changes."""
LARGEST = 16 << 20
"""Bytes."""
PATIENCE_S = 60
"""Seconds a whole snapshot may take to arrive."""
_HINT = "`keywatch check` leaves a snapshot beside its store, named …snapshot.json"

Group = tuple[str, str, str]
"""Environment, owner, service."""

log = logging.getLogger("keywatch")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot says."""

    at: datetime
    horizon: datetime
    rehearsal: bool
    environments: Mapping[str, tuple[str, ...]]
    owners: frozenset[str]
    zones: Mapping[str, ZoneInfo]
    """By owner; under "" the one of everything else."""
    groups: Mapping[Group, int]
    """How many active credentials there are, near or not."""
    credentials: tuple[Credential, ...]
    """Those that are near, in trouble, or nobody's."""
    duties: tuple[Duty, ...] = ()
    """Planned when it was taken; people are known by key and address only."""
    store: str = ""
    """The uuid of the store it was taken of; "" where an older keywatch took it."""


def leave(tx: "Tx", config: "Config", now: datetime, *, changed: bool) -> None:
    """Write the snapshot if something changed or the last one is 6 h old. A failure is a warning, never an error.

    `changed`: this run did something. What people did since the last snapshot stands in the timeline or in the config.
    """
    path = place(config)
    if not changed and _holds(tx, config, path, now):
        return
    from keywatch import outlook  # reading a snapshot must not import the config

    content = compose(tx.read.credentials(now), config, outlook.world(config, tx.read, now), now)
    content |= {"rehearsal": tx.read.meta("rehearsal") == "1", "store": tx.read.meta("store_uuid")}
    try:
        _write(path, json.dumps(content, indent=1, ensure_ascii=True) + "\n")
    except OSError as problem:
        log.warning("snapshot.failed path=%s problem=%s", path, problem.strerror)
    else:
        tx.set_meta("snapshot_at", text_of(now))
        tx.set_meta("snapshot_of", config.digest_hash)


def _holds(tx: "Tx", config: "Config", path: Path, now: datetime) -> bool:
    """Whether the last one says what a new one would, and is not too old to be believed."""
    last = instant_of(tx.read.meta("snapshot_at") or None)
    if last is None or not timedelta(0) <= now - last < EVERY or not path.exists():
        return False
    return tx.read.meta("snapshot_of") == config.digest_hash and not tx.read.events(since=last, limit=1)


def place(config: "Config") -> Path:
    """Beside the SQLite store; for PostgreSQL beside the config file."""
    from keywatch.read.opening import path_of

    return Path(f"{path_of(config.store) or config.path}.snapshot.json")


def _write(path: Path, text: str) -> None:
    """Whole or not at all, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


# --------------------------------------------------------------------------- content


def compose(rows: Iterable[Credential], config: "Config", world: World, now: datetime) -> dict[str, Any]:
    """The content as JSON has it. `rows` are all credentials that are not retired."""
    active = [row for row in rows if row.active]
    groups = Counter(group_of(row) for row in active)
    counts = Counter(row.env or PRODUCTION for row in active)
    near = [row for row in active if is_near(row, world.owners, now)]
    zones = {name: owner.calendar.zone.key for name, owner in world.owners.items()}
    return {
        "schema": SCHEMA,
        "at": utc(now),
        "horizon": utc(now + HORIZON),
        "rehearsal": False,
        "environments": {name: list(aliases) for name, aliases in config.environments.items()},
        "counts": dict(sorted(counts.items())),
        "groups": [[*group, count] for group, count in sorted(groups.items())],
        "owners": {name: {"zone": zone} for name, zone in zones.items()},
        "zone": config.zone.key,
        "credentials": [_row(row, now, ZoneInfo(zones.get(row.owner, config.zone.key)), config.rules) for row in near],
        "duties": list(_duties(world, now)),
        "routes": sorted(world.routes),
        "last_resort": list(world.last_resort),
    }


def group_of(row: Credential) -> Group:
    """What a gate can ask about."""
    return row.env or PRODUCTION, row.owner, row.service


def is_near(row: Credential, owners: Mapping[str, object], now: datetime) -> bool:
    """Whether a gate could have something to say of it within the horizon."""
    if row.owner not in owners or state(row, now) is State.UNKNOWN:
        return True
    return any(at is not None and at <= now + HORIZON for at in (row.expires_at, row.late_at, row.stale_since))


def _row(row: Credential, now: datetime, zone: ZoneInfo, rules: Rules) -> dict[str, Any]:
    shown = record(row, now, zone, rules)
    kept = {key: shown[key] for key in (*_TEXTS, *_SHOWN, "start_by_day", "in_hand")}
    more = {key: utc(getattr(row, key)) for key in _INSTANTS}
    return kept | more | {key: getattr(row, key) for key in _FLAGS} | {"env": row.env, "lead": row.lead}


_TEXTS = ("name", "source", "ref", "env", "owner", "service", "problem", "accepted_by")
_SHOWN = ("state", "runbook", "approver")
_FLAGS = ("active", "never", "automatic")
_INSTANTS = (
    *("expires_at", "plan_from", "start_from", "start_by", "late_at", "speaks_from", "overdue_seen"),
    *("stale_since", "missing_since", "accepted_until"),
)


def _duties(world: World, now: datetime) -> Iterable[dict[str, Any]]:
    """Who is on duty within the rendered window; people without a roster always are."""
    for owner in world.owners.values():
        answer = world.on_call.get(owner.roster)
        for duty in answer.duties if answer else ():
            if duty.until is None or duty.until > now:
                spell = {"level": duty.level, "start": utc(duty.start), "until": utc(duty.until)}
                yield {"owner": owner.name, "person": duty.person.key, "mail": duty.person.mail, **spell}
        for key in owner.people:
            mail = world.people[key].mail
            yield {"owner": owner.name, "person": key, "mail": mail, "level": 1, "start": None, "until": None}


# --------------------------------------------------------------------------- reading


def fetch(where: str) -> Snapshot:
    """Read a snapshot from a file, or over http or https.

    Raises:
        KeywatchError: it is not there, too large, or no snapshot (exit 3); another kind of URL (exit 2).
    """
    scheme, sign, _ = where.partition("://")
    if not sign:
        return parse(_from_file(Path(where)), where)
    if scheme.lower() not in ("http", "https"):
        raise KeywatchError(f"a snapshot cannot come by '{scheme[:20]}'", "give a file, or an http or https URL")
    place = urlsplit(where).hostname or "that URL"
    return parse(_from_web(where, place), f"what {place} sent")


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as problem:
        raise KeywatchError(f"cannot read {path}: {problem.strerror}", _HINT, Exit.UNKNOWN) from None
    return _decoded(data, str(path))


def _from_web(url: str, place: str) -> str:
    """The URL may hold a password or a token, so messages name the host only."""
    import requests

    try:
        with requests.get(url, timeout=(10, 30), stream=True) as response:
            if response.status_code != requests.codes.ok:
                raise KeywatchError(f"{place} answered {response.status_code}", _HINT, Exit.UNKNOWN)
            data, patience = b"", time.monotonic() + PATIENCE_S
            for piece in response.iter_content(65536):
                data += piece
                if len(data) > LARGEST:
                    break
                if time.monotonic() > patience:
                    raise KeywatchError(f"{place} sends too slowly", "check the network", Exit.UNKNOWN)
    except requests.RequestException as problem:
        what = f"{place} cannot be read: {type(problem).__name__}"
        raise KeywatchError(what, "check the address and the network", Exit.UNKNOWN) from None
    return _decoded(data, place)


def _decoded(data: bytes, where: str) -> str:
    if len(data) > LARGEST:
        raise KeywatchError(f"{where} is larger than {LARGEST >> 20} MiB", _HINT, Exit.UNKNOWN)
    return data.decode("utf-8", "replace")


def parse(text: str, where: str) -> Snapshot:
    """Read a snapshot.

    Raises:
        KeywatchError: it is none, or one of a newer keywatch (exit 3).
    """
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            hint = "update keywatch where the gate runs"
            raise KeywatchError(f"{where} is of another keywatch (schema {raw['schema']})", hint, Exit.UNKNOWN)
        return _snapshot(raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise KeywatchError(f"{where} is no keywatch snapshot", _HINT, Exit.UNKNOWN) from None


def _snapshot(raw: Mapping[str, Any]) -> Snapshot:
    zones = {name: ZoneInfo(owner["zone"]) for name, owner in raw["owners"].items()}
    return Snapshot(
        at=_instant(raw["at"]),
        horizon=_instant(raw["horizon"]),
        rehearsal=raw["rehearsal"] is True,
        environments={name: tuple(aliases) for name, aliases in raw["environments"].items()},
        owners=frozenset(zones),
        zones={**zones, "": ZoneInfo(raw["zone"])},
        groups={(str(env), str(owner), str(service)): int(n) for env, owner, service, n in raw["groups"]},
        credentials=tuple(_credential(number, row) for number, row in enumerate(raw["credentials"], start=1)),
        duties=tuple(_duty(row) for row in raw["duties"]),
        store=_text(raw.get("store", "")),
    )


def _duty(row: Mapping[str, Any]) -> Duty:
    person = Person(_text(row["person"]), _text(row["person"]), _text(row["mail"]))
    start, until = (_instant(row[key]) if row[key] else None for key in ("start", "until"))
    return Duty(person, int(row["level"]), start, until)


def _credential(number: int, row: Mapping[str, Any]) -> Credential:
    hand = row["in_hand"]
    values: dict[str, Any] = {key: _text(row[key]) for key in (*_TEXTS, "lead")}
    values |= {key: row[key] is True for key in _FLAGS}
    values |= {key: _instant(row[key]) if row[key] else None for key in _INSTANTS}
    return Credential(
        id=number,
        **values,
        details={key: _text(row[key]) for key in ("runbook", "approver") if row[key]},
        in_hand=InHand(_text(hand["person"]), _instant(hand["until"]), hand["begun"] is True) if hand else None,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _instant(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment

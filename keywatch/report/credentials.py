"""How one credential looks: a row of a table, a record of JSON. Every output says the same of it in the same words."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from keywatch.dates import last_good_day
from keywatch.model import PRODUCTION, Credential, Episode, Person, Rules, State
from keywatch.policy.state import marks, state
from keywatch.report.formats import shown, utc

HEAD = ("NAME", "ENV", "OWNER", "STATE", "EXPIRES", "START BY", "LEAD", "LAST TOLD", "ACK")
SYMBOLS = {
    State.EXPIRED: "✘",
    State.LATE: "✘",
    State.START: "▲",
    State.IN_HAND: "◆",
    State.PLAN: "●",
    State.UNKNOWN: "?",
    State.UNDATED: "○",
    State.OK: "✔",
    State.NEVER: "∞",
}
NOTHING = "–"


def word(credential: Credential, now: datetime) -> str:
    """The state with its symbol and the marks beside it: `▲ START, stale since 2026-11-19`."""
    if credential.retired_at:
        return f"– retired by {credential.retired_by or 'nobody named'}"
    held = state(credential, now)
    beside = [
        f"{mark} {credential.stale_since:%Y-%m-%d}" if mark == "stale since" and credential.stale_since else mark
        for mark in marks(credential, now)
    ]
    return ", ".join([f"{SYMBOLS[held]} {held}", *beside])


def row(credential: Credential, now: datetime, zone: ZoneInfo, rules: Rules, told: str = "") -> tuple[str, ...]:
    """The fields of `HEAD`. `zone` is the owner's; `told` says when it was last said, and to whom."""
    hand = credential.in_hand
    return (
        credential.name,
        credential.env or PRODUCTION,
        credential.owner or NOTHING,
        word(credential, now),
        ending(credential, now, zone) or NOTHING,
        in_zone(credential.start_by, zone) or NOTHING,
        lead_of(credential, rules) or NOTHING,
        told or NOTHING,
        f"{hand.person} until {promised_day(hand.until, zone)}" if hand and not credential.retired_at else NOTHING,
    )


def ending(credential: Credential, now: datetime, zone: ZoneInfo) -> str:
    """`2026-12-19 in 28 d`: the day or the instant, and how far it is. "" without a date."""
    at = credential.expires_at
    return f"{in_zone(at, zone)} {distance(now, at)}" if at else ""


def in_zone(moment: datetime | None, zone: ZoneInfo) -> str:
    """A day, or day and clock where it is not midnight there; "" for none."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"


def distance(now: datetime, moment: datetime) -> str:
    """`in 28 d`, `in 47 h`, `3 d ago`: whole units, never more than is left."""
    seconds = round((moment - now).total_seconds())
    days, hours, minutes = (abs(seconds) // unit for unit in (86400, 3600, 60))
    span = f"{days} d" if days >= 3 else f"{hours} h" if hours else f"{minutes} min"
    return f"in {span}" if seconds > 0 else f"{span} ago"


def last_told(episode: Episode | None, people: Mapping[str, Person], now: datetime, zone: ZoneInfo) -> str:
    """When it was last said, and to whom: `today 09:00 Ana Ruiz`. "" = never in this episode."""
    told = [t for call in episode.calls for t in call.told if t.accepted_at] if episode else []
    if not told:
        return ""
    last = max(t.accepted_at for t in told if t.accepted_at)
    heard = dict.fromkeys(
        people[t.person].name if t.person in people else t.person or t.route for t in told if t.accepted_at == last
    )
    local = last.astimezone(zone)
    day = "today" if local.date() == now.astimezone(zone).date() else f"{local:%a %-d %b}"
    return f"{day} {local:%H:%M} {', '.join(heard)}"


NEEDS = (State.EXPIRED, State.LATE, State.START, State.UNKNOWN)
"""The states in which somebody has to do something now."""


def next_step(found: Sequence[Credential], now: datetime, zone: ZoneInfo) -> str:
    """The line under a list: how many need something, and the next command. `found` is worst first."""
    live = [one for one in found if not one.retired_at]
    count = f"{len(live)} credential{'s' * (len(live) != 1)}"
    if not live:
        return "no credential fits; `keywatch add NAME --expires DATE` registers one"
    urgent = [one for one in live if state(one, now) in NEEDS]
    if urgent:
        verb = "needs" if len(urgent) == 1 else "need"
        return f"{count}, {len(urgent)} {verb} action; first: `keywatch show {quoted(urgent[0])}`"
    ahead = sorted((one.start_by, one.name) for one in live if one.start_by and one.start_by > now)
    if not ahead:
        return f"{count}, none needs action now"
    return f"{count}, none needs action now; next: start {shown(ahead[0][1])} by {in_zone(ahead[0][0], zone)}"


def quoted(credential: Credential) -> str:
    """Its name as a word of a command that can be typed."""
    return shlex.quote(shown(credential.name))


def lead_of(credential: Credential, rules: Rules) -> str:
    """The lead time; what nobody said is marked as assumed."""
    if credential.expires_at is None:
        return credential.lead
    return credential.lead or f"{rules.default_lead} (assumed)"


def promised_day(until: datetime, zone: ZoneInfo) -> str:
    """The day a promise names: its end is the midnight after."""
    return f"{(until - timedelta(microseconds=1)).astimezone(zone):%Y-%m-%d}"


def record(credential: Credential, now: datetime, zone: ZoneInfo, rules: Rules) -> dict[str, Any]:
    """A credential for programs: instants in UTC, days in the owner's zone, texts as they are."""
    hand, start = credential.in_hand, credential.start_by
    expires = credential.expires_at
    return {
        "name": credential.name,
        "source": credential.source,
        "ref": credential.ref,
        "env": credential.env or PRODUCTION,
        "env_said": bool(credential.env),
        "owner": credential.owner,
        "service": credential.service,
        "state": str(state(credential, now)),
        "marks": list(marks(credential, now)),
        "expires_at": utc(expires),
        "last_good_day": str(last_good_day(expires, zone)) if expires else None,
        "basis": credential.basis.value if credential.basis else None,
        "because": credential.because,
        "start_by": utc(start),
        "start_by_day": f"{start.astimezone(zone):%Y-%m-%d}" if start else None,
        "late_at": utc(credential.late_at),
        "lead_time": credential.lead or str(rules.default_lead),
        "lead_assumed": not credential.lead,
        "in_hand": {"person": hand.person, "until": utc(hand.until), "begun": hand.begun} if hand else None,
        "problem": credential.problem,
        "issued": utc(credential.issued),
        "changed_at": utc(credential.changed_at),
        "version": credential.version,
        "stale_since": utc(credential.stale_since),
        "missing_since": utc(credential.missing_since),
        "accepted_until": utc(credential.accepted_until),
        "accepted_by": credential.accepted_by,
        "retired_at": utc(credential.retired_at),
        "retired_by": credential.retired_by,
        **{key: credential.details.get(key, "") for key in _DETAILS},
    }


CSV = ("name", "env", "owner", "service", "state", "marks", "expires_at", "last_good_day", "start_by_day", "lead_time",
       "in_hand", "stale_since", "source", "ref")  # fmt: skip
"""The fields of a record that stand in a CSV file."""


def plain_row(made: Mapping[str, Any]) -> tuple[str, ...]:
    """The `CSV` fields of a record, each as one text."""
    flat = {**made, "marks": "; ".join(made["marks"])}
    if hand := made["in_hand"]:
        flat["in_hand"] = f"{hand['person']} until {hand['until']}"
    return tuple(str(flat[key] or "") for key in CSV)


_DETAILS = ("runbook", "approver", "impact", "emergency", "issuer_writes_to", "renewable_by", "deputy", "url")

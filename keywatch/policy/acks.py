"""Promises: how far one may reach, which one holds, and what is left of those that were not kept."""

from collections.abc import Sequence
from datetime import date, datetime

from keywatch.dates import start_of
from keywatch.errors import KeywatchError
from keywatch.model import Ack, AckKind, Calendar, InHand
from keywatch.policy.calendar import DAY, local_day, working_days_after
from keywatch.policy.deadlines import ADOPTION, Dates, first_step_due

LONGEST_BEGUN = 15
"""Working days a `--begun` promise may reach ahead."""


def end_of(calendar: Calendar, day: date) -> datetime:
    """The instant at which a promise for `day` ends: that day's end in the owner's zone."""
    return start_of(day + DAY, calendar.zone)


def holding(acks: Sequence[Ack], now: datetime) -> Ack | None:
    """The promise that holds at `now`: the newest one, unless it has ended."""
    given = [ack for ack in acks if ack.at <= now]
    return given[-1] if given and now < given[-1].ends_at else None


def in_hand(acks: Sequence[Ack], now: datetime) -> InHand | None:
    """The promise that holds, as credentials show it."""
    ack = holding(acks, now)
    return InHand(ack.person, ack.ends_at, ack.kind is AckKind.BEGUN) if ack else None


def lapsed(acks: Sequence[Ack], now: datetime) -> tuple[Ack, ...]:
    """Promises that ended without being extended before their end."""
    return tuple(
        ack
        for n, ack in enumerate(acks)
        if ack.ends_at <= now and (n + 1 == len(acks) or acks[n + 1].at >= ack.ends_at)
    )


def latest_day(calendar: Calendar, when: Dates, kind: AckKind, now: datetime, adopted_until: datetime | None) -> date:
    """The last day a promise may name: within the week of an adoption its end, if that is further."""
    usual = _usual_latest_day(calendar, when, kind, now)
    if adopted_until is None or now >= adopted_until:
        return usual
    expires_within = adopted_until - ADOPTION < when.expires_at <= adopted_until
    return usual if expires_within else max(usual, local_day(calendar, adopted_until))


def _usual_latest_day(calendar: Calendar, when: Dates, kind: AckKind, now: datetime) -> date:
    today = local_day(calendar, now)
    if now >= when.expires_at:
        return today + DAY if kind is AckKind.BEGUN else working_days_after(calendar, today, 1)
    next_day = working_days_after(calendar, today, 1)
    if kind is AckKind.ACK:
        return local_day(calendar, when.start_by) if now < when.start_by - 3 * DAY else next_day
    step = first_step_due(calendar, when)
    bound = step if now < step < when.expires_at else when.expires_at - DAY
    reach = working_days_after(calendar, today, LONGEST_BEGUN)
    return max(min(local_day(calendar, bound), reach), today)


def default_day(
    calendar: Calendar,
    when: Dates,
    kind: AckKind,
    now: datetime,
    start_from: datetime | None,
    adopted_until: datetime | None = None,
) -> date:
    """The day a promise without `--until` names.

    Before START there is nothing to begin yet, so an ack then holds until the day before START: an answer to an
    early message must not cost its giver a lapse the next morning.
    """
    today = local_day(calendar, now)
    last = latest_day(calendar, when, kind, now, adopted_until)
    if kind is AckKind.BEGUN:
        return min(working_days_after(calendar, today, 5), last)
    wanted = working_days_after(calendar, today, 1)
    if start_from and now < start_from:
        wanted = max(wanted, local_day(calendar, start_from) - DAY)
    return min(wanted, last)


def promised_day(
    calendar: Calendar, when: Dates, kind: AckKind, now: datetime, wanted: date, adopted_until: datetime | None = None
) -> date:
    """`wanted`, if a promise may name it.

    Raises:
        KeywatchError: it lies in the past or past its bound; the hint names the last possible day.
    """
    today = local_day(calendar, now)
    last = latest_day(calendar, when, kind, now, adopted_until)
    if wanted < today:
        raise KeywatchError(f"{wanted} is in the past", f"give a day from {today} to {last}")
    if wanted > last:
        more = "" if kind is AckKind.BEGUN else "; if work has begun, say so with --begun"
        raise KeywatchError(f"{wanted} is too far: an answer may reach to {last} here", f"give {last} or earlier{more}")
    return wanted

"""From the dates a source gives to the dates that matter: what is effective, and by when a renewal must start."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from keywatch.dates import Lead, Step, Unit, lead, start_of
from keywatch.errors import DateError
from keywatch.model import EFFECTIVE, Basis, Calendar, Credential, Deadline, Rules
from keywatch.policy.calendar import (
    DAY,
    local_day,
    nth_working_day_back,
    open_day_before,
    put_off,
    working_day_before,
)

HOUR = timedelta(hours=1)
SHORT_LIFE = timedelta(days=9)
"""Below this a third of the life is counted to the second: days would be too coarse."""
ADOPTION = timedelta(days=7)
"""How long what was found at the first run is only asked about."""


def effective(deadlines: Iterable[Deadline]) -> Deadline | None:
    """The earliest date that can end the credential; ROTATION and AGE never do."""
    ends = [d for d in deadlines if d.basis in EFFECTIVE]
    return min(ends, key=lambda d: (d.at, EFFECTIVE.index(d.basis))) if ends else None


def rotation(deadlines: Iterable[Deadline]) -> Deadline | None:
    """The date by which a robot promises a new version, if it promises one."""
    promises = [d for d in deadlines if d.basis is Basis.ROTATION]
    return min(promises, key=lambda d: d.at) if promises else None


@dataclass(frozen=True, slots=True)
class Dates:
    """When one credential must be worked on. All instants aware UTC."""

    start_by: datetime
    late_at: datetime
    expires_at: datetime
    last_at: datetime
    """The last 24 h begin, or the last tenth of a life that is shorter."""
    issued: datetime | None
    exact: bool
    """Start by is an instant (a lead time in hours), not a day."""
    lead: Lead
    assumed: bool
    """The default lead time stands in."""
    too_long: bool
    """The lead time said is half the lifetime or more; a third of the lifetime is used."""
    left: tuple[Step, ...]
    """The steps that are still to go; only they are counted back."""

    @property
    def done(self) -> tuple[str, ...]:
        """The names of the steps that are done, in the order of the lead time."""
        return tuple(step.name for step in self.lead.steps if step not in self.left)


def dates(
    calendar: Calendar,
    rules: Rules,
    expires_at: datetime,
    lead_text: str,
    issued: datetime | None = None,
    done: Collection[str] = (),
) -> Dates:
    """All instants of a credential that expires at `expires_at` and takes `lead_text` to renew ("" = the default).

    `done` names the steps of it that need not be done any more.
    """
    said = lead(lead_text) if lead_text else rules.default_lead
    left = tuple(step for step in said.steps if step.name not in done)
    ahead = Lead(left or (replace(said.steps[-1], amount=0),))
    whole, start = start_by(calendar, expires_at, said), start_by(calendar, expires_at, ahead)
    life = expires_at - issued if issued and issued < expires_at else None
    too_long = life is not None and expires_at - whole >= life / 2
    exact = ahead.in_hours or (too_long and life is not None and life < SHORT_LIFE)
    if life is not None and too_long:
        third = expires_at - life / 3
        third = third if exact else _working_start(calendar, third)
        start = max(start, third) if done else third
    late = start if exact else start_of(local_day(calendar, start) + DAY, calendar.zone)
    last = expires_at - min(24 * HOUR, life / 10) if life else expires_at - 24 * HOUR
    late = min(late, expires_at)
    return Dates(start, late, expires_at, last, issued, exact, said, not lead_text, too_long, left)


def dates_of(credential: Credential, calendar: Calendar, rules: Rules) -> Dates:
    """All instants of a credential as it stands, with what was done of its renewal. It must have a date."""
    assert credential.expires_at is not None
    done = done_steps(credential)
    return dates(calendar, rules, credential.expires_at, credential.lead, credential.issued, done)


def done_steps(credential: Credential) -> tuple[str, ...]:
    """The steps that somebody did for the renewal of this version; a new version begins with none."""
    said = credential.overrides
    if not said.get("done") or said.get("done_version") != credential.version:
        return ()
    return tuple(said["done"].split(","))


def done_at(credential: Credential) -> datetime | None:
    """When the last of `done_steps` was recorded."""
    at = credential.overrides.get("done_at")
    return datetime.fromisoformat(at).astimezone(UTC) if at and done_steps(credential) else None


def start_by(calendar: Calendar, expires_at: datetime, needs: Lead) -> datetime:
    """Count `needs` back from `expires_at`: 00:00 local of the last day on which work can begin, or an exact instant.

    Days are whole local days that end at or before `expires_at`, the first of them counted.
    """
    edge = expires_at
    for step in reversed(needs.steps):
        edge = step_start(calendar, edge, step)
    return edge if needs.in_hours else _working_start(calendar, edge)


def _working_start(calendar: Calendar, edge: datetime) -> datetime:
    """The midnight of the working day on which `edge` falls; work cannot begin on a free day, so of the one before."""
    return start_of(working_day_before(calendar, local_day(calendar, edge)), calendar.zone)


def step_start(calendar: Calendar, edge: datetime, step: Step) -> datetime:
    """When `step` must begin to be done at `edge`.

    Raises:
        DateError: it reaches back beyond the calendar.
    """
    try:
        if step.amount == 0:
            return edge
        if step.unit is Unit.HOURS:
            return edge - step.amount * HOUR
        last_whole = local_day(calendar, edge) - DAY
        if step.unit is Unit.WORKING_DAYS:
            return start_of(nth_working_day_back(calendar, last_whole, step.amount), calendar.zone)
        days = step.amount * (7 if step.unit is Unit.WEEKS else 1)
        return start_of(working_day_before(calendar, last_whole - (days - 1) * DAY), calendar.zone)
    except OverflowError:
        raise DateError(f"{step} before {edge:%Y-%m-%d} is out of reach", "give a shorter lead time") from None


def first_step_due(calendar: Calendar, when: Dates) -> datetime:
    """The instant by which the first step still to go must be done; expires at where only one step is."""
    edge = when.expires_at
    for step in reversed(when.left[1:]):
        edge = step_start(calendar, edge, step)
    return edge


def before_stage(calendar: Calendar, rules: Rules, when: Dates, days: int) -> datetime:
    """When the stage `days` before start by speaks: on a free day it moves to the working day before."""
    if when.exact:
        return when.start_by - days * DAY
    day = open_day_before(calendar, local_day(calendar, when.start_by) - days * DAY)
    return start_of(day, calendar.zone, rules.at)


def half_way(calendar: Calendar, rules: Rules, when: Dates, issued: datetime) -> datetime:
    """Where no stage before start by is left: half way from issue to start by."""
    middle = issued + (when.start_by - issued) / 2
    return middle if when.exact else min(put_off(calendar, rules.at, middle), when.late_at)


def before_stages(
    calendar: Calendar, rules: Rules, when: Dates, days_before: tuple[int, ...]
) -> tuple[tuple[int, datetime], ...]:
    """The (days, due) of the stages before start by, widest first. What would fall before the issue is left out."""
    stages = tuple((d, before_stage(calendar, rules, when, d)) for d in sorted(days_before, reverse=True))
    if when.issued is None or not stages:
        return stages
    left = tuple(stage for stage in stages if stage[1] >= when.issued)
    if left or when.issued >= when.start_by:
        return left
    return ((min(days_before), half_way(calendar, rules, when, when.issued)),)


def speaks_from(credential: Credential) -> datetime | None:
    """When an automatic renewal counts as overdue: half of what normally remains at renewal has passed.

    Until it is learnt, a third of the life is what remains: day 60 of 90 is normal, day 75 is overdue.
    """
    if not credential.automatic or credential.expires_at is None:
        return None
    born = credential.issued or credential.first_seen
    if born is None or born >= credential.expires_at:
        return credential.expires_at
    left = credential.usual_left or (credential.expires_at - born) / 3
    return credential.expires_at - left / 2


def dated(credential: Credential, calendar: Calendar, rules: Rules) -> Credential:
    """The credential with every derived instant filled in from its date, lead time and calendar."""
    if credential.expires_at is None:
        return replace(credential, plan_from=None, start_from=None, start_by=None, late_at=None, speaks_from=None)
    when = dates_of(credential, calendar, rules)
    ladder = rules.ladder(credential.env)
    stages = before_stages(calendar, rules, when, ladder.before)
    near = [due for days, due in stages if days <= 7]
    return replace(
        credential,
        plan_from=min([due for _, due in stages] + [when.start_by]),
        start_from=min([*near, when.start_by]),
        start_by=when.start_by,
        late_at=when.late_at,
        speaks_from=speaks_from(credential),
    )

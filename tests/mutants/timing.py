"""Mistakes about time: when a stage speaks, what a working day is, how long a promise holds."""

from tests.mutants.mutant import Mutant

STAGES, DEADLINES, CALENDAR = "keywatch/policy/stages.py", "keywatch/policy/deadlines.py", "keywatch/policy/calendar.py"
PLAN, ACKS, STATE = "keywatch/policy/plan.py", "keywatch/policy/acks.py", "keywatch/policy/state.py"
T_STAGES = ("policy/test_stages.py",)
T_PLAN = ("policy/test_plan.py",)
T_ACKS = ("policy/test_acks.py",)
T_DEADLINES = ("policy/test_deadlines.py",)
T_CALENDAR = ("policy/test_calendar.py",)
T_STATE = ("policy/test_state.py",)

WHEN = (
    Mutant(
        "strict-boundary",
        "A stage is due at its instant, not a tick later.",
        STAGES,
        "if stage.due <= now and may_speak",
        "if stage.due < now and may_speak",
        T_STAGES,
    ),
    Mutant(
        "catch-up-skip",
        "After a gap in runs the most urgent stage that is due is the one that is sent.",
        STAGES,
        "return due[-1] if due else None",
        "return due[0] if due else None",
        T_PLAN,
    ),
    Mutant(
        "in-hand-speaks",
        "What somebody has in hand is silent but for the end.",
        STAGES,
        "if acks.holding(line.episode.acks, now) or _waits_for_lapse(line, stage, now):\n        return urgent",
        "if acks.holding(line.episode.acks, now) or _waits_for_lapse(line, stage, now):\n        return True",
        T_STAGES,
    ),
    Mutant(
        "in-hand-hides-the-end",
        "A promise silences neither the last 24 hours nor the expiry.",
        STAGES,
        "if acks.holding(line.episode.acks, now) or _waits_for_lapse(line, stage, now):\n        return urgent",
        "if acks.holding(line.episode.acks, now) or _waits_for_lapse(line, stage, now):\n        return False",
        T_STAGES,
    ),
    Mutant(
        "lapse-in-company",
        "A lapse is alone on its day.",
        STAGES,
        "or line.day(s.due) not in alone]",
        "or True]",
        T_STAGES,
    ),
    Mutant(
        "moved-is-mute",
        "A date that comes nearer speaks at once.",
        STAGES,
        "if episode.moved_at and credential.plan_from and",
        "if not episode.moved_at and credential.plan_from and",
        T_STAGES,
    ),
    Mutant(
        "silent-after-a-fortnight",
        "Expired is said weekly for as long as it lasts; no count of days ends it.",
        STAGES,
        "while line.ladder.repeats and end",
        "while line.ladder.repeats and days < DAILY and end",
        T_STAGES,
    ),
    Mutant(
        "expired-rests-on-sunday",
        "Expired speaks on every day.",
        STAGES,
        "end + days * DAY, every_day=True",
        "end + days * DAY, every_day=False",
        T_STAGES,
    ),
    Mutant(
        "narrow-stage",
        "Two days before start by the members hear of it too.",
        STAGES,
        "return 2 if days <= 2 else 1",
        "return 1 if days <= 2 else 1",
        T_STAGES,
    ),
    Mutant(
        "late-once",
        "Late is said on each working day.",
        STAGES,
        "        day += DAY\n",
        "        break\n",
        T_STAGES,
    ),
    Mutant(
        "freeze-counts-as-work",
        "The days of a freeze are no working days.",
        CALENDAR,
        "not any(first <= day <= last for first, last in calendar.freezes)",
        "bool(calendar.freezes or True)",
        T_CALENDAR,
    ),
    Mutant(
        "freeze-ends-early",
        "A freeze includes both its dates.",
        CALENDAR,
        "first <= day <= last",
        "first <= day < last",
        T_CALENDAR,
    ),
    Mutant(
        "freeze-stops-messages",
        "A freeze stops work, not messages.",
        CALENDAR,
        "return day.weekday() not in calendar.weekend and day not in calendar.holidays",
        "return day.weekday() not in calendar.weekend and day not in calendar.holidays and not calendar.freezes",
        (*T_STAGES, *T_CALENDAR),
    ),
    Mutant(
        "latest-date-rules",
        "Of two dates the earlier one rules.",
        DEADLINES,
        "return min(ends, key=lambda",
        "return max(ends, key=lambda",
        T_DEADLINES,
    ),
    Mutant(
        "rotation-speaks-early",
        "The date of a rotation never ends a credential.",
        "keywatch/model/sources.py",
        "EFFECTIVE = (Basis.ENFORCED, Basis.DECLARED, Basis.DELETION)",
        "EFFECTIVE = (Basis.ENFORCED, Basis.DECLARED, Basis.DELETION, Basis.ROTATION)",
        T_DEADLINES,
    ),
    Mutant(
        "hours-rounded",
        "A start by in hours is exact.",
        DEADLINES,
        "return edge if needs.in_hours else _working_start",
        "return _working_start",
        T_DEADLINES,
    ),
    Mutant(
        "expiry-day-counts",
        "Working days are whole days that end at or before the expiry.",
        DEADLINES,
        "last_whole = local_day(calendar, edge) - DAY",
        "last_whole = local_day(calendar, edge)",
        T_DEADLINES,
    ),
    Mutant(
        "stage-after-the-weekend",
        "A stage before start by that falls on a free day moves to the working day before.",
        DEADLINES,
        "day = open_day_before(calendar, local_day(calendar, when.start_by) - days * DAY)",
        "day = local_day(calendar, when.start_by) - days * DAY",
        T_DEADLINES,
    ),
    Mutant(
        "short-life-whole-day",
        "Of a life shorter than ten days the last tenth is the end.",
        DEADLINES,
        "min(24 * HOUR, life / 10)",
        "max(24 * HOUR, life / 10)",
        T_DEADLINES,
    ),
    Mutant(
        "day-to-the-second",
        "A third of a life of nine days or more is counted in whole days.",
        DEADLINES,
        "SHORT_LIFE = timedelta(days=9)",
        "SHORT_LIFE = timedelta(days=30)",
        ("policy/test_planted.py::test_a_third_of_a_life_of_nine_days_is_a_day",),
    ),
    Mutant(
        "robot-cries-wolf",
        "An automatic renewal is overdue only when half of what normally remains has passed.",
        DEADLINES,
        "return credential.expires_at - left / 2",
        "return credential.expires_at - left",
        T_DEADLINES,
    ),
    Mutant(
        "robot-seen-once",
        "It takes two checks that saw an automatic renewal overdue.",
        STATE,
        "and overdue < now and",
        "and overdue <= now and",
        (*T_STATE, *T_PLAN),
    ),
    Mutant(
        "in-hand-outranks-expired",
        "Expired outranks a promise.",
        STATE,
        "if credential.expires_at <= now:",
        "if credential.expires_at <= now and not credential.in_hand:",
        T_STATE,
    ),
)

PROMISES = (
    Mutant(
        "ack-never-ends",
        "A promise ends with its day.",
        ACKS,
        "given[-1] if given and now < given[-1].ends_at else None",
        "given[-1] if given else None",
        T_ACKS,
    ),
    Mutant(
        "lapse-forgotten",
        "A promise that ended without being extended is broken.",
        ACKS,
        "if ack.ends_at <= now",
        "if ack.ends_at <= now and n",
        T_ACKS,
    ),
    Mutant(
        "promise-past-its-bound",
        "`--begun` never reaches past the due date of its step.",
        ACKS,
        "min(local_day(calendar, bound), reach)",
        "reach",
        T_ACKS,
    ),
    Mutant(
        "promise-too-far",
        "A promise past its bound is refused.",
        ACKS,
        "if wanted > last:",
        "if wanted > last + DAY:",
        T_ACKS,
    ),
    Mutant(
        "promise-of-the-gone",
        "A promise is void when its giver cannot be reached any more.",
        PLAN,
        "return person is not None and audience.reachable(person, world)",
        "return person is not None",
        T_PLAN,
    ),
)

TIMING = (*WHEN, *PROMISES)

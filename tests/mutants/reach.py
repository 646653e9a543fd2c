"""Mistakes in what is said besides the ladder, and in what is made of an answer that something came back."""

from tests.mutants.mutant import Mutant

QUIET, TROUBLES, FINDINGS = "keywatch/quiet.py", "keywatch/troubles.py", "keywatch/findings.py"
HEALTH, ASKING, DIGEST = "keywatch/policy/health.py", "keywatch/policy/asking.py", "keywatch/digest.py"
T_TROUBLES, T_HEALTH, T_REMINDERS = "story/test_troubles.py", "policy/test_health.py", "story/test_reminders.py"
BREAKER = ("story/test_breaker.py",)

REACH = (
    Mutant(
        "finding-stays-refused",
        "A finding that nobody takes goes on to others in the same run.",
        QUIET,
        "if any(subject.startswith(FINDING) for subject in lost):",
        "if False:",
        (f"{T_TROUBLES}::test_a_finding_that_nobody_takes_goes_on_to_others",),
    ),
    Mutant(
        "trouble-stays-refused",
        "So does what is said of a dead route.",
        TROUBLES,
        "if early and not (lost and row.rung < WIDEST):",
        "if early:",
        (f"{T_TROUBLES}::test_a_trouble_that_nobody_takes_goes_on_to_others",),
    ),
    Mutant(
        "told-of-less-is-told",
        "Whoever heard of a milder trouble hears of the worse one.",
        TROUBLES,
        "said.append((one, rung, lost[one.subject] if again else ()))",
        "said.append((one, rung, lost.get(one.subject, ())))",
        (f"{T_TROUBLES}::test_what_got_worse_is_told_to_whoever_heard_of_less",),
    ),
    Mutant(
        "came-back-unseen",
        "What comes back for the sender's sake was read by nobody.",
        "keywatch/store/outbox.py",
        'self.set_meta("reach_at", text_of(now))',
        "pass",
        (f"{T_TROUBLES}::test_a_finding_that_comes_back_for_the_senders_sake_goes_on_too",),
    ),
    Mutant(
        "full-mailbox-heard",
        "What bounced off a full mailbox was read by nobody.",
        FINDINGS,
        "return alive(route, world) and (doubt is None or doubt.at < at)",
        "return alive(route, world)",
        (f"{T_TROUBLES}::test_a_finding_that_comes_back_later_goes_on_to_others",),
    ),
    Mutant(
        "weekly-is-monthly",
        "A trouble is said again each week until everybody has heard of it.",
        TROUBLES,
        "return told_at + (AGAIN if rung < WIDEST else LATER)",
        "return told_at + LATER",
        (f"{T_TROUBLES}::test_it_is_said_again_a_week_later_and_wider",),
    ),
    Mutant(
        "not-found-kills",
        "One 404 kills no route.",
        HEALTH,
        "clear = [row for row in refused if row.code != VAGUE]",
        "clear = refused",
        (T_HEALTH,),
    ),
    Mutant(
        "not-found-never-kills",
        "The second 404 kills, and a dead route stays dead.",
        HEALTH,
        "if clear or again:",
        "if clear and refused[-1] in clear:",
        (T_HEALTH,),
    ),
    Mutant(
        "freed-counts",
        "What was put down to the transport does not count against a route.",
        HEALTH,
        "after = since[since.index(freed) + 1 :] if freed else since",
        "after = since",
        (T_HEALTH,),
    ),
    Mutant(
        "outage-kills",
        "A transport that refuses nearly everybody kills no route.",
        HEALTH,
        "return refused >= AT_ONCE and 2 * refused >= refused + accepted",
        "return False",
        BREAKER,
    ),
    Mutant(
        "outage-for-ever",
        "What is refused a day later is believed.",
        HEALTH,
        "return any(BELIEVED_AFTER <= now - at <= DOUBTED_FOR for at in freed)",
        "return False",
        BREAKER,
    ),
    Mutant(
        "asked-from-the-answer",
        "The monthly question counts from the last one.",
        ASKING,
        "last = asked if answered else _latest(proven, asked)",
        "last = _latest(proven, asked)",
        ("policy/test_asking.py",),
    ),
    Mutant(
        "reminded-twice",
        "What stands in the digest is no message of its own.",
        QUIET,
        "[note for note in notes if note not in carried]",
        "notes",
        (f"{T_REMINDERS}::test_on_the_day_of_the_digest_a_reminder_stands_in_it",),
    ),
    Mutant(
        "carried-on-fewer-routes",
        "A reminder that takes more routes than the digest goes by itself.",
        DIGEST,
        "if not mine or {route.name for route in routes_of(mine[0].person, world)} - set(one.routes):",
        "if not mine:",
        (f"{T_REMINDERS}::test_a_reminder_that_takes_more_routes_than_the_digest_goes_by_itself",),
    ),
)

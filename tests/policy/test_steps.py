"""Steps of a renewal: what is done is not counted, and one that somebody promised and that is overdue is said apart."""

from dataclasses import replace
from typing import Any

import pytest

from keywatch.model import AckKind, Credential, Episode, Outcome, Rules, World
from keywatch.policy.case import timeline
from keywatch.policy.deadlines import dates, done_steps, first_step_due
from keywatch.policy.plan import decide
from keywatch.policy.reconcile import change, observe
from keywatch.policy.stages import current, stages
from tests.policy.build import (
    DAY,
    HOUR,
    answered,
    at,
    calendar,
    credential,
    episode,
    found,
    madrid,
    owner,
    promise,
    roster,
    routes,
    run,
    world,
)

PLACE = calendar(holidays=["2026-12-08", "2026-12-25"])
LEAD = "approval=10bd,issue=1bd,deploy=3bd"
BEGUN = AckKind.BEGUN
TEAM = owner(calendar=PLACE)


def paygate(*done: str, lead: str = LEAD, place: World | None = None, **more: Any) -> Credential:
    """`paygate`, which expires on 19 December in Madrid, with these steps done on 1 December."""
    said = {"done": ",".join(done), "done_version": "v1", "done_at": at("2026-12-01 10:00").isoformat()}
    overrides = said if done else {}
    return credential(madrid("2026-12-19"), lead, place=place or world(TEAM), overrides=overrides, **more)


# --------------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("done", "start", "first"),
    [
        ((), "2026-11-30", "2026-12-15"),
        (("approval",), "2026-12-15", "2026-12-16"),
        (("approval", "issue"), "2026-12-16", "2026-12-19"),
        (("issue",), "2026-12-01", "2026-12-16"),
        (("approval", "issue", "deploy"), "2026-12-18", "2026-12-19"),
    ],
)
def test_dates_count_what_is_still_to_go(done: tuple[str, ...], start: str, first: str) -> None:
    """Start by and the due date of the first step move by what is done; with nothing left it is the last good day."""
    when = dates(PLACE, Rules(), madrid("2026-12-19"), LEAD, None, done)
    assert when.start_by == madrid(start)
    assert first_step_due(PLACE, when) == madrid(first)
    assert when.done == done
    assert when.late_at == min(madrid(start) + DAY, when.expires_at)


def test_what_is_done_never_makes_a_date_earlier() -> None:
    """Also where the lead time is half the life or more, and a third of the life stands in for it."""
    issued = madrid("2026-11-25")
    whole = dates(PLACE, Rules(), madrid("2026-12-19"), LEAD, issued)
    assert whole.too_long
    for done in (("approval",), ("approval", "issue"), ("deploy",)):
        less = dates(PLACE, Rules(), madrid("2026-12-19"), LEAD, issued, done)
        assert less.too_long
        assert less.start_by >= whole.start_by
    assert dates(PLACE, Rules(), madrid("2026-12-19"), LEAD, issued, ("approval",)).start_by == madrid("2026-12-15")


def test_hours_that_are_left_are_exact() -> None:
    """Working days of an approval that is done do not round what is left to days."""
    when = dates(PLACE, Rules(), madrid("2026-12-19"), "approval=5bd,deploy=4h", None, ("approval",))
    assert when.exact
    assert when.start_by == madrid("2026-12-18 20:00")


def test_a_new_version_begins_with_nothing_done() -> None:
    """What was done was done for the version before; a sighting of the same version keeps it."""
    row = paygate("approval")
    assert done_steps(row) == ("approval",)
    same = observe(at("2026-12-02"), row, found("v1", "2026-12-18 23:00"), "vault", first_run=False)
    assert done_steps(same) == ("approval",)
    new = observe(at("2026-12-02"), row, found("v2", "2027-12-18 23:00"), "vault", first_run=False)
    assert done_steps(new) == ()


def test_a_step_that_is_done_ends_no_episode() -> None:
    """The expiry has not moved: the episode stays open."""
    row = paygate("approval", "issue", "deploy")
    turn = change(row, episode(row), at("2026-12-02"))
    assert turn.outcome is None
    assert Outcome.RENEWED not in (turn.outcome,)


# --------------------------------------------------------------------------- the stages of the new dates


def test_stages_that_passed_when_the_step_was_done_are_no_news() -> None:
    """7d of the old start by was said; then the approval came: 14d of the new one has passed and is not said."""
    place = world(TEAM)
    before, row = episode(paygate()), paygate("approval")
    before, spoke = run(madrid("2026-11-23 09:00"), paygate(), before, place)
    assert spoke[0].stage == "7d@2026-11-23"
    assert next(s.key for s in stages(timeline(row, before, place), madrid("2026-12-01 12:00"))) == "7d@2026-12-08"
    _, after = run(madrid("2026-12-01 12:00"), row, before, place)
    assert after == []
    _, week = run(madrid("2026-12-07 09:00"), row, before, place)
    assert [said.stage for said in week] == ["7d@2026-12-08"], "the new start by is near: that is said"


def test_what_nobody_was_told_is_said_though_it_passed() -> None:
    """A step that is done before the first message hides nothing from the others."""
    place, row = world(TEAM), paygate("approval")
    _, spoke = run(madrid("2026-12-02 09:00"), row, episode(row), place)
    assert spoke[0].stage == "14d@2026-12-01"


def test_a_step_that_is_done_is_an_answer() -> None:
    """Silence is not counted against who did a step after the call that asked."""
    place = world(TEAM)
    before, spoke = run(madrid("2026-11-23 09:00"), paygate(), episode(paygate()), place)
    assert spoke[0].asks
    _, later = run(madrid("2026-12-07 09:00"), paygate("approval"), before, place)
    assert later[0].silent == ()
    _, silent = run(madrid("2026-12-07 09:00"), paygate(), before, place)
    assert silent[0].silent


# --------------------------------------------------------------------------- a step that is overdue


def in_hand(place: World, until: str = "2026-12-18", giver: str = "bo") -> Episode:
    """START was said, and somebody has had it in hand since 24 November."""
    before, _ = run(madrid("2026-11-23 09:00"), paygate(), episode(paygate()), place)
    return answered(before, promise(madrid("2026-11-24 10:00"), madrid(until), giver, BEGUN))


def test_an_overdue_step_goes_to_the_giver_and_the_deputy() -> None:
    """AS-05: the approval should be there on the 15th; from the next [policy] at the deputy hears of it too."""
    row, place = paygate(details={"deputy": "di"}), world(TEAM)
    before = in_hand(place)
    _, quiet = run(madrid("2026-12-16 08:59"), row, before, place)
    assert quiet == []
    _, spoke = run(madrid("2026-12-16 09:00"), row, before, place)
    assert [(said.stage, said.asks, routes(said)) for said in spoke] == [
        ("step-approval@2026-12-15", True, ["bo", "di"])
    ]
    assert {p.person: p.why for p in spoke[0].notices}["di"] == "named as deputy for paygate"


def test_without_a_deputy_whoever_is_on_duty_is_asked() -> None:
    """AS-05: no deputy named, or one who is the giver, unknown, or without a living route."""
    for deputy, dead in (("", ()), ("bo", ()), ("nobody", ()), ("di", ("di",))):
        place = world(TEAM, dead=dead)
        row = paygate(details={"deputy": deputy}, place=place)
        _, spoke = run(madrid("2026-12-16 09:00"), row, in_hand(place), place)
        assert [routes(said) for said in spoke] == [["ana", "bo"]], deputy


def test_an_overdue_step_is_widened_for_cover_and_climbs() -> None:
    """Two unproven people are enough; one is not. Without an answer it climbs from its own acceptance."""
    place = world(TEAM, unproven=("bo",), dead=("ana",))
    row = paygate()
    _, spoke = run(madrid("2026-12-16 09:00"), row, in_hand(place), place)
    assert set(routes(spoke[0])) > {"bo"}
    place = world(TEAM)
    after, spoke = run(madrid("2026-12-16 09:00"), row, in_hand(place), place)
    assert after.rung == 1, "what is in hand keeps its rung"
    _, quiet = run(madrid("2026-12-16 17:00"), row, after, place)
    assert quiet == []
    _, climbed = run(madrid("2026-12-17 09:00"), row, after, place)
    assert climbed[0].climbed
    assert {"cy", "di"} <= set(routes(climbed[0]))


def test_a_step_that_is_done_or_promised_anew_is_silent() -> None:
    """Done in time it is never said; after the call a new promise stops the climb."""
    place, row = world(TEAM), paygate()
    _, spoke = run(madrid("2026-12-16 09:00"), paygate("approval"), in_hand(place), place)
    assert spoke == []
    after, _ = run(madrid("2026-12-16 09:00"), row, in_hand(place), place)
    after = answered(after, promise(madrid("2026-12-16 10:00"), madrid("2026-12-18"), "bo", BEGUN, 2))
    _, quiet = run(madrid("2026-12-17 09:00"), row, after, place)
    assert quiet == []


def test_a_step_nobody_promised_is_no_call_of_its_own() -> None:
    """Then the ladder speaks; nor does the last step, whose end is the expiry, nor a lead time of one step."""
    place = world(TEAM)
    before, _ = run(madrid("2026-11-23 09:00"), paygate(), episode(paygate()), place)
    keys = [s.key for s in stages(timeline(paygate(), before, place), madrid("2026-12-16 09:00"))]
    assert not [key for key in keys if key.startswith("step-")]
    for row in (paygate("approval", "issue"), paygate(lead="14bd")):
        keys = [s.key for s in stages(timeline(row, in_hand(place), place), madrid("2026-12-18 09:00"))]
        assert not [key for key in keys if key.startswith("step-")]


def test_on_the_day_of_a_lapse_the_lapse_says_it() -> None:
    """The deputy is among those whom the lapse tells, and the step is not said apart, not even after a new promise."""
    row, place = paygate(details={"deputy": "fay"}), world(TEAM)
    before = in_hand(place, "2026-12-16")
    after, spoke = run(madrid("2026-12-16 09:00"), row, before, place)
    assert [said.stage for said in spoke] == ["lapsed@2026-12-15"]
    assert {"bo", "fay"} <= set(routes(spoke[0]))
    again = answered(after, promise(madrid("2026-12-16 10:00"), madrid("2026-12-18"), "bo", BEGUN, 2))
    _, quiet = run(madrid("2026-12-17 09:00"), row, again, place)
    assert quiet == []


def test_the_last_day_has_no_call_for_a_step() -> None:
    """In the last 24 hours `last` speaks, whatever step is missing."""
    lead = "approval=10bd,deploy=1bd"
    place, row = world(TEAM), paygate(lead="approval=10bd,deploy=1bd")
    before = answered(episode(row), promise(madrid("2026-12-01 10:00"), madrid("2026-12-19"), "bo", BEGUN))
    assert current(timeline(row, before, place), madrid("2026-12-18 09:00")).kind == "last", lead  # type: ignore[union-attr]


def test_a_run_looks_again_when_a_step_becomes_overdue() -> None:
    """The instant is known when the promise is given: a check before it is idle, and the one at it speaks."""
    place, row = world(TEAM), paygate()
    moment, seen = madrid("2026-12-01 10:00"), []
    before = in_hand(place)
    while moment and moment < madrid("2026-12-16 09:00"):
        said = decide(moment, row, before, place)
        assert said.next_at
        assert said.next_at > moment
        moment = said.next_at
        seen.append(moment)
    assert madrid("2026-12-16 09:00") in seen


def test_other_environments_have_no_steps() -> None:
    """They are said once before start by and once at the end."""
    row = replace(paygate(), env="staging")
    keys = [s.kind for s in stages(timeline(row, in_hand(world(TEAM)), world(TEAM)), madrid("2026-12-16 09:00"))]
    assert "step" not in keys


def test_nobody_known_on_duty_widens_the_step() -> None:
    """No deputy and an empty roster: the call goes on until it is covered."""
    place = world(TEAM, roster((), ()), unproven=("bo",))
    _, spoke = run(madrid("2026-12-16 09:00") + HOUR, paygate(), in_hand(place), place)
    assert len(routes(spoke[0])) > 1

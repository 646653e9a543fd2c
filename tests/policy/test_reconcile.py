"""What a sighting means: renewed, rescheduled, moved, missing, gone, or only a source that cannot see today."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from keywatch.model import Basis, Credential, Deadline, Found, Outcome, State
from keywatch.policy.reconcile import (
    Absence,
    Change,
    Listing,
    Turn,
    absence,
    change,
    deadlines_of,
    noticed_overdue,
    observe,
    promised_rotation,
    resolved,
    unfound,
    without_end,
)
from keywatch.policy.state import state
from tests.policy.build import DAY, HOUR, MINUTE, NEW_YORK, at, calendar, credential, episode, found, owner, world

T0 = at("2026-11-20 12:00")
OLD, NEW, SOON = "2026-12-19", "2027-12-19", "2026-12-01"


def see(now: datetime, known: Credential | None, item: Found) -> Credential:
    return observe(now, known, item, "vault", first_run=False)


def known(expires: str = OLD, **more: Any) -> Credential:
    """Seen once at T0 with version v1."""
    return see(T0, None, found("v1", expires, **more))


# --------------------------------------------------------------------------- first sight


def test_what_is_seen_first_is_taken_as_it_is() -> None:
    """Date, basis and reason of the effective deadline; adopted only where the source is read for the first time."""
    row = known()
    assert (row.expires_at, row.basis, row.because) == (at(OLD), Basis.ENFORCED, f"date = {OLD}")
    assert (row.first_seen, row.adopted_at, row.changed_at) == (T0, None, None)
    assert observe(T0, None, found("v1", OLD), "vault", first_run=True).adopted_at == T0


def test_first_sight_without_a_date() -> None:
    """UNDATED where nobody said never, NEVER where the source did, UNKNOWN where a date cannot be read."""
    assert state(known(""), T0) is State.UNDATED
    assert state(known("", never=True), T0) is State.NEVER
    assert state(known("", problem="cannot read 'soon'"), T0) is State.UNKNOWN


def test_a_date_for_what_had_none_rules_at_once() -> None:
    """Where nothing was known or never was said, any date is news."""
    row = see(T0 + HOUR, known("", never=True), found("v1", NEW))
    assert (row.expires_at, row.never) == (at(NEW), False)


# --------------------------------------------------------------------------- renewed, rescheduled, moved


def test_a_later_date_with_a_new_version_rules_at_once() -> None:
    """Renewed: the new date, the new version, and when it changed."""
    row = see(T0 + HOUR, known(), found("v2", NEW))
    assert (row.expires_at, row.version, row.changed_at, row.unconfirmed) == (at(NEW), "v2", T0 + HOUR, "")
    before = episode(known(), T0)
    assert change(row, before, T0 + HOUR) == Change(Turn.REPLACE, Outcome.RENEWED)


def test_a_later_date_alone_rules_after_24_hours_unchanged() -> None:
    """Until then the old date stands; at exactly 24 hours the new one rules, and the episode was rescheduled."""
    row = see(T0, known(), found("v1", NEW))
    assert (row.expires_at, row.pending_since) == (at(OLD), T0)
    row = see(T0 + 24 * HOUR - MINUTE, row, found("v1", NEW))
    assert (row.expires_at, row.pending_since) == (at(OLD), T0)
    row = see(T0 + 24 * HOUR, row, found("v1", NEW))
    assert (row.expires_at, row.pending, row.pending_since) == (at(NEW), None, None)
    assert change(row, episode(known(), T0), T0 + DAY) == Change(Turn.REPLACE, Outcome.RESCHEDULED)


@pytest.mark.parametrize("between", [found("v1", "2028-01-01"), found("v1", OLD), found("v1")])
def test_a_later_date_that_changed_meanwhile_starts_again(between: Found) -> None:
    """Another later date, the old one or none at all in between: 24 hours unchanged have not passed."""
    row = see(T0, known(), found("v1", NEW))
    row = see(T0 + 12 * HOUR, row, between)
    row = see(T0 + 24 * HOUR, row, found("v1", NEW))
    assert row.expires_at == at(OLD)
    assert see(T0 + 48 * HOUR, row, found("v1", NEW)).expires_at == at(NEW)


def test_an_earlier_date_rules_at_once_and_keeps_the_episode() -> None:
    """Moved: with or without a new version."""
    for version in ("v1", "v2"):
        row = see(T0 + HOUR, known(), found(version, SOON))
        assert (row.expires_at, row.changed_at) == (at(SOON), T0 + HOUR)
        assert change(row, episode(known(), T0), T0 + HOUR) == Change(Turn.MOVE)


def test_of_two_dates_the_earliest_rules() -> None:
    """A person's optimistic date does not hide what the verifier enforces, nor the other way round."""
    two = (Deadline(at(NEW), Basis.DECLARED, "expires"), Deadline(at(OLD), Basis.ENFORCED, "notAfter"))
    row = see(T0, None, found(deadlines=two))
    assert (row.expires_at, row.basis) == (at(OLD), Basis.ENFORCED)


def test_a_new_version_without_a_later_date_is_unconfirmed() -> None:
    """`renewed, date not updated`, and it stays so at every further sight until somebody says more."""
    row = see(T0 + HOUR, known(), found("v2", OLD))
    assert (row.unconfirmed, row.expires_at, row.changed_at) == ("v2", at(OLD), T0 + HOUR)
    assert change(row, episode(known(), T0), T0 + HOUR) == Change(Turn.NOTHING)
    for hours in (2, 3, 48):
        row = see(T0 + hours * HOUR, row, found("v2", OLD))
        assert row.unconfirmed == "v2"


def test_a_date_at_the_source_answers_the_question_at_once() -> None:
    """The later date of an unconfirmed version needs no 24 hours, and the episode was renewed."""
    row = see(T0 + HOUR, known(), found("v2", OLD))
    row = see(T0 + 2 * HOUR, row, found("v2", NEW))
    assert (row.expires_at, row.unconfirmed) == (at(NEW), "")
    assert change(row, episode(known(), T0), T0 + DAY) == Change(Turn.REPLACE, Outcome.RENEWED)


def test_the_same_date_said_by_a_person_stays_answered() -> None:
    """`edit --same-date` takes the mark away; the next sight of the same version does not bring it back."""
    row = replace(see(T0 + HOUR, known(), found("v2", OLD)), unconfirmed="")
    assert see(T0 + 2 * HOUR, row, found("v2", OLD)).unconfirmed == ""
    assert see(T0 + 3 * HOUR, row, found("v3", OLD)).unconfirmed == "v3"


def test_a_version_seen_for_the_first_time_is_no_renewal() -> None:
    """A row that had no version, such as one of an older release, was not renewed by getting one."""
    assert see(T0 + HOUR, replace(known(), version=""), found("v2", OLD)).unconfirmed == ""


def test_the_issue_belongs_to_its_version() -> None:
    """A new version without an issue date does not inherit the old one."""
    row = known(issued=at("2026-06-01"))
    assert see(T0 + HOUR, row, found("v1", OLD)).issued == at("2026-06-01")
    assert see(T0 + HOUR, row, found("v2", NEW)).issued is None


# --------------------------------------------------------------------------- losing a date


def test_losing_a_date_ends_nothing() -> None:
    """The last known date goes on, stale since the first sight without it; a date ends the staleness."""
    row = see(T0, known(), found("v1"))
    assert (row.expires_at, row.stale_since) == (at(OLD), T0)
    row = see(T0 + 9 * DAY, row, found("v1", problem="cannot read 'soon'"))
    assert (row.expires_at, row.stale_since, row.problem) == (at(OLD), T0, "cannot read 'soon'")
    assert change(row, episode(known(), T0), T0 + 9 * DAY) == Change(Turn.NOTHING)
    assert see(T0 + 10 * DAY, row, found("v1", OLD)).stale_since is None


def test_a_new_version_brings_a_date_back() -> None:
    """After a loss, a new version with a later date rules at once."""
    row = see(T0 + HOUR, see(T0, known(), found("v1")), found("v2", NEW))
    assert (row.expires_at, row.stale_since) == (at(NEW), None)


def test_a_new_version_without_any_date_is_unconfirmed() -> None:
    """Renewed and the date lost: the last known one goes on, stale, and the owner is asked."""
    row = see(T0, known(), found("v2"))
    assert (row.expires_at, row.unconfirmed, row.stale_since) == (at(OLD), "v2", T0)


def test_never_counts_after_24_hours() -> None:
    """A source that says never where a date was known is believed when it has said so for 24 hours."""
    row = see(T0, known(), found("v1", never=True))
    assert (row.expires_at, row.never, row.stale_since) == (at(OLD), False, T0)
    row = see(T0 + 24 * HOUR - MINUTE, row, found("v1", never=True))
    assert row.expires_at == at(OLD)
    row = see(T0 + 24 * HOUR, row, found("v1", never=True))
    assert (row.expires_at, row.never, row.basis, row.stale_since) == (None, True, None, None)
    assert change(row, episode(known(), T0), T0 + DAY).turn is Turn.END


@pytest.mark.parametrize("between", [found("v1", OLD), found("v1")])
def test_never_that_was_taken_back_starts_again(between: Found) -> None:
    """A date, or only silence, between two nevers: 24 hours have not passed."""
    row = see(T0, known(), found("v1", never=True))
    row = see(T0 + 12 * HOUR, row, between)
    assert see(T0 + 24 * HOUR, row, found("v1", never=True)).expires_at == at(OLD)


def test_a_persons_never_rules_at_once() -> None:
    """`edit --never` where the source has no date; where it has one, the date stays."""
    said = replace(see(T0, known(), found("v1")), overrides={"never": "true"})
    assert see(T0 + HOUR, said, found("v1")).expires_at is None
    assert see(T0 + HOUR, said, found("v1", OLD)).expires_at == at(OLD)
    assert without_end(known()).never


# --------------------------------------------------------------------------- what `edit` said


def edited(expires: str, row: Credential, now: datetime = T0 + HOUR) -> Credential:
    """`edit --expires` on a source's row, as it is seen at the next scan."""
    said = {"expires": at(expires).isoformat(), "expires_version": row.version, "expires_by": "ana", "owner": "sre"}
    item = Found(row.ref, row.version, row.name, row.deadlines)
    return see(now, replace(row, overrides=said), item)


def test_edit_replaces_the_declared_date_at_once_and_survives_collecting() -> None:
    """A person's word needs no 24 hours, forward or back, and the next scans do not undo it."""
    row = known(basis=Basis.DECLARED)
    for day in (NEW, SOON):
        changed = edited(day, row)
        assert (changed.expires_at, changed.because, changed.basis) == (at(day), "edit by ana", Basis.DECLARED)
        again = see(T0 + 9 * DAY, changed, found("v1", OLD, Basis.DECLARED))
        assert (again.expires_at, dict(again.overrides)) == (at(day), dict(changed.overrides))


@pytest.mark.parametrize("basis", [Basis.ENFORCED, Basis.DELETION])
def test_edit_never_hides_a_harder_date(basis: Basis) -> None:
    """What the verifier enforces or the store will delete stays; an earlier word of a person still counts."""
    row = known(basis=basis)
    assert (edited(NEW, row).expires_at, edited(NEW, row).basis) == (at(OLD), basis)
    assert edited(SOON, row).expires_at == at(SOON)


def test_edit_counts_for_its_version_only() -> None:
    """The new version has its own date again."""
    row = edited(NEW, known(basis=Basis.DECLARED))
    later = "2028-06-01"
    renewed = see(T0 + 2 * HOUR, row, found("v2", later, Basis.DECLARED))
    assert renewed.expires_at == at(later)
    assert [d.because for d in deadlines_of(renewed)] == [f"date = {later}"]


def test_what_edit_said_wins_over_label_and_rule() -> None:
    """Override > label on the item > `[[assign]]` > none; the calendar is the resolved owner's."""
    ny = owner(name="ny", roster="", people=("kim",), calendar=calendar(NEW_YORK))
    place = replace(world(), owners={**world().owners, "ny": ny})
    row = known(labels={"owner": "pay", "lead": "3bd"}, url="https://vault.example.com/x")
    assigned = {"owner": "other", "lead": "9bd", "service": "checkout", "renewal": "automatic"}
    plain = resolved(row, assigned, "staging", place)
    assert (plain.owner, plain.lead, plain.service, plain.env) == ("pay", "3bd", "checkout", "staging")
    assert (plain.automatic, plain.details["url"]) == (True, "https://vault.example.com/x")
    over = resolved(replace(row, overrides={"owner": "ny", "lead": "1bd"}), assigned, "", place)
    assert (over.owner, over.lead, over.start_by) == ("ny", "1bd", at("2026-12-17", NEW_YORK))
    bare = resolved(known(), {}, "", place)
    assert (bare.owner, bare.lead, bare.automatic) == ("", "", False)


# --------------------------------------------------------------------------- the turns of an episode


def test_an_episode_ends_only_by_one_of_four_outcomes() -> None:
    """Retired, risk accepted until, never (rescheduled), or a later date; an expiry that has passed ends nothing."""
    row, open_ = known(), episode(known(), T0)
    assert change(replace(row, retired_at=T0), open_, T0) == Change(Turn.END, Outcome.RETIRED)
    assert change(replace(row, accepted_until=T0 + DAY), open_, T0) == Change(Turn.END, Outcome.ACCEPTED)
    assert change(without_end(row), open_, T0) == Change(Turn.END, Outcome.RESCHEDULED)
    assert change(row, open_, at("2030-01-01")) == Change(Turn.NOTHING)


def test_without_an_episode_a_date_opens_one_and_nothing_else_does() -> None:
    """Retired, accepted and never have nothing to open or end; an accepted risk opens again at its end."""
    row = known()
    assert change(row, None, T0) == Change(Turn.OPEN)
    assert change(replace(row, retired_at=T0), None, T0).turn is Turn.NOTHING
    assert change(without_end(row), None, T0).turn is Turn.NOTHING
    accepted = replace(row, accepted_until=T0 + DAY)
    assert change(accepted, None, T0).turn is Turn.NOTHING
    assert change(accepted, None, T0 + DAY) == Change(Turn.OPEN)


# --------------------------------------------------------------------------- automatic


def test_the_first_check_remembers_and_the_second_speaks() -> None:
    """Overdue is noted once, at the check that saw it; not before, and not for what people renew."""
    robot = credential("2026-12-31", automatic=True, issued=at("2026-10-02"))
    due = at("2026-12-16")
    assert noticed_overdue(robot, due - MINUTE) == robot
    seen = noticed_overdue(robot, due)
    assert seen.overdue_seen == due
    assert noticed_overdue(seen, due + DAY) == seen
    assert noticed_overdue(credential("2026-12-31"), at("2027-01-01")).overdue_seen is None


def test_a_robot_that_is_on_time_again_starts_from_nothing() -> None:
    """The date moved away: the overdue check of the old date is forgotten, two new ones are needed."""
    later = credential("2027-03-31", automatic=True, issued=at("2026-10-02"), overdue_seen=at("2026-12-16"))
    assert noticed_overdue(later, at("2026-12-17")).overdue_seen is None


def test_a_renewal_teaches_how_much_life_is_left_as_a_rule() -> None:
    """Renewed 20 days before its end: 20 days are usual. What a person renews teaches nothing."""
    issued = at(OLD) - 20 * DAY
    renewed = see(issued + HOUR, known(automatic=True), found("v2", NEW, automatic=True, issued=issued))
    assert renewed.usual_left == 20 * DAY
    assert see(issued + HOUR, known(), found("v2", NEW, issued=issued)).usual_left is None
    overdue = replace(known(automatic=True), overdue_seen=T0)
    assert see(T0 + HOUR, overdue, found("v2", NEW, automatic=True)).overdue_seen is None


def test_a_broken_promise_of_a_robot_is_known_from_its_date_on() -> None:
    """ROTATION never expires anything; it only says since when a new version is owed."""
    row = known(SOON, basis=Basis.ROTATION)
    assert row.expires_at is None
    assert promised_rotation(row, at(SOON) - MINUTE) is None
    assert promised_rotation(row, at(SOON)) == at(SOON)


# --------------------------------------------------------------------------- what was not found


def rows(*refs: str) -> list[Credential]:
    return [replace(known(), id=n, ref=ref) for n, ref in enumerate(refs, 1)]


def listing(refs: list[str], covered: list[str], gaps: list[str] | None = None) -> Listing:
    return Listing(frozenset(refs), tuple(covered), tuple(gaps or ()))


@pytest.mark.parametrize(
    ("ref", "covered", "gaps", "missing"),
    [
        ("kv/a/x", ["kv/"], [], True),
        ("kv/a/x", [""], [], True),
        ("kv/a/x", ["kv/b/"], [], False),
        ("kv/a/x", [], [], False),
        ("kv/a/x", ["kv/"], ["kv/a/"], False),
        ("kv/a/x", ["kv/a/"], [""], False),
        ("kv/b2/x", ["kv/"], ["kv/b/"], True),
        ("kv/b2/x", ["kv/b/"], [], False),
        ("kv/seen", ["kv/"], [], False),
    ],
)
def test_missing_is_covered_not_found_and_under_no_gap(
    ref: str, covered: list[str], gaps: list[str], missing: bool
) -> None:
    """Prefixes end in "/": a gap or a cover of kv/b/ says nothing of kv/b2/x."""
    assert listing(["kv/seen"], covered, gaps).missing(ref) is missing


def test_a_listing_is_complete_when_it_covered_something_and_has_no_gap() -> None:
    """Only such a listing counts as a first complete run."""
    assert listing([], [""]).complete
    assert not listing([], []).complete
    assert not listing([], ["a/"], ["b/"]).complete


def test_what_lies_under_a_gap_goes_on_stale() -> None:
    """Missing and unseen are told apart, and what was found is neither."""
    a, b, c = rows("kv/a/x", "kv/b/x", "kv/c/x")
    said = absence([a, b, c], listing(["kv/c/x"], ["kv/"], ["kv/b/"]))
    assert said == Absence((a,), (b,))


def refs(count: int) -> list[str]:
    return [f"kv/{n:03}" for n in range(count)]


@pytest.mark.parametrize(
    ("count", "lost", "held"),
    [
        (1, 1, False),
        (2, 2, True),
        (3, 3, True),
        (2, 1, False),
        (5, 4, False),
        (6, 5, False),
        (7, 6, True),
        (25, 5, False),
        (29, 6, True),
        (30, 6, False),
    ],
)
def test_the_fuse(count: int, lost: int, held: bool) -> None:
    """All of more than one, or more than 5 and more than 20 %: the listing is not believed, nothing is missing."""
    known_rows = rows(*refs(count))
    said = absence(known_rows, listing(refs(count)[lost:], [""]))
    assert bool(said.held) is held
    assert [row.ref for row in said.missing] == ([] if held else refs(count)[:lost])
    assert [row.ref for row in said.unseen] == (refs(count)[:lost] if held else [])


def test_the_fuse_looks_under_each_prefix() -> None:
    """Six of seven under one mount are an outage of that mount, however many live elsewhere."""
    small, large = [f"a/{n}" for n in range(7)], [f"b/{n}" for n in range(100)]
    said = absence(rows(*small, *large), listing([small[0], *large], ["a/", "b/"]))
    assert "6 of 7" in said.held
    assert absence(rows(*small, *large), listing([small[0], *large], [""])).held == ""


def test_gone_after_two_complete_listings_ten_minutes_apart() -> None:
    """Missing at the first, gone and retired by its source at the second that is 10 minutes later."""
    row = unfound(known(), T0, "vault", missing=True)
    assert (row.missing_since, row.retired_at) == (T0, None)
    row = unfound(row, T0 + 10 * MINUTE - MINUTE, "vault", missing=True)
    assert (row.missing_since, row.gone_at) == (T0, None)
    row = unfound(row, T0 + 10 * MINUTE, "vault", missing=True)
    assert (row.gone_at, row.retired_at, row.retired_by) == (T0 + 10 * MINUTE, T0 + 10 * MINUTE, "source:vault")


def test_a_missing_credential_keeps_its_reminders() -> None:
    """Missing once, or stale: its episode goes on as if nothing had happened."""
    open_ = episode(known(), T0)
    for missing in (True, False):
        assert change(unfound(known(), T0, "vault", missing=missing), open_, T0) == Change(Turn.NOTHING)
    stale = unfound(known(), T0, "vault", missing=False)
    assert stale.stale_since == T0
    assert unfound(stale, T0 + DAY, "vault", missing=False).stale_since == T0


def test_what_comes_back_was_never_away() -> None:
    """Found again: neither missing nor stale; what was gone is alive, what a person retired stays retired."""
    row = unfound(unfound(known(), T0, "vault", missing=True), T0 + DAY, "vault", missing=True)
    back = see(T0 + 2 * DAY, replace(row, stale_since=T0), found("v1", OLD))
    assert (back.missing_since, back.gone_at, back.retired_at, back.retired_by, back.stale_since) == (
        None, None, None, "", None,
    )  # fmt: skip
    retired = replace(known(), retired_at=T0, retired_by="ana")
    assert see(T0 + DAY, retired, found("v1", OLD)).retired_by == "ana"

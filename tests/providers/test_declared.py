"""What people write on an item: labels, dates, and text that must get no further."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywatch.declared import EXPIRES, dates, labels
from keywatch.model import LABELS
from keywatch.text import LIMIT, clean, secret_looking

ZONE = ZoneInfo("UTC")
SECRETS = (
    "hvs.CAESIJlU02LQZq4m0aXxA4wV",
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "postgres://app:hunter2@db/x",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
)


@pytest.mark.parametrize("key", ["expires", "EXPIRES", "Expiry-Date", "expires-at", "not_after", "Expiration_Date"])
def test_aliases(key: str) -> None:
    """Upper and lower case, `-` and `_` are the same."""
    (deadline,) = dates({key: "2026-12-31"}, EXPIRES, ZONE, "tag").deadlines
    assert (deadline.at, deadline.because) == (datetime(2026, 12, 31, tzinfo=UTC), f"tag.{key} = 2026-12-31")


def test_a_bare_date_starts_in_its_zone() -> None:
    """The start of the day in the zone of the source, not in ours."""
    (deadline,) = dates({"expires": "2026-12-31"}, EXPIRES, ZoneInfo("Europe/Berlin"), "tag").deadlines
    assert deadline.at == datetime(2026, 12, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "01/02/2026", "20261231", "2026-W01-1", "", "1767225600", "1767225600000"])
def test_unreadable_is_a_problem(text: str) -> None:
    """A date that cannot be read is said, with the accepted forms; it is never "no date"."""
    said = dates({"expires": text}, EXPIRES, ZONE, "tag")
    assert "tag.expires" in said.problem
    assert "2026-12-19" in said.problem
    assert (said.deadlines, said.never) == ((), False)


def test_epoch_only_where_it_is_documented() -> None:
    """`expiration_timestamp` may be seconds; milliseconds are named for what they are."""
    (deadline,) = dates({"expiration-timestamp": "1798675200"}, EXPIRES, ZONE, "tag").deadlines
    assert deadline.at == datetime(2026, 12, 31, tzinfo=UTC)
    assert "milliseconds" in dates({"expiration_timestamp": "1798675200000"}, EXPIRES, ZONE, "tag").problem


@pytest.mark.parametrize("text", ["never", "Never", "9999-12-31", "0001-01-01T00:00:00Z"])
def test_never(text: str) -> None:
    """Said in words or as a date at the end of time."""
    assert dates({"expires": text}, EXPIRES, ZONE, "tag").never


def test_a_date_outranks_never_and_a_later_date() -> None:
    """Of what is there the earliest rules, and the other is named."""
    said = dates({"expires": "never", "expiry": "2027-01-01", "not_after": "2028-01-01"}, EXPIRES, ZONE, "tag")
    (deadline,) = said.deadlines
    assert deadline.at.year == 2027
    assert not said.never
    assert "tag.expires = never" in deadline.because
    assert "2028-01-01" in deadline.because


def test_one_readable_and_one_not() -> None:
    """The readable one counts and the other is still a problem."""
    said = dates({"expires": "2027-01-01", "expiry": "soon"}, EXPIRES, ZONE, "tag")
    assert said.deadlines
    assert "'soon'" in said.problem


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("wrap", ["{}", "see {}", "x\u200b{}\n"])
def test_secrets_are_kept_out(secret: str, wrap: str) -> None:
    """In a label, in place of a date, or with invisible marks in it: it is neither kept nor quoted."""
    text = wrap.format(secret)
    broken = secret[:3] + "\u200b" + secret[3:]
    assert labels({"owner": text, "runbook": broken}) == {}
    said = dates({"expires": text}, EXPIRES, ZONE, "tag")
    assert said.problem
    assert secret[:16] not in said.problem
    assert not secret_looking(said.problem)


@pytest.mark.parametrize(
    "text", ["https://wiki.example.com/run/42", "team-payments", "AKIA", "ask Ana: ana@example.com", "21bd"]
)
def test_ordinary_labels_stay(text: str) -> None:
    """Addresses, names and durations are what labels are for."""
    assert labels({"owner": text}) == {"owner": text}


def test_labels_by_their_aliases() -> None:
    """`environment` and `lead-time` are env and lead; what is not on the list is left behind."""
    pairs = {"Environment": "prod", "lead-time": "21bd", "password": "x", "owner_email": "y", "service": " "}
    assert labels(pairs) == {"env": "prod", "lead": "21bd"}


@given(st.text(max_size=600))
def test_clean_is_one_short_printable_line(text: str) -> None:
    """No control, format or line characters, at most the limit, and cleaning twice changes nothing."""
    said = clean(text)
    assert len(said) <= LIMIT
    assert said == clean(said)
    assert not any(ord(c) < 32 or c in "\u2028\u2029\u202e\u200b\x7f\x9b\ufeff" for c in said)
    assert set(labels({"owner": text})) <= set(LABELS)


def test_clean_keeps_words_apart() -> None:
    """A line break was a space between two words; an escape was nothing."""
    assert clean("Pay\r\ngate \x1b[31mred\u202e \ud800x") == "Pay gate [31mred x"

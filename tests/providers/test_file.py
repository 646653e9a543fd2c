"""Credentials listed by hand: what a TOML or CSV file says, and every way in which it must be refused."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywatch.model import Covered, Found, Gap
from keywatch.testing import LentRun, ProviderContract
from keywatch_file import LARGEST_BYTES, FileProvider, FileSettings, Row, TableError, rows

UTC_ZONE = ZoneInfo("UTC")
CSV = (
    "name,expires,owner,environment,lead,never,issued,automatic\n"
    'paygate-api,2026-12-19,payments,production,"approval=15bd,issue=1bd",,2025-12-19,\n'
    "\n"
    "root-ca,,platform,,,yes,,\n"
    "robot,2027-01-01T08:00:00+02:00,,,,,,yes\n"
    "undated,,,,,,,\n"
)
TOML = """\
# what our gateways gave us
[[credential]]
name = "paygate-api"
expires = 2026-12-19
owner = "payments"
environment = "production"
lead = "approval=15bd,issue=1bd"
issued = 2025-12-19

[[credential]]
name = "root-ca"
never = true
owner = "platform"
[[credential]]
name = "robot"
expires = 2027-01-01T08:00:00+02:00
automatic = true
[[credential]]
name = "undated"
"""


def problems(text: str, kind: str = "csv") -> list[str]:
    with pytest.raises(TableError) as refused:
        rows(text, kind, UTC_ZONE)  # type: ignore[arg-type]
    return refused.value.problems


class TestContract(ProviderContract):
    """The rules of every provider."""

    plugin = "keywatch_file"

    @pytest.fixture
    def provider(self, tmp_path: Path) -> FileProvider:
        hostile = "evil\u202e\x1b[31m"
        (tmp_path / "list.csv").write_text(f"{CSV}{hostile},2027-01-01,<b>x</b>,,,,,\n", encoding="utf-8")
        return FileProvider(FileSettings("list.csv"))


def test_csv_and_toml_say_the_same() -> None:
    """The columns of one are the keys of the other."""
    lead = "approval=15bd,issue=1bd"
    expected = [
        Row(
            "paygate-api",
            datetime(2026, 12, 19, tzinfo=UTC),
            False,
            {"owner": "payments", "env": "production", "lead": lead},
            datetime(2025, 12, 19, tzinfo=UTC),
            False,
            2,
        ),
        Row("root-ca", None, True, {"owner": "platform"}, None, False, 4),
        Row("robot", datetime(2027, 1, 1, 6, tzinfo=UTC), False, {}, None, True, 5),
        Row("undated", None, False, {}, None, False, 6),
    ]
    assert rows(CSV, "csv", UTC_ZONE) == expected
    of_toml = rows(TOML, "toml", UTC_ZONE)
    assert [row.line for row in of_toml] == [2, 10, 14, 18]
    for by_csv, by_toml in zip(expected, of_toml, strict=True):
        assert (by_csv.name, by_csv.expires, by_csv.never) == (by_toml.name, by_toml.expires, by_toml.never)
        assert (by_csv.labels, by_csv.issued, by_csv.automatic) == (by_toml.labels, by_toml.issued, by_toml.automatic)


def test_bare_dates_start_in_the_given_zone() -> None:
    """In files a day is a day of the people who wrote it."""
    for text, kind in ((CSV, "csv"), (TOML, "toml")):
        first = rows(text, kind, ZoneInfo("Europe/Berlin"))[0]  # type: ignore[arg-type]
        assert first.expires == datetime(2026, 12, 18, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["\ufeff" + CSV, CSV.replace("\n", "\r\n"), CSV.replace(",", ";").replace("bd;", "bd,")]
)
def test_what_spreadsheets_do_to_csv(text: str) -> None:
    """A byte order mark, Windows line ends and semicolons are no problem."""
    assert [row.name for row in rows(text, "csv", UTC_ZONE)] == ["paygate-api", "root-ca", "robot", "undated"]


def test_every_bad_row_is_named_at_once() -> None:
    """A person mends a file in one go: each problem with its line, its credential, what and how."""
    text = (
        "name,expires,lead,automatic,owner\n"
        "a,01/02/2026,,,\n"
        "b,46010,,,\n"
        "c,2026-12-19,soon,,\n"
        "d,2026-12-19,,maybe,\n"
        ",2026-12-19,,,\n"
        "e,2026-12-19\n"
        "f,2026-02-30,,,AKIAIOSFODNN7EXAMPLE\n"
        "ok,2026-12-19,,,\n"
        "ok,2027-12-19,,,\n"
    )
    said = problems(text)
    assert [problem.split(":")[0] for problem in said] == [
        "line 2 (a)",
        "line 3 (b)",
        "line 4 (c)",
        "line 5 (d)",
        "line 6",
        "line 7",
        "line 8 (f)",
        "line 8 (f)",
        "'ok' is there twice, in lines 9 and 10; names are unique",
    ]
    assert "'01/02/2026'" in said[0]
    assert "2026-12-19" in said[0]
    assert "spreadsheet" in said[1]
    assert "21bd" in said[2]
    assert "AKIA" not in " ".join(said)


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("name,expires,pasword,wat\na,2026-12-19,x,y\n", "csv", "unknown column 'pasword', 'wat'; there are: name"),
        ("name,env,environment\na,b,c\n", "csv", "'env' is there twice"),
        ("expires\n2026-12-19\n", "csv", "no column 'name'"),
        ("name,expires\n", "csv", "no credential"),
        ("", "csv", "no credential"),
        ("", "toml", "no credential"),
        ('name,expires\n"a,2026', "csv", "not CSV"),
        ("name,expires,never\na,2026-12-19,yes\n", "csv", "says never and has a date"),
        ("[[credential]]\nname = ", "toml", "not TOML"),
        ("[[credentials]]\nname = 'a'", "toml", "'credentials' is not expected"),
        ("credential = 'a'", "toml", "each credential is a table"),
        ("[[credential]]\nname = 'a'\npassword = 'b'", "toml", "line 1: unknown key 'password'"),
        ("[[credential]]\nname = 'a'\nexpires = 2026-12-19T10:00:00", "toml", "has no offset"),
        ("[[credential]]\nname = 'a'\nexpires = 20261219", "toml", "expires is not a date"),
        ("[[credential]]\nname = 7", "toml", "name is not a text"),
        ("[[credential]]\nname = 'a'\nautomatic = 'perhaps'", "toml", "neither yes nor no"),
    ],
)
def test_what_is_refused(text: str, kind: str, part: str) -> None:
    """Nothing is guessed and nothing half taken; the reason says what would be right."""
    assert part in "\n".join(problems(text, kind))


def test_never_in_every_way() -> None:
    """As a word in the date, as a flag, or as a date at the end of time."""
    read = rows("name,expires,never\na,never,\nb,,true\nc,9999-12-31,\nd,,no\n", "csv", UTC_ZONE)
    assert [(row.expires, row.never) for row in read] == [(None, True)] * 3 + [(None, False)]


@given(st.text(max_size=200), st.sampled_from(["csv", "toml"]))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    """No file whatever makes it crash."""
    with suppress(TableError):
        assert rows(text, kind, UTC_ZONE)  # type: ignore[arg-type]


def test_a_file_as_a_source(run: LentRun) -> None:
    """Every row Found, everything Covered; the version is the day of issue, so a moved date is no renewal."""
    (run.base / "list.toml").write_text(TOML)
    scanned = list(FileProvider(FileSettings("list.toml")).scan(run))
    assert scanned[-1] == Covered("")
    first, ca, robot, _ = (item for item in scanned if isinstance(item, Found))
    assert (first.ref, first.version, first.issued) == ("paygate-api", "2025-12-19", datetime(2025, 12, 19, tzinfo=UTC))
    assert first.deadlines[0].because == "list.toml: expires = 2026-12-19"
    assert robot.deadlines[0].because == "list.toml: expires = 2027-01-01T06:00:00Z"
    assert (ca.never, ca.version, robot.automatic) == (True, "1", True)
    (run.base / "list.toml").write_text(TOML.replace("2026-12-19", "2027-12-19"))
    again = next(iter(FileProvider(FileSettings("list.toml")).scan(run)))
    assert isinstance(again, Found)
    assert again.version == first.version
    assert again.deadlines != first.deadlines


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("gone.csv", None, "cannot read gone.csv: No such file"),
        ("list.txt", b"name\na\n", "neither a .toml nor a .csv"),
        ("list.csv", b"name,expires\na,soon\nb,soon\nc,soon\nd,soon\ne,soon\n", "and 2 more"),
        ("list.csv", b"name\n\xff\xfe\n", "not UTF-8"),
        ("list.csv", b"", "no credential"),
    ],
)
def test_a_bad_file_is_a_gap(run: LentRun, name: str, content: bytes | None, part: str) -> None:
    """A file that cannot be used as a whole says nothing: no row of it goes missing."""
    if content is not None:
        (run.base / name).write_bytes(content)
    looked = FileProvider(FileSettings(name))
    (gap,) = looked.scan(run)
    assert isinstance(gap, Gap)
    assert gap.prefix == ""
    assert part in gap.reason
    assert list(looked.preflight(run))


def test_a_huge_file_is_refused_without_reading_it_whole(run: LentRun) -> None:
    """50 MiB is more than any list by hand; the file is sparse and takes no space here."""
    with (run.base / "big.csv").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    (gap,) = FileProvider(FileSettings("big.csv")).scan(run)
    assert isinstance(gap, Gap)
    assert "larger than 50 MiB" in gap.reason

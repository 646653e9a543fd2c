"""`import`: all rows or none, and twice is once."""

import pytest

from tests.cli_write.keyboard import Keyboard

CSV = """name,expires,owner,env,lead
a,2026-12-19,payments,prod,5bd
b,never,payments,,
c,2026-09-02,,,
"""


def put(kw: Keyboard, text: str, name: str = "list.csv") -> str:
    (kw.folder / name).write_text(text)
    return name


def test_all_rows_come_in_one_adoption(kw: Keyboard) -> None:
    """Every row has the same adoption instant, so that what is late already is asked about and not escalated."""
    done = kw.ok("import", put(kw, CSV))
    assert "3 new, 0 updated, 0 unchanged" in done.out
    assert "1 LATE" in done.out
    assert "1 without an owner" in done.err
    assert kw.select("SELECT count(*), count(DISTINCT adopted_at) FROM credential") == [(3, 1)]
    assert kw.select("SELECT count(*) FROM episode WHERE adopted_at IS NOT NULL") == [(1,)]


def test_standard_input_and_toml(kw: Keyboard) -> None:
    """`-` reads standard input, by default CSV; TOML is recognised by its tables."""
    kw.ok("import", "-", stdin=CSV)
    kw.ok("import", "-", stdin='[[credential]]\nname = "t"\nexpires = 2027-01-01\nowner = "platform"\n')
    assert set(kw.known()) == {"a", "b", "c", "t"}


def test_the_same_file_again_changes_nothing(kw: Keyboard) -> None:
    """Everything is unchanged, no row is written."""
    kw.ok("import", put(kw, CSV))
    before = kw.rows()
    assert "0 new, 0 updated, 3 unchanged" in kw.ok("import", "list.csv").out
    assert kw.rows() == before


def test_what_differs_needs_update(kw: Keyboard) -> None:
    """Without --update exit 2 naming each; with it a changed date is rescheduled and what is left out stays."""
    kw.ok("import", put(kw, CSV))
    changed = put(kw, "name,expires,owner\na,2027-01-19,platform\nc,2026-09-02,\n")
    error = kw.refused("import", changed)
    assert "(a)" in error
    assert "(c)" not in error
    assert "0 new, 1 updated, 1 unchanged" in kw.ok("import", changed, "--update").out
    row = kw.known()["a"]
    assert (row["owner"], row["env"], row["expires_at"][:10]) == ("platform", "production", "2027-01-18")
    assert kw.select("SELECT outcome FROM episode WHERE outcome <> ''") == [("rescheduled",)]


def test_every_bad_row_is_named_and_none_is_taken(kw: Keyboard) -> None:
    """One bad date among good rows: exit 2 with the line, nothing stored."""
    error = kw.refused("import", put(kw, CSV + "d,01/02/2026,,,\ne,2026-12-19,,,99\nf,soon,,,\n"))
    for place in ("line 5 (d)", "line 6 (e)", "line 7 (f)"):
        assert place in error


def test_unknown_owners_are_named_all_at_once(kw: Keyboard) -> None:
    """Owners, environments and people that do not exist: each with its line, nothing stored."""
    text = "name,expires,owner,env,deputy\na,2026-12-19,paymets,prod,\nb,2026-12-19,nobody,prodd,zoe\n"
    error = kw.refused("import", put(kw, text))
    assert "did you mean 'payments'" in error
    assert error.count("line 3 (b)") == 3


def test_a_name_that_a_source_uses_is_refused(kw: Keyboard) -> None:
    """Also with --update: what a source shows is not people's to import."""
    with (kw.folder / "keywatch.toml").open("a") as file:
        file.write('[[source]]\nname = "p"\nkind = "file"\npath = "p.csv"\nevery = "0"\n')
    put(kw, "name,expires,owner\na,2027-12-19,payments\n", "p.csv")
    kw.check("2026-09-01T11:00:00Z")
    assert "from p:" in kw.refused("import", put(kw, CSV), "--update")


def test_a_dry_run_writes_nothing(kw: Keyboard) -> None:
    """It counts the same, and refuses the same."""
    before = kw.rows()
    assert "would import: 3 new" in kw.ok("import", put(kw, CSV), "--dry-run").out
    assert kw.rows() == before
    kw.refused("import", put(kw, CSV.replace("payments", "nobody")), "--dry-run")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no credential"),
        (b"name,expires\n", "no credential"),
        (b"title,expires\nx,2026-12-19\n", "'title'"),
        (b"name,expires\na,2026-12-19\na,2026-12-20\n", "twice"),
        (b"name,expires,runbook\na,2026-12-19,ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "secret"),
        (b"\xff\xfe\x00n", "UTF-8"),
    ],
)
def test_what_is_no_list_is_refused(kw: Keyboard, content: bytes, said: str) -> None:
    """Empty, headless, doubled, secret or binary input: exit 2, nothing stored, no secret repeated."""
    error = kw.refused("import", "-", stdin=content)
    assert said in error
    assert "ghp_" not in error


def test_a_missing_file_is_two_lines(kw: Keyboard) -> None:
    """Exit 2."""
    assert "No such file" in kw.refused("import", "nowhere.csv")

"""The ends a person can give: retired, and a risk accepted until a date."""

from pathlib import Path

import pytest

from tests.cli_write.keyboard import Keyboard


def source(kw: Keyboard, count: int) -> Path:
    """A file source with so many credentials, already read once."""
    with (kw.folder / "keywatch.toml").open("a") as file:
        file.write('[[source]]\nname = "p"\nkind = "file"\npath = "p.csv"\nevery = "0"\n')
    path = kw.folder / "p.csv"
    path.write_text("name,expires,owner\n" + "".join(f"c{n},2027-12-19,payments\n" for n in range(count)))
    kw.check("2026-09-01T11:00:00Z")
    return path


def test_retire_ends_the_episode_in_somebodys_name(kw: Keyboard) -> None:
    """It leaves the list, the episode ends as retired, who and why stand in the timeline; twice is once."""
    kw.add()
    kw.ok("retire", "paygate-api", "--by", "mia", "--reason", "moved to bank transfer")
    assert kw.known() == {}
    assert kw.select("SELECT outcome, ended_by FROM episode") == [("retired", "mia")]
    assert kw.select("SELECT who, text FROM event WHERE kind = 'retire'") == [("mia", "moved to bank transfer")]
    before = kw.rows()
    assert "already" in kw.ok("retire", "paygate-api").out
    assert kw.rows() == before


def test_a_retired_credential_of_a_source_stays_retired(kw: Keyboard) -> None:
    """Its source may list it for as long as it likes."""
    source(kw, 2)
    kw.ok("retire", "c0")
    kw.check("2026-09-02T11:00:00Z")
    assert set(kw.known()) == {"c1"}


def test_a_source_that_is_gone_from_the_config_is_retired_whole(kw: Keyboard) -> None:
    """While it is configured that is refused; the people's own rows are never swept away."""
    source(kw, 3)
    kw.add()
    assert "still configured" in kw.refused("retire", "--source", "p")
    assert "by name" in kw.refused("retire", "--source", "manual")
    text = (kw.folder / "keywatch.toml").read_text()
    (kw.folder / "keywatch.toml").write_text(text[: text.index("[[source]]")])
    assert kw.ok("retire", "--source", "p").out.count("retired c") == 3
    assert set(kw.known()) == {"paygate-api"}
    assert "there are: none" in kw.refused("retire", "--source", "p")


def test_what_the_fuse_held_is_retired_by_a_person(kw: Keyboard) -> None:
    """A listing that lost nearly everything is not believed; `retire --missing` asks again and believes it."""
    path = source(kw, 8)
    path.write_text("name,expires,owner\nc0,2027-12-19,payments\n")
    kw.at = "2026-09-02T11:00:00Z"
    assert kw("check").code == 3
    assert len(kw.known()) == 8
    done = kw.ok("retire", "--missing", "--source", "p", "--by", "li")
    assert done.out.count("retired c") == 7
    assert set(kw.known()) == {"c0"}
    kw.at = "2026-09-02T11:30:00Z"
    kw.ok("check")
    assert "nothing is missing" in kw.ok("retire", "--missing", "--source", "p").out


def test_a_source_that_does_not_answer_loses_nothing(kw: Keyboard) -> None:
    """Absence proves nothing: exit 3, every row stays."""
    path = source(kw, 8)
    path.unlink()
    kw.refused("retire", "--missing", "--source", "p", code=3)
    assert len(kw.known()) == 8


def test_an_accepted_risk_is_quiet_until_its_date(kw: Keyboard) -> None:
    """The episode ends in that person's name; when the date comes a new one opens and speaks."""
    kw.add(expires="2026-09-10")
    done = kw.ok("accept-risk", "paygate-api", "--until", "2026-09-20", "--by", "Mia", "--reason", "switched off soon")
    assert "until Sun 20 Sep 2026 00:00 Europe/Madrid; last quiet day Sat 19 Sep" in done.out
    assert kw.select("SELECT outcome, ended_by FROM episode") == [("risk accepted", "mia")]
    assert kw.check("2026-09-12T10:00:00Z") == []
    assert kw.check("2026-09-21T10:00:00Z")
    assert kw.select("SELECT count(*) FROM episode WHERE ended_at IS NULL") == [(1,)]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["retire"], "say either"),
        (["retire", "nothing"], "no credential"),
        (["retire", "x", "--source", "p"], "say either"),
        (["retire", "--missing"], "say either"),
        (["retire", "--missing", "--source", "nowhere"], "no source 'nowhere'"),
        (["retire", "x", "--by", "zoe"], "nobody is called 'zoe'"),
        (["accept-risk", "x", "--until", "2026-08-01", "--by", "ana", "--reason", "r"], "in the past"),
        (["accept-risk", "x", "--until", "9999-12-31", "--by", "ana", "--reason", "r"], "needs an end"),
        (["accept-risk", "x", "--until", "next week", "--by", "ana", "--reason", "r"], "cannot read"),
        (["accept-risk", "x", "--until", "2027-08-01", "--by", "zoe", "--reason", "r"], "nobody is called"),
        (["accept-risk", "x", "--until", "2027-08-01", "--by", "ana", "--reason", " "], "say why"),
        (["accept-risk", "x", "--until", "2027-08-01", "--reason", "r"], "--by"),
        (["accept-risk", "y", "--until", "2027-08-01", "--by", "ana", "--reason", "r"], "no date"),
    ],
)
def test_bad_input_changes_nothing(kw: Keyboard, args: list[str], said: str) -> None:
    """Two lines, exit 2, every row as it was."""
    kw.add("x")
    kw.ok("add", "y", "--never")
    assert said in kw.refused(*args)


def test_a_name_with_two_meanings_lists_the_choices(kw: Keyboard) -> None:
    """Exit 2 with every choice; an exact name or a longer ending decides."""
    kw.add("eu/api")
    kw.add("us/api")
    error = kw.refused("retire", "api")
    assert "manual:eu/api" in error
    assert "manual:us/api" in error
    kw.ok("retire", "us/api")
    assert set(kw.known()) == {"eu/api"}

"""keywatch.toml is read whole or refused whole: every problem at once, each with its section and key."""

import copy
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keywatch import config
from keywatch.errors import ConfigError, Exit, KeywatchError
from keywatch.model import Ladder

EXAMPLE = Path(__file__).parents[2] / "keywatch.example.toml"
MINIMAL = """
[keywatch]
owner = "platform"
[people.mia]
mail = "mia@example.com"
[people.li]
[owners.platform]
people = ["mia"]
"""
SECRET = "s3cr3t"


def write(folder: Path, text: str) -> Path:
    path = folder / "keywatch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.load(write(folder, text), {})
    assert caught.value.exit_code == Exit.USAGE
    return caught.value.problems


def with_key(section: str, line: str) -> str:
    """The minimal file with one more line in one section."""
    if f"[{section}]" in MINIMAL:
        return MINIMAL.replace(f"[{section}]", f"[{section}]\n{line}")
    return f"{MINIMAL}\n[{section}]\n{line}"


@pytest.fixture
def example() -> config.Config:
    return config.load(EXAMPLE, {})


def test_the_example_loads_and_is_the_documentation_of_every_section(example: config.Config) -> None:
    """What the example says is what the program reads, without one secret and without one environment variable."""
    assert example.keeper == "platform"
    assert example.owners["payments"].calendar.freezes == ((date(2026, 12, 20), date(2027, 1, 3)),)
    assert example.owners["growth"].calendar.zone == ZoneInfo("Europe/Madrid")
    assert [(s.name, s.every) for s in example.sources] == [("vault", timedelta(hours=1)), ("partners", timedelta(0))]
    assert example.sources[0].settings == {
        "address": "https://vault.example.com",
        "token": "file:/run/credentials/vault",
        "mounts": ["secret"],
    }
    assert example.rosters["growth"].settings["at"] == time(9)
    assert example.last_resort == ("ops-phone", "mia:mail")
    assert example.digest == config.DigestSettings(0, time(9), ("mia",))
    documented = {name for kind in config.file.SECTIONS for name in kind}
    assert set(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))) == documented


def test_the_smallest_file(tmp_path: Path) -> None:
    """An owner with one person is enough; everything else has its default."""
    read = config.load(write(tmp_path, MINIMAL), {})
    assert read.store == f"sqlite:///{tmp_path}/keywatch.db"
    assert read.zone == ZoneInfo("UTC")
    assert read.mail is None
    assert read.last_resort == ()
    assert read.rules.ladders == {"production": Ladder()}
    assert read.environments == {"production": ()}
    assert read.digest == config.DigestSettings(0, time(9), ())
    assert set(read.routes) == {"mia:mail"}, "a person without an address has no mail route"


BAD = [
    ("keywatch", 'ownr = "platform"', "[keywatch] ownr: unknown key"),
    ("keywatch", "timezone = 3", "[keywatch] timezone: must be text in quotes"),
    ("keywatch", 'timezone = "Europe/Madird"', "no time zone 'Europe/Madird' (did you mean 'Europe/Madrid'?)"),
    ("keywatch", 'timezone = "Europe"', "[keywatch] timezone: no time zone 'Europe'"),
    ("keywatch", 'timezone = "/etc/passwd"', "[keywatch] timezone: no time zone"),
    ("keywatch", 'store = "mysql://host/db"', '[keywatch] store: write "sqlite:///keywatch.db"'),
    ("keywatch", 'store = "sqlite://"', "[keywatch] store: write"),
    ("keywatch", 'store = "sqlite:///:memory:"', "[keywatch] store: write"),
    ("keywatch", 'last_resort = ["mia"]', "[keywatch] last_resort: 'mia' is a person; their route is 'mia:mail'"),
    ("keywatch", 'last_resort = ["li:mail"]', "[keywatch] last_resort: no route 'li:mail'"),
    ("keywatch", 'last_resort = ["nobody"]', "[keywatch] last_resort: no route 'nobody'"),
    ("keywatch", 'last_resort = "mia:mail"', "[keywatch] last_resort: must be a list"),
    ("keywatch", 'last_resort = ["mia:mail", "mia:mail"]', "[keywatch] last_resort: names one of them twice"),
    ("keywatch.environments", 'staging = ["prod"]\ntest = ["PROD"]', "'PROD' already means staging"),
    ("keywatch.environments", 'staging = ["production"]', "'production' already means production"),
    ("mail", 'smtp = "smtp://127.0.0.1:2525"', "[mail] from: is missing"),
    ("policy", 'at = "9 o\'clock"', "[policy] at: must be a time such as 09:00:00"),
    ("policy", 'default_lead = "soon"', "[policy] default_lead: cannot read 'soon' as a duration"),
    ("policy", "silences = true", "[policy] silences: must be a whole number"),
    ("policy", "silences = 0", "[policy] silences: must be at least 1"),
    ("policy", 'personal_proof = "0"', "[policy] personal_proof: must be longer than nothing"),
    ("policy.stagign", "late = true", "[policy]: no environment 'stagign'"),
    ("policy.production", "late = false", "[policy.production]: production never falls silent"),
    ("policy.production", "before = []", "[policy.production]: production never falls silent"),
    ("policy.production", "before = [7, 7]", "[policy.production] before: must be a list of different days"),
    ("policy.production", "before = [true]", "[policy.production] before: must be a list of different days"),
    ("policy.production", "befor = [7]", "befor: unknown key (did you mean 'before'?)"),
    ("digest", 'at = "someday 09:00"', '[digest] at: must be a weekday and a time, such as "Mon 09:00"'),
    ("digest", 'at = "Mon 9:00"', "[digest] at: must be a weekday"),
    ("digest", 'also = ["mai"]', "[digest] also: no person or route 'mai' (did you mean 'mia'?)"),
    ("[source]", 'kind = "vault"', "[[source]] #1 name: is missing"),
    ("[source]", 'name = "manual"\nkind = "file"', "[[source]] manual name: 'manual' is reserved"),
    ("[source]", 'name = "a:b"\nkind = "file"', "[[source]] #1 name: a name is letters"),
    ("[source]", 'name = "a"\nkind = "file"\n[[source]]\nname = "a"\nkind = "aws"', "another source has that name"),
    ("[source]", 'name = "a"', "[[source]] a kind: is missing"),
    ("[source]", 'name = "a"\nkind = "file"\nevery = "5bd"', "[[source]] a every: '5bd' counts working days"),
    ("[source]", 'name = "a"\nkind = "file"\nevery = 60', "[[source]] a every: must be text in quotes"),
    ("source", 'name = "a"', "[source]: write [[source]], with double brackets"),
    ("[assign]", 'owner = "platform"', "[[assign]] #1: write match ="),
    ("[assign]", 'match = "secret/*"\nowner = "platform"', "[[assign]] #1 match: is a glob on source:ref"),
    ("[assign]", 'tag = "team"\nowner = "platform"', "[[assign]] #1 tag: is key=value"),
    ("[assign]", 'match = "a:*"\nowner = "platfrom"', "no owner 'platfrom' (did you mean 'platform'?)"),
    ("[assign]", 'match = "a:*"\nenv = "stage"', "[[assign]] #1 env: no environment 'stage'"),
    ("[assign]", 'match = "a:*"\nlead = "10 days"', "[[assign]] #1 lead: cannot read '10 days'"),
    ("[assign]", 'match = "a:*"\nrenewal = "never"', "[[assign]] #1 renewal: no way of renewal 'never'"),
    ("[assign]", 'match = "a:*"', "[[assign]] #1: gives nothing"),
    ("people.mia", "nmae = 1", "[people.mia] nmae: unknown key (did you mean 'name'?)"),
    ("people.li", 'mail = "li at example"', "[people.li] mail: is not a mail address"),
    ("people.li", 'mail = "li@a.com, x@b.com"', "[people.li] mail: is not a mail address"),
    ("people.li", 'mail = "li@example.com\\nBcc: x@y.z"', "[people.li] mail: holds a line break"),
    ("people.li", 'mail = "MIA@example.com"', "[people.li] mail: is the address of 'mia' already"),
    ("people.li", 'name = "Li\\u202e"', "[people.li] name: holds a line break, a control or an invisible character"),
    ("people.li", 'name = ""', "[people.li] name: is empty"),
    ('people."a:b"', 'name = "x"', "[people.a:b]: a name is letters"),
    ("routes.mia", 'mail = "x@example.com"', "[routes.mia]: a person has that name too"),
    ("routes.x", "shared = true", "[routes.x]: write either mail ="),
    ("routes.x", 'mail = "x@example.com"\nurl = "env:X"', "[routes.x]: write either mail ="),
    ("routes.x", 'mail = "x@example.com"\nperson = "mio"', "[routes.x] person: no person 'mio' (did you mean 'mia'?)"),
    ("routes.x", 'mail = "x@example.com"\nshared = true\nperson = "mia"', "[routes.x] shared: what many read"),
    ("routes.x", 'mail = "x@example.com"\nshared = "yes"', "[routes.x] shared: must be true or false"),
    ("rosters.x", 'url = "x"', "[rosters.x] kind: is missing"),
    ("rosters.x", 'kind = "rotation"\npeople = ["mia", "lo"]', "[rosters.x] people: no person 'lo'"),
    ("owners.x", 'head = "mia"', "[owners.x]: write either roster ="),
    ("owners.x", 'people = ["mia"]\nhead = "mio"', "[owners.x] head: no person 'mio' (did you mean 'mia'?)"),
    ("owners.x", 'people = ["mia"]\nroster = "r"', "[owners.x] roster: no roster 'r'"),
    ("owners.x", 'roster = "pagerduty:PX12"', "[owners.x] roster: no roster 'pagerduty'"),
    ("owners.x", 'people = ["mia"]\nroutes = ["alias"]', "[owners.x] routes: no route 'alias'"),
    ("owners.x", 'people = ["mia"]\ncalendar = "madrid"', "[owners.x] calendar: no calendar 'madrid'"),
    ("owners.x", 'people = ["mia"]\nfallback = [1]', "[owners.x] fallback: must be a list of texts"),
    ("owners.x", 'roster = "r:"\n[rosters.r]\nkind = "ical"', "[owners.x] roster: names no target after the ':'"),
    (
        "owners.x",
        'people = ["mia"]\nroutes = ["pager"]\n[routes.pager]\nurl = "env:P"\npage = true',
        "[owners.x] routes: 'pager' wakes somebody",
    ),
    ("calendars.x", 'weekend = ["caturday"]', "[calendars.x] weekend: no weekday 'caturday'"),
    ("calendars.x", 'weekend = ["mon","tue","wed","thu","fri","sat","sun"]', "leaves no working day"),
    ("calendars.x", 'holidays = ["2026-12-25"]', "[calendars.x] holidays: must be a list of dates"),
    ("calendars.x", "holidays = [2026-12-25T00:00:00Z]", "[calendars.x] holidays: must be a list of dates"),
    ("calendars.x", "freezes = [{ from = 2026-12-20 }]", "[calendars.x] freezes[1] until: is missing"),
    ("calendars.x", "freezes = [{ from = 2026-12-20, until = 2026-12-19 }]", "until: is before from"),
    ("kewatch", "a = 1", "no section 'kewatch' (did you mean 'keywatch'?)"),
]


@pytest.mark.parametrize(("section", "lines", "problem"), BAD, ids=[f"{s}-{n}" for n, (s, _, _) in enumerate(BAD)])
def test_bad_input_is_refused_with_its_section_and_key(tmp_path: Path, section: str, lines: str, problem: str) -> None:
    """Each mistake is named where it stands, with what was probably meant."""
    assert any(problem in line for line in problems(tmp_path, with_key(section, lines)))


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Nobody mends one mistake only to be told of the next; and nothing else is said."""
    text = """
    [keywatch]
    owner = "platfrom"
    colour = true
    [people.mia]
    mail = "mia"
    [owners.platform]
    people = ["mia"]
    head = "mio"
    """
    assert sorted(problems(tmp_path, text)) == [
        "[keywatch] colour: unknown key",
        "[keywatch] owner: no owner 'platfrom' (did you mean 'platform'?)",
        "[owners.platform] head: no person 'mio' (did you mean 'mia'?)",
        "[people.mia] mail: is not a mail address; write one bare address such as ana@example.com",
    ]


def test_single_and_double_brackets_are_told_apart(tmp_path: Path) -> None:
    """Both ways of mixing them up say what to write."""
    found = problems(tmp_path, '[[people]]\nname = "a"\n[[keywatch]]\nowner = "o"\n[source]\nname = "a"')
    assert found == [
        "[keywatch]: must be a table",
        "[[people]]: write [people.NAME], with single brackets and a name",
        "[keywatch] owner: is missing",
        "[source]: write [[source]], with double brackets",
    ]


def test_a_file_without_anything_says_what_it_needs(tmp_path: Path) -> None:
    """An empty file is a usable answer away from a usable file."""
    assert problems(tmp_path, "") == ["[keywatch] owner: is missing"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[keywatch]\nat = 09:00\n", "is not TOML: .*line 2"),
        (b"a = 2026-02-30", "is not TOML"),
        (b"a = " + b"9" * 5000, "is not TOML"),
        (b"a = '\xff'", "is not UTF-8"),
        (b"a = " + b"[" * 5000, "is nested too deeply"),
        (b"#" * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
    ids=["syntax", "no such day", "huge number", "latin-1", "deep", "large"],
)
def test_what_is_not_toml_is_one_problem(tmp_path: Path, content: bytes, problem: str) -> None:
    """A syntax error, with its line, or a hostile file ends in the same kind of refusal, never in a traceback."""
    path = tmp_path / "keywatch.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        config.load(path, {})
    assert len(caught.value.problems) == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder or a missing file is a usage error in words."""
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(KeywatchError, match=r"cannot read .*: \w+") as caught:
            config.load(path, {})
        assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"mailto://me:{SECRET}@example.com", 'write mail = "…"'),
        (f"KWMAIL://{SECRET}", 'write mail = "…"'),
        (f"slack://{SECRET}?optional=yes", "optional=yes makes a failure look like a success"),
        (f"slack://{SECRET}?Optional=True", "optional=yes"),
        (f"json://{SECRET}?%6Fptional=1", "optional=yes"),
        (f"slack://{SECRET}?verify=No", "verify=no would send"),
        (f"slack://{SECRET}?verify=off&a=b", "verify=no would send"),
        (f"slack://{SECRET}, mailto://x:y@example.com", "more than one URL"),
        (SECRET, "is neither an Apprise URL"),
        (f"vault:{SECRET}", "is neither an Apprise URL"),
    ],
)
def test_a_url_that_would_lie_is_refused_and_not_repeated(tmp_path: Path, url: str, problem: str) -> None:
    """Failures that look like successes are refused; the URL is a secret, so no message holds a piece of it."""
    found = problems(tmp_path, with_key("routes.x", f'url = "{url}"'))
    assert any(line.startswith("[routes.x] url: ") and problem in line for line in found)
    assert SECRET not in "".join(found)


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    """Whatever key a URL or password was pasted into, the error does not show it."""
    text = with_key("keywatch", f'last_resort = ["slack://{SECRET}/B/c"]\nstore = "mysql://u:{SECRET}@h/db"')
    text += f'[mail]\nfrom = "smtp://{SECRET}@h"\nsmtp = "smtp://u:{SECRET}@h"\nuser="u"\npassword = "{SECRET}!"'
    assert SECRET not in "".join(problems(tmp_path, text))
    read = config.load(write(tmp_path, with_key("routes.x", f'url = "slack://{SECRET}"')), {"A": SECRET})
    assert SECRET not in repr(read)


def test_transports_say_what_shares_a_fate(tmp_path: Path) -> None:
    """A literal URL has its schema's transport; behind a reference nothing is known, so the route stands for itself."""
    lines = 'url = "SLACK://token"\n[routes.y]\nurl = "env:Y"\n[routes.z]\nmail = "z@example.com"'
    read = config.load(write(tmp_path, with_key("routes.x", lines)), {})
    assert {name: route.transport for name, route in read.routes.items()} == {
        "x": "slack", "y": "y", "z": "mail", "mia:mail": "mail",
    }  # fmt: skip


def test_a_text_of_any_encoding_quirk_is_the_same_file(tmp_path: Path) -> None:
    """A byte order mark is not an error, and comments, order and spacing do not make another config; a value does."""
    hashes = [
        config.load(write(tmp_path, text), {}).digest_hash
        for text in (MINIMAL, f"\ufeff# hello\n{MINIMAL}\n\n", MINIMAL.replace("mia@", "mio@"))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_every_environment_has_its_ladder(tmp_path: Path) -> None:
    """Production has the whole ladder; others speak 7 days before and at the expiry, unless [policy.NAME] says more."""
    lines = 'staging = ["stage"]\ntest = []\n[policy.staging]\nbefore = [2, 14]\nlate = true\n'
    lines += "[policy.production]\nbefore = [60, 7]"
    ladders = config.load(write(tmp_path, with_key("keywatch.environments", lines)), {}).rules.ladders
    assert ladders == {
        "production": Ladder((60, 7)),
        "staging": Ladder((14, 2), late=True, last=False, repeats=False, climbs=False),
        "test": Ladder((7,), late=False, last=False, repeats=False, climbs=False),
    }


def test_bare_dates_of_files_are_local_and_of_other_sources_utc(tmp_path: Path) -> None:
    """People write files, so their dates are in [keywatch] timezone; machines speak UTC unless the source says."""
    lines = 'timezone = "Europe/Madrid"\n'
    for name, kind, more in (("a", "file", ""), ("b", "vault", ""), ("c", "vault", 'timezone = "Asia/Tokyo"')):
        lines += f'[[source]]\nname = "{name}"\nkind = "{kind}"\n{more}\n'
    text = MINIMAL.replace("[keywatch]\n", "").replace("[people.mia]", f"{lines}[people.mia]")
    read = config.load(write(tmp_path, f"[keywatch]\n{text}"), {})
    assert [str(source.zone) for source in read.sources] == ["Europe/Madrid", "UTC", "Asia/Tokyo"]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.times(),
    st.datetimes(timezones=st.just(UTC)), st.sampled_from(["mia", "platform", "mia:mail", "smtp://[", "env:X", ":"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def places(raw: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value below."""
    items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return [p for key, value in items for p in [(*path, key), *places(value, (*path, key))]]


RAW = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(places(RAW)), value=VALUES)
def test_whatever_stands_anywhere_is_read_or_refused(place: tuple[str | int, ...], value: object) -> None:
    """One value of the example replaced by anything at all: it is read or named, each problem on one clean line."""
    raw = copy.deepcopy(RAW)
    table: Any = raw
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    found: list[str] = []
    config.file.config_of(raw, EXAMPLE, "", {}, found)
    assert all(line.isprintable() for line in found)


def test_keys_nested_without_end_are_refused(tmp_path: Path) -> None:
    """Dotted keys nest without brackets; whatever limit the interpreter has, the end is a refusal."""
    assert problems(tmp_path, f"{'a.' * 3000}a = 1")


def test_reading_imports_no_plugin_and_nothing_heavy() -> None:
    """`list` and a shell completion read this file too."""
    code = f"""
import pathlib, sys
from keywatch import config
config.load(pathlib.Path({str(EXAMPLE)!r}), {{}})
heavy = ("keywatch_", "sqlmodel", "sqlalchemy", "pydantic", "boto3", "hvac", "apprise", "jinja2", "requests")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_instant_is_not_mistaken_for_a_date() -> None:
    """The types that TOML knows are the types that are meant; a datetime is also a Python date."""
    assert isinstance(datetime(2026, 1, 1), date)
    table = config.table.Table({"day": datetime(2026, 1, 1)}, "[x]", found := [])
    table.take("day", date, date.min)
    assert found == ["[x] day: must be a date such as 2026-12-25, without quotes"]

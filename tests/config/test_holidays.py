"""`country` and `region` of a calendar: names that the library knows, and a library that only they bring in."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from keywatch import config
from keywatch.errors import ConfigError
from keywatch.model import Calendar
from tests.servers.need import missing

BASE = '[keywatch]\nowner = "o"\n[people.a]\n[owners.o]\npeople = ["a"]\ncalendar = "c"\n[calendars.c]\n'


@pytest.fixture
def library() -> None:
    try:
        import holidays  # noqa: F401
    except ImportError:
        missing("no library of holidays; pip install 'keywatch[holidays]'")


def written(folder: Path, lines: str) -> Path:
    path = folder / "keywatch.toml"
    path.write_text(BASE + lines, encoding="utf-8")
    return path


def calendar(folder: Path, lines: str) -> Calendar:
    return config.load(written(folder, lines), {}).owners["o"].calendar


def problems(folder: Path, lines: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as bad:
        calendar(folder, lines)
    return tuple(bad.value.problems)


@pytest.mark.usefixtures("library")
def test_a_country_adds_to_the_dates_that_are_written_down(tmp_path: Path) -> None:
    """Christmas Eve of the company, the day of Madrid of the region, Labour Day of the country; and no other day."""
    free = calendar(tmp_path, 'country = "ES"\nregion = "MD"\nholidays = [2027-12-24]').holidays
    asked = [date(2027, 12, 24), date(2028, 5, 2), date(2028, 5, 1), date(2028, 5, 3), date(2026, 12, 24)]
    assert [day in free for day in asked] == [True, True, True, False, False]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("region", ["MD", "Madrid"])
def test_a_region_has_the_names_of_the_library(tmp_path: Path, region: str) -> None:
    """Its ISO code, or what people there call it."""
    assert date(2028, 5, 2) in calendar(tmp_path, f'country = "ES"\nregion = "{region}"').holidays


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("country", ["ES", "ESP", "GB", "UK"])
def test_a_country_is_its_code(tmp_path: Path, country: str) -> None:
    """Of two letters or of three."""
    assert date(2027, 1, 1) in calendar(tmp_path, f'country = "{country}"').holidays


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('country = "Spain"', "country: no country 'Spain' (did you mean 'ES'?); write its ISO 3166 code"),
        ('country = "es"', "country: no country 'es' (did you mean 'ES'?); write its ISO 3166 code"),
        ('country = "United Kingdm"', "country: no country of that text (did you mean 'GB'?); write its ISO 3166 code"),
        ('country = "QQ"', "country: no country 'QQ'; write its ISO 3166 code"),
        ('country = "HolidayBase"', "country: no country 'HolidayBase'"),
        ('country = "XNYS"', "country: no country 'XNYS'"),
        ('country = "__doc__"', "country: no country '__doc__'"),
        ('country = "ES"\nregion = "MDD"', "region: no region of ES 'MDD' (did you mean 'MD'?); there are: AN, AR, AS"),
        ('country = "ES"\nregion = "Madird"', "region: no region of ES 'Madird' (did you mean 'Madrid'?); there are:"),
        ('country = "IT"\nregion = "QQ"', " more"),
        ('country = "IS"\nregion = "QQ"', "region: no region of IS 'QQ'; there are: none"),
        ('region = "MD"', 'region: is one of a country: write country = "ES" too'),
        ("country = 34", "country: must be text in quotes"),
    ],
)
def test_a_name_that_means_nothing_is_a_problem(tmp_path: Path, lines: str, problem: str) -> None:
    """It says what stands near, and where; a typing mistake must not quietly mean a country without free days."""
    (found,) = problems(tmp_path, lines)
    assert found.startswith("[calendars.c] ")
    assert problem in found


def test_without_the_library_the_problem_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A country that nobody can look up is a problem of the config, not a calendar without free days."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    (found,) = problems(tmp_path, 'country = "ES"')
    assert found.startswith("[calendars.c] country: ")
    assert found.endswith("pip install 'keywatch[holidays]'")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("lines", "loaded"), [("holidays = [2026-12-25]", "False"), ('country = "ES"', "True")])
def test_only_a_country_brings_the_library_in(tmp_path: Path, lines: str, loaded: str) -> None:
    """Fast commands do not pay for what nobody asked for."""
    code = "import sys; from pathlib import Path; from keywatch import config; config.load(Path(sys.argv[1]), {}); "
    code += "print('holidays' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, written(tmp_path, lines)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == loaded


@pytest.mark.usefixtures("library")
def test_another_version_of_the_library_is_another_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know other days, so all dates are counted anew; who names no country does not notice."""
    import holidays

    def hashes() -> tuple[str, str]:
        plain, spanish = (config.load(written(tmp_path, lines), {}) for lines in ("", 'country = "ES"'))
        return plain.digest_hash, spanish.digest_hash

    before = hashes()
    monkeypatch.setattr(holidays, "__version__", "999")
    after = hashes()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)

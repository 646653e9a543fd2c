"""The free days of a calendar: dates that are written down, and the public holidays of a country and region."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from typing import Any

from keywatch.config.table import Table, shown, unknown
from keywatch.model import Calendar

LISTED = 24
"""Regions of a country that a problem names."""


def _written(table: Table) -> Iterator[date]:
    for day in table.take("holidays", list, []):
        if type(day) is date:
            yield day
        else:
            table.wrong("holidays", "must be a list of dates such as 2026-12-25, without quotes")


@dataclass(frozen=True, slots=True)
class PublicHolidays:
    """The public holidays of a country or of one region of it, in whatever year is asked for, and some dates besides.

    A plain value: two are the same where these words are. Days that the moon decides are estimates of the library.
    """

    country: str
    region: str
    """"" = what holds in the whole country."""
    also: frozenset[date] = frozenset()

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and (day in self.also or day in _of_year(self.country, self.region, day.year))


@cache
def _of_year(country: str, region: str, year: int) -> frozenset[date]:
    """Worked out once for a year that somebody asks about: nobody knows here how far back or ahead a rule will look."""
    import holidays

    return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year, expand=False))


def holidays_of(table: Table) -> Container[date]:
    """`holidays`, and what `country` and `region` add to the dates that are written down."""
    also = frozenset(_written(table))
    country, region = table.text("country"), table.text("region")
    if region and not country:
        table.wrong("region", 'is one of a country: write country = "ES" too')
    if not country:
        return also
    try:
        import holidays
    except ImportError:
        table.wrong("country", "public holidays need a library that is not installed: pip install 'keywatch[holidays]'")
        return also
    if not (known := _country(country)):
        table.wrong("country", f"no country {shown(country)}{_nearest_country(country)}; write its ISO 3166 code")
        return also
    place: Any = holidays.country_holidays(known)
    # The library knows regions by other names too, in the country's own languages.
    regions = (*place.subdivisions, *place.subdivisions_aliases)
    if region and region not in regions:
        more = f" and {len(place.subdivisions) - LISTED} more" if len(place.subdivisions) > LISTED else ""
        listed = ", ".join(place.subdivisions[:LISTED]) or "none"
        table.wrong("region", f"{unknown(f'region of {country}', region, regions)}; there are: {listed}{more}")
        return also
    return PublicHolidays(country, region, also)


def stamped(digest_hash: str, calendars: Iterable[Calendar]) -> str:
    """The hash of the config and of what works out its public holidays: another version counts every date anew."""
    if not any(isinstance(one.holidays, PublicHolidays) for one in calendars):
        return digest_hash
    import holidays

    return sha256(f"{digest_hash} holidays {holidays.__version__}".encode()).hexdigest()


def _country(code: str) -> str:
    """The code where the library knows that country; else "". Its other names are names of Python classes."""
    from holidays.registry import COUNTRIES

    return code if any(code in words[1:] for words in COUNTRIES.values()) else ""


def _nearest_country(text: str) -> str:
    from holidays.registry import COUNTRIES

    codes = {word.casefold(): words[1] for words in COUNTRIES.values() for word in words}
    near = get_close_matches(text[:64].replace(" ", "").casefold(), codes, n=1)
    return f" (did you mean '{codes[near[0]]}'?)" if near else ""

"""All rows, by area, in the order of the page."""

from tests.faults import clock, database, delivery, overlaps, rosters, schema, sources
from tests.faults.fault import Fault

AREAS: dict[str, list[Fault]] = {
    "The store": database.ROWS,
    "The clock": clock.ROWS,
    "Sources": sources.ROWS,
    "Rosters": rosters.ROWS,
    "Mail and webhooks": delivery.ROWS,
    "Stores of another version": schema.ROWS,
    "Runs that meet": overlaps.ROWS,
}
LEAST = {
    "The store": 12,
    "The clock": 8,
    "Sources": 14,
    "Rosters": 6,
    "Mail and webhooks": 12,
    "Stores of another version": 4,
    "Runs that meet": 4,
}
"""How many rows an area has at least."""


def faults() -> list[Fault]:
    """Every row."""
    return [row for rows in AREAS.values() for row in rows]

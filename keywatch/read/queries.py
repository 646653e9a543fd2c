"""The one place where SQL meets a connection: placeholders, errors and rows as mappings, on both databases."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from keywatch.read.opening import refusal
from keywatch.read.rows import Row, stored


class Queries:
    """A DB-API connection and its dialect: `sqlite` or `postgresql`."""

    def __init__(self, connection: Any, dialect: str, place: str = "the store") -> None:
        self.connection = connection
        self.dialect = dialect
        self.place = place

    def rows(self, what: str, rest: str, values: Sequence[Any] = ()) -> list[Row]:
        """`SELECT what rest` with `?` for values.

        Raises:
            StoreError: busy, damaged, gone.
        """
        cursor = self.execute(f"SELECT {what} {rest}", values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement; instants among the values are written as this database stores them."""
        bound = tuple(stored(value, self.dialect) if isinstance(value, datetime) else value for value in values)
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql if self.dialect == "sqlite" else sql.replace("?", "%s"), bound)
        except self.connection.Error as problem:
            raise refusal(problem, self.place) or problem from None
        return cursor

    def among(self, column: str, values: Iterable[Any]) -> tuple[str, Any]:
        """A condition that holds for any number of values with one placeholder, and its value."""
        if self.dialect == "sqlite":
            return " ".join((column, "IN (SELECT value FROM json_each(?))")), json.dumps(list(values))
        return f"{column} = ANY(?)", list(values)

    def close(self) -> None:
        self.connection.close()

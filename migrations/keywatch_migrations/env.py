"""How alembic reaches the store: one transaction around all versions, also on SQLite.

`keywatch.schema` passes the URL as an attribute. A developer gives it on the command line:
`alembic -x url=sqlite:///dev.db revision --autogenerate -m "what changes"`.
"""

import sys
from typing import Any, Literal

from alembic import context
from sqlalchemy import event

from keywatch.store import engine_for, metadata
from keywatch.store.writing import PLAN_LOCK

SPELLED_OUT = {"AutoString": "sa.String()", "UTCDateTime": "sa.DateTime(timezone=True)"}
"""SQLModel's types as migrations write them, so that an old migration never changes its meaning."""


def _spell(kind: str, thing: object, _: object) -> str | Literal[False]:
    return SPELLED_OUT.get(type(thing).__name__, False) if kind == "type" else False


def _marked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    sys.audit("keywatch.schema.statement", statement)


def run() -> None:
    """Migrate inside one transaction: a kill leaves the old schema or the new one, never half of it."""
    url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]
    engine = engine_for(url, foreign_keys=False)  # a batch migration drops and renames tables
    try:
        with engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            event.listen(connection, "before_cursor_execute", _marked)
            context.configure(
                connection=connection,
                target_metadata=metadata,
                render_as_batch=sqlite,
                transactional_ddl=True,
                compare_type=True,
                render_item=_spell,
            )
            with context.begin_transaction():
                if not sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({PLAN_LOCK})")
                context.run_migrations()
                if values := context.config.attributes.get("values"):
                    rows = [{"name": name, "value": value} for name, value in values.items()]
                    connection.execute(metadata.tables["meta"].insert(), rows)
                if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise RuntimeError("a migration left a row without the row it refers to")
    finally:
        engine.dispose()


run()

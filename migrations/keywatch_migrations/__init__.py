"""The alembic environment and its versions, driven from inside by `keywatch.schema`."""

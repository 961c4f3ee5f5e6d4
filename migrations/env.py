"""How Alembic finds the database and the models: through the application."""

from typing import Any

from alembic import context
from flask import current_app

_extension = current_app.extensions["migrate"]
_database = _extension.db


def _only_real_changes(_context: Any, _revision: Any, directives: list[Any]) -> None:
    if (
        getattr(context.config.cmd_opts, "autogenerate", False)
        and directives[0].upgrade_ops.is_empty()
    ):
        directives[:] = []


with _database.engine.connect() as connection:
    if connection.dialect.name == "sqlite":
        # SQLite changes a column by copying its table; with foreign keys on, dropping the old one
        # would take along every row that points to it.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=_database.metadatas[None],
        process_revision_directives=_only_real_changes,
        **_extension.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()

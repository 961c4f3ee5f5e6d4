"""The database as a whole: whether it is there, and whether its tables fit this version."""

from enum import StrEnum, auto

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import text

from wa_app.extensions import db


class Tables(StrEnum):
    APPLIED = auto()
    PENDING = auto()
    NEWER = auto()  # than this version of the code knows


def look() -> None:
    """Raises `SQLAlchemyError` when nobody answers."""
    db.session.execute(text("SELECT 1"))


def tables() -> Tables:
    scripts = ScriptDirectory(current_app.extensions["migrate"].directory)
    applied = set(MigrationContext.configure(db.session.connection()).get_current_heads())
    if applied == set(scripts.get_heads()):
        return Tables.APPLIED
    known = {script.revision for script in scripts.walk_revisions()}
    return Tables.PENDING if applied <= known else Tables.NEWER

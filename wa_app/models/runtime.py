"""What the running service says of itself, and the audit of what people did."""

from datetime import datetime

from sqlalchemy import (
    DDL,
    String,
    event,
)
from sqlalchemy.orm import Mapped, mapped_column

from wa_app.extensions import db
from wa_app.models.base import utc_now


class JobRun(db.Model):
    """The last run of a scheduled job. The owner writes it; `asked_at` is somebody's "run now"."""

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    last_at: Mapped[datetime | None]
    seconds: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(String(500))
    next_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]


class Owner(db.Model):
    """The process that owns the sessions: one row, number 1."""

    id: Mapped[int] = mapped_column(primary_key=True)
    pid: Mapped[int]
    host: Mapped[str] = mapped_column(String(255))
    since: Mapped[datetime]
    heartbeat_at: Mapped[datetime]
    stopped: Mapped[bool] = mapped_column(default=False)
    """It said goodbye: nobody need wait for its heartbeat to go stale."""


class Standby(db.Model):
    """A process that serves pages and would take over if the owner died."""

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    pid: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class Audit(db.Model):
    """Who did what, on what, when, from where, with which outcome. Only ever added to; it names
    its actor and target in words because it outlives their rows."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    actor: Mapped[str] = mapped_column(String(300))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(300))
    address: Mapped[str | None] = mapped_column(String(60))
    outcome: Mapped[str] = mapped_column(String(200), default="done")


# Nobody who speaks to the database through the application can rewrite the past.
for _name, _when in {
    "update": "UPDATE",
    "delete": "DELETE",
    # REPLACE deletes without a delete trigger.
    "replace": "INSERT",
}.items():
    _only = " WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)" if _name == "replace" else ""
    event.listen(
        Audit.__table__,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER audit_no_{_name} BEFORE {_when} ON audit{_only} "
            "BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
        ).execute_if(dialect="sqlite"),
    )

"""Work beyond one row, and its steps."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ForeignKey,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wa_app.extensions import db
from wa_app.models.base import utc_now


class Operation(db.Model):
    """Work the owner carries out step by step, and whose result is read from here."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    connection_id: Mapped[str | None] = mapped_column(String(36), index=True)
    actor: Mapped[str] = mapped_column(String(300))
    address: Mapped[str | None] = mapped_column(String(60))
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10), default="PENDING")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    planned_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    steps: Mapped[list["OperationStep"]] = relationship(order_by="OperationStep.id")


class OperationStep(db.Model):
    """One thing an operation does, written down before the first is done: what would go, what
    went, and what is left to do after a crash."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    operation_id: Mapped[int] = mapped_column(
        ForeignKey("operation.id", ondelete="CASCADE"), index=True
    )
    what: Mapped[str] = mapped_column(String(30))
    """A key of the table `services.operations.ACTS`."""
    target: Mapped[str] = mapped_column(String(300), index=True)
    label: Mapped[str] = mapped_column(String(300), default="")
    """The target in words, as it was then."""
    version: Mapped[int | None]
    """The request for a wipe of its target that it waits for, once that was made."""
    outcome: Mapped[str | None] = mapped_column(String(10))
    """None: not yet; else done, nothing or failed."""
    seconds: Mapped[float | None]
    detail: Mapped[str | None] = mapped_column(String(500))

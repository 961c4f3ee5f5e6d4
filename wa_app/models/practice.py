"""The practice phone: its account, its faults, its chats."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from wa_app.domain.messages import Direction
from wa_app.extensions import db
from wa_app.models.base import utc_now


class PracticeAccount(db.Model):
    """The simulated phone behind a practice connection: what it is linked to, and its faults.
    Pages write it, the owner acts on it. Switches stay on; events are taken once."""

    connection_id: Mapped[str] = mapped_column(
        ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True
    )
    scanned: Mapped[str | None] = mapped_column(Text)
    """The QR text or pairing code the phone has scanned and the owner not yet seen."""
    linked: Mapped[bool] = mapped_column(default=False)
    phone: Mapped[str | None] = mapped_column(String(20))
    """The number it was linked as: the one a code was asked for, else its own."""
    banned_until: Mapped[datetime | None]
    network_loss: Mapped[bool] = mapped_column(default=False)
    slow_handshake: Mapped[bool] = mapped_column(default=False)
    hang: Mapped[bool] = mapped_column(default=False)
    send_failure: Mapped[bool] = mapped_column(default=False)
    conflict: Mapped[bool] = mapped_column(default=False)
    logout: Mapped[bool] = mapped_column(default=False)
    ban: Mapped[bool] = mapped_column(default=False)
    drop_once: Mapped[bool] = mapped_column(default=False)


class PracticeMessage(db.Model):
    """A line in a chat of the practice phone, as its customers see it."""

    __table_args__ = (
        Index("ix_practice_message", "connection_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    customer: Mapped[str] = mapped_column(String(60))
    direction: Mapped[Direction]
    """As the connection sees it: IN is what the customer wrote."""
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    stored: Mapped[bool] = mapped_column(default=False)
    """IN: the worker has it in its own table; until then it stays the practice phone's spool."""

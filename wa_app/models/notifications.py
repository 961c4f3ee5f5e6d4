"""Trouble that people are told of, and the mails that tell it."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from wa_app.domain.alerts import AlertKind
from wa_app.domain.sessions.closes import Reason
from wa_app.extensions import db
from wa_app.models.base import utc_now

OPEN_OF_SERVER = "connection_id IS NULL AND ended_at IS NULL"


class Alert(db.Model):
    """An episode of trouble, from its beginning to its end. It names connection and user by id
    and in words, because it outlives their rows."""

    __table_args__ = (
        Index("ix_alert_open", "ended_at", "id"),
        # Several threads report at the same time; the server has one episode of a kind at a time.
        Index(
            "uq_alert_of_server",
            "kind",
            unique=True,
            sqlite_where=text(OPEN_OF_SERVER),
            postgresql_where=text(OPEN_OF_SERVER),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[AlertKind]
    connection_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """None: it is about the whole server."""
    user_id: Mapped[int | None]
    about: Mapped[str] = mapped_column(String(300), default="")
    """The number or what else tells people which connection is meant; of the server, the detail."""
    cause: Mapped[Reason | None]
    began_at: Mapped[datetime]
    raised_at: Mapped[datetime | None]
    """When people were told. None: it may still heal by itself, or it did."""
    ended_at: Mapped[datetime | None]
    recovered: Mapped[bool] = mapped_column(default=False)


class Mail(db.Model):
    """A mail to send: stored in the commit of what it tells, then delivered."""

    __table_args__ = (
        Index("ix_mail_due", "sent_at", "given_up_at", "next_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id", ondelete="SET NULL"))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(default=utc_now)
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))

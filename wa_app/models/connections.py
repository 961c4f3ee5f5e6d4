"""One WhatsApp number of one user, and the history of its states."""

import uuid
from dataclasses import fields, replace
from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from wa_app.domain.bot import Bot
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models.base import UtcTimes, utc_now
from wa_app.models.users import User


class Connection(db.Model):
    """One WhatsApp number of one user: the wanted half, the observed half, the bot's settings."""

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    channel: Mapped[Channel]
    name: Mapped[str] = mapped_column(String(100), default="")
    proxy: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    # Wanted: written by requests, never by the owner.
    enabled: Mapped[bool] = mapped_column(default=False)
    wanted_version: Mapped[int] = mapped_column(default=0)
    reopen_version: Mapped[int] = mapped_column(default=0)
    wipe_version: Mapped[int] = mapped_column(default=0)
    unlink_version: Mapped[int] = mapped_column(default=0)
    number_version: Mapped[int] = mapped_column(default=0)
    pair_phone: Mapped[str | None] = mapped_column(String(20))
    deleted_at: Mapped[datetime | None]

    # Observed: written by the owner, never by a request.
    status: Mapped[Status] = mapped_column(default=Status.DISCONNECTED)
    status_since: Mapped[datetime | None]
    opening_since: Mapped[datetime | None]
    hold: Mapped[Hold | None]
    hold_cause: Mapped[Reason | None]
    hold_until: Mapped[datetime | None]
    hold_library: Mapped[str | None] = mapped_column(String(50))
    attempt: Mapped[int] = mapped_column(default=0)
    monitor_attempt: Mapped[int] = mapped_column(default=0)
    lifts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    waits_to_link: Mapped[bool] = mapped_column(default=False)
    has_credentials: Mapped[bool] = mapped_column(default=False)
    phone: Mapped[str | None] = mapped_column(String(20))
    linked_phone: Mapped[str | None] = mapped_column(String(20))
    push_name: Mapped[str | None] = mapped_column(String(100))
    qr_payload: Mapped[str | None] = mapped_column(Text)
    qr_expires_at: Mapped[datetime | None]
    qr_number: Mapped[int | None]
    pairing_code: Mapped[str | None] = mapped_column(String(20))
    pairing_started_at: Mapped[datetime | None]
    paired_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    last_disconnect_at: Mapped[datetime | None]
    last_code: Mapped[int | None]
    last_reason: Mapped[Reason | None]
    restricted_until: Mapped[datetime | None]
    dialled: Mapped[tuple[datetime, ...]] = mapped_column(UtcTimes, nullable=True, default=())
    deaf: Mapped[tuple[datetime, ...]] = mapped_column(UtcTimes, nullable=True, default=())
    falls: Mapped[tuple[datetime, ...]] = mapped_column(UtcTimes, nullable=True, default=())
    replaced_copy_at: Mapped[datetime | None]
    observed_version: Mapped[int] = mapped_column(default=0)
    socket_version: Mapped[int] = mapped_column(default=0)
    wiped_version: Mapped[int] = mapped_column(default=0)

    bot_enabled: Mapped[bool] = mapped_column(default=False)
    bot_fallback_text: Mapped[str] = mapped_column(Text, default="")

    user: Mapped[User] = relationship()

    wanted: Mapped[Wanted] = composite(Wanted, *(field.name for field in fields(Wanted)))
    observed: Mapped[Observed] = composite(Observed, *(field.name for field in fields(Observed)))

    @property
    def effective(self) -> Wanted:
        """What is wanted, as far as it may be: `enabled` only for a user who may be connected."""
        # A row without a user is an orphan; only a database whose foreign keys were off has one.
        user: User | None = self.user
        allowed = user is not None and user.is_active and self.deleted_at is None
        return replace(self.wanted, enabled=self.wanted.enabled and allowed)

    @property
    def bot(self) -> Bot:
        return Bot(self.bot_enabled, self.bot_fallback_text)


class ConnectionEvent(db.Model):
    """One change of a connection's state, written once, in the commit of the change."""

    __table_args__ = (Index("ix_event_connection", "connection_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    status: Mapped[Status]
    hold: Mapped[Hold | None]
    reason: Mapped[Reason | None]
    code: Mapped[int | None]
    attempt: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]

"""What is said: chats and their messages."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wa_app.domain.messages import MAX_ID, Author, Direction, FailCause, MessageState
from wa_app.extensions import db
from wa_app.models.base import utc_now


class Chat(db.Model):
    """The conversation of one number with one contact or group, named by its JID."""

    __table_args__ = (UniqueConstraint("connection_id", "phone", "jid", name="uq_chat_of_number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    phone: Mapped[str] = mapped_column(String(20), default="")
    """Our own number that it belongs to, which is not always the one that is linked today. Empty
    until the connection has been linked for the first time."""
    jid: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200), default="")
    is_group: Mapped[bool] = mapped_column(default=False)
    muted_until: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    """Since when a person is needed: the bot left a message to them."""


class Message(db.Model):
    """A message, in or out. The outgoing ones that are not settled are the outbox."""

    __table_args__ = (
        UniqueConstraint("chat_id", "sender", "wa_id", name="uq_message_of_sender"),
        UniqueConstraint("connection_id", "idempotency_key"),
        Index("ix_message_chat", "chat_id", "id"),
        Index("ix_message_wa_id", "connection_id", "wa_id"),
        Index("ix_message_outbox", "state", "connection_id", "id"),
        Index("ix_message_bot", "bot_pending", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    chat_id: Mapped[int] = mapped_column(ForeignKey("chat.id", ondelete="CASCADE"))
    direction: Mapped[Direction]
    author: Mapped[Author]
    kind: Mapped[str] = mapped_column(String(20), default="text")
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[MessageState]
    cause: Mapped[FailCause | None]
    cause_detail: Mapped[str | None] = mapped_column(String(300))
    sender: Mapped[str] = mapped_column(String(100), default="")
    """The JID of who wrote it; empty: we did, here or on the phone."""
    wa_id: Mapped[str | None] = mapped_column(String(MAX_ID))
    """As its sender chose it: anybody may choose one that somebody else has used."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    at: Mapped[datetime | None]
    """WhatsApp's own time of it."""
    asked_at: Mapped[datetime | None]
    """Since when it waits for an answer, by our clock."""
    bot_pending: Mapped[bool] = mapped_column(default=False)
    not_before: Mapped[datetime | None]
    sending_since: Mapped[datetime | None]
    unknown_ends: Mapped[int] = mapped_column(default=0)
    """How often nobody could know whether it left: 1 and SENT means sent twice, perhaps."""
    postponed: Mapped[int] = mapped_column(default=0)
    """How often WhatsApp did not take it for the moment; each time the pause grows."""

    asked_again_at: Mapped[datetime | None] = mapped_column(index=True)
    """When a phone of the recipient asked for it again and the process that sent it was gone. Sent
    after that: it was sent anew."""

    chat: Mapped[Chat] = relationship()


class MessageRecipient(db.Model):
    """One of those to whom a message to a group went, and how far it is with them."""

    message_id: Mapped[int] = mapped_column(
        ForeignKey("message.id", ondelete="CASCADE"), primary_key=True
    )
    jid: Mapped[str] = mapped_column(String(100), primary_key=True)
    state: Mapped[MessageState] = mapped_column(default=MessageState.SENT)

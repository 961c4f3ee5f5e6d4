"""People with a login, and the tokens of their programs."""

import secrets
from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import (
    ForeignKey,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wa_app.extensions import db
from wa_app.models.base import utc_now


class User(UserMixin, db.Model):
    __table_args__ = {"sqlite_autoincrement": True}  # an id is never given out twice

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(10), default="user")
    locale: Mapped[str | None] = mapped_column(String(5))
    active: Mapped[bool] = mapped_column(default=True)
    session_key: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16))
    """Part of every login cookie: a new one signs all browsers out."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]
    max_connections: Mapped[int | None]
    """WhatsApp numbers this user may link; None: as many as the setting allows everybody."""
    invite_hash: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    """Of the one-time link with which they set their password."""
    invite_expires_at: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        return self.active and self.deleted_at is None

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    def get_id(self) -> str:
        return f"{self.id}.{self.session_key}"


class Token(db.Model):
    """What a program shows instead of a login. Of the secret only the hash is kept."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(20))
    """The readable beginning, to tell one from another."""
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(60))
    """Words of `domain.accounts.SCOPES`, with a blank between."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None] = mapped_column(String(60))

    user: Mapped[User] = relationship()

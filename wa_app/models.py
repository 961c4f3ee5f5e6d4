"""The rows. Times are UTC: aware in the code, without a zone in the database."""

import secrets
import uuid
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from flask_login import UserMixin
from sqlalchemy import (
    DDL,
    JSON,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from wa_app.domain.alerts import AlertKind
from wa_app.domain.messages import Author, Bot, Direction, FailCause, MessageState
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import Base, db


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times. A naive one is a bug of ours and refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


def _enum(kind: type) -> Enum:
    """Words, not numbers, and no database type: a new word needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


_COLUMN_TYPES: dict[Any, Any] = {
    datetime: UtcTime,
    **{kind: _enum(kind) for kind in (Status, Hold, Reason, Channel)},
    **{kind: _enum(kind) for kind in (Author, Direction, MessageState, FailCause)},
    AlertKind: _enum(AlertKind),
}
Base.registry.update_type_annotation_map(_COLUMN_TYPES)


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

    connections: Mapped[list["Connection"]] = relationship(
        back_populates="user", order_by="Connection.created_at"
    )

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
    has_credentials: Mapped[bool] = mapped_column(default=False)
    phone: Mapped[str | None] = mapped_column(String(20))
    linked_phone: Mapped[str | None] = mapped_column(String(20))
    push_name: Mapped[str | None] = mapped_column(String(100))
    qr_payload: Mapped[str | None] = mapped_column(Text)
    qr_expires_at: Mapped[datetime | None]
    qr_number: Mapped[int | None]
    pairing_code: Mapped[str | None] = mapped_column(String(20))
    pairing_started_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    last_disconnect_at: Mapped[datetime | None]
    last_code: Mapped[int | None]
    last_reason: Mapped[Reason | None]
    restricted_until: Mapped[datetime | None]
    observed_version: Mapped[int] = mapped_column(default=0)
    socket_version: Mapped[int] = mapped_column(default=0)
    wiped_version: Mapped[int] = mapped_column(default=0)

    bot_enabled: Mapped[bool] = mapped_column(default=False)
    bot_fallback_text: Mapped[str] = mapped_column(Text, default="")

    user: Mapped[User] = relationship(back_populates="connections")

    asked: Mapped[Wanted] = composite(Wanted, *(field.name for field in fields(Wanted)))
    observed: Mapped[Observed] = composite(Observed, *(field.name for field in fields(Observed)))

    @property
    def wanted(self) -> Wanted:
        """What was asked for, as far as it may be: `enabled` is the effective one."""
        # A row without a user is an orphan; only a database whose foreign keys were off has one.
        user: User | None = self.user
        allowed = user is not None and user.is_active and self.deleted_at is None
        return replace(self.asked, enabled=self.asked.enabled and allowed)

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
        UniqueConstraint("connection_id", "wa_id"),
        UniqueConstraint("connection_id", "idempotency_key"),
        Index("ix_message_chat", "chat_id", "id"),
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
    wa_id: Mapped[str | None] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    at: Mapped[datetime | None]
    """WhatsApp's own time of it."""
    bot_pending: Mapped[bool] = mapped_column(default=False)
    not_before: Mapped[datetime | None]
    sending_since: Mapped[datetime | None]
    unknown_ends: Mapped[int] = mapped_column(default=0)
    """How often nobody could know whether it left: 1 and SENT means sent twice, perhaps."""

    chat: Mapped[Chat] = relationship()


class Operation(db.Model):
    """Work the owner carries out step by step, and whose result is read from here."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    connection_id: Mapped[str | None] = mapped_column(String(36), index=True)
    version: Mapped[int] = mapped_column(default=0)
    """The wipe version a force-cleanup waits for."""
    actor: Mapped[str] = mapped_column(String(300))
    address: Mapped[str | None] = mapped_column(String(60))
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(10), default="PENDING")
    result: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    """Of a force-cleanup: its seven steps. The steps of the others are rows of their own."""
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
    target: Mapped[str] = mapped_column(String(300))
    label: Mapped[str] = mapped_column(String(300), default="")
    """The target in words, as it was then."""
    cleanup_id: Mapped[int | None]
    """The force-cleanup that carries this step out, once it was asked for."""
    outcome: Mapped[str | None] = mapped_column(String(10))
    """None: not yet; else done, nothing or failed."""
    seconds: Mapped[float | None]
    detail: Mapped[str | None] = mapped_column(String(500))


class JobRun(db.Model):
    """The last run of a scheduled job. The owner writes it; `asked_at` is somebody's "run now"."""

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    last_at: Mapped[datetime | None]
    seconds: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(String(500))
    next_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]


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

"""Requests: each changes the wanted half of a connection, commits, and wakes the owner.

None of them touches a socket, so they work the same in the owner, in a standby and from the
command line.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from limits import RateLimitItemPerMinute
from sqlalchemy import delete, exists, func, select, update

from wa_app.domain.connection import REQUESTS
from wa_app.domain.errors import (
    ConnectionLimit,
    ConnectionNotFound,
    PairFirst,
    TooOften,
    UserNotFound,
    WrongInput,
)
from wa_app.domain.messages import MAX_TEXT
from wa_app.domain.states import Channel, Status
from wa_app.extensions import db, limiter
from wa_app.models import Connection, ConnectionEvent, Operation, OperationStep, Token, User
from wa_app.services import administrators, audit
from wa_app.services.audit import Actor
from wa_app.services.waiting import wait

DIALS = RateLimitItemPerMinute(10)


def of_user(user: User) -> list[Connection]:
    """The user's connections, oldest first."""
    known = (
        select(Connection)
        .where(Connection.user_id == user.id, Connection.deleted_at.is_(None))
        .order_by(Connection.created_at, Connection.id)
    )
    return list(db.session.scalars(known))


def own(user: User, connection_id: str) -> Connection:
    """The user's connection, or `ConnectionNotFound`: somebody else's is as good as unknown."""
    connection = db.session.get(Connection, connection_id)
    if connection is None or connection.user_id != user.id or connection.deleted_at is not None:
        raise ConnectionNotFound
    return connection


def create(actor: Actor, user: User, channel: Channel, name: str = "") -> Connection:
    """Raises `ConnectionLimit` or `UserNotFound`. Practice connections are limited to one, and
    not counted."""
    _take_write_lock(user)
    _refuse_who_is_gone(user)
    count = select(func.count()).where(
        Connection.user_id == user.id,
        Connection.channel == channel,
        Connection.deleted_at.is_(None),
    )
    limits = {Channel.PRACTICE: 1, Channel.WHATSAPP: limit_of(user)}
    if (db.session.scalar(count) or 0) >= limits[channel]:
        db.session.rollback()
        raise ConnectionLimit
    connection = Connection(user_id=user.id, channel=channel, name=name)
    db.session.add(connection)
    audit.record(actor, "connection.create", f"{user.email} ({channel})")
    db.session.commit()
    return connection


def limit_of(user: User) -> int:
    """How many WhatsApp numbers they may link: what an administrator set, else as everybody."""
    everybodys: int = current_app.config["SETTINGS"].max_connections_per_user
    return everybodys if user.max_connections is None else user.max_connections


def first_or_create(actor: Actor, user: User, channel: Channel) -> Connection:
    """The user's connection on this channel; the first connect creates it."""
    there = _on(user, channel)
    if not there:
        _take_write_lock(user)
        there = _on(user, channel)  # somebody else's click may have been faster
    return there[0] if there else create(actor, user, channel)


def _take_write_lock(user: User) -> None:
    """Before looking what there is, so that two requests cannot both find room."""
    db.session.execute(update(User).where(User.id == user.id).values(id=User.id))


def _refuse_who_is_gone(user: User) -> None:
    """They may have been deleted or switched off since the request began."""
    known = db.session.get(User, user.id, populate_existing=True)
    if known is None or not known.is_active:
        db.session.rollback()
        raise UserNotFound


def _on(user: User, channel: Channel) -> list[Connection]:
    return [connection for connection in of_user(user) if connection.channel == channel]


# ---- requests


def connect(
    actor: Actor, connection: Connection, *, fresh: bool = False, phone: str | None = None
) -> None:
    """`phone` (E.164) asks for a pairing code instead of a QR. Raises `TooOften`."""
    _limit_dials(connection)
    marks = []
    if not connection.has_credentials and phone != connection.pair_phone:
        marks.append("reopen_version")  # the QR on show becomes a code, or the other way round
    kind = "connect_fresh" if fresh else "connect"
    _ask(actor, connection, kind, *marks, pair_phone=phone)


def reconnect(actor: Actor, connection: Connection) -> None:
    """Raises `PairFirst` without credentials, and `TooOften`."""
    wiping = connection.wipe_version > connection.wiped_version
    if not connection.has_credentials or wiping:
        raise PairFirst
    _limit_dials(connection)
    _ask(actor, connection, "reconnect")


def disconnect(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "disconnect")


def logout(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "logout")


def remove(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "remove", deleted_at=datetime.now(UTC))


def remove_user(actor: Actor, user: User) -> None:
    """Delete a user: nothing of theirs can be reached from now on; the owner unlinks and wipes
    their sessions, then the rows go. One commit for all of it. Raises `LastAdmin`."""
    administrators.refuse_last(user)
    user.deleted_at = datetime.now(UTC)
    connections = of_user(user)
    audit.record(actor, "user.delete", user.email, f"done, connections: {len(connections)}")
    for connection in connections:
        _write(actor, connection, "remove", deleted_at=user.deleted_at)
    # The row may have to wait for the owner; their e-mail is free for somebody new at once.
    user.email, user.invite_hash = f"deleted user {user.id}", None
    db.session.execute(delete(Token).where(Token.user_id == user.id))
    # Without a connection there is none whose end the row has to wait for.
    theirs = exists().where(Connection.user_id == user.id)
    db.session.flush()
    db.session.execute(delete(User).where(User.id == user.id, ~theirs))
    db.session.commit()
    for connection in connections:
        wake(connection.id)


def resume(actor: Actor, user: User) -> None:
    """Connect what was up before the user was switched off, in the transaction under way. Holds
    stay: their trouble has not gone."""
    for connection in of_user(user):
        if connection.enabled and connection.has_credentials and connection.hold is None:
            _write(actor, connection, "connect")


def force_cleanup(
    actor: Actor, connection: Connection, *, part_of: OperationStep | None = None
) -> Operation:
    """The operation whose result will list the seven steps; the one under way, if there is one.
    `part_of` learns which it is in the same commit, so that a crash asks for no second one."""
    under_way = select(Operation).where(
        Operation.kind == "force_cleanup",
        Operation.connection_id == connection.id,
        Operation.version == connection.wanted_version,
        Operation.state != "DONE",
    )
    joined: Operation | None = db.session.scalar(under_way)
    if joined is not None:
        if part_of is not None:
            part_of.cleanup_id = joined.id
            db.session.commit()
        return joined
    operation = Operation(
        kind="force_cleanup", connection_id=connection.id, actor=actor.name, version=0
    )
    db.session.add(operation)
    if part_of is not None:
        db.session.flush()
        part_of.cleanup_id = operation.id
    _ask(actor, connection, "force_cleanup", operation=operation)
    return operation


def _ask(
    actor: Actor,
    connection: Connection,
    kind: str,
    *extra_marks: str,
    operation: Operation | None = None,
    **values: Any,
) -> None:
    version = _write(actor, connection, kind, *extra_marks, **values)
    if operation is not None:
        operation.version = version
    db.session.commit()
    wake(connection.id)


def _write(
    actor: Actor, connection: Connection, kind: str, *extra_marks: str, **values: Any
) -> int:
    """Add a request to the transaction under way; its version. It counts up in SQL, where two
    clicks cannot take the same."""
    asked = REQUESTS[kind]
    next_version = Connection.wanted_version + 1
    marks = {mark: next_version for mark in (*asked.marks, *extra_marks)}
    changed = (
        update(Connection)
        .where(Connection.id == connection.id)
        .values(enabled=asked.enabled, wanted_version=next_version, **marks, **values)
        .returning(Connection.wanted_version)
    )
    version = db.session.scalar(changed)
    audit.record(actor, f"connection.{kind.removesuffix('_fresh')}", label(connection))
    return version or 0


def label(connection: Connection) -> str:
    """The connection in words: whose it is, and which number."""
    user: User | None = connection.user  # an orphan has none
    what = connection.phone or str(connection.channel)
    return f"{user.email} ({what})" if user else f"nobody ({what}) {connection.id}"


def _limit_dials(connection: Connection) -> None:
    if not limiter.limiter.hit(DIALS, "dial", connection.id):
        raise TooOften(timedelta(minutes=1))


def wake(connection_id: str) -> None:
    """Tell the owner, if it is this process; another one looks twice a second anyway."""
    runtime = current_app.extensions.get("runtime")
    if runtime is not None:
        runtime.wake(connection_id)


# ---- reading


def history(connection: Connection, *, before: int | None, limit: int) -> list[ConnectionEvent]:
    """The connection's events, newest first; `before` is the id of the last one seen."""
    events = select(ConnectionEvent).where(ConnectionEvent.connection_id == connection.id)
    if before is not None:
        events = events.where(ConnectionEvent.id < before)
    return list(db.session.scalars(events.order_by(ConnectionEvent.id.desc()).limit(limit)))


def operation(connection: Connection, operation_id: int) -> Operation | None:
    found = db.session.get(Operation, operation_id)
    return found if found is not None and found.connection_id == connection.id else None


def last_cleanup(connection: Connection) -> list[dict[str, Any]]:
    """The steps of the force-cleanup that is the newest request, if it is one and done."""
    done = select(Operation.result).where(
        Operation.connection_id == connection.id, Operation.version == connection.wanted_version
    )
    return db.session.scalar(done) or []


def wait_until(
    connection_id: str, seen: Callable[[Connection], bool], seconds: float
) -> Connection:
    """The connection as soon as `seen` says so, or as it is after `seconds`. Reads afresh at each
    look, because another process may be the one that changes it."""

    def look() -> tuple[Connection, bool]:
        connection = db.session.get(Connection, connection_id, populate_existing=True)
        if connection is None:
            raise ConnectionNotFound
        return connection, seen(connection)

    return wait(look, seconds)


def set_bot(
    actor: Actor,
    connection: Connection,
    *,
    enabled: bool | None = None,
    fallback_text: str | None = None,
) -> None:
    """Change what is named. Raises `WrongInput`."""
    if fallback_text is not None:
        if len(fallback_text) > MAX_TEXT:
            raise WrongInput("fallbackText", "too_long")
        connection.bot_fallback_text = fallback_text.strip()
    if enabled is not None:
        if enabled and not connection.bot_fallback_text:
            raise WrongInput("fallbackText", "required")
        connection.bot_enabled = enabled
    audit.record(actor, "bot.change", connection.user.email)
    db.session.commit()


def has_answer(connection: Connection) -> bool:
    """Whether a connect has come to something to show: a QR, a code, a connection, or a hold."""
    if connection.observed_version < connection.wanted_version:
        return False
    return (
        connection.status is Status.CONNECTED
        or connection.hold is not None
        or connection.qr_payload is not None
        or connection.pairing_code is not None
    )

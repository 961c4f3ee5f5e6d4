"""How a connection stands: what is told of it to pages, programs and the command line alike."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import select

from wa_app.config import Settings
from wa_app.domain.errors import ConnectionNotFound
from wa_app.domain.sessions.connection import is_under_way, shown_status
from wa_app.domain.sessions.states import Status
from wa_app.extensions import db
from wa_app.models import (
    Connection,
    ConnectionEvent,
    Operation,
    OperationStep,
    Owner,
    User,
    utc_now,
)
from wa_app.services import ownership
from wa_app.services.waiting import wait
from wa_app.wording.connections import explain
from wa_app.wording.times import iso

_NOBODY = {
    "connectionId": None,
    "channel": None,
    "statusSince": None,
    "hold": None,
    "holdUntil": None,
    "qr": None,
    "qrExpiresAt": None,
    "pairingCode": None,
    "attempt": 0,
    "nextAttemptAt": None,
    "phone": None,
    "linkedPhone": None,
    "pushName": None,
    "connectedAt": None,
    "restrictedUntil": None,
    "replacedCopyAt": None,
    "lastDisconnect": None,
    "version": 0,
}
"""The document of a user who has no connection yet."""


def status_document(
    connection: Connection | None, owner: Owner | None, now: datetime, user: User | None
) -> dict[str, Any]:
    """What the API tells about a connection, for the eyes of `user`; None: the command line."""
    alive = ownership.owner_is_alive(owner, now)
    status = shown_status(connection and connection.status, alive=alive)
    explanation = explain(connection, alive=alive, now=now)
    settings: Settings = current_app.config["SETTINGS"]
    document = _NOBODY | (_row_part(connection, alive) if connection is not None else {})
    return document | {
        "status": status,
        "connected": status is Status.CONNECTED,
        "hasQR": document["qr"] is not None,
        "maxAttempts": settings.policy.reconnect_max_attempts,
        "explanation": {
            "title": str(explanation.title),
            "body": str(explanation.body),
            "action": explanation.action,
        },
        "owner": _owner_part(owner, alive) if user is None or user.is_admin else None,
    }


def _row_part(connection: Connection, alive: bool) -> dict[str, Any]:
    seen = connection.observed
    if not alive:  # nobody holds the socket that these would be for
        seen = replace(seen, qr_payload=None, qr_expires_at=None, pairing_code=None)
    return {
        "connectionId": connection.id,
        "channel": connection.channel,
        "statusSince": iso(seen.status_since),
        "hold": seen.hold,
        "holdUntil": iso(seen.hold_until),
        "qr": seen.qr_payload,
        "qrExpiresAt": iso(seen.qr_expires_at),
        "pairingCode": seen.pairing_code,
        "attempt": seen.attempt,
        "nextAttemptAt": iso(seen.next_attempt_at),
        "phone": seen.phone,
        "linkedPhone": seen.linked_phone,
        "pushName": seen.push_name,
        "connectedAt": iso(seen.connected_at),
        "restrictedUntil": iso(seen.restricted_until),
        "replacedCopyAt": iso(seen.replaced_copy_at),
        "lastDisconnect": seen.last_disconnect_at
        and {
            "at": iso(seen.last_disconnect_at),
            "code": seen.last_code,
            "reason": seen.last_reason,
        },
        "version": connection.wanted_version,
    }


def _owner_part(owner: Owner | None, alive: bool) -> dict[str, Any] | None:
    if owner is None:
        return None
    return {"pid": owner.pid, "host": owner.host, "since": iso(owner.since), "alive": alive}


# ---- what it did, and waiting for what it does


def history(connection: Connection, *, before: int | None, limit: int) -> list[ConnectionEvent]:
    """The connection's events, newest first; `before` is the id of the last one seen."""
    events = select(ConnectionEvent).where(ConnectionEvent.connection_id == connection.id)
    if before is not None:
        events = events.where(ConnectionEvent.id < before)
    return list(db.session.scalars(events.order_by(ConnectionEvent.id.desc()).limit(limit)))


def operation(connection: Connection, operation_id: int) -> Operation | None:
    found = db.session.get(Operation, operation_id)
    return found if found is not None and found.connection_id == connection.id else None


def last_cleanup(connection: Connection) -> list[OperationStep]:
    """The steps of the force-cleanup that is the newest request, if it is one and done."""
    done = (
        select(OperationStep)
        .join(Operation)
        .where(
            Operation.connection_id == connection.id,
            Operation.state == "DONE",
            OperationStep.version == connection.wanted_version,
        )
    )
    return list(db.session.scalars(done.order_by(OperationStep.id)))


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


def is_carried_out(connection: Connection) -> bool:
    """Whether the owner has come to everything that was asked for."""
    return not is_under_way(connection.wanted, connection.observed)


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


SETTLES_WITHIN = 0.6
"""Within a second of the click the page has to say what is going on."""


def settled(connection: Connection, seen: Callable[[Connection], bool] | None = None) -> Connection:
    """The connection as soon as the owner has come to the request (or `seen` says so), after that
    time at most. Without an owner there is nothing to wait for."""
    if not ownership.owner_is_alive(ownership.owner(), utc_now()):
        return connection
    return wait_until(connection.id, seen or is_carried_out, SETTLES_WITHIN)

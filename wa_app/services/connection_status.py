"""How a connection stands: what is told of it to pages, programs and the command line alike."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import current_app

from wa_app.config import Settings
from wa_app.domain.connection import shown_status
from wa_app.domain.states import Status
from wa_app.models import Connection, Owner, User
from wa_app.services import ownership
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
    "pushName": None,
    "connectedAt": None,
    "restrictedUntil": None,
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
        "pushName": seen.push_name,
        "connectedAt": iso(seen.connected_at),
        "restrictedUntil": iso(seen.restricted_until),
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

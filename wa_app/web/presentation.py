"""States in words: what a connection is, why, and what to do about it. One table for each.

Database and code hold codes. The status document of the API, the pages and their live fragments
are all made from what stands here, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import current_app, g, has_request_context, request, session
from flask_babel import lazy_gettext as _

from wa_app.config import Settings
from wa_app.domain.connection import wipe_pending
from wa_app.domain.states import Hold, Status
from wa_app.models import Connection, ConnectionEvent, Owner, User
from wa_app.services import ownership
from wa_app.web.explanations import (
    COOLING_DOWN,
    HOLD_CAUSES,
    HOLDS,
    LINKED,
    NOT_LINKED,
    OPENING,
    PAIRING_AGAIN,
    PAIRING_STOPPED,
    READY,
    RESTARTING,
    RESTRICTED,
    SCAN,
    SWITCHED_OFF,
    TRYING_AGAIN,
    TYPE_THE_CODE,
    WORKING_ON_IT,
    Explanation,
)
from wa_app.web.times import iso

LOCALES: Mapping[str, str] = {"en": "English", "es": "Español"}

QR_TOTAL = 6
"""How many codes WhatsApp gives one pairing, one after the other."""


def choose_locale() -> str:
    """The user's own choice, else the one made in this browser, else what the browser asks for."""
    if not has_request_context():
        return "en"
    chosen = g.get("locale") or session.get("locale")
    if chosen in LOCALES:
        return str(chosen)
    return request.accept_languages.best_match(list(LOCALES)) or "en"


# ---- how a state looks


@dataclass(frozen=True)
class Look:
    """One word, its colour and its icon. `colour` is a class of the style sheet."""

    word: str
    colour: str
    icon: str


STATUS_LOOKS: Mapping[Status, Look] = {
    Status.DISCONNECTED: Look(_("Not connected"), "off", "off"),
    Status.CONNECTING: Look(_("Connecting"), "progress", "arrows"),
    Status.QR_PENDING: Look(_("Waiting for your phone"), "progress", "phone"),
    Status.CONNECTED: Look(_("Connected"), "connected", "check"),
}

USER_LOOKS: Mapping[str, Look] = {
    "active": Look(_("Active"), "connected", "check"),
    "invited": Look(_("Invited"), "progress", "clock"),
    "deactivated": Look(_("Deactivated"), "off", "off"),
}

HOLD_LOOKS: Mapping[Hold, Look] = {
    Hold.CONFLICT: Look(_("Used elsewhere"), "held", "devices"),
    Hold.LOGGED_OUT: Look(_("Unlinked"), "held", "unlink"),
    Hold.CREDENTIALS_CORRUPT: Look(_("Login damaged"), "held", "alert"),
    Hold.CLIENT_OUTDATED: Look(_("Upgrade needed"), "held", "up"),
    Hold.BANNED: Look(_("Blocked"), "held", "clock"),
    Hold.PAIRING_EXPIRED: Look(_("Not linked in time"), "held", "clock"),
    Hold.OTHER_NUMBER: Look(_("Another number"), "held", "phone"),
    Hold.RETRIES_EXHAUSTED: Look(_("Stopped trying"), "held", "alert"),
}

RESTARTING_LOOK = Look(_("Restarting"), "progress", "arrows")


# ---- what there is to say


def explain(connection: Connection | None, *, alive: bool, now: datetime) -> Explanation:
    """What to tell about a connection. `alive`: the owner's heartbeat is fresh."""
    if connection is None:
        return NOT_LINKED
    if not alive:
        return RESTARTING
    if is_under_way(connection):
        return WORKING_ON_IT
    if connection.hold is not None:
        return _explain_hold(connection.hold, connection)
    match connection.status:
        case Status.CONNECTED:
            limited = connection.restricted_until is not None and connection.restricted_until > now
            return RESTRICTED if limited else READY
        case Status.QR_PENDING:
            return TYPE_THE_CODE if connection.pairing_code else SCAN
        case Status.CONNECTING:
            return _explain_opening(connection)
    if not connection.has_credentials:
        return NOT_LINKED
    return COOLING_DOWN if connection.wanted.enabled else SWITCHED_OFF


def _explain_hold(hold: Hold, connection: Connection) -> Explanation:
    cause = connection.hold_cause
    if hold is Hold.RETRIES_EXHAUSTED and not connection.has_credentials:
        return PAIRING_STOPPED.get(cause, PAIRING_STOPPED[None])
    return HOLD_CAUSES.get((hold, cause), HOLDS[hold]) if cause else HOLDS[hold]


def _explain_opening(connection: Connection) -> Explanation:
    if connection.next_attempt_at is not None:
        return TRYING_AGAIN if connection.has_credentials else PAIRING_AGAIN
    newly_paired = connection.has_credentials and connection.connected_at is None
    return LINKED if newly_paired else OPENING


def is_under_way(connection: Connection) -> bool:
    """A request has been written and the owner has not come to it yet."""
    wanted, observed = connection.asked, connection.observed
    return wanted.wanted_version > observed.observed_version or wipe_pending(wanted, observed)


def owner_is_alive(owner: Owner | None, now: datetime) -> bool:
    settings: Settings = current_app.config["SETTINGS"]
    return ownership.is_alive(owner, now, settings.policy.heartbeat_stale_after)


def shown_status(connection: Connection | None, *, alive: bool) -> Status:
    """The row's status, which is true only while somebody is there to write it. Without an owner
    no socket is open; those that were are opened again by the next one."""
    if connection is None:
        return Status.DISCONNECTED
    if not alive and connection.status is not Status.DISCONNECTED:
        return Status.CONNECTING
    return connection.status


def look_of(connection: Connection | None, *, alive: bool) -> Look:
    if connection is not None and not alive:
        return RESTARTING_LOOK
    if connection is not None and connection.hold is not None and not is_under_way(connection):
        return HOLD_LOOKS[connection.hold]
    return STATUS_LOOKS[shown_status(connection, alive=alive)]


def look_of_event(event: ConnectionEvent) -> Look:
    return HOLD_LOOKS[event.hold] if event.hold is not None else STATUS_LOOKS[event.status]


# ---- the status document

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
    "lastDisconnect": None,
    "version": 0,
}
"""The document of a user who has no connection yet."""


def status_document(
    connection: Connection | None, owner: Owner | None, now: datetime, user: User | None
) -> dict[str, Any]:
    """What the API tells about a connection, for the eyes of `user`; None: the command line."""
    alive = owner_is_alive(owner, now)
    status = shown_status(connection, alive=alive)
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


def sentence(explanation: Explanation) -> str:
    """An explanation as the one sentence of an answer."""
    return f"{explanation.title} {explanation.body}"

"""A change of a connection's state is a row, written once, in the commit of the change."""

from datetime import datetime

import structlog

from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.connection import Observed
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, ConnectionEvent
from wa_app.services.messages import inbox

log = structlog.get_logger()


def apply(connection: Connection, observed: Observed, now: datetime, policy: Policy) -> None:
    """Write the observed half, in the transaction under way, with its event if it tells one."""
    before, connection.observed = connection.observed, observed
    if observed.linked_phone is not None and observed.linked_phone != before.linked_phone:
        inbox.number_known(connection.id, observed.linked_phone)
    if _story(before) == _story(observed):
        return
    event = ConnectionEvent(
        connection_id=connection.id,
        at=now,
        status=observed.status,
        hold=observed.hold,
        reason=_reason(before, observed),
        code=observed.last_code if _ended(before, observed) else None,
        attempt=observed.attempt,
        next_attempt_at=observed.next_attempt_at,
    )
    db.session.add(event)
    _log(connection.id, event, policy)


def _story(observed: Observed) -> tuple[object, ...]:
    """What makes two observed halves different to somebody who reads the history. Counters that
    a connection resets once it has stayed up for a while are nothing new to them."""
    is_up = observed.status is Status.CONNECTED
    return (
        observed.status,
        observed.hold,
        None if is_up else (observed.attempt, observed.monitor_attempt),
        observed.next_attempt_at is not None,
        observed.has_credentials,
    )


def _ended(before: Observed, after: Observed) -> bool:
    return after.last_disconnect_at != before.last_disconnect_at


def _reason(before: Observed, after: Observed) -> Reason | None:
    if after.hold is not None:
        return after.hold_cause
    return after.last_reason if _ended(before, after) else None


def _log(connection_id: str, event: ConnectionEvent, policy: Policy) -> None:
    details = {"connection": connection_id, "state": str(event.status)}
    if event.code is not None:
        details["code"] = str(event.code)
    if event.reason is not None:
        details["reason"] = str(event.reason)
    match event.status, event.hold:
        case _, Hold.CONFLICT:
            log.warning("conflict detected, monitoring paused", **details)
        case _, Hold.RETRIES_EXHAUSTED:
            log.warning("limit reached", attempt=event.attempt, **details)
        case _, Hold():
            log.warning("on hold", hold=str(event.hold), **details)
        case Status.CONNECTED, _:
            log.info("connected, ready to send", **details)
        case Status.CONNECTING, _ if event.attempt and event.next_attempt_at and event.reason:
            log.warning(
                "connection lost",
                attempt=f"{event.attempt} of {policy.reconnect_max_attempts}",
                next_in_s=round((event.next_attempt_at - event.at).total_seconds(), 1),
                **details,
            )
        case _:
            log.info(str(event.status).lower().replace("_", " "), **details)

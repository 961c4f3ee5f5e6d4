"""What a socket tells of messages, written down. What it tells of its state is the manager's."""

from datetime import datetime

from wa_app.domain.sessions.socket_messages import (
    AskedAgain,
    Incoming,
    MessageEvent,
    Receipt,
    SendFailed,
    Sent,
)
from wa_app.gateways.base import SessionStore
from wa_app.services.messages import inbox, outbox, receipts


def store(connection_id: str, event: MessageEvent, now: datetime) -> bool:
    """Whether there may be something new to answer or to send."""
    match event:
        case Incoming():
            return inbox.store(connection_id, [event]) > 0
        case Sent():
            outbox.sent(connection_id, event)
        case SendFailed():
            outbox.failed(connection_id, event, now)
        case Receipt():
            receipts.arrived(connection_id, event)
            return False
        case AskedAgain():
            receipts.asked_again(connection_id, event, now)
            return False
    return True


def socket_ended(connection_id: str, files: SessionStore, now: datetime) -> int:
    """What was on its way may have left or not; what came in is in the spool. How much of that was
    new."""
    outbox.socket_ended(connection_id, now)
    return drain(connection_id, files)


def drain(connection_id: str, files: SessionStore) -> int:
    """Store what the spool of an ended socket still holds; how much of it was new."""
    left = list(files.spooled(connection_id))
    new = inbox.store(connection_id, left) if left else 0
    files.clear_spool(connection_id)
    return new

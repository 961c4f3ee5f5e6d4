"""Outgoing messages: accepted when committed, sent when the connection is there, never lost."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from wa_app.domain.errors import WrongInput
from wa_app.domain.messages import MAX_TEXT, Author, Direction, MessageState
from wa_app.domain.phone import jid_of
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message
from wa_app.services import inbox
from wa_app.services.connections import wake


def accept(
    connection: Connection, to: str, text: str, *, idempotency_key: str | None = None
) -> Message:
    """A person's message to a number or a JID, stored. The same key again gives the first message
    back. Raises `WrongInput`."""
    jid = jid_of(to)
    if not text.strip():
        raise WrongInput("text", "required")
    if len(text) > MAX_TEXT:
        raise WrongInput("text", "too_long")
    raise NotImplementedError(jid, idempotency_key)


def find(connection: Connection, message_id: int) -> Message | None:
    found = db.session.get(Message, message_id)
    return found if found is not None and found.connection_id == connection.id else None

"""Incoming messages: from the spool into the database, each once."""

from collections.abc import Sequence

from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased

from wa_app.domain.messages import Author, Direction, MessageState
from wa_app.domain.phone_numbers import same_number
from wa_app.domain.sessions.socket_messages import Incoming
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message


def store(connection_id: str, messages: Sequence[Incoming]) -> int:
    """Store what is not stored yet, in one commit; how many were new. A replay changes nothing."""
    known = _known(connection_id, [message.wa_id for message in messages])
    linked = db.session.scalar(
        select(Connection.linked_phone).where(Connection.id == connection_id)
    )
    new = 0
    for message in messages:
        if message.wa_id in known:
            continue
        known.add(message.wa_id)
        db.session.add(_row(connection_id, _own_phone(message, linked or ""), message))
        new += 1
    db.session.commit()
    return new


def chat_of(
    connection_id: str, phone: str, jid: str, *, name: str = "", is_group: bool = False
) -> Chat:
    """The chat of our number `phone` with this JID; made when first written in. A newer name
    replaces the old one."""
    name = name[:200]
    found = db.session.scalar(
        select(Chat).where(
            Chat.connection_id == connection_id, Chat.phone == phone, Chat.jid == jid
        )
    )
    if found is None:
        found = Chat(
            connection_id=connection_id, phone=phone, jid=jid, name=name, is_group=is_group
        )
        db.session.add(found)
        db.session.flush()
    elif name and found.name != name:
        found.name = name
    return found


def number_known(connection_id: str, phone: str) -> None:
    """What was written before the first number was linked belongs to that one; in the transaction
    under way."""
    other = aliased(Chat)
    taken = exists().where(
        other.connection_id == connection_id, other.phone == phone, other.jid == Chat.jid
    )
    unnumbered = update(Chat).where(Chat.connection_id == connection_id, Chat.phone == "", ~taken)
    db.session.execute(unnumbered.values(phone=phone))


def _own_phone(message: Incoming, linked: str) -> str:
    """The number a message arrived at, spelled as the connection spells it."""
    arrived_at = message.own_phone or linked
    return linked if linked and same_number(arrived_at, linked) else arrived_at


def _known(connection_id: str, wa_ids: list[str]) -> set[str]:
    stored = select(Message.wa_id).where(
        Message.connection_id == connection_id, Message.wa_id.in_(wa_ids)
    )
    return {wa_id for wa_id in db.session.scalars(stored) if wa_id}


def _row(connection_id: str, phone: str, message: Incoming) -> Message:
    named = message.sender_name if not (message.is_group or message.from_me) else ""
    chat = chat_of(connection_id, phone, message.chat, name=named, is_group=message.is_group)
    return Message(
        connection_id=connection_id,
        chat_id=chat.id,
        direction=Direction.OUT if message.from_me else Direction.IN,
        author=Author.PHONE if message.from_me else Author.CUSTOMER,
        kind=message.kind,
        text=message.text,
        state=MessageState.SENT if message.from_me else MessageState.RECEIVED,
        wa_id=message.wa_id,
        at=message.at,
        bot_pending=not message.from_me,
    )

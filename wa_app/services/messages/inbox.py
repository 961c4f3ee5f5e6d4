"""Incoming messages: from the spool into the database, each once."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import exists, select, update
from sqlalchemy.orm import aliased, joinedload

from wa_app.domain.messages import (
    ONLY_ON_PHONE,
    SENT_ANEW,
    Author,
    Direction,
    MessageState,
    asked_at,
    kept_id,
)
from wa_app.domain.phone_numbers import is_group, same_number
from wa_app.domain.sessions.socket_messages import Incoming
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message


def store(connection_id: str, messages: Sequence[Incoming]) -> int:
    """Store what is not stored yet, in one commit; how many were new. A replay changes nothing."""
    linked = db.session.scalar(
        select(Connection.linked_phone).where(Connection.id == connection_id)
    )
    known = _with_ids(connection_id, {kept_id(message.wa_id) for message in messages})
    new = 0
    for message in messages:
        phone = own_phone(message.own_phone, linked or "")
        with_its_id = known[kept_id(message.wa_id)]
        row = next((row for row in with_its_id if _is_same(row, phone, message)), None)
        if row is None:
            with_its_id.append(_row(_chat_of(connection_id, phone, message), message))
            db.session.add(with_its_id[-1])
        elif row.kind == ONLY_ON_PHONE != message.kind:
            # Its sender's phone has sent it anew, and this time it can be read.
            row.chat = _chat_of(connection_id, phone, message)
            row.kind, row.text = message.kind, message.text
            row.bot_pending, row.not_before = not message.from_me, None
        else:
            continue
        new += 1
    db.session.commit()
    return new


def chat_of(connection_id: str, phone: str, jid: str, *, name: str = "") -> Chat:
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
            connection_id=connection_id, phone=phone, jid=jid, name=name, is_group=is_group(jid)
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


def own_phone(told: str | None, linked: str) -> str:
    """Our number at which something arrived, spelled as the connection spells it."""
    arrived_at = told or linked
    return linked if linked and same_number(arrived_at, linked) else arrived_at


def _with_ids(connection_id: str, wa_ids: Collection[str]) -> dict[str, list[Message]]:
    stored = select(Message).where(
        Message.connection_id == connection_id, Message.wa_id.in_(wa_ids)
    )
    found = defaultdict(list)
    for row in db.session.scalars(stored.options(joinedload(Message.chat))):
        found[row.wa_id or ""].append(row)
    return found


def _is_same(row: Message, phone: str, message: Incoming) -> bool:
    """Whether the row with this id is that message. Senders choose their ids, so the same id of
    another sender is another message; one sender may be named by number and then by LID."""
    if row.chat.phone != phone or row.sender not in _senders(message):
        return False
    direct = not (message.from_me or message.is_group or row.chat.is_group)
    return direct or row.chat.jid == message.chat


def _senders(message: Incoming) -> tuple[str | None, ...]:
    return ("",) if message.from_me else (message.sender, message.sender_alt)


def _chat_of(connection_id: str, phone: str, message: Incoming) -> Chat:
    named = message.sender_name if not (message.is_group or message.from_me) else ""
    return chat_of(connection_id, phone, message.chat, name=named)


def _row(chat: Chat, message: Incoming) -> Message:
    return Message(
        connection_id=chat.connection_id,
        chat=chat,
        direction=Direction.OUT if message.from_me else Direction.IN,
        author=Author.PHONE if message.from_me else Author.CUSTOMER,
        kind=message.kind,
        text=message.text,
        state=MessageState.SENT if message.from_me else MessageState.RECEIVED,
        sender="" if message.from_me else message.sender,
        wa_id=kept_id(message.wa_id),
        at=message.at,
        asked_at=asked_at(message),
        bot_pending=not message.from_me,
        not_before=(
            (message.arrived_at or message.at) + SENT_ANEW
            if message.kind == ONLY_ON_PHONE and not message.from_me
            else None
        ),
    )

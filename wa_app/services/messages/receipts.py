"""What other phones say of what was sent to them: it is there, it was read, or it could not be and
is asked for again."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import contains_eager

from wa_app.domain.messages import (
    RECEIPT_RANK,
    SEND_AGAIN_AFTER,
    Author,
    Direction,
    FailCause,
    MessagePolicy,
    MessageState,
    Outcome,
    after_asked_again,
    kept_id,
    reached_all,
    was_sent_again,
)
from wa_app.domain.phone_numbers import is_group, same_address
from wa_app.domain.sessions.socket_messages import AskedAgain, Receipt, ReceiptKind
from wa_app.extensions import db
from wa_app.models import Connection, Message, MessageRecipient
from wa_app.services.messages import inbox, outbox

RECEIPT_STATES: Mapping[ReceiptKind, MessageState] = {
    ReceiptKind.DELIVERED: MessageState.DELIVERED,
    ReceiptKind.READ: MessageState.READ,
}


def arrived(connection_id: str, news: Receipt) -> None:
    """Delivered, or read: by those in whose chat it is, and in a group by all. Receipts arrive in
    any order and only ever move a message forward."""
    state = RECEIPT_STATES[news.kind]
    for message in _confirmed(connection_id, news):
        if is_group(message.chat.jid):
            _forward(MessageRecipient, _recipient(message, news), state)
            everybody = select(MessageRecipient.state).where(
                MessageRecipient.message_id == message.id
            )
            state_of_all = reached_all([*db.session.scalars(everybody)] or [MessageState.SENT])
            _forward(Message, [Message.id == message.id], state_of_all)
        else:
            _forward(Message, [Message.id == message.id], state)
    db.session.commit()


def _confirmed(connection_id: str, news: Receipt) -> list[Message]:
    """Our messages of which this receipt speaks. Whoever knows an id can send a receipt for it, so
    only one from the chat of the message counts."""
    named = (
        select(Message)
        .join(Message.chat)
        .options(contains_eager(Message.chat))
        .where(
            Message.connection_id == connection_id,
            Message.wa_id.in_([kept_id(wa_id) for wa_id in news.wa_ids]),
            Message.direction == Direction.OUT,
        )
    )
    linked = db.session.scalar(
        select(Connection.linked_phone).where(Connection.id == connection_id)
    )
    phones = (inbox.own_phone(news.own_phone, linked or ""), "")
    return [
        message
        for message in db.session.scalars(named)
        if message.chat.phone in phones
        and any(same_address(message.chat.jid, jid) for jid in news.chat)
    ]


def _recipient(message: Message, news: Receipt) -> list[ColumnElement[bool]]:
    """The row of whoever sent this receipt, if the message went to them."""
    went_to = select(MessageRecipient.jid).where(MessageRecipient.message_id == message.id)
    readers = [
        jid
        for jid in db.session.scalars(went_to)
        if any(same_address(jid, reader) for reader in news.reader)
    ]
    return [MessageRecipient.message_id == message.id, MessageRecipient.jid.in_(readers)]


def _forward(
    rows: type[Message | MessageRecipient], which: list[ColumnElement[bool]], state: MessageState
) -> None:
    earlier = [known for known, rank in RECEIPT_RANK.items() if rank < RECEIPT_RANK[state]]
    db.session.execute(update(rows).where(*which, rows.state.in_(earlier)).values(state=state))


def asked_again(connection_id: str, news: AskedAgain, now: datetime) -> None:
    """A text of this chat could not be read there. What is done about it `send_again` decides, a
    moment later; the second time nothing is left to do."""
    message = db.session.scalar(
        select(Message)
        .join(Message.chat)
        .join(Connection, Connection.id == Message.connection_id)
        .where(
            Message.connection_id == connection_id,
            Message.wa_id == news.wa_id,
            Message.direction == Direction.OUT,
            Message.author != Author.PHONE,
            Message.state == MessageState.SENT,
            outbox.OF_THIS_NUMBER,
        )
    )
    if message is None or not any(same_address(message.chat.jid, one) for one in news.chat):
        return
    if message.asked_again_at is None:
        message.asked_again_at = now
        if message.sending_since is not None:  # it was sent before, whatever the clock said
            message.sending_since = min(message.sending_since, now)
    elif was_sent_again(message.asked_again_at, message.sending_since):
        _change_sent(message, Outcome(MessageState.FAILED, FailCause.UNREADABLE))
    db.session.commit()


def send_again(now: datetime, policy: MessagePolicy) -> None:
    """What was asked for, once, if no other device has said meanwhile that it has it."""
    waiting = select(Message).where(
        Message.asked_again_at <= now - SEND_AGAIN_AFTER,
        Message.asked_again_at >= Message.sending_since,
        Message.state == MessageState.SENT,
    )
    for message in db.session.scalars(waiting):
        sent = message.at or message.created_at
        outcome = after_asked_again(message.author, message.created_at, sent, policy, now)
        _change_sent(message, outcome)
    db.session.commit()


def _change_sent(message: Message, outcome: Outcome) -> None:
    change = update(Message).where(Message.id == message.id, Message.state == MessageState.SENT)
    db.session.execute(change.values(state=outcome.state, cause=outcome.cause, not_before=None))

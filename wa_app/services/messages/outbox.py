"""Outgoing messages: accepted when committed, sent when the connection is there, never lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from wa_app.domain.errors import WrongInput
from wa_app.domain.messages import (
    ANSWERS_A_SEND,
    LONGEST_PAUSE,
    MAX_TEXT,
    RESTRICTED_FOR,
    RESTRICTED_RETRY,
    Author,
    Direction,
    FailCause,
    MessagePolicy,
    MessageState,
    after_send_failure,
    kept_id,
)
from wa_app.domain.phone_numbers import jid_of
from wa_app.domain.sessions.socket_messages import (
    SendFailed,
    SendFailure,
    SendText,
    Sent,
)
from wa_app.domain.sessions.states import Status
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message, MessageRecipient, utc_now
from wa_app.services.messages import inbox

KEY_KEPT = timedelta(hours=24)
UNSETTLED = (MessageState.PENDING, MessageState.SENDING)

OF_THIS_NUMBER = Chat.phone.in_((Connection.linked_phone, ""))
"""What was written for one number never leaves through another that is linked later."""


def accept(
    connection: Connection, to: str, text: str, *, idempotency_key: str | None = None
) -> Message:
    """A person's message to a number or a JID, stored. The same key within a day gives the first
    message back. Raises `WrongInput`."""
    jid = jid_of(to)
    if not text.strip():
        raise WrongInput("text", "required")
    if len(text) > MAX_TEXT:
        raise WrongInput("text", "too_long")
    try:
        earlier = _same_key(connection.id, idempotency_key)
        return earlier or _accept(connection, jid, text, Author.PERSON, idempotency_key)
    except IntegrityError:
        # Another request made the chat, or took the key, between our look and our write.
        db.session.rollback()
        earlier = _same_key(connection.id, idempotency_key)
        return earlier or _accept(connection, jid, text, Author.PERSON, idempotency_key)


def find(connection: Connection, message_id: int) -> Message | None:
    """An outgoing message of this connection."""
    found = db.session.get(Message, message_id)
    if found is None or found.connection_id != connection.id:
        return None
    return found if found.direction is Direction.OUT else None


def _accept(
    connection: Connection, jid: str, text: str, author: Author, key: str | None
) -> Message:
    chat = inbox.chat_of(connection.id, connection.linked_phone or "", jid)
    message = Message(
        connection_id=connection.id,
        chat_id=chat.id,
        direction=Direction.OUT,
        author=author,
        text=text,
        state=MessageState.PENDING,
        idempotency_key=key,
    )
    db.session.add(message)
    db.session.commit()
    return message


def _same_key(connection_id: str, key: str | None) -> Message | None:
    if key is None:
        return None
    found = db.session.scalar(
        select(Message).where(
            Message.connection_id == connection_id, Message.idempotency_key == key
        )
    )
    if found is not None and utc_now() - found.created_at > KEY_KEPT:
        found.idempotency_key = None
        db.session.flush()
        return None
    return found


# ---- taking


def ready(now: datetime) -> Sequence[str]:
    """Connections that are up and have something to send."""
    due = (
        select(Message.connection_id)
        .join(Connection)
        .join(Chat, Chat.id == Message.chat_id)
        .where(Connection.status == Status.CONNECTED, OF_THIS_NUMBER, *_due(now))
        .distinct()
    )
    return db.session.scalars(due).all()


def take(connection_id: str, now: datetime, policy: MessagePolicy) -> SendText | None:
    """The next message of this connection, marked SENDING in the same statement; None while one
    is on its way, or the pace or a restriction says wait."""
    if policy.send_rate and _sent_lately(connection_id, now) >= policy.send_rate:
        return None
    taken = db.session.execute(
        update(Message)
        .where(Message.id == _next(connection_id, now).scalar_subquery())
        .values(state=MessageState.SENDING, sending_since=now)
        .returning(Message.id, Message.chat_id, Message.text)
    ).first()
    if taken is None:
        db.session.rollback()
        return None
    chat = db.session.get_one(Chat, taken.chat_id).jid
    db.session.commit()
    return SendText(taken.id, chat, taken.text)


def _due(now: datetime) -> list[ColumnElement[bool]]:
    return [
        Message.state == MessageState.PENDING,
        or_(
            Message.not_before.is_(None),
            Message.not_before <= now,
            Message.not_before > now + LONGEST_PAUSE,  # noted before the clock was set back
        ),
    ]


def _next(connection_id: str, now: datetime) -> Select[int]:
    """Oldest first; in order within a chat; one at a time on a connection."""
    other = aliased(Message)
    unrestricted = or_(
        Connection.restricted_until.is_(None),
        Connection.restricted_until <= now,
        Connection.restricted_until > now + RESTRICTED_FOR,  # the clock was set back since
    )
    earlier_in_chat = exists().where(
        other.chat_id == Message.chat_id,
        other.id < Message.id,
        other.state.in_(UNSETTLED),
        # The bot's answers pause under a restriction; what a person writes does not wait for them.
        or_(unrestricted, other.author != Author.BOT),
    )
    on_its_way = exists().where(
        other.connection_id == connection_id, other.state == MessageState.SENDING
    )
    tried_lately = exists().where(
        other.connection_id == connection_id,
        other.sending_since > now - RESTRICTED_RETRY,
        other.sending_since <= now,
    )
    return (
        select(Message.id)
        .join(Connection)
        .join(Chat, Chat.id == Message.chat_id)
        .where(
            Message.connection_id == connection_id,
            Connection.status == Status.CONNECTED,
            OF_THIS_NUMBER,
            *_due(now),
            ~earlier_in_chat,
            ~on_its_way,
            or_(unrestricted, and_(Message.author != Author.BOT, ~tried_lately)),
        )
        .order_by(Message.id)
        .limit(1)
    )


def _sent_lately(connection_id: str, now: datetime) -> int:
    """Within a minute. What was sent at a time that is still to come, was so before the clock was
    set back."""
    sent = select(func.count()).where(
        Message.connection_id == connection_id,
        Message.sending_since > now - timedelta(minutes=1),
        Message.sending_since <= now,
    )
    return db.session.scalar(sent) or 0


# ---- what became of it


def sent(connection_id: str, news: Sent) -> None:
    wa_id = kept_id(news.wa_id)
    other = aliased(Message)
    # If a message of ours in this chat has that id already, this one has none: whatever its id, it
    # is sent, and must not come back to the outbox.
    taken = exists().where(
        other.chat_id == Message.chat_id, other.sender == "", other.wa_id == wa_id,
        other.id != Message.id,
    )  # fmt: skip
    done = (
        update(Message)
        .where(Message.id == news.message_id, Message.connection_id == connection_id)
        .where(Message.state.in_((*UNSETTLED, MessageState.FAILED)))
        .values(state=MessageState.SENT, at=news.at, cause=None)
        .values(wa_id=case((taken, None), else_=wa_id))
        .returning(Message.id)
    )
    if db.session.scalar(done) is not None and news.members is not None:
        _went_to(news.message_id, news.members)
    lift = (
        update(Connection)
        .where(Connection.id == connection_id, Connection.restricted_until.is_not(None))
        .values(restricted_until=None)
    )
    db.session.execute(lift)
    db.session.commit()


def failed(connection_id: str, news: SendFailed, now: datetime) -> None:
    message = db.session.get(Message, news.message_id, populate_existing=True)
    if message is not None and message.state is MessageState.SENDING:
        _apply(message, news.failure, now, news.detail)
        db.session.commit()


def not_sent(connection_id: str, message_id: int, now: datetime) -> None:
    """There was no socket to hand it to."""
    failed(connection_id, SendFailed(message_id, SendFailure.NOT_SENT, "no socket"), now)


def socket_ended(connection_id: str, now: datetime) -> None:
    """What was on its way when the socket ended may have left or not."""
    _end_unknown([Message.connection_id == connection_id], now)


def nobody_answered(now: datetime, policy: MessagePolicy) -> None:
    longest = ANSWERS_A_SEND * policy.send_timeout + timedelta(seconds=5)
    since = Message.sending_since
    _end_unknown([or_(since < now - longest, since > now + longest)], now)


def service_started(now: datetime) -> None:
    _end_unknown([], now)


def drop_late_answers(now: datetime, policy: MessagePolicy) -> None:
    """An answer hours late is worse than none."""
    late = (
        update(Message)
        .where(
            Message.state == MessageState.PENDING,
            Message.author == Author.BOT,
            Message.created_at < now - policy.reply_expires,
        )
        .values(state=MessageState.FAILED, cause=FailCause.TOO_LATE)
    )
    db.session.execute(late)
    db.session.commit()


def drop_what_no_number_sends() -> None:
    """What was written for a number that its connection no longer has would wait for ever."""
    others = (
        select(Chat.id)
        .join(Connection, Connection.id == Chat.connection_id)
        .where(Chat.phone != "", Chat.phone != Connection.linked_phone)
    )
    left = (
        update(Message)
        .where(Message.state == MessageState.PENDING, Message.chat_id.in_(others))
        .values(state=MessageState.FAILED, cause=FailCause.OTHER_NUMBER)
    )
    db.session.execute(left)
    db.session.commit()


def _went_to(message_id: int, members: Sequence[str]) -> None:
    once_more = delete(MessageRecipient).where(MessageRecipient.message_id == message_id)
    db.session.execute(once_more)
    people = [MessageRecipient(message_id=message_id, jid=jid) for jid in dict.fromkeys(members)]
    db.session.add_all(people)


def _end_unknown(where: list[ColumnElement[bool]], now: datetime) -> None:
    sending = select(Message).where(Message.state == MessageState.SENDING, *where)
    for message in db.session.scalars(sending):
        _apply(message, SendFailure.UNKNOWN, now, "")
    db.session.commit()


def _apply(message: Message, failure: SendFailure, now: datetime, detail: str) -> None:
    outcome = after_send_failure(failure, message.unknown_ends, now, message.postponed)
    settle = (
        update(Message)
        .where(Message.id == message.id, Message.state == MessageState.SENDING)
        .values(
            state=outcome.state,
            cause=outcome.cause,
            cause_detail=detail[:300] or None,
            unknown_ends=outcome.unknown_ends,
            postponed=outcome.postponed,
            not_before=outcome.not_before,
        )
    )
    db.session.execute(settle)  # not where another thread has heard meanwhile that it was sent
    if outcome.restricted_until is not None:
        restrict = update(Connection).where(Connection.id == message.connection_id)
        db.session.execute(restrict.values(restricted_until=outcome.restricted_until))

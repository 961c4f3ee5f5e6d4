"""The bot takes incoming messages from the database and puts its answers into the outbox.

Answer and end of `bot_pending` are one commit: a kill in between neither loses nor repeats one.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, or_, select

from wa_app.domain.bot import Question, Verdict, bot_verdict
from wa_app.domain.messages import (
    ONLY_ON_PHONE,
    Author,
    Direction,
    MessagePolicy,
    MessageState,
)
from wa_app.domain.sessions.socket_messages import Command, ShowTyping
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message

log = structlog.get_logger()


def pending(now: datetime) -> list[int]:
    """Messages the bot has not looked at and may look at by now, oldest first."""
    due = or_(Message.not_before.is_(None), Message.not_before <= now)
    waiting = select(Message.id).where(Message.bot_pending, due).order_by(Message.id).limit(200)
    return list(db.session.scalars(waiting))


def answer(
    tell: Callable[[str, Command], bool],
    clock: Callable[[], datetime],
    dice: Callable[[], float],
    policy: MessagePolicy,
) -> None:
    """Look at whatever waits. `tell` shows the customer that somebody types. Needs an application
    context."""
    for message_id in pending(clock()):
        try:
            answered = consider(message_id, clock(), dice, policy)
        except Exception:
            # One message that cannot be answered must not silence the others.
            log.exception("bot in trouble", message=message_id)
            db.session.rollback()
            continue
        if answered is not None and policy.bot_pause:
            chat = db.session.get_one(Chat, answered.chat_id)
            tell(answered.connection_id, ShowTyping(chat.jid))


def consider(
    message_id: int, now: datetime, dice: Callable[[], float], policy: MessagePolicy
) -> Message | None:
    """Decide about one message; its answer if there is one."""
    message = db.session.get(Message, message_id)
    if message is None or not message.bot_pending:
        return None
    connection = db.session.get_one(Connection, message.connection_id)
    chat = db.session.get_one(Chat, message.chat_id)
    verdict = bot_verdict(connection.bot, _question(message, chat), now, policy)
    if chat.phone != connection.linked_phone:
        verdict = Verdict.IGNORE  # it arrived at a number that is not this connection's own
    message.bot_pending = False
    if message.kind == ONLY_ON_PHONE:
        facts = {"connection": connection.id, "chat": chat.id, "message": message.id}
        log.warning("message that only the phone shows", **facts)
    answer = None
    match verdict:
        case Verdict.ANSWER:
            answer = _answer(connection, message, now + policy.bot_pause * _pause(dice), now)
            db.session.add(answer)
        case Verdict.WAITING:
            chat.waiting_since = now
        case Verdict.MUTE:
            chat.muted_until = now + policy.loop_mute
            chat.waiting_since = now
            log.warning("bot muted itself: loop", connection=connection.id, chat=chat.id)
    db.session.commit()
    return answer


def _pause(dice: Callable[[], float]) -> float:
    """From a third of the longest pause to all of it."""
    return (1 + 2 * dice()) / 3


def _answer(
    connection: Connection, message: Message, not_before: datetime, now: datetime
) -> Message:
    return Message(
        connection_id=connection.id,
        chat_id=message.chat_id,
        direction=Direction.OUT,
        author=Author.BOT,
        text=connection.bot_fallback_text,
        state=MessageState.PENDING,
        not_before=not_before,
        created_at=now,
    )


def _question(message: Message, chat: Chat) -> Question:
    answers = _newest(chat, Message.author == Author.BOT)
    texts = _newest(chat, Message.author == Author.CUSTOMER, Message.id <= message.id)
    return Question(
        kind=message.kind,
        text=message.text,
        at=message.asked_at or message.created_at,
        chat=chat.jid,
        sender=message.sender or chat.jid,
        muted_until=chat.muted_until,
        recent_answers=[answer.created_at for answer in answers],
        last_answer=answers[0].text if answers else None,
        recent_texts=[text.text for text in texts],
    )


def _newest(chat: Chat, *which: ColumnElement[bool]) -> list[Message]:
    newest = (
        select(Message)
        .where(Message.chat_id == chat.id, *which)
        .order_by(Message.id.desc())
        .limit(20)
    )
    return list(db.session.scalars(newest))

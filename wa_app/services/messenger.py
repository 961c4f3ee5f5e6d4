"""Messages on their way: the bot answers, the outbox sends."""

from collections.abc import Callable
from datetime import datetime

import structlog

from wa_app.domain.messages import MessagePolicy
from wa_app.domain.wire import ShowTyping
from wa_app.extensions import db
from wa_app.models import Chat
from wa_app.services import bot, outbox
from wa_app.services.manager import Manager

log = structlog.get_logger()


class Messenger:
    """All of it needs an application context."""

    def __init__(
        self,
        policy: MessagePolicy,
        manager: Manager,
        *,
        clock: Callable[[], datetime],
        dice: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._manager = manager
        self._clock = clock
        self._dice = dice

    def move(self) -> None:
        """Whatever can be answered or sent now."""
        self._answer()
        self._send()

    def settle(self) -> None:
        """What nobody confirmed, and answers that would come too late."""
        now = self._clock()
        outbox.nobody_answered(now, self._policy)
        outbox.drop_late_answers(now, self._policy)

    def _answer(self) -> None:
        for message_id in bot.pending():
            try:
                answer = bot.consider(message_id, self._clock(), self._dice, self._policy)
            except Exception:
                # One message that cannot be answered must not silence the others.
                log.exception("bot in trouble", message=message_id)
                db.session.rollback()
                continue
            if answer is not None and self._policy.bot_pause:
                chat = db.session.get_one(Chat, answer.chat_id)
                self._manager.tell(answer.connection_id, ShowTyping(chat.jid))

    def _send(self) -> None:
        for connection_id in outbox.ready(self._clock()):
            send = outbox.take(connection_id, self._clock(), self._policy)
            if send is not None and not self._manager.tell(connection_id, send):
                outbox.not_sent(connection_id, send.message_id, self._clock())

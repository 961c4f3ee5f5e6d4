"""Messages on their way: what waits in the outbox is handed to the sockets."""

from collections.abc import Callable
from datetime import datetime

from wa_app.domain.messages import MessagePolicy
from wa_app.domain.sessions.socket_messages import Command
from wa_app.services.messages import outbox, receipts


class Dispatch:
    """All of it needs an application context."""

    def __init__(
        self,
        policy: MessagePolicy,
        tell: Callable[[str, Command], bool],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """`tell` hands a command to a connection's socket; False when there is none."""
        self._policy = policy
        self._tell = tell
        self._clock = clock

    def send(self) -> None:
        """Whatever can be sent now."""
        for connection_id in outbox.ready(self._clock()):
            send = outbox.take(connection_id, self._clock(), self._policy)
            if send is not None and not self._tell(connection_id, send):
                outbox.not_sent(connection_id, send.message_id, self._clock())

    def settle(self) -> None:
        """What nobody confirmed or could read, answers that would come too late, texts of another
        number."""
        now = self._clock()
        outbox.drop_what_no_number_sends()
        outbox.nobody_answered(now, self._policy)
        receipts.send_again(now, self._policy)
        outbox.drop_late_answers(now, self._policy)

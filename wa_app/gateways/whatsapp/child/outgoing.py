"""Texts on their way out, one after the other, in a thread that can afford to wait."""

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from wa_app.domain.phone_numbers import is_group
from wa_app.domain.sessions.socket_messages import (
    Receipt,
    SendFailed,
    SendFailure,
    SendText,
    Sent,
    ShowTyping,
)
from wa_app.gateways.whatsapp.child.endings import LibraryError
from wa_app.gateways.whatsapp.child.pipe import Pipe

if TYPE_CHECKING:
    from wa_app.gateways.whatsapp.child.client import Client

MEANINGS = (
    (re.compile(r"websocket not connected|client is nil"), SendFailure.NOT_SENT),
    (re.compile(r"server returned error 463\b"), SendFailure.RESTRICTED),
    (
        re.compile(r"server returned error 4\d\d|no LID found|unknown server|user JID with no dev"),
        SendFailure.REFUSED,
    ),
)
"""What the library's answer to a failed send means."""


MEMBERS_PATIENCE = 5.0
"""Seconds; far below the time after which a send without an answer counts as lost."""


def meaning(error: str) -> SendFailure:
    """Whatever is not in the table may have left."""
    return next((what for found, what in MEANINGS if found.search(error)), SendFailure.UNKNOWN)


class Outgoing:
    def __init__(self, worker: Pipe, client: "Client") -> None:
        self._worker, self._client = worker, client
        self._waiting: queue.SimpleQueue[SendText | ShowTyping] = queue.SimpleQueue()
        self.receipts = Receipts(worker)

    def start(self) -> None:
        threading.Thread(target=self._run, name="outgoing", daemon=True).start()

    def put(self, command: SendText | ShowTyping) -> None:
        self._waiting.put(command)

    def _run(self) -> None:
        while True:
            match self._waiting.get():
                case SendText() as text:
                    with self.receipts.held_back():
                        self._worker.tell(self._send(text))
                case ShowTyping(chat):
                    with suppress(LibraryError):  # nobody misses it
                        self._client.show_typing(chat)

    def _send(self, text: SendText) -> Sent | SendFailed:
        """Blocks until WhatsApp has answered: up to 75 seconds."""
        # Before the send: that something has left must be told at once.
        members = self._members(text.chat) if is_group(text.chat) else None
        try:
            wa_id, at = self._client.send(text.chat, text.text)
        except LibraryError as error:
            return SendFailed(text.message_id, meaning(str(error)), str(error))
        return Sent(text.message_id, wa_id, at, members)

    def _members(self, group: str) -> tuple[str, ...] | None:
        """None when WhatsApp does not say in time: the text is not kept waiting for it."""
        told: queue.SimpleQueue[tuple[str, ...] | None] = queue.SimpleQueue()

        def ask() -> None:
            try:
                told.put(tuple(self._client.members(group)))
            except LibraryError:
                told.put(None)

        threading.Thread(target=ask, name="members", daemon=True).start()
        with suppress(queue.Empty):
            return told.get(timeout=MEMBERS_PATIENCE)
        return None

    def give_back(self) -> None:
        """What has not been tried did surely not leave."""
        self.receipts.let_go()
        with suppress(queue.Empty):
            while True:
                command = self._waiting.get_nowait()
                if isinstance(command, SendText):
                    ended = SendFailed(command.message_id, SendFailure.NOT_SENT, "session ended")
                    self._worker.tell(ended)


class Receipts:
    """A receipt can overtake the answer to the send it belongs to; whoever hears of it first
    would not know which message it means. So they wait while a send is under way."""

    def __init__(self, worker: Pipe) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._waiting: list[Receipt] | None = None

    def tell(self, receipt: Receipt) -> None:
        with self._lock:
            if self._waiting is None:
                self._worker.tell(receipt)
            else:
                self._waiting.append(receipt)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        with self._lock:
            self._waiting = []
        try:
            yield
        finally:
            self.let_go()

    def let_go(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, None
            for receipt in waiting or ():
                self._worker.tell(receipt)

"""Texts on their way out, one after the other, in a thread that can afford to wait."""

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

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
from wa_app.gateways.whatsapp.child.library_events import HIDDEN_NUMBERS, PHONE_NUMBERS
from wa_app.gateways.whatsapp.child.pipe import Pipe

if TYPE_CHECKING:
    from wa_app.gateways.whatsapp.child.client import Client

DIRECT = (f"@{PHONE_NUMBERS}", f"@{HIDDEN_NUMBERS}")

BEFORE = (
    r"failed to (get (user info for \S+ to fill LID cache|LID for PN \S+|device list|group members"
    r"|broadcast list members)|send usync query|prefetch sessions|save cached sessions"
    r"|marshal message|create sender key distribution message to send \S+ to \S+"
    r"|encrypt group message to send \S+ to \S+): "
)
"""What the library does before it writes the message to the wire (whatsmeow, send.go, user.go)."""

OFFLINE = r"websocket (not connected|disconnected before info query returned response)"

MEANINGS = tuple(
    (re.compile(form, re.DOTALL), what)
    for form, what in (
        (r"(failed to send message node: )?websocket not connected.*", SendFailure.NOT_SENT),
        (r"client is nil.*|the store doesn't contain a device JID", SendFailure.NOT_SENT),
        (rf"{BEFORE}(.*: )?{OFFLINE}", SendFailure.NOT_SENT),
        (
            r"failed to get group members: "
            r"(that group does not exist|you're not participating in that group)",
            SendFailure.REFUSED,
        ),
        (rf"{BEFORE}.*", SendFailure.LATER),
        (r"server returned error 463", SendFailure.RESTRICTED),
        (r"server returned error (429|5\d\d)", SendFailure.LATER),
        (r"server returned error 4\d\d", SendFailure.REFUSED),
        (r"no LID found for \S+ from server", SendFailure.REFUSED),
        (r"can't send message to unknown server.*", SendFailure.REFUSED),
        (r"message recipient must be a user JID with no device part", SendFailure.REFUSED),
    )
)
"""What the library's answer to a failed send means; the first row that fits. Whole texts, because
some quote what others chose."""

NOBODY = "no device of the recipient got a copy"


MEMBERS_PATIENCE = 5.0
"""Seconds; far below the time after which a send without an answer counts as lost."""


def meaning(error: str) -> SendFailure:
    """Whatever is not in the table may have left."""
    return next((what for form, what in MEANINGS if form.fullmatch(error)), SendFailure.UNKNOWN)


def meaning_of_lookup(error: str) -> SendFailure:
    """The same for an error of what was asked before the send: nothing has left."""
    found = meaning(error)
    return SendFailure.LATER if found is SendFailure.UNKNOWN else found


class Recipients(NamedTuple):
    """The devices of a person, nothing being known of a group's; the people of a group, None where
    WhatsApp did not say who they are."""

    devices: frozenset[str] = frozenset()
    members: tuple[str, ...] | None = None


class Outgoing:
    def __init__(self, worker: Pipe, client: "Client") -> None:
        self._worker, self._client = worker, client
        self._waiting: queue.SimpleQueue[SendText | ShowTyping] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._looking_up: SendText | None = None
        self._over = False
        self.receipts = Receipts(worker)

    def start(self) -> None:
        threading.Thread(target=self._run, name="outgoing", daemon=True).start()

    def put(self, command: SendText | ShowTyping) -> None:
        with self._lock:
            if not self._over:
                self._waiting.put(command)
            elif isinstance(command, SendText):
                self._return(command)

    def _run(self) -> None:
        while True:
            match self._waiting.get():
                case SendText() as text:
                    self._take(text)
                case ShowTyping(chat):
                    with suppress(LibraryError):  # nobody misses it
                        self._client.show_typing(chat)

    def _take(self, text: SendText) -> None:
        """Look up who it goes to, then send it. Each blocks until WhatsApp has answered: up to 75
        seconds. Between the two is the moment from which on it may have left."""
        with self._lock:
            if self._over:
                self._return(text)
                return
            self._looking_up = text
        looked_up = self._look_up(text)
        with self._lock:
            if self._looking_up is None:
                return  # given back meanwhile
            self._looking_up = None
        if isinstance(looked_up, SendFailed):
            self._worker.tell(looked_up)
            return
        with self.receipts.held_back():
            self._worker.tell(self._send(text, looked_up))

    def _look_up(self, text: SendText) -> Recipients | SendFailed:
        if is_group(text.chat):
            return Recipients(members=self._members(text.chat))
        if not text.chat.endswith(DIRECT):
            return Recipients()
        try:
            devices = self._client.devices_of(text.chat)
        except LibraryError as error:
            return SendFailed(text.message_id, meaning_of_lookup(str(error)), str(error))
        if not devices:
            return SendFailed(text.message_id, SendFailure.LATER, NOBODY)
        return Recipients(devices)

    def _send(self, text: SendText, to: Recipients) -> Sent | SendFailed:
        try:
            wa_id, at = self._client.send(text.chat, text.text)
        except LibraryError as error:
            return SendFailed(text.message_id, meaning(str(error)), str(error))
        if to.devices and to.devices <= self._client.not_reached(wa_id):
            return SendFailed(text.message_id, SendFailure.LATER, NOBODY)
        return Sent(text.message_id, wa_id, at, to.members)

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
        with self._lock:
            self._over = True
            looking_up, self._looking_up = self._looking_up, None
        if looking_up is not None:
            self._return(looking_up)
        self.receipts.let_go()
        with suppress(queue.Empty):
            while True:
                command = self._waiting.get_nowait()
                if isinstance(command, SendText):
                    self._return(command)

    def _return(self, text: SendText) -> None:
        self._worker.tell(SendFailed(text.message_id, SendFailure.NOT_SENT, "session ended"))


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

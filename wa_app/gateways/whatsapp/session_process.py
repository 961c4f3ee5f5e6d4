"""Drives one neonize client. Loaded in a session process and nowhere else: it imports neonize.

The library keeps its clients in maps without a lock, and a call that reads them while a start or
a stop writes to them ends the process. Here nothing is ever stopped (the process ends instead),
and nothing is called before the first sign that the start is over: the first QR or event.
"""

import ctypes
import itertools
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from neonize import client as neonize
from neonize import events
from neonize.events import Event
from neonize.exc import NeonizeError
from neonize.proto.Neonize_pb2 import JID
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence
from neonize.utils.log import log as library_log

from wa_app.domain.closes import Close, CloseClass, Reason, classify
from wa_app.domain.wire import (
    Alive,
    Command,
    Dial,
    End,
    Opened,
    Paired,
    PairingCode,
    Qr,
    Receipt,
    ReceiptKind,
    SendFailed,
    SendFailure,
    SendText,
    Sent,
    ShowTyping,
    Stored,
)
from wa_app.gateways.whatsapp import endings, incoming, sending, session_file
from wa_app.gateways.whatsapp.endings import Ending, Says
from wa_app.gateways.whatsapp.folder import Folder
from wa_app.gateways.whatsapp.launch import Settings
from wa_app.gateways.whatsapp.line import Line
from wa_app.gateways.whatsapp.spool import Spool, read_spool

QR_TOTAL = 6
FIRST_QR_LIFE = timedelta(seconds=60)
QR_LIFE = timedelta(seconds=20)
LAST_QR_GONE = 155.0  # seconds after the first: 60 and five times 20, less some slack

TICK = 1.0
TICKS_PER_ALIVE = 3
TICKS_PER_PRESENCE = 30
TICKS_DOWN = 4
"""So long the library may say that it is not connected before we believe that it has given up:
a failed restart after pairing, for one, it reports to nobody."""

LISTEN_FOR_MORE = 0.5
DISCONNECT_PATIENCE = 1.0
UNLINK_PATIENCE = 3.0
QUIET = 0.1
"""No event for so long after disconnecting: nothing more is on its way to us."""
ROW_GONE_PATIENCE = 0.5

RECEIPTS = {1: ReceiptKind.DELIVERED, 9: ReceiptKind.DELIVERED, 4: ReceiptKind.READ}
"""By neonize's numbers: delivered, inactive (delivered to a phone that sleeps), read."""

UUID = "session"


class SessionProcess:
    def __init__(
        self, line: Line, folder: Folder, spool: Spool, dial: Dial, settings: Settings
    ) -> None:
        self._line, self._folder, self._spool = line, folder, spool
        self._dial, self._settings = dial, settings
        self._outgoing: queue.SimpleQueue[SendText | ShowTyping] = queue.SimpleQueue()
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._started = threading.Event()  # the library may be called
        self._ending = threading.Event()
        self._in_handler = threading.Lock()
        self._last_event = time.monotonic()
        self._unlink = False
        self._qr_numbers = itertools.count(1)
        self._first_qr_at: float | None = None
        self._paired = session_file.has_device(folder.session_file)
        self._opened = False
        self._client = self._make_client()

    def _make_client(self) -> Any:
        client = neonize.NewClient(
            session_file.library_name(self._folder.session_file),
            props=DeviceProps(os="Vigía", platformType=DeviceProps.CHROME),
            uuid=UUID,
        )
        client._stop_finalizer.detach()
        client._NewClient__onLoginStatus = self._on_login_status
        client.event.execute = self._on_event
        client.event.qr(self._on_qr)
        for event, handler in self._handlers().items():
            client.event(event)(handler)
        return client

    def _handlers(self) -> dict[type, Callable[[Any, Any], None]]:
        return {
            events.PairStatusEv: self._on_pair_status,
            events.ConnectedEv: self._on_connected,
            events.MessageEv: self._on_message,
            events.ReceiptEv: self._on_receipt,
            events.DisconnectedEv: self._on_disconnected,
            events.KeepAliveTimeoutEv: self._on_keepalive_timeout,
            events.StreamErrorEv: self._on_stream_error,
            events.StreamReplacedEv: self._on_stream_replaced,
            events.LoggedOutEv: self._on_logged_out,
            events.TemporaryBanEv: self._on_ban,
            events.ClientOutdatedEv: self._on_outdated,
            events.ConnectFailureEv: self._on_connect_failure,
        }

    def run(self) -> NoReturn:
        self._listen_to_the_log()
        for leftover in read_spool(self._folder.spool):
            self._line.tell(leftover)
        for work in (self._send_what_comes, self._watch, self._end_when_told):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        self._line.obey = self._obey
        try:
            self._client.connect(self._proxy())
        except NeonizeError as error:
            self._end(endings.failed_dial(str(error)))
        while True:  # the thread that ends ends all
            time.sleep(60)

    def _proxy(self) -> neonize.ProxySettings | None:
        return neonize.ProxySettings(self._dial.proxy) if self._dial.proxy else None

    def _listen_to_the_log(self) -> None:
        library_log.setLevel(logging.WARNING)
        logging.getLogger("whatsmeow").addHandler(LogListener(self._end))

    # ---- commands

    def _obey(self, command: Command) -> None:
        match command:
            case SendText() | ShowTyping():
                self._outgoing.put(command)
            case Stored(offset):
                self._spool.stored(offset)
            case End(unlink):
                self._unlink = unlink
                self._end(endings.REQUESTED)

    def _send_what_comes(self) -> None:
        """In a thread of its own: a send can wait 75 seconds for an answer."""
        while True:
            match self._outgoing.get():
                case SendText() as text:
                    self._send(text)
                case ShowTyping(chat) if self._usable():
                    with suppress(Exception):
                        self._client.send_chat_presence(
                            _jid(chat),
                            ChatPresence.CHAT_PRESENCE_COMPOSING,
                            ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT,
                        )

    def _send(self, text: SendText) -> None:
        if not self._usable():
            failure, detail = SendFailure.NOT_SENT, "not connected"
        else:
            try:
                # As a message: given a mere text, the library looks for groups mentioned in it.
                answer = self._client.send_message(_jid(text.chat), Message(conversation=text.text))
                self._line.tell(Sent(text.message_id, answer.ID, _time(answer.Timestamp)))
                return
            except NeonizeError as error:
                failure, detail = sending.meaning(str(error)), str(error)
            except Exception as error:
                failure, detail = SendFailure.UNKNOWN, type(error).__name__
        self._line.tell(SendFailed(text.message_id, failure, detail))

    def _usable(self) -> bool:
        return self._started.is_set() and not self._ending.is_set()

    # ---- what the library tells

    def _on_event(self, uuid: Any, binary: Any, size: int, code: int) -> None:
        """Every event passes here. One that we fail at must not take the next ones with it."""
        with self._in_handler:
            self._last_event = time.monotonic()
            self._started.set()
            try:
                Event.execute(self._client.event, uuid, binary, size, code)
            except Exception as error:
                note(f"event {code} failed: {type(error).__name__}")

    def _on_qr(self, _: Any, payload: bytes) -> None:
        self._started.set()
        now = datetime.now(UTC)
        number = next(self._qr_numbers)
        if number == 1:
            self._first_qr_at = time.monotonic()
            if self._dial.pair_phone:
                threading.Thread(target=self._ask_for_code, daemon=True).start()
        if not self._dial.pair_phone:
            life = FIRST_QR_LIFE if number == 1 else QR_LIFE
            total = max(number, QR_TOTAL)
            self._line.tell(Qr(payload.decode(), now + life, number, total))

    def _ask_for_code(self) -> None:
        phone = (self._dial.pair_phone or "").lstrip("+")
        try:
            self._line.tell(PairingCode(self._client.PairPhone(phone, True)))
        except NeonizeError as error:
            note(f"no pairing code: {error}")
            self._end(endings.NOT_PAIRED)

    def _on_login_status(self, _: Any, status: int) -> None:
        """The end of the QRs, one way or the other. The library says "timeout" for a connection
        that was lost meanwhile, too."""
        match ctypes.string_at(status):
            case b"success":
                pass  # PairStatus follows
            case b"timeout" if self._has_shown_qrs_for(LAST_QR_GONE):
                self._end(endings.NOT_PAIRED_IN_TIME)
            case b"err-client-outdated":
                self._end(endings.OUTDATED)
            case b"timeout" | b"err-unexpected-state":
                self._end(endings.LOST)
            case _:
                self._end(endings.NOT_PAIRED)

    def _has_shown_qrs_for(self, seconds: float) -> bool:
        return self._first_qr_at is not None and time.monotonic() - self._first_qr_at >= seconds

    def _on_pair_status(self, _: Any, event: Any) -> None:
        if event.Status != event.SUCCESS:
            self._end(endings.NOT_PAIRED)
            return
        self._paired = True
        self._line.tell(Paired(f"+{event.ID.User}"))

    def _on_connected(self, *_: Any) -> None:
        if self._opened or self._ending.is_set():
            return
        self._opened = True
        me = self._client.get_me()
        self._line.tell(Opened(f"+{me.JID.User}", me.PushName))

    def _on_message(self, _: Any, event: Any) -> None:
        message = incoming.translate(event, self._phone_of)
        if message is None:
            return
        try:
            message = self._spool.append(message)
        except OSError:
            # WhatsApp will not send it again; the worker may still be able to keep it.
            self._end(endings.FOLDER_UNUSABLE)
        self._line.tell(message)

    def _phone_of(self, lid: Any) -> str | None:
        with suppress(NeonizeError):
            jid = self._client.get_pn_from_lid(lid)
            if jid.User:
                return f"{jid.User}@{jid.Server}"
        return None

    def _on_receipt(self, _: Any, event: Any) -> None:
        kind = RECEIPTS.get(event.Type)
        if kind is not None and not event.MessageSource.IsFromMe:
            self._line.tell(Receipt(tuple(event.MessageIDs), kind))

    def _on_disconnected(self, *_: Any) -> None:
        # The library dials again at once, and cannot be told not to. Not in this thread: while
        # that dial hangs, disconnect() does too, and no better reason could be delivered.
        threading.Thread(target=self._client.disconnect, daemon=True).start()
        self._end(endings.LOST)

    def _on_keepalive_timeout(self, _: Any, event: Any) -> None:
        if event.ErrorCount >= self._settings.keepalive_failures:
            self._end(endings.KEEPALIVE)

    def _on_stream_error(self, _: Any, event: Any) -> None:
        self._end(endings.stream_error(event.Code))

    def _on_stream_replaced(self, *_: Any) -> None:
        self._end(endings.REPLACED)

    def _on_logged_out(self, _: Any, event: Any) -> None:
        self._end(endings.logged_out(event.Reason))

    def _on_ban(self, _: Any, event: Any) -> None:
        self._end(endings.banned(event.Expire, datetime.now(UTC)))

    def _on_outdated(self, *_: Any) -> None:
        self._end(endings.OUTDATED)

    def _on_connect_failure(self, _: Any, event: Any) -> None:
        self._end(endings.login_refused(endings.CODES.get(event.Reason, 400)))

    # ---- what time tells

    def _watch(self) -> None:
        """Signs of life come from a thread that asks the library something: when that hangs, they
        stop, and the worker can see it."""
        down = 0
        for tick in itertools.count(1):
            if self._usable():
                down = 0 if self._client.is_connected else down + 1
                if down == TICKS_DOWN:
                    self._end(endings.LOST)
            if not self._paired and self._has_shown_qrs_for(self._settings.pairing_window):
                self._end(endings.NOT_PAIRED_IN_TIME)
            if self._opened and self._settings.keepalive_presence and not tick % TICKS_PER_PRESENCE:
                with suppress(Exception):
                    self._client.send_presence(Presence.AVAILABLE)
            if tick % TICKS_PER_ALIVE == 0:
                self._line.tell(Alive())
            time.sleep(TICK)

    # ---- the end

    def _end(self, ending: Ending) -> None:
        self._endings.put(ending)

    def _end_when_told(self) -> NoReturn:
        best = self._endings.get()
        deadline = time.monotonic() + LISTEN_FOR_MORE
        while best.says is not Says.ALL:
            try:
                other = self._endings.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            best = max(best, other, key=lambda ending: ending.says)
        self._finish(best.close)

    def _finish(self, close: Close) -> NoReturn:
        if self._unlink and self._opened:
            _try_for(UNLINK_PATIENCE, self._client.logout)
        self._ending.set()
        self._return_unsent()
        if self._started.is_set():
            _try_for(DISCONNECT_PATIENCE, self._client.disconnect)
            self._let_events_arrive()
        self._line.end(self._with_the_files_word(close))

    def _return_unsent(self) -> None:
        with suppress(queue.Empty):
            while True:
                waiting = self._outgoing.get_nowait()
                if isinstance(waiting, SendText):
                    self._line.tell(
                        SendFailed(waiting.message_id, SendFailure.NOT_SENT, "not connected")
                    )

    def _let_events_arrive(self) -> None:
        """Messages on their way to us count as delivered to WhatsApp already."""
        deadline = time.monotonic() + DISCONNECT_PATIENCE
        while time.monotonic() < deadline and time.monotonic() - self._last_event < QUIET:
            time.sleep(QUIET / 4)
        self._in_handler.acquire(timeout=DISCONNECT_PATIENCE)

    def _with_the_files_word(self, close: Close) -> Close:
        """What the session file says beats what was heard."""
        has_device = self._has_device_after(close)
        heard = close.reason is Reason.REQUESTED or classify(close) is CloseClass.LOGGED_OUT
        if self._paired and not has_device and not heard:
            close = Close(401, Reason.LOGGED_OUT)
        return replace(close, has_credentials=has_device)

    def _has_device_after(self, close: Close) -> bool:
        """The library tells of a logout an instant before it deletes the device."""
        deadline = time.monotonic() + ROW_GONE_PATIENCE
        while True:
            has_device = session_file.has_device(self._folder.session_file)
            expected = classify(close) is not CloseClass.LOGGED_OUT
            if has_device == expected or not has_device or time.monotonic() >= deadline:
                return has_device
            time.sleep(0.02)


class LogListener(logging.Handler):
    """Reads the library's warnings for the few endings it has no event for. Keeps nothing: they
    may hold what nobody should read."""

    def __init__(self, end: Callable[[Ending], None]) -> None:
        super().__init__()
        self._end = end

    def emit(self, record: logging.LogRecord) -> None:
        ending = endings.in_log(record.getMessage())
        if ending is not None:
            self._end(ending)


def note(line: str) -> None:
    """To the file that the worker reads when this process dies."""
    os.write(sys.stderr.fileno(), f"{line}\n".encode())


def _try_for(patience: float, call: Callable[[], Any]) -> None:
    """In a thread that can be lost: any call may hang for ever."""

    def attempt() -> None:
        with suppress(Exception):
            call()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(patience)


def _jid(text: str) -> Any:
    user, _, server = text.partition("@")
    return JID(
        User=user,
        Server=server or incoming.PHONE_NUMBERS,
        Device=0,
        RawAgent=0,
        Integrator=0,
        IsEmpty=False,
    )


def _time(stamp: int) -> datetime:
    """The library is not of one mind about seconds and milliseconds."""
    return datetime.fromtimestamp(stamp / 1000 if stamp > 10**11 else stamp, UTC)

"""The practice phone: a simulated account behind the same protocol as the real one.

Its account, its faults and its chats are rows (behind `PracticeAccounts`), so it lives through a
crash like the real one, and pages served by another process can use it. One thread plays all the
phones; without an open socket it sleeps.
"""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from wa_app.domain.practice import PracticeState, PracticeText, customer_jid
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.policy import QR_TOTAL, qr_lifetime
from wa_app.domain.sessions.socket_messages import (
    Alive,
    Closed,
    Command,
    Dial,
    Incoming,
    News,
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
    Stored,
)
from wa_app.gateways.base import Reach, Sink, Stage

log = structlog.get_logger()

TICK = 0.1
ALIVE_EVERY = timedelta(seconds=3)
SLOW_HANDSHAKE = timedelta(seconds=8)
LOGIN_AFTER_SCAN = timedelta(milliseconds=500)
BAN = timedelta(minutes=2)
CODE_SIGNS = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"


class PracticeAccounts(Protocol):
    """The rows behind the phones. Every method is one transaction."""

    def read(self, connection_ids: Sequence[str]) -> Mapping[str, PracticeState]: ...

    def texts(self, connection_ids: Sequence[str]) -> Sequence[PracticeText]: ...

    def event_taken(self, connection_id: str, event: str) -> None: ...

    def link(self, connection_id: str, phone: str) -> None: ...

    def unlink(self, connection_id: str) -> bool:
        """Whether it was linked before."""

    def ban(self, connection_id: str, until: datetime) -> None: ...

    def stored(self, connection_id: str, text_id: int) -> None: ...

    def deliver(self, connection_id: str, jid: str, text: str) -> None: ...


@dataclass
class _Socket:
    dial: Dial
    opened_at: datetime
    paired_at: datetime | None = None
    is_open: bool = False
    qr: int = 0  # how many codes were shown
    shown: str | None = None
    shown_until: datetime | None = None
    told_alive: datetime | None = None
    last_text: int = 0
    outgoing: list[SendText] = field(default_factory=list)


class PracticeGateway:
    version = "practice phone 1"

    def __init__(self, accounts: PracticeAccounts, clock: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._clock = clock
        self._sink: Sink = lambda *_: None
        self._sockets: dict[int, _Socket] = {}
        self._lock = threading.Lock()
        self._moment = threading.Lock()  # held while the phones move: a close waits for it
        self._work = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._play, name="practice", daemon=True)

    # ---- sockets and probe

    def start(self, sink: Sink) -> None:
        self.report_to(sink)
        if not self._thread.is_alive():
            self._thread.start()

    def report_to(self, sink: Sink) -> None:
        """Who is told from now on. The phones move when `play_once` is called."""
        self._sink = sink

    def stop(self, grace: float) -> None:
        self._stopping = True
        self._work.set()
        if self._thread.is_alive():
            self._thread.join(grace)

    def open(self, dial: Dial) -> None:
        with self._lock:
            self._sockets[dial.socket_id] = _Socket(dial, self._clock())
        self._work.set()

    def close(self, socket_id: int, *, grace: float, unlink: bool = False) -> None:
        with self._moment, self._lock:
            socket = self._sockets.pop(socket_id, None)
        if socket is not None and unlink:
            self._accounts.unlink(socket.dial.connection_id)

    def tell(self, socket_id: int, command: Command) -> bool:
        with self._lock:
            socket = self._sockets.get(socket_id)
            if socket is None:
                return False
            if isinstance(command, SendText):
                socket.outgoing.append(command)
        if isinstance(command, Stored):
            self._accounts.stored(socket.dial.connection_id, command.offset)
        self._work.set()
        return True

    def has_credentials(self, connection_id: str) -> bool:
        return self._accounts.read([connection_id])[connection_id].linked

    def forget(self, connection_id: str) -> bool:
        return self._accounts.unlink(connection_id)

    def reach(self, route: str | None) -> Reach:
        is_up = route is not None and "network_loss" not in self._switches(route)
        return Reach(None if is_up else Stage.TCP)

    def _switches(self, connection_id: str) -> frozenset[str]:
        return self._accounts.read([connection_id])[connection_id].switches

    # ---- the thread that plays the phones

    def _play(self) -> None:
        while not self._stopping:
            try:
                with self._moment:
                    self.play_once()
            except Exception:
                log.exception("practice phone in trouble")
            self._work.wait(TICK if self._sockets else None)
            self._work.clear()

    def play_once(self) -> None:
        """One moment in the life of every phone."""
        with self._lock:
            sockets = dict(self._sockets)
        if not sockets:
            return
        connection_ids = [socket.dial.connection_id for socket in sockets.values()]
        states = self._accounts.read(connection_ids)
        texts = self._accounts.texts(connection_ids)
        for socket_id, socket in sockets.items():
            state = states[socket.dial.connection_id]
            self._live(socket_id, socket, state)
            if socket.is_open and "hang" not in state.switches:
                self._receive(socket, texts)
                self._send(socket, state)

    def _live(self, socket_id: int, socket: _Socket, state: PracticeState) -> None:
        now = self._clock()
        end = self._end(socket, state, now)
        if end is not None:
            self._finish(socket_id, socket, end)
        elif "hang" in state.switches:
            return
        elif socket.is_open:
            self._tell_alive(socket, now)
        elif state.linked:
            self._log_in(socket, state, now)
        else:
            self._pair(socket_id, socket, state, now)

    def _end(self, socket: _Socket, state: PracticeState, now: datetime) -> Close | None:
        """Why this socket ends now, if it does."""
        connection_id = socket.dial.connection_id
        if "network_loss" in state.switches:
            lost = Reason.CONNECTION_LOST if socket.is_open else Reason.UNREACHABLE
            return Close(408, lost)
        if state.banned_until is not None and state.banned_until > now:
            return Close(402, Reason.BANNED, until=state.banned_until)
        if not socket.is_open or not state.events:
            return None  # what happens to an account happens to one that is connected
        event = sorted(state.events)[0]
        self._accounts.event_taken(connection_id, event)
        match event:
            case "conflict":
                return Close(440, Reason.STREAM_REPLACED)
            case "logout":
                self._accounts.unlink(connection_id)
                return Close(401, Reason.LOGGED_OUT, has_credentials=False, by_owner=True)
            case "ban":
                self._accounts.ban(connection_id, now + BAN)
                return Close(402, Reason.BANNED, until=now + BAN)
        return Close(None, Reason.CONNECTION_LOST)

    def _finish(self, socket_id: int, socket: _Socket, close: Close) -> None:
        with self._lock:
            gone = self._sockets.pop(socket_id, None)
        if gone is not None:
            self._tell(socket, Closed(close))

    def _log_in(self, socket: _Socket, state: PracticeState, now: datetime) -> None:
        ready_at = socket.paired_at + LOGIN_AFTER_SCAN if socket.paired_at else socket.opened_at
        if "slow_handshake" in state.switches:
            ready_at += SLOW_HANDSHAKE
        if now >= ready_at:
            socket.is_open = True
            for event in state.events:  # set while nothing was connected that they could hit
                self._accounts.event_taken(socket.dial.connection_id, event)
            socket.told_alive = now
            self._tell(socket, Opened(state.phone or _own_phone(socket.dial), "Vigía"))

    def _pair(self, socket_id: int, socket: _Socket, state: PracticeState, now: datetime) -> None:
        if socket.shown is not None and state.scanned == socket.shown:
            # It is whatever phone the code was asked for.
            phone = socket.dial.pair_phone or _own_phone(socket.dial)
            self._accounts.link(socket.dial.connection_id, phone)
            socket.paired_at = now
            self._tell(socket, Paired(phone))
        elif socket.shown_until is None and "slow_handshake" in state.switches:
            if now - socket.opened_at >= SLOW_HANDSHAKE:
                self._show_next(socket, now)
        elif socket.shown_until is None or now >= socket.shown_until:
            if socket.qr == QR_TOTAL:
                self._finish(socket_id, socket, Close(408, Reason.PAIRING_TIMEOUT))
            else:
                self._show_next(socket, now)

    def _show_next(self, socket: _Socket, now: datetime) -> None:
        socket.qr += 1
        socket.shown_until = now + qr_lifetime(socket.qr)
        if socket.dial.pair_phone is None:
            socket.shown = f"vigia-practice:{socket.dial.connection_id}:{secrets.token_hex(16)}"
            self._tell(socket, Qr(socket.shown, socket.shown_until, socket.qr, QR_TOTAL))
        elif socket.shown is None:
            code = "".join(secrets.choice(CODE_SIGNS) for _ in range(8))
            socket.shown = f"{code[:4]}-{code[4:]}"
            self._tell(socket, PairingCode(socket.shown))

    def _tell_alive(self, socket: _Socket, now: datetime) -> None:
        if socket.told_alive is None or now - socket.told_alive >= ALIVE_EVERY:
            socket.told_alive = now
            self._tell(socket, Alive())

    def _receive(self, socket: _Socket, texts: Sequence[PracticeText]) -> None:
        for text in texts:
            if text.connection_id == socket.dial.connection_id and text.id > socket.last_text:
                socket.last_text = text.id
                self._tell(socket, _incoming(text, self._clock(), text.at < socket.opened_at))

    def _send(self, socket: _Socket, state: PracticeState) -> None:
        with self._lock:
            outgoing, socket.outgoing = socket.outgoing, []
        for send in outgoing:
            if "send_failure" in state.switches:
                lost = SendFailed(send.message_id, SendFailure.NOT_SENT, "practice: send failure")
                self._tell(socket, lost)
                continue
            self._accounts.deliver(socket.dial.connection_id, send.chat, send.text)
            wa_id = f"practice-out-{send.message_id}"
            self._tell(socket, Sent(send.message_id, wa_id, self._clock()))
            chat = (send.chat,)
            self._tell(socket, Receipt((wa_id,), ReceiptKind.DELIVERED, chat, reader=chat))

    def _tell(self, socket: _Socket, news: News) -> None:
        self._sink(socket.dial.connection_id, socket.dial.socket_id, news)


def _own_phone(dial: Dial) -> str:
    return "+" + customer_jid(dial.connection_id).partition("@")[0]


def _incoming(text: PracticeText, now: datetime, backlog: bool) -> Incoming:
    jid = customer_jid(text.customer)
    return Incoming(
        wa_id=f"practice-in-{text.id}",
        chat=jid,
        sender=jid,
        sender_name=text.customer,
        kind="text",
        text=text.text,
        at=text.at,
        is_group=False,
        from_me=False,
        spool_offset=text.id,
        arrived_at=now,
        backlog=backlog,
    )

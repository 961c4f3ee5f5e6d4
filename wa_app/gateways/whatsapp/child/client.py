"""neonize, behind what a session needs of it. Imported in a session process and nowhere else: it
loads the native library.

That library keeps its clients in maps without a lock, and a call that reads them while a start or
a stop writes to them ends the process. So here nothing is ever stopped (the process ends
instead), and nothing is called before the first sign that the start is over: a QR or an event.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from neonize import events
from neonize.client import NewClient, ProxySettings
from neonize.events import Event
from neonize.exc import NeonizeError
from neonize.proto.Neonize_pb2 import JID
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence
from neonize.utils.jid import Jid2String
from neonize.utils.log import _log_queue as unread_log
from neonize.utils.log import log as library_log

from wa_app.gateways.whatsapp.child import library_events
from wa_app.gateways.whatsapp.child.endings import LibraryError, not_encrypted
from wa_app.gateways.whatsapp.child.library_events import PHONE_NUMBERS
from wa_app.gateways.whatsapp.child.pipe import note
from wa_app.gateways.whatsapp.files.session_file import library_name

T = TypeVar("T")

NOWHERE = "http://127.0.0.1:0"
"""A proxy that cannot be there: nobody can listen on port 0."""

FIRST_SIGN_PATIENCE = 2.0

LIBRARY_LOGS = ("whatsmeow", "Whatsmeow")
"""neonize spells the root of its loggers in two ways (its utils/log.py)."""


class Listener(Protocol):
    """Whoever is told what happens. The client knows no more of a session than this."""

    def on_qr(self, payload: str) -> None: ...
    def on_login_status(self, status: str) -> None: ...
    def on_pair_status(self, event: Any) -> None: ...
    def on_logged_in(self, event: Any, /) -> None: ...
    def on_caught_up(self, event: Any, /) -> None: ...
    def on_connected(self, event: Any, /) -> None: ...
    def on_message(self, event: Any) -> None: ...
    def on_unreadable(self, event: Any) -> None: ...
    def on_receipt(self, event: Any) -> None: ...
    def on_disconnected(self, event: Any, /) -> None: ...
    def on_keepalive_timeout(self, event: Any) -> None: ...
    def on_stream_error(self, event: Any) -> None: ...
    def on_stream_replaced(self, event: Any, /) -> None: ...
    def on_logged_out(self, event: Any) -> None: ...
    def on_outdated(self, event: Any, /) -> None: ...
    def on_log(self, logger: str, line: str) -> None: ...


class Client:
    def __init__(self, session_file: Path, listener: Listener) -> None:
        self.started = threading.Event()
        """The library may be called."""
        self.in_handler = threading.Lock()
        """Held while an event is handled."""
        self.last_event_at = time.monotonic()
        self._listener = listener
        self._own: Any = None  # our device, with its two JIDs
        self._not_encrypted: set[tuple[str, str]] = set()  # message id, device
        self._client = self._make(session_file)
        library_log.setLevel(logging.WARNING)
        for root in LIBRARY_LOGS:
            logging.getLogger(root).addHandler(_LogListener(self._on_log))

    def _make(self, session_file: Path) -> Any:
        client = NewClient(
            library_name(session_file),
            props=DeviceProps(os="Vigía", platformType=DeviceProps.CHROME),
            uuid="session",
        )
        client._stop_finalizer.detach()
        client._NewClient__onLoginStatus = self._on_login_status
        client.event.execute = self._on_event
        client.event.qr(self._on_qr)
        for event, handler in self._handlers().items():
            client.event(event)(lambda _, content, handler=handler: handler(content))
        return client

    def _handlers(self) -> dict[type, Callable[[Any], None]]:
        """No more than is needed: an event that is asked for must be encoded, and the library
        ends at one it cannot encode. A refused login is read from its log (`endings.py`)."""
        listener = self._listener
        return {
            events.PairStatusEv: listener.on_pair_status,
            events.OfflineSyncPreviewEv: listener.on_logged_in,
            events.OfflineSyncCompletedEv: listener.on_caught_up,
            events.ConnectedEv: listener.on_connected,
            events.MessageEv: listener.on_message,
            events.UndecryptableMessageEv: listener.on_unreadable,
            events.ReceiptEv: listener.on_receipt,
            events.DisconnectedEv: listener.on_disconnected,
            events.KeepAliveTimeoutEv: listener.on_keepalive_timeout,
            events.StreamErrorEv: listener.on_stream_error,
            events.StreamReplacedEv: listener.on_stream_replaced,
            events.LoggedOutEv: listener.on_logged_out,
            events.ClientOutdatedEv: listener.on_outdated,
        }

    # ---- what the library calls

    def _on_qr(self, _: Any, payload: bytes) -> None:
        self.started.set()
        self._listener.on_qr(payload.decode())

    def _on_login_status(self, _: Any, address: int) -> None:
        self._listener.on_login_status(ctypes.string_at(address).decode())

    def _on_event(self, uuid: Any, binary: Any, size: int, code: int) -> None:
        """Every event passes here. One that we fail at must not take the next ones with it."""
        with self.in_handler:
            self.last_event_at = time.monotonic()
            self.started.set()
            try:
                Event.execute(self._client.event, uuid, binary, size, code)
            except Exception as error:
                note(f"event {code} failed: {type(error).__name__}")

    def _on_log(self, logger: str, line: str) -> None:
        found = not_encrypted(logger, line)
        if found is not None:
            self._not_encrypted.add(found)
        self._listener.on_log(logger, line)

    # ---- what it is asked

    def connect(self, proxy: str | None) -> None:
        """Should not return: it is never stopped. When it does, or raises, the library hands on
        nothing more, even where it stays connected and confirms messages."""
        _translating(lambda: self._client.connect(ProxySettings(proxy) if proxy else None))

    def is_connected(self) -> bool:
        return bool(self._client.is_connected)

    def never_dial_again(self) -> None:
        """The library dials anew at once when it loses its connection, and has no switch for that.
        So it is given a way that leads nowhere, for any dial after the one that succeeded."""
        try:
            self._ask(lambda: self._client.set_proxy_address(NOWHERE, no_media=True))
        except LibraryError as error:
            note(f"the library may dial again: {error}")

    def disconnect(self) -> None:
        self._ask(self._client.disconnect)

    def logout(self) -> None:
        self._ask(self._client.logout)

    def me(self) -> tuple[str, str]:
        """Phone and name. Only when connected: before, asking this ends the process."""
        self._own = self._ask(self._client.get_me)
        return f"+{self._own.JID.User}", library_events.plain(self._own.PushName)

    def phone_of(self, lid: Any) -> str | None:
        """The JID with the phone number that belongs to a LID, if the library knows it."""
        return self._other_address(lambda: self._client.get_pn_from_lid(lid))

    def lid_of(self, number: Any) -> str | None:
        """The other way round."""
        return self._other_address(lambda: self._client.get_lid_from_pn(number))

    def _other_address(self, ask: Callable[[], Any]) -> str | None:
        with suppress(LibraryError):
            jid = self._ask(ask)
            if jid.User:
                return f"{jid.User}@{jid.Server}"
        return None

    def members(self, group: str) -> list[str]:
        """Everybody else in a group. Asks WhatsApp."""
        participants = self._ask(lambda: self._client.get_group_info(_jid(group)).Participants)
        me = self._ask(self._client.get_me)
        return library_events.members(participants, (me.JID.User, me.LID.User), self.phone_of)

    def addresses_of(self, jid: str) -> tuple[str, ...]:
        """This JID of a person, and the other one if the library knows it."""
        person = _jid(jid)
        self.started.wait(FIRST_SIGN_PATIENCE)  # its log may be ahead of its events
        by_number = person.Server == PHONE_NUMBERS
        other = self.lid_of(person) if by_number else self.phone_of(person)
        return (jid, other) if other else (jid,)

    def pairing_code(self, phone: str) -> str:
        return self._ask(lambda: str(self._client.PairPhone(phone, True)))

    def devices_of(self, chat: str) -> frozenset[str]:
        """The devices that a direct message goes to. The library would ask WhatsApp for them while
        it sends, and keeps them: asked beforehand, nothing has left while that takes its time."""
        if self._own is None:
            raise LibraryError("websocket not connected, said without asking it")
        user = _jid(chat)
        if user.Server == PHONE_NUMBERS:
            user = self._look_up_lid(user)
        ours = {_device(self._own.JID), _device(self._own.LID)}
        # Ours too: each of them gets a copy, and the library would ask for them as well.
        own = self._own.LID
        both = [user, *([_jid(f"{own.User}@{own.Server}")] if own.User else [])]
        found = self._ask(lambda: self._client.get_user_devices(*both))
        return frozenset(_device(one) for one in found if one.User == user.User) - ours

    def _look_up_lid(self, jid: Any) -> Any:
        """WhatsApp is asked for one that the library does not know yet."""
        lid = self._ask(lambda: self._client.get_lid_from_pn(jid))
        if not lid.User:
            self._ask(lambda: self._client.get_user_info(jid))
            lid = self._ask(lambda: self._client.get_lid_from_pn(jid))
        if not lid.User:
            raise LibraryError(f"no LID found for {jid.User} from server")
        return lid

    def send(self, chat: str, text: str) -> tuple[str, datetime]:
        self._not_encrypted.clear()
        # As a message: given a mere text, the library looks for groups mentioned in it.
        message = Message(conversation=text)
        answer = self._ask(lambda: self._client.send_message(_jid(chat), message))
        return answer.ID, library_events.time_told(answer.Timestamp)

    def not_reached(self, wa_id: str) -> set[str]:
        """The devices that got no copy of the message sent last. The library says so in its log
        alone, and reports success even if that is all of them."""
        unread_log.join()
        return {device for id, device in self._not_encrypted if id == wa_id}

    def show_typing(self, chat: str) -> None:
        composing = ChatPresence.CHAT_PRESENCE_COMPOSING
        media = ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
        self._ask(lambda: self._client.send_chat_presence(_jid(chat), composing, media))

    def appear_online(self) -> None:
        self._ask(lambda: self._client.send_presence(Presence.AVAILABLE))

    def _ask(self, call: Callable[[], T]) -> T:
        if not self.started.is_set():
            raise LibraryError("client is nil, said without asking it")
        return _translating(call)


def _translating(call: Callable[[], T]) -> T:
    try:
        return call()
    except NeonizeError as error:
        raise LibraryError(str(error)) from error
    except Exception as error:
        raise LibraryError(type(error).__name__) from error


class _LogListener(logging.Handler):
    """Keeps nothing of the library's log: it may hold what nobody should read."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.name, record.getMessage())


def _jid(text: str) -> Any:
    user, _, server = text.partition("@")
    return JID(User=user, Server=server, Device=0, RawAgent=0, Integrator=0, IsEmpty=False)


def _device(jid: Any) -> str:
    """As the library spells it in its log."""
    return str(Jid2String(jid))

"""One session: what the library tells becomes news, commands become calls, and time is watched.

Runs in a session process. It knows the library only through `Client`, and its events only by
their fields.
"""

import itertools
import queue
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from wa_app.domain.sessions.policy import QR_LIFETIMES, QR_TOTAL, qr_lifetime
from wa_app.domain.sessions.socket_messages import (
    Alive,
    AskedAgain,
    Command,
    Dial,
    End,
    Incoming,
    Named,
    Opened,
    Paired,
    PairingCode,
    Qr,
    SendText,
    ShowTyping,
    Stored,
)
from wa_app.gateways.whatsapp.child import endings, library_events
from wa_app.gateways.whatsapp.child.endings import LibraryError
from wa_app.gateways.whatsapp.child.outgoing import Outgoing
from wa_app.gateways.whatsapp.child.pipe import Pipe, note
from wa_app.gateways.whatsapp.child.shutdown import Shutdown
from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.folder import ROOM_TO_STAY, Folder
from wa_app.gateways.whatsapp.files.spool import Spool, read_spool
from wa_app.gateways.whatsapp.launch import Settings

if TYPE_CHECKING:
    from wa_app.gateways.whatsapp.child.client import Client

QR_SLACK = timedelta(seconds=1)

TICK = 1.0
TICKS_PER_ALIVE = 3
TICKS_PER_PRESENCE = 30
TICKS_DOWN = 4
"""So often in a row the library may say that it is not connected before we believe that it has
given up: a failed restart after pairing, for one, it reports to nobody."""


class Session:
    def __init__(
        self, worker: Pipe, folder: Folder, spool: Spool, dial: Dial, settings: Settings
    ) -> None:
        self._worker, self._folder, self._spool = worker, folder, spool
        self._dial, self._settings = dial, settings
        self._shutdown = Shutdown(worker, folder)
        self._end = self._shutdown.because
        self._own_phone = session_file.phone(folder.session_file)
        self._qr_numbers = itertools.count(1)
        self._first_qr_at: float | None = None
        self._last_qr_at = 0.0
        self._logged_in = self._opened = False
        self._catching_up = True
        self._name = ""
        self._arrived: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self._disk_blamed = threading.Event()

    def run(self, client: "Client") -> NoReturn:
        self._client = client
        self._outgoing = Outgoing(self._worker, client)
        self._shutdown.start(client, self._outgoing)
        self._outgoing.start()
        self._worker.obey = self.obey
        for leftover in read_spool(self._folder.spool):
            self._worker.tell(leftover)
        threading.Thread(target=self._pass_on, name="spool", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        said = ""
        try:
            client.connect(self._dial.proxy)
        except LibraryError as error:
            said = str(error)
        note(f"the library ended: {said}")
        self._end(endings.connect_ended(said, logged_in=self._logged_in))
        while True:  # the shutdown ends all
            time.sleep(60)

    def obey(self, command: Command) -> None:
        match command:
            case SendText() | ShowTyping():
                self._outgoing.put(command)
            case Stored(offset):
                self._spool.stored(offset)
            case End(unlink):
                self._shutdown.unlink = unlink and self._opened
                self._end(endings.REQUESTED)

    # ---- pairing

    def on_qr(self, payload: str) -> None:
        number = next(self._qr_numbers)
        self._last_qr_at = time.monotonic()
        if number == 1:
            self._first_qr_at = self._last_qr_at
            if self._dial.pair_phone:
                threading.Thread(target=self._ask_for_code, daemon=True).start()
        if not self._dial.pair_phone:
            dies_at = datetime.now(UTC) + qr_lifetime(number)
            self._worker.tell(Qr(payload, dies_at, number, max(number, QR_TOTAL)))

    def _ask_for_code(self) -> None:
        """In a thread of its own: WhatsApp is asked, and the QRs go on meanwhile."""
        try:
            code = self._client.pairing_code((self._dial.pair_phone or "").lstrip("+"))
        except LibraryError as error:
            note(f"no pairing code: {error}")
            self._end(endings.no_pairing_code(str(error)))
        else:
            self._worker.tell(PairingCode(code))

    def on_login_status(self, status: str) -> None:
        """The end of the QRs, one way or the other."""
        ending = endings.login_status(status)
        if status == "timeout" and self._last_qr_has_died():
            ending = endings.NOT_PAIRED_IN_TIME
        if ending is not None:
            self._end(ending)

    def _has_shown_qrs_for(self, seconds: float) -> bool:
        return self._first_qr_at is not None and time.monotonic() - self._first_qr_at >= seconds

    def _last_qr_has_died(self) -> bool:
        """The library says "timeout" for a connection that was lost while a QR was shown, too."""
        age = timedelta(seconds=time.monotonic() - self._last_qr_at)
        return abs(age - QR_LIFETIMES[-1]) < QR_SLACK

    def on_pair_status(self, event: Any) -> None:
        if event.Status == event.SUCCESS:
            self._shutdown.was_paired = True
            self._own_phone = f"+{event.ID.User}"
            self._worker.tell(Paired(self._own_phone))
        else:
            self._end(endings.NOT_PAIRED)

    # ---- connected

    def on_logged_in(self, _: Any) -> None:
        """Comes before the messages that waited, and well before `on_connected`."""
        self._logged_in = True
        self._client.never_dial_again()

    def on_caught_up(self, _: Any) -> None:
        """What had waited has all been told; whatever comes now, comes as it is sent."""
        self._catching_up = False

    def on_connected(self, _: Any) -> None:
        self._logged_in = True
        self._client.never_dial_again()
        if not self._opened:
            phone, self._name = self._client.me()
            self._opened = True
            self._worker.tell(Opened(phone, self._name))

    def on_message(self, event: Any) -> None:
        self._take(library_events.translate(event, self._client.phone_of, self._own_phone))

    def on_unreadable(self, event: Any) -> None:
        phone_of = self._client.phone_of
        self._take(library_events.translate_unreadable(event, phone_of, self._own_phone))

    def _take(self, message: Incoming | None) -> None:
        if message is None:
            return
        message = replace(message, arrived_at=datetime.now(UTC), backlog=self._catching_up)
        try:
            message = self._spool.append(message)
        except OSError:
            # WhatsApp will not send it again; the worker may still be able to keep it.
            self._end(endings.FOLDER_UNUSABLE)
            self._worker.tell(message)
        else:
            self._arrived.put(message)

    def _pass_on(self) -> None:
        """Once they are on the disk, all that have arrived meanwhile at once. What this does not
        get to before the end is found in the spool."""
        while True:
            messages = [self._arrived.get()]
            with suppress(queue.Empty):
                while True:
                    messages.append(self._arrived.get_nowait())
            try:
                self._spool.flush()
            except OSError:
                self._end(endings.FOLDER_UNUSABLE)
            for message in messages:
                self._worker.tell(message)

    def on_receipt(self, event: Any) -> None:
        receipt = library_events.translate_receipt(
            event, self._client.phone_of, self._client.lid_of, self._own_phone
        )
        if receipt is not None:
            self._outgoing.receipts.tell(receipt)

    # ---- it is over

    def on_disconnected(self, _: Any) -> None:
        self._end(endings.LOST)

    def on_keepalive_timeout(self, event: Any) -> None:
        if event.ErrorCount >= self._settings.keepalive_failures:
            self._end(endings.KEEPALIVE)

    def on_stream_error(self, event: Any) -> None:
        self._end(endings.stream_error(event.Code, [child.Tag for child in event.Raw.Nodes]))

    def on_stream_replaced(self, _: Any) -> None:
        self._end(endings.REPLACED)

    def on_logged_out(self, event: Any) -> None:
        self._end(endings.logged_out(event.Reason))

    def on_outdated(self, _: Any) -> None:
        self._end(endings.OUTDATED)

    def on_log(self, logger: str, line: str) -> None:
        asked = endings.asked_again(logger, line)
        if asked is not None:
            chat, wa_id = asked
            self._worker.tell(AskedAgain(wa_id, self._client.addresses_of(chat)))
        ending = endings.in_log(logger, line)
        if ending is not None:
            self._end(ending)
        elif endings.blames_the_disk(line):
            self._disk_blamed.set()

    # ---- time

    def _watch(self) -> None:
        """Signs of life come from a thread that asks the library something: when that hangs, they
        stop, and the worker can see it."""
        down = 0
        for tick in itertools.count(1):
            time.sleep(TICK)
            if self._client.started.is_set():
                down = 0 if self._client.is_connected() else down + 1
            if down == TICKS_DOWN:
                self._end(endings.LOST)
            if not self._shutdown.was_paired:
                if self._has_shown_qrs_for(self._settings.pairing_window):
                    self._end(endings.NOT_PAIRED_IN_TIME)
            elif self._settings.keepalive_presence and tick % TICKS_PER_PRESENCE == 0:
                with suppress(LibraryError):
                    self._client.appear_online()
            if not self._folder_is_usable():
                self._end(endings.FOLDER_UNUSABLE)
            if tick % TICKS_PER_ALIVE == 0:
                self._look_at_the_name()
                self._worker.tell(Alive())

    def _look_at_the_name(self) -> None:
        """The phone tells it after the linking, and whenever it changes; the library takes it up
        without an event."""
        if not self._opened:
            return
        with suppress(LibraryError):
            _, name = self._client.me()
            if name != self._name:
                self._name = name
                self._worker.tell(Named(name))

    def _folder_is_usable(self) -> bool:
        """Room is looked for at every tick, more only when the library has complained."""
        if not self._folder.has_room(ROOM_TO_STAY):
            return False
        if not self._disk_blamed.is_set():
            return True
        self._disk_blamed.clear()
        return self._folder.can_be_written()

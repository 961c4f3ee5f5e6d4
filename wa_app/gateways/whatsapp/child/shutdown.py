"""How a session process ends: hear what it died of, leave WhatsApp politely, say it, and exit.

Nothing of this may hang, though any call into the library can: such calls are made in threads
that can be lost, and the process does not end by returning.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from wa_app import disk
from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify
from wa_app.gateways.whatsapp.child.endings import Ending, LibraryError, Says
from wa_app.gateways.whatsapp.child.outgoing import Outgoing
from wa_app.gateways.whatsapp.child.pipe import Pipe, die
from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.folder import Folder
from wa_app.gateways.whatsapp.launch import UNLINK_PATIENCE

if TYPE_CHECKING:
    from wa_app.gateways.whatsapp.child.client import Client

LISTEN_FOR_MORE = 0.5
DISCONNECT_PATIENCE = 1.0
QUIET = 0.2
"""No event for so long after disconnecting: nothing more is on its way to us. The library needs a
moment to decrypt a message, and what it has decrypted it cannot decrypt again."""
ROW_GONE_PATIENCE = 0.5


class Shutdown:
    def __init__(self, worker: Pipe, folder: Folder) -> None:
        self._worker, self._folder = worker, folder
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self.unlink = False
        self.was_paired = session_file.has_device(folder.session_file)
        self._place = disk.identity(folder.lock)

    def start(self, client: "Client", outgoing: Outgoing) -> None:
        self._client, self._outgoing = client, outgoing
        threading.Thread(target=self._run, name="shutdown", daemon=True).start()

    def because(self, ending: Ending) -> None:
        """May be called any number of times, from any thread; does not wait."""
        self._endings.put(ending)

    def _run(self) -> NoReturn:
        try:
            self._leave()
        except Exception as error:
            die(error)

    def _leave(self) -> NoReturn:
        ending = self._hear_more(self._endings.get())
        if self.unlink:
            _try_for(UNLINK_PATIENCE, self._client.logout)
        self._outgoing.give_back()
        if self._client.started.is_set():
            _try_for(DISCONNECT_PATIENCE, self._client.disconnect)
            self._let_events_arrive()
        self._worker.end(self._with_the_files_word(ending.close))

    def _hear_more(self, best: Ending) -> Ending:
        if best.says is Says.ALL:
            return best
        # Whatever was lost before the login, the library dials anew at once; this ends it. Events
        # it has still come after that.
        _try_for(0, self._client.disconnect)
        deadline = time.monotonic() + LISTEN_FOR_MORE
        while best.says < Says.ALL:
            try:
                other = self._endings.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            best = max(best, other, key=lambda ending: ending.says)
        return best

    def _let_events_arrive(self) -> None:
        """Messages on their way to us count as delivered to WhatsApp already."""
        began = time.monotonic()
        deadline = began + DISCONNECT_PATIENCE
        while time.monotonic() < min(deadline, max(began, self._client.last_event_at) + QUIET):
            time.sleep(QUIET / 4)
        self._client.in_handler.acquire(timeout=DISCONNECT_PATIENCE)

    def _with_the_files_word(self, close: Close) -> Close:
        """What the session file says beats what was heard."""
        has_device = self._has_device_after(close)
        known = close.reason is Reason.REQUESTED or classify(close) is CloseClass.LOGGED_OUT
        if self.was_paired and not has_device and not known:
            close = self._why_there_is_no_device()
        return replace(close, has_credentials=has_device)

    def _why_there_is_no_device(self) -> Close:
        """Only a session file that is there, without its device, tells of a logout."""
        if disk.identity(self._folder.lock) != self._place:  # the folder is gone, or another one
            return Close(None, Reason.FOLDER_UNUSABLE)
        if session_file.is_empty(self._folder.session_file):
            return Close(None, Reason.FILE_CORRUPT)
        return Close(401, Reason.LOGGED_OUT)

    def _has_device_after(self, close: Close) -> bool:
        """The library tells of a logout an instant before it deletes the device."""
        deadline = time.monotonic() + ROW_GONE_PATIENCE
        while session_file.has_device(self._folder.session_file):
            if classify(close) is not CloseClass.LOGGED_OUT or time.monotonic() >= deadline:
                return True
            time.sleep(0.02)
        return False


def _try_for(patience: float, call: Callable[[], object]) -> None:
    def attempt() -> None:
        with suppress(LibraryError):
            call()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(patience)

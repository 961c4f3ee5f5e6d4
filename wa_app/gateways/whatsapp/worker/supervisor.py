"""The live sockets: is a session's process alive, and what does it say? One thread hears them all
(`listener.py`).

That thread alone reads pipes and the forkserver's reports, and it alone posts news, so news of a
socket come in order and its `Closed` comes last, once, when its process has ended and is reaped.
Every other thread may open, tell and close at any time.
"""

import itertools
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, Pipe

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import Closed, Command, Dial, End, News
from wa_app.gateways.base import Sink
from wa_app.gateways.whatsapp.launch import (
    WITHOUT_WORKER,
    Ended,
    FolderInUse,
    Settings,
    Start,
    Started,
)
from wa_app.gateways.whatsapp.process_id import ProcessId
from wa_app.gateways.whatsapp.worker.launcher import Launcher
from wa_app.gateways.whatsapp.worker.listener import Listener

log = logging.getLogger(__name__)

KILL_PATIENCE = 5.0
"""For a killed process to be gone: it always is, unless the disk below it hangs."""

SEND_PATIENCE = 2.0
"""A session process reads its commands at once; one that does not is as good as dead."""

MAX_TRIES = 3
"""For a folder that another process holds, in spite of being killed."""


@dataclass(eq=False)
class Socket:
    dial: Dial
    ticket: int = 0
    launcher: Launcher | None = None
    pipe: Connection | None = None
    process: ProcessId | None = None
    last_word: Close | None = None
    in_use: FolderInUse | None = None
    status: int | None = None
    wanted_end: Reason | None = None
    tries: int = 0
    deaf: bool = False  # it did not take a command: nothing after that would make sense to it
    gone: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)  # of the pipe and its replacing

    def send(self, command: Command) -> bool:
        with self.lock:
            if self.pipe is None or self.deaf:
                return False
            try:
                self.pipe.send(command)
            except BlockingIOError:
                self.deaf = True
            except OSError:
                return False
            return not self.deaf

    def say_no_more(self) -> None:
        """It then ends by itself, as without a worker, but what it still tells is heard."""
        with self.lock, suppress(OSError):
            if self.pipe is not None:
                end = socket.socket(fileno=self.pipe.fileno())
                try:
                    end.shutdown(socket.SHUT_WR)
                finally:
                    end.detach()


class Supervisor:
    """One class, because opening, ending and what the thread hears all move the same sockets along,
    under one lock. `close_of` says with which close one whose process has ended is reported."""

    def __init__(
        self,
        settings: Settings,
        make_launcher: Callable[[], Launcher],
        sink: Sink,
        close_of: Callable[[Socket], Close],
    ) -> None:
        self._settings, self._make_launcher = settings, make_launcher
        self._sink, self._close_of = sink, close_of
        self._sockets: dict[int, Socket] = {}  # by socket id
        self._tickets: dict[int, Socket] = {}
        self._next_ticket = itertools.count(1)
        self._launcher: Launcher | None = None
        self._lock = threading.Lock()  # of the three above
        self._stopping = False
        self._listener = Listener("whatsapp sockets")
        self._later = self._listener.later

    def start(self) -> None:
        self._listener.start()
        with self._lock:
            self._ready_launcher()

    # ---- what others ask for

    def live_connections(self) -> set[str]:
        with self._lock:
            return {entry.dial.connection_id for entry in self._sockets.values()}

    def own_processes(self) -> set[ProcessId]:
        with self._lock:
            known = {entry.process for entry in self._sockets.values()}
        # The worker itself holds a folder while it seals it.
        return {process for process in (*known, ProcessId.of(os.getpid())) if process}

    def open(self, dial: Dial) -> None:
        entry = Socket(dial)
        with self._lock:
            too_late = self._stopping
            if not too_late:
                self._sockets[dial.socket_id] = entry
        if too_late:
            self._post(entry, Closed(Close(None, Reason.SERVICE_STOPPED)))
        else:
            self._launch(entry)

    def refuse(self, dial: Dial, close: Close) -> None:
        """A dial that cannot even begin."""
        self._later(lambda: self._post(Socket(dial), Closed(close)))

    def tell(self, socket_id: int, command: Command) -> bool:
        entry = self._sockets.get(socket_id)
        if entry is None:
            return False
        taken = entry.send(command)
        if entry.deaf:
            self._kill(entry)
        return taken

    def close(self, socket_id: int, *, grace: float, unlink: bool) -> None:
        entry = self._sockets.get(socket_id)
        if entry is not None:
            self._ask_to_end(entry, Reason.REQUESTED, unlink=unlink)
            deadline = time.monotonic() + grace
            self._wait_then_kill([entry], deadline, deadline + KILL_PATIENCE)

    def stop(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            entries = list(self._sockets.values())
        for entry in entries:
            self._ask_to_end(entry, Reason.SERVICE_STOPPED)
        # What is left of the time is for killing whoever does not end.
        self._wait_then_kill(entries, deadline - grace / 4, deadline)
        with self._lock:
            launcher, self._launcher = self._launcher, None
        if launcher is not None:
            self._later(lambda: self._retire(launcher, deadline - time.monotonic()))
        self._listener.end(max(0.1, deadline - time.monotonic()))

    def _ask_to_end(self, entry: Socket, reason: Reason, *, unlink: bool = False) -> None:
        entry.wanted_end = entry.wanted_end or reason
        entry.send(End(unlink))

    def _wait_then_kill(self, entries: list[Socket], kill_at: float, deadline: float) -> None:
        for entry in entries:
            entry.gone.wait(max(0.0, kill_at - time.monotonic()))
        late = [entry for entry in entries if not entry.gone.is_set()]
        for entry in late:
            self._kill(entry)
        for entry in late:
            entry.gone.wait(max(0.0, deadline - time.monotonic()))

    def _kill(self, entry: Socket) -> None:
        with self._lock:
            if entry.launcher is not None:
                # One that has ended needs no telling: its session processes end with it.
                with suppress(OSError):
                    entry.launcher.kill(entry.ticket)

    # ---- starting a process

    def _ready_launcher(self) -> Launcher:
        """Under the lock. Raises OSError."""
        if self._launcher is None and self._stopping:
            raise OSError("stopping")
        if self._launcher is None:
            launcher = self._launcher = self._make_launcher()
            self._later(
                lambda: self._listener.hear(launcher.socket, lambda: self._hear_report(launcher))
            )
        return self._launcher

    def _launch(self, entry: Socket) -> None:
        entry.tries += 1
        try:
            ours, theirs = Pipe()
            with theirs:
                _limit_sending(ours)
                self._start_process(entry, ours, theirs)
        except OSError as error:
            log.error("no session process could be started: %s", error)
            self._later(lambda: self._conclude(entry))
        if entry.wanted_end:  # asked for while there was no pipe to tell it through
            entry.send(End())

    def _start_process(self, entry: Socket, ours: Connection, theirs: Connection) -> None:
        with self._lock:
            entry.pipe, entry.ticket = ours, next(self._next_ticket)
            self._tickets[entry.ticket] = entry
            self._later(lambda: self._register(entry, ours))
            entry.launcher = self._ready_launcher()
            start = Start(entry.ticket, entry.dial, self._settings)
            entry.launcher.start(start, theirs.fileno())

    def _try_again(self, entry: Socket) -> None:
        """Make room for it: whatever holds the folder is a process that should have ended."""
        holder = entry.in_use.holder if entry.in_use else None
        entry.in_use = entry.process = None
        if holder is not None and holder not in self.own_processes():
            log.warning("process %s holds the session folder; killing it", holder.pid)
            holder.kill(KILL_PATIENCE)
        self._launch(entry)

    # ---- what the listening thread hears: all of this runs in it

    def _register(self, entry: Socket, pipe: Connection) -> None:
        if entry.pipe is pipe:
            self._listener.hear(pipe, lambda: self._hear(entry))

    def _hear(self, entry: Socket) -> None:
        if not self._receive(entry) and entry.pipe is not None:
            # Its end follows, with the forkserver's report.
            self._listener.leave(entry.pipe)

    def _receive(self, entry: Socket) -> bool:
        """One message of the pipe; False when there will be no more."""
        if entry.pipe is None:
            return False
        try:
            news: News | FolderInUse = entry.pipe.recv()
        except (EOFError, OSError):
            return False
        match news:
            case Closed(close):
                entry.last_word = close
            case FolderInUse():
                entry.in_use = news
            case _:
                self._post(entry, news)
        return True

    def _post(self, entry: Socket, news: News) -> None:
        try:
            self._sink(entry.dial.connection_id, entry.dial.socket_id, news)
        except Exception:
            log.exception("news were not taken")

    def _hear_report(self, launcher: Launcher) -> None:
        match launcher.report():
            case Started(ticket, process):
                self._tickets[ticket].process = process
            case Ended(ticket, status):
                entry = self._tickets[ticket]
                entry.status = status
                self._hear_out(entry)
                self._conclude(entry)
            case None:
                self._on_forkserver_exit(launcher)

    def _on_forkserver_exit(self, launcher: Launcher) -> None:
        """The forkserver was killed. Its children live on, until nothing more can be told them."""
        log.error("the forkserver died; its session processes are ended")
        with self._lock:
            if self._launcher is launcher:
                self._launcher = None
            orphans = [entry for entry in self._tickets.values() if entry.launcher is launcher]
        self._retire(launcher, patience=0)
        threading.Thread(target=self._end_orphans, args=(orphans,), daemon=True).start()

    def _end_orphans(self, orphans: list[Socket]) -> None:
        """As when it is the worker that has gone: they are given time to store and to tell what
        they have in hand."""
        deadline = time.monotonic() + WITHOUT_WORKER
        for entry in orphans:
            entry.say_no_more()
        for entry in orphans:
            process = entry.process
            if process is None:  # the forkserver had no time to name it
                time.sleep(max(0.0, deadline - time.monotonic()))
            elif not process.ends_within(max(0.0, deadline - time.monotonic())):
                process.kill(KILL_PATIENCE)
            self._later(partial(self._conclude_orphan, entry))

    def _conclude_orphan(self, entry: Socket) -> None:
        self._hear_out(entry)
        word = entry.last_word
        if word is not None and word.reason is Reason.REQUESTED:
            entry.last_word = None  # it was asked by nobody who knows why
        self._conclude(entry)

    def _hear_out(self, entry: Socket) -> None:
        while entry.pipe and entry.pipe.poll() and self._receive(entry):
            pass

    def _retire(self, launcher: Launcher, patience: float) -> None:
        self._listener.leave(launcher.socket)
        launcher.end(patience)

    def _conclude(self, entry: Socket) -> None:
        """Its process has ended."""
        self._hang_up(entry)
        with self._lock:
            self._tickets.pop(entry.ticket, None)
        if entry.in_use is not None and entry.wanted_end is None and entry.tries < MAX_TRIES:
            threading.Thread(target=self._try_again, args=(entry,), daemon=True).start()
            return
        threading.Thread(target=self._settle, args=(entry,), daemon=True).start()

    def _settle(self, entry: Socket) -> None:
        """Look after its files. The disk may be slow, and the other sockets do not wait for it."""
        close = self._close_of(entry)
        self._later(lambda: self._say_closed(entry, close))

    def _say_closed(self, entry: Socket, close: Close) -> None:
        with self._lock:
            self._sockets.pop(entry.dial.socket_id, None)
        self._post(entry, Closed(close))
        entry.gone.set()

    def _hang_up(self, entry: Socket) -> None:
        with entry.lock:
            pipe, entry.pipe = entry.pipe, None
        if pipe is not None:
            self._listener.leave(pipe)
            pipe.close()


def _limit_sending(pipe: Connection) -> None:
    """A write that takes longer fails, instead of holding up whoever tells."""
    end = socket.socket(fileno=pipe.fileno())
    seconds = struct.pack("ll", int(SEND_PATIENCE), 0)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
    end.detach()

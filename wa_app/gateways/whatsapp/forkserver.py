"""Forks session processes that start in a tenth of a second, having imported everything before.

A process of its own, started by `launcher.py` as `python -m`. The one of `multiprocessing` would
do the same, but makes every child import the worker's main script again, writes that script's
path (gunicorn's) into their command lines, hands our secrets on in their environment, and brings
a resource tracker along.

It has one thread, for a fork copies only the thread that forks. It ignores the signals that a
terminal or a service manager sends to everybody, and ends, with all its children, when the worker
has gone: the worker holds the only other end of its socket.
"""

import contextlib
import gc
import os
import pickle
import select
import signal
import socket
import sys
import time
from multiprocessing.connection import Connection
from typing import NoReturn

from wa_app.gateways.whatsapp.child.main import run
from wa_app.gateways.whatsapp.child.pipe import die
from wa_app.gateways.whatsapp.launch import (
    IGNORED,
    MAX_REQUEST,
    WITHOUT_WORKER,
    Ended,
    Kill,
    Report,
    Start,
    Started,
)
from wa_app.gateways.whatsapp.preload import preload
from wa_app.gateways.whatsapp.process_id import ProcessId


class Forkserver:
    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._tickets: dict[int, int] = {}  # by pid
        # A signal may come between looking for ended children and going to sleep; a byte in this
        # pipe makes that sleep short.
        self._wake_end, wake_start = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_start, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the worker has gone."""
        worker = self._worker.fileno()
        while True:
            ready, _, _ = select.select([worker, self._wake_end], [], [])
            if self._wake_end in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_end, 4096)
            self._reap(os.WNOHANG)
            if worker in ready and not self._answer():
                self._end_all()
                return

    def _answer(self) -> bool:
        """Carry out one request; False when there is no worker any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._worker, MAX_REQUEST, 1)
        except OSError:
            return False
        if not data:
            return False
        match pickle.loads(data):  # noqa: S301  only our worker has the other end
            case Start() as start:
                self._fork(start, descriptors[0])
            case Kill(ticket):
                self._kill(ticket)
        return True

    def _fork(self, start: Start, pipe: int) -> None:
        pid = os.fork()
        if pid == 0:
            become_session_process(self._worker, start, pipe)
        os.close(pipe)
        self._tickets[pid] = start.ticket
        session = ProcessId.of(pid)
        if session is not None:
            self._report(Started(start.ticket, session))

    def _kill(self, ticket: int) -> None:
        for pid, other in self._tickets.items():
            if other == ticket:
                os.kill(pid, signal.SIGKILL)  # ours and not reaped, so it is no other process

    def _reap(self, options: int) -> None:
        while self._tickets:
            pid, status = os.waitpid(-1, options)
            if pid == 0:
                return
            ticket = self._tickets.pop(pid, None)
            if ticket is not None:
                self._report(Ended(ticket, os.waitstatus_to_exitcode(status)))

    def _report(self, report: Report) -> None:
        with contextlib.suppress(OSError):
            self._worker.send(pickle.dumps(report))

    def _end_all(self) -> None:
        """They know, and are given time to store what they have in hand."""
        deadline = time.monotonic() + WITHOUT_WORKER
        while self._tickets and time.monotonic() < deadline:
            time.sleep(0.02)
            self._reap(os.WNOHANG)
        for pid in self._tickets:
            os.kill(pid, signal.SIGKILL)
        self._reap(0)


def become_session_process(worker: socket.socket, start: Start, pipe: int) -> NoReturn:
    """In the child, after the fork. Does not return."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker.close()
        run(Connection(pipe), start.dial, start.settings)
    except BaseException as error:
        die(error)
    os._exit(0)


def main() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # The worker started us with them blocked, so that none could come before this.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    os.umask(0o077)
    worker = socket.socket(fileno=int(sys.argv[1]))
    worker.set_inheritable(False)
    preload()
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, every page the children share
    Forkserver(worker).serve()


if __name__ == "__main__":
    main()

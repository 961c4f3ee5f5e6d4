"""One thread that hears many pipes, and does in between what other threads hand it.

It knows nothing of what is said: whoever listens gives a call for each pipe. What those calls and
the tasks do, they do one after the other.
"""

import logging
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

log = logging.getLogger(__name__)

Task = Callable[[], object]


class Readable(Protocol):
    def fileno(self) -> int: ...


class Listener:
    def __init__(self, name: str) -> None:
        self._over = False
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._wakeup, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self.hear(self._wakeup, self._run_tasks)
        self._thread = threading.Thread(target=self._listen, name=name, daemon=True)

    # ---- called from anywhere

    def start(self) -> None:
        self._thread.start()

    def later(self, task: Task) -> None:
        """Have the thread do it."""
        self._tasks.put(task)
        with suppress(OSError):  # it has been woken often enough, or has gone
            self._waker.send(b"!")

    def end(self, patience: float) -> None:
        """After whatever it was handed before."""
        self.later(self._finish)
        self._thread.join(patience)

    # ---- only from what the thread itself does

    def hear(self, pipe: Readable, call: Task) -> None:
        """`call` whenever there is something to read."""
        self._selector.register(pipe, selectors.EVENT_READ, call)

    def leave(self, pipe: Readable) -> None:
        """Before it is closed. May be repeated."""
        with suppress(KeyError):
            self._selector.unregister(pipe)

    # ---- the thread

    def _listen(self) -> None:
        while not self._over:
            for key, _ in self._selector.select():
                _try(key.data)
        for thing in (self._selector, self._wakeup, self._waker):
            thing.close()

    def _run_tasks(self) -> None:
        self._wakeup.recv(4096)
        while not self._tasks.empty():
            _try(self._tasks.get())

    def _finish(self) -> None:
        self._over = True


def _try(call: Task) -> None:
    try:
        call()
    except Exception:
        log.exception("a socket's news could not be handled")

"""Turns: what concerns one connection happens in order, and nothing about one waits for another."""

from collections.abc import Callable
from concurrent.futures import Executor
from threading import Lock


class Turns:
    """Runs `work(key)` on a pool: for each key in at most one thread at a time, and once more
    when it was asked for meanwhile. `work` deals with its own exceptions."""

    def __init__(self, pool: Executor, work: Callable[[str], None]) -> None:
        self._pool = pool
        self._work = work
        self._lock = Lock()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self.stopping = False

    def ask(self, key: str) -> None:
        with self._lock:
            if self.stopping:
                return
            if key in self._running:
                self._again.add(key)
            else:
                self._running.add(key)
                self._pool.submit(self._run, key)

    def begin_to_stop(self) -> None:
        """From now on nothing more is begun."""
        with self._lock:
            self.stopping = True

    def stop(self) -> None:
        """Finish what is under way and begin nothing more."""
        self.begin_to_stop()
        self._pool.shutdown(wait=True)

    def _run(self, key: str) -> None:
        while True:
            self._work(key)
            with self._lock:
                if key not in self._again or self.stopping:
                    self._running.discard(key)
                    return
                self._again.discard(key)

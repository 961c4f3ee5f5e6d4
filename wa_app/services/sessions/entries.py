"""What the manager remembers of each connection, and the changes that wait for its turn."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.socket_messages import MessageEvent, News
from wa_app.gateways.base import Sockets

Change = Callable[[Wanted, Observed], Observed | None]
"""A change somebody asks for, decided on the row as it is when its turn comes; None: none."""


@dataclass(frozen=True)
class PendingChange:
    """A change that waits for its turn. Who asked may wait for `outcome`: what was changed, once
    it is written, or what the change raised."""

    change: Change
    kill: bool
    outcome: Future[Observed | None] = field(default_factory=Future)


@dataclass
class Entry:
    """What the manager remembers of one connection; all of it may be lost."""

    connection_id: str
    news: deque[tuple[int, News]] = field(default_factory=deque)
    changes: deque[PendingChange] = field(default_factory=deque)
    socket_id: int | None = None
    sockets: Sockets | None = None
    alive_at: float | None = None  # by a clock that nobody sets

    def forget_state(self) -> bool:
        """Drop the news of the state that wait. Those of messages stay: none may be lost."""
        dropped = 0
        for _ in range(len(self.news)):
            news = self.news.popleft()
            if isinstance(news[1], MessageEvent):
                self.news.append(news)
            else:
                dropped += 1
        return dropped > 0


class Entries:
    """All of them. Which socket a connection has is asked by any thread, and changed only in the
    connection's own turn."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}

    def of(self, connection_id: str) -> Entry:
        with self._lock:
            return self._entries.setdefault(connection_id, Entry(connection_id))

    def drop(self, entry: Entry) -> None:
        with self._lock:
            self._entries.pop(entry.connection_id, None)

    def opened(self, entry: Entry, sockets: Sockets, socket_id: int, now: float) -> None:
        with self._lock:
            entry.sockets, entry.socket_id, entry.alive_at = sockets, socket_id, now

    def closed(self, entry: Entry) -> None:
        with self._lock:
            entry.socket_id = entry.alive_at = None

    def alive(self, entry: Entry, socket_id: int, now: float) -> None:
        """A sign of life; one of a socket that was given up says nothing."""
        with self._lock:
            if entry.socket_id == socket_id:
                entry.alive_at = now

    def alive_at(self, connection_id: str) -> float | None:
        with self._lock:
            entry = self._entries.get(connection_id)
            return entry.alive_at if entry and entry.socket_id is not None else None

    def socket_of(self, connection_id: str) -> tuple[Sockets, int] | None:
        with self._lock:
            entry = self._entries.get(connection_id)
            if entry is None or entry.sockets is None or entry.socket_id is None:
                return None
            return entry.sockets, entry.socket_id

    def with_sockets(self) -> set[str]:
        with self._lock:
            return {name for name, one in self._entries.items() if one.socket_id is not None}

"""What the manager remembers of one connection, and the changes that wait for its turn."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.socket_messages import News
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
    alive_at: datetime | None = None

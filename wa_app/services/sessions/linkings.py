"""Who may be linked now: each new login may bring a history that takes much memory for minutes.

Nobody knows before the code is scanned how big it is, and afterwards it cannot be put off: the
phone waits for us. So a code is shown only to as many as there is memory for, and to one at least.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

HISTORY_LASTS = timedelta(seconds=200)
"""Since it was linked. Measured: 370 to 470 MB at the peak, for 44 MB of history, 89 MB after so
long."""


class Linkings:
    """`needed` and `available()` in bytes; with 0 needed everybody may."""

    def __init__(self, needed: int, available: Callable[[], int]) -> None:
        self._needed = needed
        self._available = available
        self._lock = threading.Lock()
        self._under_way: dict[str, datetime | None] = {}
        """Connection id → when its history is here; None: not linked yet."""

    def may_begin(self, connection_id: str, now: datetime) -> bool:
        """And if so, it has begun."""
        with self._lock:
            over = [one for one, until in self._under_way.items() if until and until <= now]
            for one in over:
                del self._under_way[one]
            others = len(self._under_way.keys() - {connection_id})
            if others and self._available() < self._needed * (others + 1):
                return False
            self._under_way[connection_id] = None
            return True

    def linked(self, connection_id: str, now: datetime) -> None:
        with self._lock:
            if connection_id in self._under_way:
                self._under_way[connection_id] = now + HISTORY_LASTS

    def ended(self, connection_id: str) -> None:
        """Its process is gone, and its memory with it."""
        with self._lock:
            self._under_way.pop(connection_id, None)

"""What happened, in order, and the waiting for it.

Everything of note becomes an entry. Tests wait for a condition over it (or over anything else
that changes together with it) instead of sleeping.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

DEFAULT_TIMEOUT = 60.0  # seconds; protection only
UNSEEN_INTERVAL = 0.1
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    at: float  # seconds since the epoch
    kind: str
    who: str  # the device, contact or connection it is about
    detail: Mapping[str, object]


class Journal:
    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._news = threading.Condition()

    def add(self, kind: str, who: object, **detail: object) -> Entry:
        entry = Entry(time.time(), kind, str(who), detail)
        with self._news:
            self.entries.append(entry)
            self._news.notify_all()
        return entry

    def of(self, kind: str, who: object = None) -> list[Entry]:
        return [e for e in self.entries if e.kind == kind and (who is None or e.who == str(who))]

    def wait_until(
        self, predicate: Callable[[], T], timeout: float = DEFAULT_TIMEOUT, what: str = ""
    ) -> T:
        """The predicate's first true answer.

        It is asked after every entry, and now and then for what this server does not see.
        """
        end = time.monotonic() + timeout
        while True:
            seen = len(self.entries)
            if answer := predicate():
                return answer
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {timeout} s: {what or predicate}")
            with self._news:
                if len(self.entries) == seen:
                    self._news.wait(min(left, UNSEEN_INTERVAL))

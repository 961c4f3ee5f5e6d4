"""A WhatsApp gateway as the services would use it, and what it has said so far."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from wa_app.domain.sessions.closes import Close
from wa_app.domain.sessions.socket_messages import Closed, Dial, News
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.sealing import Sealer

DEFAULT_TIMEOUT = 60.0  # seconds; protection only
GRACE = 2.0
OURS = "wa_app.gateways.whatsapp.forkserver"

N = TypeVar("N", bound=News)
T = TypeVar("T")


class Desk:
    """`with Desk(folder, proxy) as desk:`"""

    def __init__(self, folder: Path, proxy: str, **settings: object) -> None:
        self.sessions, self.quarantine = folder / "sessions", folder / "quarantine"
        sealer = Sealer("a key of the tests")
        self.gateway = WhatsAppGateway(self.sessions, self.quarantine, sealer, **settings)  # type: ignore
        self.proxy = proxy
        self.news: list[tuple[int, News]] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Desk:
        self.gateway.start(self._take)
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop(5)

    def _take(self, _: str, socket_id: int, news: News) -> None:
        with self._changed:
            self.news.append((socket_id, news))
            self._changed.notify_all()

    def open(
        self,
        name: str,
        *,
        proxy: str | None = None,
        pair_phone: str | None = None,
        linked: bool = False,
    ) -> Socket:
        socket = Socket(self, name, next(self._numbers))
        self.gateway.open(Dial(name, socket.id, pair_phone, proxy or self.proxy, linked))
        return socket

    def wait_until(self, found: Callable[[], T], what: str, timeout: float = DEFAULT_TIMEOUT) -> T:
        end = time.monotonic() + timeout
        with self._changed:
            while not (result := found()):
                if not self._changed.wait(end - time.monotonic()):
                    raise AssertionError(f"no {what} within {timeout} s, but {self.news}")
        return result


class Socket:
    def __init__(self, desk: Desk, name: str, id: int) -> None:
        self.desk, self.name, self.id = desk, name, id

    def of(self, kind: type[N]) -> list[N]:
        return [n for id, n in list(self.desk.news) if id == self.id and isinstance(n, kind)]

    def wait_for(self, kind: type[N], *, count: int = 1, timeout: float = DEFAULT_TIMEOUT) -> N:
        what = f"{count} {kind.__name__} of socket {self.id}"
        return self.desk.wait_until(lambda: self.of(kind)[count - 1 : count], what, timeout)[0]

    def wait_for_close(self, timeout: float = DEFAULT_TIMEOUT) -> Close:
        return self.wait_for(Closed, timeout=timeout).close

    def tell(self, command: object) -> bool:
        return self.desk.gateway.tell(self.id, command)  # type: ignore[arg-type]

    def close(self, *, unlink: bool = False) -> Close:
        self.desk.gateway.close(self.id, grace=GRACE, unlink=unlink)
        [closed] = self.of(Closed)  # it is there when close() returns, once
        return closed.close

    @property
    def folder(self) -> Path:
        return self.desk.sessions / self.name

    @property
    def process(self) -> psutil.Process:
        """As it has signed the lock."""
        return psutil.Process(int((self.folder / "lock").read_text().split()[0]))


def our_processes(parent: int | None = None) -> list[psutil.Process]:
    """Forkserver and session processes below a process (None: this one)."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if OURS in process.cmdline():
                found.append(process)
    return found


def session_processes() -> list[psutil.Process]:
    forkservers = [p for p in our_processes() if p.ppid() == psutil.Process().pid]
    return [p for p in our_processes() if p not in forkservers]

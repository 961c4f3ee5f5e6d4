"""The server: its life, its cast, its faults, and what a test may wait for.

Everything happens in one asyncio loop in a thread of its own; what a test calls is carried there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .binary_xml import Jid
from .certificate import tls_context
from .connection import Connection
from .faults import FAULTS, Faults, Moment, Standing
from .journal import DEFAULT_TIMEOUT, Journal
from .library import dictionary
from .linking import Linking
from .noise import Authority
from .people import Contact, Device, Person, Phone
from .transport import ENDINGS, Transport

log = logging.getLogger(__name__)
T = TypeVar("T")
C = TypeVar("C", bound=Person)

CALL_TIMEOUT = 60.0
LID_BASE = 200_000_000_000_000  # LIDs look like numbers and are none


class Sockets:
    """How many connections each client (by its Noise key) has and had at once."""

    def __init__(self) -> None:
        self.open: Counter[bytes] = Counter()
        self.most: Counter[bytes] = Counter()

    @contextlib.contextmanager
    def counted(self, key: bytes) -> Iterator[None]:
        self.open[key] += 1
        self.most[key] = max(self.most[key], self.open[key])
        try:
            yield
        finally:
            self.open[key] -= 1


class WhatsAppServer:
    """`with WhatsAppServer() as server:`, or start() and stop()."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.refs = 6  # codes offered to a client: six last 160 s, one lasts 20 s
        self.initial_key_count = 1  # told to new devices: 0 makes them upload 812 keys, 1 only 50
        self.behind = 0.0  # seconds by which WhatsApp's clock is behind that of this machine
        self.groups: dict[str, list[Person]] = {}  # by the group's number
        self.journal = Journal()
        self.authority = Authority.new()
        self.faults = Faults()
        self.linking = Linking(self)
        self.sockets = Sockets()
        self.connections: set[Connection] = set()
        self.devices: dict[bytes, Device] = {}  # by Noise key
        self.phones: dict[str, Phone] = {}  # by number
        self.contacts: dict[str, Contact] = {}  # by number
        self._people: dict[Jid, Person] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="whatsapp-server-")
        self.tls, self.trusted_certificates = tls_context(Path(self._folder.name))

    # --- life ---

    def start(self) -> WhatsAppServer:
        dictionary()  # reads the library's file once, outside the loop
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="WhatsApp server", daemon=True
        )
        self._thread.start()
        self.run(self._listen())
        return self

    def stop(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    def __enter__(self) -> WhatsAppServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def proxy_url(self) -> str:
        return self.proxy_url_for("")

    def proxy_url_for(self, line: str) -> str:
        """A proxy URL whose user name marks a client, so that early faults can be aimed at it."""
        user = f"{line}:x@" if line else ""
        return f"http://{user}127.0.0.1:{self.port}"

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, Transport(reader, writer), next(self._numbers))
        self.spawn(connection.run())

    async def _close(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- calls from other threads, and tasks ---

    def in_loop(self, call: Callable[[], T]) -> T:
        if threading.current_thread() is self._thread:
            return call()

        async def carried() -> T:
            return call()

        return self.run(carried())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_TIMEOUT)

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Starts a task in the loop; it ends with the server at the latest."""

        task = asyncio.get_running_loop().create_task(self._to_its_end(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _to_its_end(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except ENDINGS:
            return
        except Exception as error:
            log.exception("a mistake of the test server")
            self.journal.add("error", "server", text=repr(error))

    # --- cast ---

    def phone(self, number: str, name: str = "") -> Phone:
        """The phone with this number, made if there is none."""
        return self._cast(self.phones, Phone, number, name)

    def contact(self, number: str, name: str = "") -> Contact:
        """The contact with this number, made if there is none. Others are not on WhatsApp."""
        return self._cast(self.contacts, Contact, number, name)

    def _cast(self, kept: dict[str, C], kind: type[C], number: str, name: str) -> C:
        if number not in kept:
            lid = str(LID_BASE + len(self._people))
            person = kept[number] = kind(self, number, lid, name or f"+{number}")
            self._people[person.jid] = self._people[person.lid] = person
        return kept[number]

    def person(self, jid: Jid) -> Person | None:
        return self._people.get(jid.of_user)

    # --- faults ---

    def fault(
        self,
        name: str,
        target: Device | str | None = None,
        *,
        times: int | None = None,
        seconds: float = float("inf"),
        **options: Any,
    ) -> int:
        """Lets this fault happen: at once, or from now on until cleared or used up.

        The target is a device, a proxy user's name, or (None) everybody. Returns how many
        connections it has struck so far.
        """
        standing = Standing(name, target, times, time.monotonic() + seconds, options)
        return self.in_loop(lambda: self._bring(standing))

    @contextlib.contextmanager
    def faulty(
        self, name: str, target: Device | str | None = None, **options: Any
    ) -> Iterator[None]:
        self.fault(name, target, **options)
        try:
            yield
        finally:
            self.clear(name, target)

    def clear(self, name: str | None = None, target: Device | str | None = None) -> None:
        """Ends this fault, or all of them, for this target, or for everybody."""
        self.in_loop(lambda: self._clear(name, target))

    def _bring(self, standing: Standing) -> int:
        fault = FAULTS[standing.name]
        if fault.moment is not Moment.NOW:
            self.faults.add(standing)
            return 0
        struck = self._open_to(standing.target)
        for connection in struck:
            connection.note("fault", name=standing.name)
            self.spawn(fault.act(connection, standing.options, None))
        return len(struck)

    def _clear(self, name: str | None, target: Device | str | None) -> None:
        self.faults.clear(name, target)
        for known, fault in FAULTS.items():
            if fault.undo and name in (None, known):
                for connection in self._open_to(target):
                    fault.undo(connection)

    def _open_to(self, target: Device | str | None) -> list[Connection]:
        """Those that have got as far as speaking WhatsApp, with this target."""
        return [c for c in self.connections if c.is_open and c.belongs_to(target)]

    # --- waiting ---

    def wait_until(
        self, predicate: Callable[[], T], timeout: float = DEFAULT_TIMEOUT, what: str = ""
    ) -> T:
        return self.journal.wait_until(predicate, timeout, what)

    def wait_for(
        self,
        kind: str,
        who: object = None,
        *,
        count: int = 1,
        timeout: float = DEFAULT_TIMEOUT,
        **detail: object,
    ) -> None:
        """Until the journal has this many such entries."""

        def happened() -> bool:
            found = self.journal.of(kind, who)
            return sum(detail.items() <= entry.detail.items() for entry in found) >= count

        self.wait_until(happened, timeout, f"{count} {kind} {who or ''} {detail}")

    # --- for its parts ---

    @contextlib.contextmanager
    def keep(self, connection: Connection) -> Iterator[None]:
        self.connections.add(connection)
        try:
            yield
        finally:
            self.connections.discard(connection)

    def new_refs(self) -> list[str]:
        return [f"2@{secrets.token_urlsafe(48)}" for _ in range(self.refs)]

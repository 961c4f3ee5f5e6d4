"""Drives a bare neonize client in a subprocess, from a test."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.whatsapp_server import WhatsAppServer, environment

PROGRAM = Path(__file__).with_name("raw_client.py")
DEFAULT_TIMEOUT = 60.0  # seconds; protection only

# As the product opens its session file: the library's own way is six times slower at pairing.
OPTIONS = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&x="

Event = dict[str, Any]
Environment = dict[str, str]


class RawClient:
    """`with RawClient(server, session_file) as client:`"""

    def __init__(
        self, server: WhatsAppServer | Environment, session: Path, *flags: str, line: str = ""
    ) -> None:
        settings = environment(server, line) if isinstance(server, WhatsAppServer) else server
        self.session = session
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._ids = itertools.count(1)
        self._log = (session.parent / f"{session.name}.log").open("ab")
        ours, theirs = os.pipe(), os.pipe()  # commands to it, events from it
        self._process = subprocess.Popen(
            [
                sys.executable,
                PROGRAM,
                f"{session}{OPTIONS}",
                settings["WHATSAPP_PROXY"],
                str(ours[0]),
                str(theirs[1]),
                *flags,
            ],
            env=os.environ | settings,
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._commands = os.fdopen(ours[1], "w")
        self._thread = threading.Thread(target=self._read, args=(theirs[0],), daemon=True)
        self._thread.start()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """As a crash: the process is gone at once."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        self._commands.close()
        self._log.close()

    def _read(self, fd: int) -> None:
        with os.fdopen(fd) as lines:
            for line in lines:
                with self._news:
                    self.events.append(json.loads(line))
                    self._news.notify_all()

    # --- what it says ---

    def log(self) -> str:
        """What the library printed."""
        return Path(self._log.name).read_text()

    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    def of(self, name: str) -> list[Event]:
        return [event for event in list(self.events) if event["event"] == name]

    def wait_for(self, name: str, *, count: int = 1, timeout: float = DEFAULT_TIMEOUT) -> Event:
        return self._wait(lambda: self.of(name)[count - 1 : count], timeout, f"{count} {name}")[0]

    def wait_for_qr(self, count: int = 1) -> str:
        return self.wait_for("QR code", count=count)["text"]

    def _wait(self, found: Callable[[], list[Event]], timeout: float, what: str) -> list[Event]:
        end = time.monotonic() + timeout
        with self._news:
            while not (events := found()):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"no {what} within {timeout} s: {self.names()}")
                self._news.wait(left)
        return events

    # --- what it is told ---

    def call(self, do: str, *args: Any, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """Calls the library; raises LibraryError if that raises."""
        return self.wait_for_reply(self.order(do, *args), timeout=timeout)

    def wait_for_reply(self, order: int, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        reply = self._wait(
            lambda: [e for e in self.of("reply") if e["to"] == order], timeout, f"reply to {order}"
        )[0]
        if "error" in reply:
            raise LibraryError(reply["error"])
        return reply["result"]

    def order(self, do: str, *args: Any) -> int:
        """The same without waiting; the answer is for `wait_for_reply`."""
        id = next(self._ids)
        self._commands.write(json.dumps({"id": id, "do": do, "with": args}) + "\n")
        self._commands.flush()
        return id


class LibraryError(Exception):
    """What neonize raised in the other process."""

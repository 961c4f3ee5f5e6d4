"""Processes with nothing but neonize in them."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.whatsapp_server import Phone, WhatsAppServer, environment

PROGRAM = Path(__file__).with_name("raw_client.py")
PATIENCE = 60.0


def environment_for(server: WhatsAppServer | None) -> dict[str, str]:
    """The same little that the product under test gets."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | (environment(server) if server else {})


class Raw:
    def __init__(self, server: WhatsAppServer, session: Path, answer: str = "") -> None:
        self._news, theirs = os.pipe()
        self._heard = b""
        settings = environment_for(server)
        arguments: list[str | Path] = [
            session,
            settings["WHATSAPP_PROXY"],
            str(theirs),
            *([answer] if answer else []),
        ]
        self.started_at = time.time()
        self._popen = subprocess.Popen(
            [sys.executable, "-P", PROGRAM, *arguments],
            cwd=session.parent,
            env=settings,
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        self.process = psutil.Process(self._popen.pid)

    def wait_for(self, wanted: str) -> tuple[float, str]:
        """When it said so, and what besides."""
        deadline = time.monotonic() + PATIENCE
        for line in self._lines(deadline):
            at, word, text = line.split(" ", 2)
            if word == wanted:
                return float(at), text
        raise AssertionError(f"raw neonize was never {wanted!r}")

    def _lines(self, deadline: float) -> Iterator[str]:
        while True:
            line, end, rest = self._heard.partition(b"\n")
            if end:
                self._heard = rest
                yield line.decode()
            elif select.select([self._news], [], [], max(0.0, deadline - time.monotonic()))[0]:
                more = os.read(self._news, 65536)
                if not more:
                    return
                self._heard += more
            else:
                return

    def pair(self, phone: Phone) -> None:
        phone.scan(self.wait_for("qr")[1])
        self.wait_for("connected")
        phone.device.wait_for_login()

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait()
        os.close(self._news)


@contextmanager
def raw(server: WhatsAppServer, session: Path, answer: str = "") -> Iterator[Raw]:
    client = Raw(server, session, answer)
    try:
        yield client
    finally:
        client.end()

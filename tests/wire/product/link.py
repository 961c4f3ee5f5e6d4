"""One connection of the product, the phone it is linked to, and what passed between the two."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil

from tests.product.server import PATIENCE, Server, wait_until
from tests.product.visitor import Document, Number
from tests.whatsapp_server import Device, Phone


class Link:
    """`line` is the user name with which this connection, and no other, asks the proxy: early
    faults can be aimed at it."""

    def __init__(self, server: Server, number: Number, phone: Phone) -> None:
        self.server, self.number, self.phone = server, number, phone
        self.whatsapp = phone.server
        self.line = f"line-{phone.number}"
        self._set_proxy(self.whatsapp.proxy_url_for(self.line))

    def _set_proxy(self, url: str) -> None:
        """Into the row: no page and no route has it yet."""
        with closing(sqlite3.connect(self.server.data_dir / "vigia.db", timeout=10)) as database:
            database.execute("UPDATE connection SET proxy = ? WHERE id = ?", (url, self.number.id))
            database.commit()

    def pair(self) -> Device:
        return self.number.pair(self.phone)

    @property
    def device(self) -> Device:
        return self.phone.device

    # ---- what the server saw

    @property
    def dials(self) -> list[object]:
        """The connections that reached the server, in order."""
        names = {self.line, *(str(device) for device in self.phone.devices)}
        seen = [
            e.detail["connection"]
            for e in self.whatsapp.journal.entries
            if e.who in names and "connection" in e.detail
        ]
        return list(dict.fromkeys(seen))

    # ---- what the product kept

    @property
    def folder(self) -> Path:
        return self.server.data_dir / "sessions" / self.number.id

    def process(self) -> psutil.Process | None:
        """The session process, as it has signed the lock; None when it has ended."""
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            pid, *_ = (self.folder / "lock").read_text().split()
            process = psutil.Process(int(pid))
            if process in self.server.sessions():
                return process
        return None

    def has_come_back(self, seen: Document) -> bool:
        return bool(seen["connected"] and seen["lastDisconnect"])

    def wait_for_the_end_of_it(self, hold: str | None, timeout: float = PATIENCE) -> Document:
        """What a fault has led to: this hold, and no process is left; or connected again."""
        if hold is None:
            return self.number.wait_for(self.has_come_back, timeout)
        self.number.wait_for(hold, timeout)
        wait_until(lambda: self.process() is None, f"end of the process of {self.number.id}")
        seen = self.number.status()
        assert seen["status"] == "DISCONNECTED"
        return seen

    def story(self) -> str:
        """All of it, for whoever has to find out why a test failed."""
        ours = {self.line, *(str(device) for device in self.phone.devices), self.phone.number}
        heard = [
            f"{e.at:.3f} {e.kind} {dict(e.detail)}"
            for e in self.whatsapp.journal.entries
            if e.who in ours or e.detail.get("connection") in self.dials
        ]
        told = [
            f"{e['at']} {e['status']} {e['hold']} {e['reason']} {e['code']} {e['attempt']}"
            for e in self.number.events()
        ]
        return "\n".join(["server:", *heard, "history:", *told])


NewLink = Callable[[], Link]

"""The cast of these tests: Ana's phone, Luis who writes to her, and a bare neonize client."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whatsapp_server import Contact, Device, Phone, WhatsAppServer

from .driver import RawClient

Start = Callable[..., RawClient]


@pytest.fixture
def server() -> Iterator[WhatsAppServer]:
    with WhatsAppServer() as server:
        yield server
    assert not server.journal.of("error"), "the test server itself has made a mistake"


@pytest.fixture
def ana(server: WhatsAppServer) -> Phone:
    return server.phone("34600000001", "Ana")


@pytest.fixture
def luis(server: WhatsAppServer) -> Contact:
    return server.contact("34600000002", "Luis")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return tmp_path / "session.db"


@pytest.fixture
def start(server: WhatsAppServer, session: Path) -> Iterator[Start]:
    """Starts a client on Ana's session file; the first time that file is empty."""
    with ExitStack() as stack:
        yield lambda *flags, **options: stack.enter_context(
            RawClient(server, session, *flags, **options)
        )


@pytest.fixture
def client(start: Start, ana: Phone) -> RawClient:
    """A client that is linked to Ana's phone and connected."""
    client = start()
    ana.scan(client.wait_for_qr())
    client.wait_for("Connected")
    ana.device.wait_for_login()
    return client


@pytest.fixture
def device(client: RawClient, ana: Phone) -> Device:
    return ana.device


def stored_devices(session: Path) -> list[str]:
    """The JIDs of the devices in a session file: one, or none after a logout."""
    with sqlite3.connect(session) as database:
        rows = database.execute("SELECT jid FROM whatsmeow_device").fetchall()
    database.close()
    return [jid for (jid,) in rows]

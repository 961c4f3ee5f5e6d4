"""One gateway and one WhatsApp for all tests of a file, and for each of them a new number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer, environment
from wa_app.domain.sessions.socket_messages import Closed, Opened, Qr

from .desk import Desk, Socket, session_processes

numbers = itertools.count(34_600_100_000)


@pytest.fixture(scope="module")
def server() -> Iterator[WhatsAppServer]:
    with WhatsAppServer() as server:
        yield server


@pytest.fixture(scope="module")
def desk(server: WhatsAppServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server).items():
            patch.setenv(name, value)
        patch.setenv("SECRET_KEY", "nobody may see this")
        folder = tmp_path_factory.mktemp("instance")
        with Desk(folder, server.proxy_url, secrets=("SECRET_KEY",)) as desk:
            yield desk


@pytest.fixture(autouse=True)
def _afterwards(server: WhatsAppServer, desk: Desk) -> Iterator[None]:
    """No fault lasts longer than its test, and no process."""
    yield
    server.clear()
    closed = {id for id, news in desk.news if isinstance(news, Closed)}
    for id in {id for id, _ in desk.news} - closed:
        desk.gateway.close(id, grace=0)
    assert session_processes() == []


@pytest.fixture
def ana(server: WhatsAppServer) -> Phone:
    """A new number for each test."""
    return server.phone(str(next(numbers)), "Ana")


@pytest.fixture
def luis(server: WhatsAppServer) -> Contact:
    return server.contact(str(next(numbers)), "Luis")


@pytest.fixture
def name(ana: Phone) -> str:
    return f"connection-of-{ana.number}"


@pytest.fixture
def socket(desk: Desk, ana: Phone, name: str) -> Socket:
    """Ana's session, paired and open."""
    socket = desk.open(name)
    ana.scan(socket.wait_for(Qr).payload)
    socket.wait_for(Opened)
    ana.device.wait_for_login()
    return socket

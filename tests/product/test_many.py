"""Many who look, and two who press at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.whatsapp_server import Phone, WhatsAppServer

from .conftest import ANA, BRUNO
from .server import PATIENCE, Server, wait_until
from .visitor import Number, Visitor

CLIENTS = 20


def test_twenty_who_look_start_nothing_and_change_nothing(
    number: Number, phone: Phone, server: Server, whatsapp: WhatsAppServer
) -> None:
    number.pair(phone)
    number.disconnect()
    before = number.wait_for("DISCONNECTED")
    connections, events = len(whatsapp.journal.of("connection")), number.events()

    def look(_: int) -> set[tuple[object, ...]]:
        with Visitor(server, ANA) as visitor:
            seen = [number.via(visitor).status() for _ in range(10)]
        return {(each["status"], each["version"], each["statusSince"]) for each in seen}

    with ThreadPoolExecutor(CLIENTS) as clients:
        seen = set().union(*clients.map(look, range(CLIENTS)))
    assert seen == {("DISCONNECTED", before["version"], before["statusSince"])}
    assert len(whatsapp.journal.of("connection")) == connections
    assert number.events() == events
    assert server.sessions() == []


def test_two_who_connect_at_once_open_one_socket(
    number: Number, phone: Phone, server: Server
) -> None:
    device = number.pair(phone)
    number.disconnect()
    device.wait_for_logout()
    at_once(CLIENTS // 10, lambda ana: number.via(ana).connect(), server)
    number.wait_for("CONNECTED")
    assert (device.logins, device.most_sockets) == (2, 1)
    assert len(server.sessions()) == 1


def test_two_first_connects_at_once_make_one_connection(server: Server) -> None:
    """The same person, twice, with no connection yet."""
    documents = at_once(2, lambda bruno: bruno.ask("POST", "/api/whatsapp/connect"), server, BRUNO)
    assert len({document["connectionId"] for document in documents}) == 1
    with Visitor(server, BRUNO) as bruno:
        [known] = bruno.ask("GET", "/api/whatsapp/connections")["connections"]
        Number(bruno, known["connectionId"]).wait_for("QR_PENDING")
        assert len(server.sessions()) == 1
        Number(bruno, known["connectionId"]).disconnect()
    wait_until(lambda: not server.sessions(), "no session process left")


def at_once(
    count: int, press: Callable[[Visitor], dict[str, object]], server: Server, email: str = ANA
) -> list[dict[str, object]]:
    """The answers to people of one login who press in the same instant."""
    ready = threading.Barrier(count)

    def wait_and_press(_: int) -> dict[str, object]:
        with Visitor(server, email) as visitor:
            ready.wait(PATIENCE)
            return press(visitor)

    with ThreadPoolExecutor(count) as people:
        return list(people.map(wait_and_press, range(count)))

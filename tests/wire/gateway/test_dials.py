"""What becomes of a dial that gets no answer, or the wrong one."""

from __future__ import annotations

import socket as sockets
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.doors import closed_door, door
from tests.whatsapp_server import WhatsAppServer
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import Alive, Qr

from .desk import GRACE, Desk, Socket, session_processes


@contextmanager
def proxy(answer: Callable[[sockets.socket], None]) -> Iterator[str]:
    """Answers every connection, one after the other."""
    with door(answer) as port:
        yield f"http://127.0.0.1:{port}"


def read_head(connection: sockets.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)


def answering(status: str, trust: ssl.SSLContext) -> Callable[[sockets.socket], None]:
    """WhatsApp's door, where somebody says no in HTTP."""

    def answer(connection: sockets.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with trust.wrap_socket(connection, server_side=True) as secure:
            read_head(secure)
            secure.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


def refuse_to_connect(connection: sockets.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")


UNREACHABLE = Close(None, Reason.UNREACHABLE, has_credentials=False)


def test_nobody_there(desk: Desk, name: str) -> None:
    with closed_door() as port:
        nobody = f"http://127.0.0.1:{port}"
        assert desk.open(name, proxy=nobody).wait_for_close() == UNREACHABLE


def test_a_reset_on_the_way(desk: Desk, server: WhatsAppServer, name: str) -> None:
    server.fault("refuse", name)
    assert desk.open(name, proxy=server.proxy_url_for(name)).wait_for_close() == UNREACHABLE


def test_a_proxy_that_cannot_connect(desk: Desk, name: str) -> None:
    with proxy(refuse_to_connect) as address:
        assert desk.open(name, proxy=address).wait_for_close() == UNREACHABLE


def http_refusal(status: str) -> Callable[[sockets.socket], None]:
    def answer(connection: sockets.socket) -> None:
        read_head(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


def socks_refusal(*answers: bytes) -> Callable[[sockets.socket], None]:
    def answer(connection: sockets.socket) -> None:
        for one in answers:
            connection.recv(300)
            connection.sendall(one)

    return answer


NOT_ALLOWED = b"\x05\x02\x00\x01" + bytes(6)


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", http_refusal("407 Proxy Authentication Required")),
        ("http", http_refusal("403 Forbidden")),
        ("http", http_refusal("402 Payment Required")),
        ("http", http_refusal("429 Too Many Requests")),
        ("socks5", socks_refusal(b"\x05\xff")),
        ("socks5", socks_refusal(b"\x05\x02", b"\x01\x01")),
        ("socks5", socks_refusal(b"\x05\x00", NOT_ALLOWED)),
    ],
)
def test_a_proxy_that_refuses(
    desk: Desk, name: str, scheme: str, answer: Callable[[sockets.socket], None]
) -> None:
    with door(answer) as port:
        close = desk.open(name, proxy=f"{scheme}://ana:secret@127.0.0.1:{port}").wait_for_close()
    assert close == Close(None, Reason.PROXY_REFUSED, has_credentials=False)


def test_a_proxy_url_that_makes_no_sense(desk: Desk, name: str) -> None:
    assert desk.open(name, proxy="gopher://127.0.0.1:1").wait_for_close() == UNREACHABLE


@pytest.mark.parametrize(
    ("status", "close"),
    [
        ("503 Service Unavailable", Close(503, Reason.SERVER_ERROR, has_credentials=False)),
        ("500 Internal Server Error", Close(500, Reason.SERVER_ERROR, has_credentials=False)),
        # A portal on the way: 403 must not look like WhatsApp's own "logged out".
        ("403 Forbidden", UNREACHABLE),
        ("302 Found", UNREACHABLE),
    ],
)
def test_http_instead_of_a_websocket(
    desk: Desk, server: WhatsAppServer, name: str, status: str, close: Close
) -> None:
    with proxy(answering(status, server.tls)) as address:
        assert desk.open(name, proxy=address).wait_for_close() == close


STEPS = ["silent_connect", "silent_tls", "silent_upgrade", "silent_hello"]


@pytest.mark.parametrize("step", STEPS)
def test_a_dial_into_silence_can_be_closed_at_any_step(
    desk: Desk, server: WhatsAppServer, name: str, step: str
) -> None:
    server.fault(step, name)
    socket = desk.open(name, proxy=server.proxy_url_for(name))
    server.wait_for("fault", name=step)
    assert socket.close() == Close(None, Reason.REQUESTED, has_credentials=False)
    assert session_processes() == []


def test_a_login_into_silence_can_be_closed(
    desk: Desk, server: WhatsAppServer, name: str, socket: Socket
) -> None:
    phone = server.phones[name.rpartition("-")[2]]
    socket.close()
    server.fault("silent_login", phone.device)
    again = desk.open(name)
    server.wait_for("fault", name="silent_login")
    assert again.close() == Close(None, Reason.REQUESTED, has_credentials=True)


def test_a_dial_can_be_closed_before_its_process_has_started(desk: Desk, name: str) -> None:
    assert desk.open(name).close() == Close(None, Reason.REQUESTED)
    assert session_processes() == []


def test_a_socket_that_is_gone_is_closed_already(desk: Desk, name: str) -> None:
    socket = desk.open(name)
    socket.close()
    desk.gateway.close(socket.id, grace=GRACE)
    assert not socket.tell(object())


def test_silence_is_noticed_in_time(
    desk: Desk,
    server: WhatsAppServer,
    name: str,
    socket: Socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All kinds at once, because each takes as long as the library waits."""
    phone = server.phones[name.rpartition("-")[2]]
    server.fault("stall", phone.device)
    monkeypatch.setattr(server, "refs", 1)
    unscanned = desk.open("unscanned")
    unscanned.wait_for(Qr)
    dials = {}
    for step in ("silent_tls", "silent_hello"):
        server.fault(step, step)
        dials[step] = desk.open(step, proxy=server.proxy_url_for(step))
    assert dials["silent_tls"].wait_for_close() == Close(
        408, Reason.UNREACHABLE, has_credentials=False
    )
    assert dials["silent_hello"].wait_for_close() == Close(
        408, Reason.CONNECT_TIMEOUT, has_credentials=False
    )
    assert dials["silent_hello"].of(Alive)
    assert unscanned.wait_for_close() == Close(None, Reason.PAIRING_TIMEOUT, has_credentials=False)
    assert socket.wait_for_close() == Close(408, Reason.KEEPALIVE_TIMEOUT, has_credentials=True)

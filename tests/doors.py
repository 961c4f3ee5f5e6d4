"""Doors on loopback behind which somebody plays WhatsApp, or a proxy on the way to it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], object]


def reserved_port() -> socket.socket:
    """A port that nobody else gets while this is open: the kernel gives a bound port to nobody.
    Whoever dials it is refused until the server it is meant for listens there, which may, because
    nobody listens here and both allow the address to be used again."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


@contextmanager
def closed_door() -> Iterator[int]:
    """A port where nobody listens, and where nobody else can begin to."""
    with reserved_port() as reserved:
        yield port_of(reserved)


def port_of(socket_: socket.socket) -> int:
    return int(socket_.getsockname()[1])


@contextmanager
def door(answer: Answer) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port_of(listener)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def read_head(connection: socket.socket) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError("they hung up")
        head += byte
    return head.decode()


def whatsapp(
    trust: ssl.SSLContext, status: str = "400 Bad Request", more: str = "Server: test"
) -> Answer:
    def answer(connection: socket.socket) -> None:
        with trust.wrap_socket(connection, server_side=True) as secure:
            read_head(secure)
            secure.sendall(f"HTTP/1.1 {status}\r\n{more}\r\n\r\n".encode())

    return answer


def http_proxy(beyond: Answer, asked: list[str]) -> Answer:
    def answer(connection: socket.socket) -> None:
        asked.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        beyond(connection)

    return answer

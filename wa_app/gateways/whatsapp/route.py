"""Whether WhatsApp answers over a route: directly, or through an http or socks5 proxy.

By hand, because the answer must mean what it means for the library: the same host, the same
trust in certificates (SSL_CERT_FILE is honoured), the same proxy of the environment.
"""

import base64
import contextlib
import os
import socket
import ssl
import time
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass

HOST, PORT = "web.whatsapp.com", 443
PATIENCE = 5.0


class _Deadline:
    """Every step gets what is left of the time."""

    def __init__(self, patience: float) -> None:
        self._at = time.monotonic() + patience

    def apply(self, connection: socket.socket) -> socket.socket:
        connection.settimeout(max(0.01, self._at - time.monotonic()))
        return connection


def answers(route: str | None) -> bool:
    """Any HTTP answer counts: it came from there."""
    deadline = _Deadline(PATIENCE)
    try:
        with contextlib.closing(_tunnel(route or _from_environment(), deadline)) as plain:
            trust = ssl.create_default_context()
            with trust.wrap_socket(deadline.apply(plain), server_hostname=HOST) as secure:
                secure.sendall(
                    f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
                )
                return _receive(deadline.apply(secure), 5) == b"HTTP/"
    except (OSError, ValueError):
        return False


def _from_environment() -> str | None:
    if proxy_bypass(HOST):
        return None
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")


def _tunnel(route: str | None, deadline: _Deadline) -> socket.socket:
    if not route:
        return _connect(HOST, PORT, deadline)
    proxy = urlsplit(route if "://" in route else f"http://{route}")
    steps = {"http": (_ask_http, 80), "socks5": (_ask_socks, 1080), "socks5h": (_ask_socks, 1080)}
    if proxy.scheme not in steps or not proxy.hostname:
        raise ValueError("a proxy is an http or socks5 URL")
    ask, usual_port = steps[proxy.scheme]
    connection = _connect(proxy.hostname, proxy.port or usual_port, deadline)
    try:
        ask(deadline.apply(connection), proxy)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(host: str, port: int, deadline: _Deadline) -> socket.socket:
    return deadline.apply(socket.create_connection((host, port), timeout=PATIENCE))


def _ask_http(connection: socket.socket, proxy: SplitResult) -> None:
    lines = [f"CONNECT {HOST}:{PORT} HTTP/1.1", f"Host: {HOST}:{PORT}"]
    if proxy.username is not None:
        name, password = _login(proxy)
        lines.append(
            "Proxy-Authorization: Basic " + base64.b64encode(b":".join((name, password))).decode()
        )
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # Byte by byte, for what follows the answer is no longer the proxy's.
        answer += _receive(connection, 1)
    if answer.split(maxsplit=2)[1:2] != [b"200"]:
        raise OSError("the proxy refused")


def _ask_socks(connection: socket.socket, proxy: SplitResult) -> None:
    """RFC 1928 and 1929."""
    has_login = proxy.username is not None
    connection.sendall(b"\x05\x02\x00\x02" if has_login else b"\x05\x01\x00")
    method = _receive(connection, 2)
    if method == b"\x05\x02" and has_login:
        name, password = _login(proxy)
        connection.sendall(b"\x01" + _counted(name) + _counted(password))
        method = b"\x05" + _receive(connection, 2)[1:]
    if method != b"\x05\x00":
        raise OSError("the proxy refused")
    connection.sendall(b"\x05\x01\x00\x03" + _counted(HOST.encode()) + PORT.to_bytes(2, "big"))
    _, status, _, kind = _receive(connection, 4)
    if status != 0:
        raise OSError("the proxy could not connect")
    length = {1: 4, 4: 16}.get(kind) or _receive(connection, 1)[0]
    _receive(connection, length + 2)


def _login(proxy: SplitResult) -> tuple[bytes, bytes]:
    return unquote(proxy.username or "").encode(), unquote(proxy.password or "").encode()


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("closed too early")
        data += more
    return data

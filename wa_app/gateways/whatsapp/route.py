"""How far one gets to WhatsApp over a route: directly, or through an http or socks5 proxy.

By hand, because the answer must mean what it means for the library: the same host, the same
trust in certificates (SSL_CERT_FILE is honoured), the same proxy of the environment.
"""

import base64
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass

from wa_app.gateways.base import Reach, Stage

HOST, PORT = "web.whatsapp.com", 443
PATIENCE = 5.0
LONGEST_HEAD = 16_384


class Talk:
    """A connection on which all that is said takes no longer than until `end`."""

    def __init__(self, host: str, port: int, end: float) -> None:
        self._end = end
        self._socket = socket.create_connection((host, port), timeout=self._left())

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def secure(self) -> None:
        self._socket.settimeout(self._left())
        trust = ssl.create_default_context()
        self._socket = trust.wrap_socket(self._socket, server_hostname=HOST)

    def send(self, data: bytes) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._socket.settimeout(self._left())
            more = self._socket.recv(count - len(data))
            if not more:
                raise OSError("closed too early")
            data += more
        return data

    def close(self) -> None:
        self._socket.close()


def reach(route: str | None) -> Reach:
    """Any HTTP answer counts: it came from there."""
    stage, proxy = Stage.PROXY, ""
    try:
        host, port, ask = _first_hop(route or _from_environment())
        if ask is None:
            stage = Stage.TCP
        else:
            proxy = f"{host}:{port}"
        with closing(Talk(host, port, time.monotonic() + PATIENCE)) as talk:
            if ask is not None:
                ask(talk)
            stage = Stage.TLS
            talk.secure()
            stage = Stage.HTTP
            return Reach(None, _date_in(_ask_whatsapp(talk)), proxy)
    except socket.gaierror:
        return Reach(stage if proxy else Stage.DNS, proxy=proxy)
    except (OSError, ValueError):
        return Reach(stage, proxy=proxy)


def _ask_whatsapp(talk: Talk) -> bytes:
    """The head of the answer."""
    talk.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    head = talk.receive(5)
    if head != b"HTTP/":
        raise OSError("no HTTP")
    return head + _head(talk)


def _date_in(head: bytes) -> datetime | None:
    dates = [line[5:] for line in head.split(b"\r\n") if line[:5].lower() == b"date:"]
    try:
        at = parsedate_to_datetime(dates[0].decode("ascii").strip())
    except (IndexError, ValueError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


def _head(talk: Talk) -> bytes:
    """Byte by byte, for what follows a proxy's head is no longer the proxy's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += talk.receive(1)
        if len(head) > LONGEST_HEAD:
            raise OSError("no HTTP")
    return head


def _from_environment() -> str | None:
    if proxy_bypass(HOST):
        return None
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")


def _first_hop(route: str | None) -> tuple[str, int, Callable[[Talk], None] | None]:
    """Whom to connect to, and what to say there, if so, before WhatsApp itself listens."""
    if not route:
        return HOST, PORT, None
    proxy = urlsplit(route if "://" in route else f"http://{route}")
    if not proxy.hostname:
        raise ValueError("no host")
    match proxy.scheme:
        case "http":
            return proxy.hostname, proxy.port or 80, lambda talk: _ask_http(talk, proxy)
        case "socks5" | "socks5h":
            return proxy.hostname, proxy.port or 1080, lambda talk: _ask_socks(talk, proxy)
    raise ValueError("a proxy is an http or socks5 URL")


def _ask_http(talk: Talk, proxy: SplitResult) -> None:
    lines = [f"CONNECT {HOST}:{PORT} HTTP/1.1", f"Host: {HOST}:{PORT}"]
    if proxy.username is not None:
        login = base64.b64encode(b":".join(_login(proxy))).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    talk.send("\r\n".join([*lines, "", ""]).encode())
    if _head(talk).split(maxsplit=2)[1:2] != [b"200"]:
        raise OSError("the proxy refused")


def _ask_socks(talk: Talk, proxy: SplitResult) -> None:
    """RFC 1928 and 1929."""
    has_login = proxy.username is not None
    talk.send(b"\x05\x02\x00\x02" if has_login else b"\x05\x01\x00")
    method = talk.receive(2)
    if method == b"\x05\x02" and has_login:
        name, password = _login(proxy)
        talk.send(b"\x01" + _counted(name) + _counted(password))
        method = b"\x05" + talk.receive(2)[1:]
    if method != b"\x05\x00":
        raise OSError("the proxy refused")
    talk.send(b"\x05\x01\x00\x03" + _counted(HOST.encode()) + PORT.to_bytes(2, "big"))
    _, status, _, kind = talk.receive(4)
    if status != 0:
        raise OSError("the proxy could not connect")
    length = {1: 4, 4: 16}.get(kind) or talk.receive(1)[0]
    talk.receive(length + 2)


def _login(proxy: SplitResult) -> tuple[bytes, bytes]:
    return unquote(proxy.username or "").encode(), unquote(proxy.password or "").encode()


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text

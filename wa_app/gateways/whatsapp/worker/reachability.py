"""Does WhatsApp answer at all, over this route: directly, or through an http or socks5 proxy?

The answer must mean what it means for the library: the same host, the same trust in certificates
(SSL_CERT_FILE is honoured), the same proxy of the environment. asyncio, for its one timeout that
covers everything from the first packet on, whoever drips bytes.
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

import h11
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as Socks

from wa_app.gateways.base import Reach, Stage

HOST, PORT = "web.whatsapp.com", 443
PATIENCE = 5.0

DEFAULT_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
"""Of the proxies there are."""

SOCKS_NOT_ALLOWED = 2
"""RFC 1928, section 6: connection not allowed by ruleset."""

SOCKS_LOGIN_REFUSED = ("No acceptable authentication", "Username and password")
"""python-socks has no codes for these."""


class ProxyRefusal(OSError):
    """It answers, and says no."""


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy(NamedTuple):
    """`login` is None where none is to be shown."""

    scheme: str
    host: str
    port: int
    login: tuple[str, str] | None


def reach(route: str | None) -> Reach:
    """Any HTTP answer counts: it came from there."""
    return asyncio.run(_reach(route))


async def _reach(route: str | None) -> Reach:
    stage, name = Stage.PROXY, ""
    try:
        proxy = _proxy(route or _from_environment())
        if proxy is None:
            stage = Stage.TCP
        else:
            name = f"{proxy.host}:{proxy.port}"
        async with asyncio.timeout(PATIENCE), _line_to_whatsapp(proxy) as line:
            stage = Stage.TLS
            await line[1].start_tls(ssl.create_default_context(), server_hostname=HOST)
            stage = Stage.HTTP
            answer = await _ask(line, "GET", "/", {"Host": HOST, "Connection": "close"})
            return Reach(None, _date_of(answer), name)
    except socket.gaierror:
        return Reach(stage if name else Stage.DNS, proxy=name)
    except (OSError, ValueError, ProxyError, h11.ProtocolError) as error:
        return Reach(Stage.PROXY_LOGIN if _refuses(error) else stage, proxy=name)


@asynccontextmanager
async def _line_to_whatsapp(proxy: Proxy | None) -> AsyncIterator[Stream]:
    """What is said on it, WhatsApp hears."""
    if proxy is None:
        line = await asyncio.open_connection(HOST, PORT)
    elif proxy.scheme == "http":
        line = await asyncio.open_connection(proxy.host, proxy.port)
    else:
        socks = Socks(ProxyType.SOCKS5, proxy.host, proxy.port, *(proxy.login or ()))
        line = await asyncio.open_connection(sock=await socks.connect(HOST, PORT))
    try:
        if proxy and proxy.scheme == "http":
            await _open_tunnel(line, proxy)
        yield line
    finally:
        line[1].transport.abort()


async def _open_tunnel(line: Stream, proxy: Proxy) -> None:
    headers = {"Host": f"{HOST}:{PORT}"}
    if proxy.login is not None:
        login = base64.b64encode(":".join(proxy.login).encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {login}"
    answer = await _ask(line, "CONNECT", f"{HOST}:{PORT}", headers)
    if answer.status_code // 100 == 4:
        raise ProxyRefusal(answer.status_code)
    if answer.status_code != 200:
        raise OSError("the proxy gets no further")


def _refuses(error: Exception) -> bool:
    if isinstance(error, ProxyError):
        not_allowed = error.error_code == SOCKS_NOT_ALLOWED
        return not_allowed or str(error).startswith(SOCKS_LOGIN_REFUSED)
    return isinstance(error, ProxyRefusal)


async def _ask(line: Stream, method: str, target: str, headers: dict[str, str]) -> h11.Response:
    """The head of the answer."""
    reader, writer = line
    http = h11.Connection(h11.CLIENT)
    request = h11.Request(method=method, target=target, headers=list(headers.items()))
    writer.write(http.send(request) or b"")
    while not isinstance(event := http.next_event(), h11.Response):
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(4096))
    return event


def _date_of(answer: h11.Response) -> datetime | None:
    dates = [value for name, value in answer.headers if name == b"date"]
    try:
        at = parsedate_to_datetime(dates[0].decode("ascii").strip())
    except (IndexError, ValueError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


def _from_environment() -> str | None:
    if proxy_bypass(HOST):
        return None
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")


def _proxy(route: str | None) -> Proxy | None:
    if not route:
        return None
    parts = urlsplit(route if "://" in route else f"http://{route}")
    if not parts.hostname or parts.scheme not in DEFAULT_PORTS:
        raise ValueError("a proxy is an http or socks5 URL")
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Proxy(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], login)

"""How far one gets to WhatsApp: directly, through an http proxy or a socks5 one."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.doors import Answer, closed_door, door, http_proxy, read_head, whatsapp
from tests.whatsapp_server.certificate import tls_context
from wa_app.gateways.base import Reach, Stage
from wa_app.gateways.whatsapp.worker import library_version, reachability
from wa_app.services.waiting import in_background


def reach(route: str | None) -> Reach:
    """As the product asks: in a thread of its own. The main one may be a browser test's, whose
    event loop goes on."""
    return in_background(partial(reachability.reach, route)).result()


def socks_proxy(beyond: Answer, login: bytes = b"") -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.recv(2 + (2 if login else 1))
        connection.sendall(b"\x05\x02" if login else b"\x05\x00")
        if login:
            right = connection.recv(len(login)) == login
            connection.sendall(b"\x01\x00" if right else b"\x01\x01")
        request = connection.recv(100)
        known = request == b"\x05\x01\x00\x03\x10web.whatsapp.com\x01\xbb"
        connection.sendall(b"\x05" + (b"\x00" if known else b"\x01") + b"\x00\x01" + bytes(6))
        beyond(connection)

    return answer


def test_any_answer_through_an_http_proxy_counts(trust: ssl.SSLContext) -> None:
    asked: list[str] = []
    with door(http_proxy(whatsapp(trust, "503 Service Unavailable"), asked)) as port:
        assert reach(f"http://ana:s%3Acret@127.0.0.1:{port}").failed is None
    assert asked[0].startswith("CONNECT web.whatsapp.com:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5hOnM6Y3JldA==" in asked[0]


@pytest.mark.parametrize("login", ["", "ana:secret@"])
def test_an_answer_through_a_socks_proxy_counts(trust: ssl.SSLContext, login: str) -> None:
    expected = b"\x01\x03ana\x06secret" if login else b""
    with door(socks_proxy(whatsapp(trust), expected)) as port:
        assert reach(f"socks5://{login}127.0.0.1:{port}").failed is None


def test_the_proxy_of_the_environment_is_used(
    trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(http_proxy(whatsapp(trust), [])) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert reach(None).failed is None


def test_whatsapp_may_be_an_exception_from_the_proxy(
    trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with door(http_proxy(whatsapp(trust), asked)) as proxy, door(whatsapp(trust)) as port:
        monkeypatch.setattr(reachability, "HOST", "127.0.0.1")
        monkeypatch.setattr(reachability, "PORT", port)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        reach(None)
    assert asked == []


def test_nobody_there_is_no_answer(trust: ssl.SSLContext) -> None:
    with closed_door() as port:
        assert reach(f"http://127.0.0.1:{port}").failed is Stage.PROXY


def test_a_proxy_that_cannot_connect_is_no_answer(trust: ssl.SSLContext) -> None:
    def refuse(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with door(refuse) as port:
        assert reach(f"http://127.0.0.1:{port}").failed is Stage.PROXY


def test_a_proxy_may_answer_in_pieces(trust: ssl.SSLContext) -> None:
    def hesitate(connection: socket.socket) -> None:
        read_head(connection)
        for piece in (
            b"HTTP/1.1 1",
            b"00 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
            b"Via: test\r\n\r\n",
        ):
            connection.sendall(piece)
            time.sleep(0.05)
        whatsapp(trust)(connection)

    with door(hesitate) as port:
        assert reach(f"http://127.0.0.1:{port}").failed is None


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_hangs_up_is_no_answer(trust: ssl.SSLContext, scheme: str) -> None:
    with door(lambda connection: connection.recv(1)) as port:
        assert reach(f"{scheme}://127.0.0.1:{port}").failed is Stage.PROXY


def test_a_wrong_login_at_a_socks_proxy_is_a_refusal(trust: ssl.SSLContext) -> None:
    with door(socks_proxy(whatsapp(trust), b"\x01\x03ana\x06secret")) as port:
        assert reach(f"socks5://ana:wrong!@127.0.0.1:{port}").failed is Stage.PROXY_LOGIN


@pytest.mark.parametrize(
    ("answer", "stage"),
    [
        (b"\x05\xff", Stage.PROXY_LOGIN),
        (b"\x05\x00\x05\x02\x00\x01" + bytes(6), Stage.PROXY_LOGIN),  # not allowed by ruleset
        (b"\x05\x00\x05\x04\x00\x01" + bytes(6), Stage.PROXY),  # host unreachable
        (b"\x04\x00", Stage.PROXY),
    ],
)
def test_a_socks_proxy_that_says_no(answer: bytes, stage: Stage) -> None:
    def say(connection: socket.socket) -> None:
        for piece in (answer[:2], answer[2:]):
            connection.recv(300)
            connection.sendall(piece)

    with door(say) as port:
        assert reach(f"socks5://127.0.0.1:{port}").failed is stage


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("407 Proxy Authentication Required", Stage.PROXY_LOGIN),
        ("403 Access denied by policy", Stage.PROXY_LOGIN),
        ("402 Payment Required", Stage.PROXY_LOGIN),
        ("504 Gateway Timeout", Stage.PROXY),
    ],
)
def test_an_http_proxy_that_says_no(status: str, stage: Stage) -> None:
    def say(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())

    with door(say) as port:
        seen = reach(f"http://ana:secret@127.0.0.1:{port}")
    assert (seen.failed, seen.proxy) == (stage, f"127.0.0.1:{port}")


def test_somebody_else_on_the_way_is_no_answer(
    trust: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    _, another_authority = tls_context(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(another_authority))
    with door(http_proxy(whatsapp(trust), [])) as port:
        assert reach(f"http://127.0.0.1:{port}").failed is Stage.TLS


def test_a_drip_is_no_answer_and_ends_in_time(
    trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "PATIENCE", 0.3)
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        """A byte now and then, so that no single wait is long."""
        while not over.wait(0.05):
            connection.sendall(b"H")

    with door(drip) as port:
        assert reach(f"http://127.0.0.1:{port}").failed is Stage.PROXY
        over.set()


def test_silence_beyond_a_proxy_ends_in_time(
    trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "PATIENCE", 0.3)
    over = threading.Event()
    with door(socks_proxy(lambda _: over.wait())) as port:
        assert reach(f"socks5://127.0.0.1:{port}").failed is Stage.TLS
        over.set()


@pytest.mark.parametrize("url", ["gopher://127.0.0.1:1", "http://", "socks5://127.0.0.1:no"])
def test_a_route_that_makes_no_sense_is_no_answer(url: str) -> None:
    assert reach(url).failed is Stage.PROXY


@pytest.fixture
def directly(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """WhatsApp's place is somewhere else."""

    def directly(host: str, port: int) -> None:
        monkeypatch.setattr(reachability, "HOST", host)
        monkeypatch.setattr(reachability, "PORT", port)

    return directly


def test_without_a_proxy_the_stage_tells_what_is_missing(
    directly: Callable[[str, int], None],
) -> None:
    directly("nowhere.invalid", 443)
    assert reach(None).failed is Stage.DNS
    with closed_door() as port:
        directly("127.0.0.1", port)
        assert reach(None).failed is Stage.TCP


def test_somebody_who_speaks_no_http_is_no_whatsapp(trust: ssl.SSLContext) -> None:
    def other(connection: socket.socket) -> None:
        with trust.wrap_socket(connection, server_side=True) as secure:
            read_head(secure)
            secure.sendall(b"220 ready\r\n")

    with door(http_proxy(other, [])) as port:
        reached = reach(f"http://ana:secret@127.0.0.1:{port}")
    assert (reached.failed, reached.proxy) == (Stage.HTTP, f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Date: Sat, 21 Nov 2026 09:00:01 GMT", datetime(2026, 11, 21, 9, 0, 1, tzinfo=UTC)),
        ("date:Sat, 21 Nov 2026 09:00:01 -0000", datetime(2026, 11, 21, 9, 0, 1, tzinfo=UTC)),
        ("Date: today", None),
        ("Server: test", None),
    ],
)
def test_the_answer_tells_what_time_it_is_there(
    trust: ssl.SSLContext, header: str, date: datetime | None
) -> None:
    with door(http_proxy(whatsapp(trust, more=header), [])) as port:
        assert reach(f"http://127.0.0.1:{port}").date == date


def test_the_protocol_library_is_known_without_loading_it() -> None:
    assert (library_version.whatsmeow_version() or "").startswith("v0.")
    assert library_version.version_installed() == version("neonize")


def test_a_library_without_a_build_note_is_unknown(tmp_path: Path) -> None:
    native = tmp_path / "neonize-test.so"
    native.write_bytes(b"\0" * 100)
    assert library_version._built_from(native) is None
    assert library_version._built_from(tmp_path / "missing.so") is None

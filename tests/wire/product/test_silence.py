"""WhatsApp falls silent at one step of a dial. The library would wait for a minute, or for ever."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.product.server import GUNICORN, Server, wait_until
from tests.product.visitor import Visitor
from tests.whatsapp_server import Contact, WhatsAppServer

from .link import Link, NewLink

CONNECT_TIMEOUT = 3.0
IN_TIME = 20.0
"""So long the library would wait by itself before it says the same."""

LONG = 60.0
"""Until the next attempt: so that what follows the silence can be looked at in peace."""

AT_THE_DOOR = ["silent_connect", "silent_tls", "silent_upgrade", "silent_hello"]
STEPS = [*AT_THE_DOOR, "silent_login", "drop_iqs"]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "CONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
        "RECONNECT_BASE_DELAY": str(LONG),
        "MONITOR_INTERVAL": "1",
    }


@pytest.fixture(scope="module")
def command() -> list[str]:
    return [*GUNICORN[:-1], "tests/product/named_threads.conf.py"]


@pytest.fixture(scope="module")
def neighbour(new_link: NewLink) -> Link:
    """Somebody else, who is connected all the while."""
    neighbour = new_link()
    neighbour.number.answer_with("Aquí seguimos.")
    neighbour.pair()
    return neighbour


@pytest.fixture(autouse=True)
def _the_neighbour_notices_nothing(neighbour: Link, luis: Contact) -> Iterator[None]:
    yield
    luis.send(neighbour.phone, "¿Siguen ahí?")
    luis.wait_for_text("Aquí seguimos.")
    assert neighbour.device.logins == 1
    assert neighbour.number.status()["lastDisconnect"] is None


def fall_silent(link: Link, step: str) -> None:
    """From the next dial on; returns at once."""
    link.whatsapp.fault(step, link.line if step in AT_THE_DOOR else link.device)


def wait_for_silence(link: Link, step: str) -> None:
    who = link.line if step in AT_THE_DOOR else link.device
    link.whatsapp.wait_for("fault", who, name=step)


def assert_given_up(link: Link, began: float) -> None:
    seen = link.number.wait_for(lambda seen: seen["nextAttemptAt"])
    assert time.monotonic() - began < IN_TIME
    assert (seen["status"], seen["hold"], seen["attempt"]) == ("CONNECTING", None, 1)
    last = seen["lastDisconnect"]
    assert (last["code"], last["reason"]) == (408, "connect_timeout")


@pytest.mark.parametrize("step", STEPS)
def test_a_login_into_silence_is_given_up_in_time(link: Link, server: Server, step: str) -> None:
    link.number.disconnect()
    link.device.wait_for_logout()
    before = set(server.processes())
    fall_silent(link, step)
    began = time.monotonic()
    link.number.reconnect()
    wait_for_silence(link, step)
    assert_given_up(link, began)
    wait_until(lambda: set(server.processes()) == before, "no process more than before")
    link.whatsapp.clear(step)
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    assert link.device.most_sockets == 1


def test_silence_after_the_scan_costs_no_second_scan(new_link: NewLink) -> None:
    link = new_link()
    qr = link.number.connect()["qr"]
    with link.whatsapp.faulty("silent_hello", link.line):
        link.phone.scan(qr)
        began = time.monotonic()
        wait_for_silence(link, "silent_hello")
        assert_given_up(link, began)
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    assert len(link.whatsapp.journal.of("registered", link.line)) == 1
    link.number.disconnect()


def test_pairings_into_silence_leave_nothing(new_link: NewLink, server: Server) -> None:
    """One for each step, all at the same time."""
    hanging = {step: new_link() for step in AT_THE_DOOR}
    threads, processes = threads_of(server), len(server.processes())
    began = time.monotonic()
    for step, each in hanging.items():
        fall_silent(each, step)
        each.number.connect(wait=0)
    for step, each in hanging.items():
        wait_for_silence(each, step)
    for each in hanging.values():
        assert_given_up(each, began)
    wait_until(lambda: len(server.processes()) == processes, "no process more than before")
    wait_until(lambda: not threads_of(server) - threads, f"no thread more than {threads}")
    for step, each in hanging.items():
        each.whatsapp.clear(step)
        assert each.number.connect()["hasQR"]
        each.number.disconnect()


def threads_of(server: Server) -> Counter[str]:
    """By name; without those of the pools, which have a bound and keep what they once needed."""
    told = server.data_dir / "threads.json"
    told.unlink(missing_ok=True)
    server.worker.send_signal(signal.SIGRTMIN)
    wait_until(told.exists, "the names of the threads")
    names = json.loads(told.read_text())
    return Counter(name for name in names if not name.startswith(("manager_", "ThreadPool")))


def test_pairings_into_silence_hold_nobody_up(
    start: Callable[..., Server], sign_in: Callable[..., Visitor], whatsapp: WhatsAppServer
) -> None:
    """The product would wait for them for longer than this test may last."""
    server = start(whatsapp, CONNECT_TIMEOUT="1h")
    ana = sign_in(server)
    link, *hanging = (
        Link(server, ana.new_number(), whatsapp.phone(str(34_600_390_000 + number), "Ana"))
        for number in range(1 + len(AT_THE_DOOR))
    )
    link.pair()
    for step, each in zip(AT_THE_DOOR, hanging, strict=True):
        fall_silent(each, step)
        each.number.connect(wait=0)
        wait_for_silence(each, step)
    link.number.reconnect()
    link.device.wait_for_login(count=2)
    link.number.wait_for("CONNECTED")
    whatsapp.clear()

"""WhatsApp falls silent at one step of a dial. The library would wait for a minute, or for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.product.server import Server, wait_until
from tests.whatsapp_server import Contact

from .link import Link, NewLink

pytestmark = pytest.mark.xdist_group("wire product silence")

CONNECT_TIMEOUT = 3.0
IN_TIME = CONNECT_TIMEOUT + 2.0
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
    luis.wait_for_text("Aquí seguimos.", timeout=5)
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


def test_pairings_into_silence_hold_nobody_up_and_leave_nothing(
    new_link: NewLink, link: Link, server: Server
) -> None:
    """One for each step, all at the same time."""
    hanging = {step: new_link() for step in AT_THE_DOOR}
    threads, processes = server.worker.num_threads(), len(server.processes())
    began = time.monotonic()
    for step, each in hanging.items():
        fall_silent(each, step)
        each.number.connect(wait=0)
    for step, each in hanging.items():
        wait_for_silence(each, step)
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    assert time.monotonic() - began < CONNECT_TIMEOUT
    for each in hanging.values():
        assert_given_up(each, began)
    wait_until(lambda: len(server.processes()) == processes, "no process more than before")
    assert server.worker.num_threads() - threads < len(hanging)
    for step, each in hanging.items():
        each.whatsapp.clear(step)
        assert each.number.connect()["hasQR"]
        each.number.disconnect()

"""WhatsApp cannot be reached, or says nothing: attempts, limits, and the way back."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests.whatsapp_server import Phone, WhatsAppServer

from .conftest import Start
from .server import Server, wait_until
from .visitor import Document, Number, Visitor

NOWHERE = "http://127.0.0.1:1"
BASE_DELAY = 0.1


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "RECONNECT_BASE_DELAY": str(BASE_DELAY),
        "MONITOR_INTERVAL": "1",
        "CONNECT_TIMEOUT": "2",
        "RECONNECT_COOLDOWN": "1",
    }


def test_a_pairing_that_cannot_reach_whatsapp_gives_up_and_waits_for_a_click(
    start: Start, sign_in, settings: dict[str, str], whatsapp: WhatsAppServer
) -> None:
    server = start(whatsapp, **settings, WHATSAPP_PROXY=NOWHERE)
    number = sign_in(server).new_number()
    held = give_up(number)
    assert held["lastDisconnect"]["reason"] == "unreachable"
    assert held["explanation"]["title"] == "WhatsApp cannot be reached."
    assert held["explanation"]["action"] == "PAIR"
    assert_delays_double(number.events())
    assert server.sessions() == []
    told = len(number.events())
    number.connect(wait=0)  # a click tries again
    wait_until(lambda: tried(number.events()[told:]), "another attempt")


def test_a_linked_number_comes_back_by_itself_when_whatsapp_answers_again(
    number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    with whatsapp.faulty("refuse"):
        whatsapp.fault("reset", device)
        held = number.wait_for("RETRIES_EXHAUSTED")
        assert held["explanation"]["title"] == "WhatsApp cannot be reached."
        assert held["explanation"]["action"] == "RECONNECT"
        assert_delays_double(number.events())
        tries = len(whatsapp.journal.of("connection"))
        wait_until(lambda: len(whatsapp.journal.of("connection")) > tries, "the monitor's probe")
        assert number.status()["hold"] == "RETRIES_EXHAUSTED"
    up = number.wait_for("CONNECTED")
    assert (up["hold"], up["hasQR"]) == (None, False)
    assert (device.logins, device.most_sockets) == (2, 1)


@pytest.mark.parametrize("step", ["silent_connect", "silent_tls", "silent_upgrade", "silent_hello"])
def test_a_whatsapp_that_falls_silent_is_given_up_in_time_and_leaves_no_process(
    number: Number, whatsapp: WhatsAppServer, server: Server, step: str
) -> None:
    with whatsapp.faulty(step):
        number.connect(wait=0)
        whatsapp.wait_for("fault", name=step)
        hung = wait_until(server.sessions, "the session process")
        lost = number.wait_for(lambda seen: seen["attempt"] >= 1)
        assert lost["lastDisconnect"]["code"] == 408
        assert lost["lastDisconnect"]["reason"] == "connect_timeout"
        wait_until(lambda: not hung[0].is_running(), "the hung process killed")
        number.disconnect()
        number.wait_for("DISCONNECTED")
        wait_until(lambda: not server.sessions(), "no session process left")


def test_the_others_notice_nothing_of_a_number_that_hangs(
    ana: Visitor, number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    before = number.status()
    other, practice = ana.new_number(), ana.practice_phone()
    practice.answer_with("Aquí seguimos.")
    practice.link_practice_phone()
    with whatsapp.faulty("silent_upgrade"):
        other.connect(wait=0)
        whatsapp.wait_for("fault", name="silent_upgrade")
        practice.customer_writes("¿Siguen ahí?")
        practice.wait_for_answer("Aquí seguimos.")
        other.wait_for(lambda seen: seen["attempt"] >= 1)
        other.disconnect()
    assert number.status()["connectedAt"] == before["connectedAt"]
    assert device.logins == 1


# ---- parts


def give_up(number: Number) -> Document:
    """Connect, and be told that it is in vain."""
    began = time.monotonic()
    number.connect(wait=0)
    held = number.wait_for("RETRIES_EXHAUSTED")
    assert time.monotonic() - began > BASE_DELAY * (1 + 2 + 4 + 8 + 16)
    assert held["status"] == "DISCONNECTED"
    assert held["attempt"] == held["maxAttempts"] == 5
    return held


def tried(events: list[Document]) -> bool:
    return any(event["status"] == "CONNECTING" for event in events)


def assert_delays_double(events: list[Document]) -> None:
    """CONNECTING with attempt 1 to 5, each announced twice as late as the one before, up to the
    ten percent of jitter."""
    waits = [event for event in events if event["nextAttemptAt"]]
    assert [(event["status"], event["attempt"]) for event in waits] == [
        ("CONNECTING", attempt) for attempt in (1, 2, 3, 4, 5)
    ]
    for event in waits:
        planned = BASE_DELAY * 2 ** (event["attempt"] - 1)
        announced = datetime.fromisoformat(event["nextAttemptAt"]) - datetime.fromisoformat(
            event["at"]
        )
        assert planned - 0.001 <= announced.total_seconds() <= planned * 1.1 + 0.001

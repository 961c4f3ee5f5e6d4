"""The practice phone through the whole product; more of its faults in `tests/services`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import Server
from .visitor import Number, Visitor


@pytest.fixture
def practice(ana: Visitor) -> Iterator[Number]:
    """Ana's practice phone, with nothing linked to it."""
    yield ana.practice_phone()


@pytest.fixture
def linked(practice: Number) -> Number:
    practice.link_practice_phone()
    return practice


def test_a_customer_writes_and_the_answer_arrives(practice: Number) -> None:
    shown = practice.connect()
    assert (shown["status"], shown["hasQR"]) == ("QR_PENDING", True)
    assert practice.scan()["success"]
    practice.wait_for("CONNECTED")
    practice.answer_with("Abrimos a las nueve.")
    practice.customer_writes("¿A qué hora abren?")
    practice.wait_for_answer("Abrimos a las nueve.")


def test_the_practice_phone_links_by_a_code_too(practice: Number) -> None:
    shown = practice.connect(phone="+34600111222")
    assert len(shown["pairingCode"]) == 9
    practice.scan()
    practice.wait_for("CONNECTED")


@pytest.mark.parametrize(
    ("fault", "hold", "title", "action"),
    [
        ("conflict", "CONFLICT", "Another device took over this number.", "RECONNECT"),
        ("logout", "LOGGED_OUT", "This number was unlinked on the phone.", "PAIR"),
        ("ban", "BANNED", "WhatsApp has blocked this number for some time.", "WAIT"),
    ],
)
def test_a_fault_is_told_as_state_hold_and_words(
    linked: Number, fault: str, hold: str, title: str, action: str
) -> None:
    linked.fault(fault)
    held = linked.wait_for(hold)
    assert (held["status"], held["connected"]) == ("DISCONNECTED", False)
    assert (held["explanation"]["title"], held["explanation"]["action"]) == (title, action)
    assert held["message"].startswith(title)
    assert (held["holdUntil"] is not None) == (hold == "BANNED")
    assert linked.events()[-1]["hold"] == hold


def test_a_lost_line_comes_back_by_itself_and_is_told(linked: Number) -> None:
    before = len(linked.events())
    linked.fault("drop_once")
    linked.wait_for(lambda seen: seen["connected"] and seen["lastDisconnect"])
    lost, *_, back = linked.events()[before:]
    assert (lost["status"], lost["reason"], lost["attempt"]) == ("CONNECTING", "connection_lost", 1)
    assert (back["status"], back["hold"]) == ("CONNECTED", None)


def test_a_text_that_was_written_while_off_is_answered_after_the_reconnect(linked: Number) -> None:
    linked.answer_with("Ya estamos de vuelta.")
    linked.disconnect()
    linked.wait_for("DISCONNECTED")
    linked.customer_writes("¿Hola?")
    linked.reconnect()
    linked.wait_for_answer("Ya estamos de vuelta.")


def test_a_send_failure_keeps_the_message_until_it_can_go(linked: Number) -> None:
    linked.fault("send_failure")
    accepted = linked.send("+999000000001", "Mañana cerramos.")
    linked.fault("send_failure", on=False)
    linked.wait_for_message(accepted["id"], "SENT", "DELIVERED")


def test_no_session_process_is_started_for_a_practice_phone(linked: Number, server: Server) -> None:
    assert server.sessions() == []

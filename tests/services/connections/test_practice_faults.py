"""Every fault of the practice phone leads to the state, the hold and the cause it should."""

from datetime import timedelta

import pytest

from tests.services.world import World
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.services.connections import requests


def test_a_scan_links_the_phone(world: World) -> None:
    world.ask(requests.connect)
    assert world.connection.status is Status.QR_PENDING
    assert world.connection.qr_payload
    world.scan()
    assert world.connection.status is Status.CONNECTING
    world.advance(1)
    assert world.connection.status is Status.CONNECTED
    assert world.connection.has_credentials
    assert world.connection.qr_payload is None


def test_a_pairing_code_links_it_as_well(world: World) -> None:
    world.ask(requests.connect, phone="+34600111222")
    assert world.connection.pairing_code
    assert world.connection.qr_payload is None
    world.scan()
    world.advance(1)
    assert world.connection.status is Status.CONNECTED


def test_a_qr_on_show_becomes_a_code_when_a_number_is_given(world: World) -> None:
    world.ask(requests.connect)
    world.ask(requests.connect, phone="+34600111222")
    assert world.connection.pairing_code
    world.ask(requests.connect)
    assert world.connection.pairing_code is None
    assert world.connection.qr_payload


@pytest.mark.parametrize(
    ("fault", "hold", "code", "reason"),
    [
        ("conflict", Hold.CONFLICT, 440, Reason.STREAM_REPLACED),
        ("logout", Hold.LOGGED_OUT, 401, Reason.LOGGED_OUT),
        ("ban", Hold.BANNED, 402, Reason.BANNED),
    ],
)
def test_a_fault_that_must_not_be_fought_is_a_hold(
    world: World, fault: str, hold: Hold, code: int, reason: Reason
) -> None:
    world.link()
    world.fault(fault)
    seen = world.connection
    assert (seen.status, seen.hold, seen.last_code) == (Status.DISCONNECTED, hold, code)
    assert seen.hold_cause is reason
    for _ in range(3):
        world.advance(35)
        world.tick()
        assert world.connection.hold is hold or fault == "ban"


def test_after_a_conflict_only_a_person_reconnects(world: World) -> None:
    world.link()
    world.fault("conflict")
    world.advance(4000)
    world.tick()
    assert world.connection.hold is Hold.CONFLICT
    world.ask(requests.reconnect)
    assert world.connection.status is Status.CONNECTED


def test_a_ban_ends_by_itself(world: World) -> None:
    world.link()
    world.fault("ban")
    assert world.connection.hold_until == world.now + timedelta(minutes=2)
    world.advance(125)
    assert world.connection.status is Status.CONNECTED


def test_a_drop_is_back_after_two_seconds(world: World) -> None:
    world.link()
    world.fault("drop_once")
    assert world.connection.status is Status.CONNECTING
    assert world.connection.attempt == 1
    assert world.connection.next_attempt_at == world.now + timedelta(seconds=2)
    world.advance(2)
    assert world.connection.status is Status.CONNECTED
    assert world.connection.attempt == 1
    world.advance(31)
    assert world.connection.attempt == 0


def test_a_long_network_loss_is_tried_five_times_and_heals_by_itself(world: World) -> None:
    world.link()
    world.fault("network_loss")
    seen = []
    for wait in (2, 4, 8, 16, 32):
        seen.append(world.connection.attempt)
        assert world.connection.next_attempt_at == world.now + timedelta(seconds=wait)
        world.advance(wait)
    assert seen == [1, 2, 3, 4, 5]
    assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    assert world.connection.hold_cause is Reason.UNREACHABLE
    world.tick()
    assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.fault("network_loss", on=False)
    world.tick()
    world.advance(5)
    assert world.connection.status is Status.CONNECTED


def test_a_slow_handshake_only_takes_longer(world: World) -> None:
    world.link()
    world.fault("slow_handshake")
    world.ask(requests.reconnect)
    assert world.connection.status is Status.CONNECTING
    world.advance(9)
    assert world.connection.status is Status.CONNECTED


def test_a_connect_that_hangs_is_killed_and_counted(world: World) -> None:
    world.link()
    world.fault("hang")
    world.ask(requests.reconnect)
    world.advance(59)
    assert world.connection.attempt == 0
    world.advance(1.5)
    assert world.connection.last_reason is Reason.CONNECT_TIMEOUT
    assert world.connection.attempt == 1
    world.fault("hang", on=False)
    world.advance(3)
    assert world.connection.status is Status.CONNECTED


def test_a_silent_line_is_noticed_by_the_monitor(world: World) -> None:
    world.link()
    world.fault("hang")
    world.advance(10)
    world.tick()
    assert world.connection.status is Status.CONNECTED
    world.advance(10)
    world.tick()
    assert world.connection.last_reason is Reason.KEEPALIVE_TIMEOUT
    assert world.connection.attempt == 1


def test_nobody_scans(world: World) -> None:
    world.ask(requests.connect)
    world.advance(159)
    assert world.connection.qr_number == 6
    world.advance(2)
    assert world.connection.hold is Hold.PAIRING_EXPIRED
    world.ask(requests.connect)
    assert world.connection.status is Status.QR_PENDING


def test_a_pairing_without_a_network_waits_for_a_click(world: World) -> None:
    world.fault("network_loss")
    world.ask(requests.connect)
    world.advance(70)
    assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.fault("network_loss", on=False)
    world.tick()
    world.advance(10)
    assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.ask(requests.connect)
    assert world.connection.status is Status.QR_PENDING

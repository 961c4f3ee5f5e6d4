"""A crash in the middle of anything is repaired by doing it again at the next start."""

from datetime import timedelta

from tests.services.world import World
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Operation
from wa_app.services.connections import requests


def test_a_stable_connection_is_back_at_once(world: World) -> None:
    world.link()
    world.crash()
    world.advance(1)
    assert world.connection.status is Status.CONNECTED
    assert world.connection.attempt == 0


def test_an_unstable_one_waits_its_turn(world: World) -> None:
    world.link()
    world.fault("drop_once")
    world.advance(2.1)
    assert world.connection.status is Status.CONNECTED
    world.crash()
    assert world.connection.attempt == 2
    assert world.connection.next_attempt_at == world.now + timedelta(seconds=4)


def test_a_server_that_crashes_in_a_loop_meets_the_limit(world: World) -> None:
    world.link()
    world.fault("drop_once")
    for _ in range(5):
        world.advance(33 if world.connection.attempt == 5 else 2**world.connection.attempt)
        assert world.connection.status is Status.CONNECTED
        world.crash()
    assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.tick()
    assert world.connection.status is Status.CONNECTED  # WhatsApp answers: the outage rule


def test_a_backoff_goes_on_where_it_was(world: World) -> None:
    world.link()
    world.fault("network_loss")
    world.advance(2)
    before = world.connection
    world.crash()
    after = world.connection
    assert (after.attempt, after.next_attempt_at) == (before.attempt, before.next_attempt_at)


def test_a_hold_stays_a_hold(world: World) -> None:
    world.link()
    world.fault("conflict")
    world.crash()
    world.advance(300)
    world.tick()
    assert world.connection.hold is Hold.CONFLICT


def test_a_pairing_shows_a_new_qr_within_its_window(world: World) -> None:
    world.ask(requests.connect)
    first = world.connection.qr_payload
    world.crash()
    world.advance(3)
    assert world.connection.status is Status.QR_PENDING
    assert world.connection.qr_payload != first


def test_a_pairing_older_than_its_window_has_expired(world: World) -> None:
    world.ask(requests.connect)
    world.now += timedelta(seconds=200)
    world.crash()
    assert world.connection.hold is Hold.PAIRING_EXPIRED


def test_a_cleanup_asked_for_before_the_crash_is_done_after_it(world: World) -> None:
    world.link()
    with world.app.app_context():
        connection = world.connection
        requests.force_cleanup(requests.Actor("ana@example.org"), db.session.merge(connection))
    world.crash()
    with world.app.app_context():
        assert db.session.query(Operation).one().state == "DONE"
    assert not world.connection.has_credentials
    assert world.connection.status is Status.DISCONNECTED


def test_a_request_written_by_another_process_is_found(world: World) -> None:
    world.link()
    world.app.extensions.pop("runtime")
    world.ask(requests.disconnect)
    assert world.connection.status is Status.DISCONNECTED


def test_a_clock_that_is_set_back_keeps_no_number_down(world: World) -> None:
    world.link()
    world.phone.break_off(Close(None, Reason.CONNECTION_LOST))
    world.settle()
    assert world.connection.status is Status.CONNECTING
    world.now -= timedelta(days=400)
    world.crash()  # no job goes off any more, and the watchdog replaces the worker
    world.advance(10)
    assert world.connection.status is Status.CONNECTED


def test_a_clock_that_is_set_forward_makes_nobody_silent(world: World) -> None:
    world.link()
    since = world.connection.connected_at
    world.set_clock_forward(timedelta(hours=1))
    world.run_job("monitor")
    world.pool.run()  # before the next sign of life
    assert (world.connection.status, world.connection.connected_at) == (Status.CONNECTED, since)

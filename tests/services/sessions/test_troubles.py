"""What WhatsApp, the library and the line do to a number, through all the services."""

from datetime import timedelta

import pytest

from tests.services.world import World
from wa_app.domain.alerts import AlertKind
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Alert, Connection, ConnectionEvent
from wa_app.services.connections import requests
from wa_app.wording.connections import explain


def explanation(world: World) -> str:
    with world.app.test_request_context():
        connection = db.session.get_one(Connection, world.connection_id)
        said = explain(connection, alive=True, now=world.now)
        return f"{said.title} {said.body}"


def alerts(world: World) -> list[AlertKind]:
    with world.app.app_context():
        return [one.kind for one in db.session.query(Alert).order_by(Alert.id)]


def reasons(world: World) -> list[Reason | None]:
    with world.app.app_context():
        return [
            one.reason for one in db.session.query(ConnectionEvent).order_by(ConnectionEvent.id)
        ]


def fall(world: World, close: Close) -> None:
    world.phone.break_off(close)
    world.settle()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.CONNECTION_LOST, "internet connection"),
        (Reason.KEEPALIVE_TIMEOUT, "internet connection"),
        (Reason.PROCESS_DIED, "short of memory"),
        (Reason.SERVER_ERROR, "WhatsApp itself"),
    ],
)
def test_a_line_that_falls_every_minute_is_told_once(
    world: World, reason: Reason, words: str
) -> None:
    world.link()
    for _ in range(5):
        fall(world, Close(None, reason))
        world.advance(60)
    assert explanation(world).startswith("Ready.")
    assert alerts(world) == []
    for times in (6, 7):
        fall(world, Close(None, reason))
        told = explanation(world)
        assert told.startswith(f"Unstable line: lost {times} times in the last hour.")
        assert words in told
        assert world.connection.next_attempt_at == world.now + timedelta(seconds=32 * (times - 5))
        world.advance(120)
        assert world.connection.status is Status.CONNECTED
    assert alerts(world) == [AlertKind.UNSTABLE]
    world.advance(3700)
    assert explanation(world).startswith("Ready.")
    with world.app.app_context():
        [alert] = db.session.query(Alert).all()
        assert alert.recovered


def test_a_session_that_goes_deaf_is_back_at_once_and_told_truthfully(world: World) -> None:
    world.link()
    for _ in range(10):
        fall(world, Close(None, Reason.DEAF))
        world.advance(1)
        assert world.connection.status is Status.CONNECTED
    assert (world.connection.attempt, alerts(world)) == (0, [])
    assert reasons(world).count(Reason.DEAF) == 10
    fall(world, Close(None, Reason.DEAF))
    world.advance(40)
    assert world.connection.status is Status.CONNECTED
    world.run_job("alerts")
    assert alerts(world) == [AlertKind.DEAF]


@pytest.mark.parametrize("reason", [Reason.PROCESS_DIED, Reason.PROXY_REFUSED])
def test_what_is_no_fault_of_the_session_heals_without_a_click(
    world: World, reason: Reason
) -> None:
    world.link()
    for _ in range(6):
        fall(world, Close(None, reason))
        if world.connection.hold is None:
            world.now = world.connection.next_attempt_at or world.now
            world.scheduler.run_due(world.now)
            world.pool.run()
    assert (world.connection.hold, world.connection.hold_cause) == (
        Hold.RETRIES_EXHAUSTED,
        reason,
    )
    world.advance(60)
    assert world.connection.status is Status.CONNECTED


@pytest.mark.parametrize("code", [429, 404, None])
def test_a_refused_number_is_tried_again_after_a_day(world: World, code: int | None) -> None:
    world.link()
    for _ in range(6):
        fall(world, Close(code, Reason.REFUSED))
        if world.connection.hold is None:
            world.now = world.connection.next_attempt_at or world.now
            world.scheduler.run_due(world.now)
            world.pool.run()
    assert world.connection.hold is Hold.REFUSED
    assert "once a day" in explanation(world)
    until = world.connection.hold_until
    assert until is not None
    world.tick()
    world.now = until - timedelta(seconds=1)
    world.scheduler.run_due(world.now)
    world.tick()
    world.crash()
    assert world.connection.hold is Hold.REFUSED
    world.now = until
    world.scheduler.run_due(world.now)
    world.settle()
    assert world.connection.status is Status.CONNECTED
    world.run_job("alerts")


@pytest.mark.parametrize(
    ("close", "hold", "words"),
    [
        (Close(429, Reason.PAIRING_REFUSED), Hold.REFUSED, "Wait a day"),
        (Close(None, Reason.PAIRING_REFUSED), Hold.REFUSED, "Wait a day"),
        (Close(None, Reason.PASSKEY), Hold.PASSKEY, "passkey"),
    ],
)
def test_a_pairing_that_cannot_succeed_is_not_tried_again(
    world: World, close: Close, hold: Hold, words: str
) -> None:
    world.ask(requests.connect)
    fall(world, close)
    world.advance(7200)
    assert world.connection.hold is hold
    assert words in explanation(world)
    assert not world.phone.sockets
    assert alerts(world) == []
    world.ask(requests.connect)
    assert world.connection.status is Status.QR_PENDING


def test_removed_twice_the_advice_is_another(world: World) -> None:
    said = []
    for _ in range(2):
        world.ask(requests.connect)
        world.scan()
        world.advance(2)
        world.phone.forget(world.connection_id)
        fall(world, Close(401, Reason.LOGGED_OUT))
        said.append(explanation(world))
    assert said[0] != said[1]
    assert "Wait a day" in said[1]
    assert world.connection.hold_cause is Reason.REMOVED_AGAIN

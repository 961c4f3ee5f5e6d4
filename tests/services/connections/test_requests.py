"""What people ask for is carried out, once, whatever state the connection is in."""

import time

import pytest

from tests.services.world import ANA, PASSWORD, World
from wa_app.domain.errors import PairFirst, TooOften
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Audit, Connection, ConnectionEvent, Operation, PracticeAccount, User
from wa_app.services import waiting
from wa_app.services.connections import requests, status
from wa_app.services.users import accounts


def sockets(world: World) -> int:
    return len(world.phone.sockets)


def test_two_connects_open_one_socket(world: World) -> None:
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        requests.connect(ANA, connection)
        requests.connect(ANA, connection)
    world.settle()
    assert sockets(world) == 1
    assert world.connection.observed_version == 2


def test_a_disconnect_keeps_the_phone_linked(world: World) -> None:
    world.link()
    world.ask(requests.disconnect)
    assert world.connection.status is Status.DISCONNECTED
    assert world.connection.has_credentials
    assert sockets(world) == 0
    world.advance(300)
    world.tick()
    assert world.connection.status is Status.DISCONNECTED
    world.ask(requests.connect)
    assert world.connection.status is Status.CONNECTED


def test_a_reconnect_closes_the_old_socket_first(world: World) -> None:
    world.link()
    old = set(world.phone.sockets)
    world.ask(requests.reconnect)
    assert world.connection.status is Status.CONNECTED
    assert sockets(world) == 1
    assert not world.phone.sockets & old


def test_a_reconnect_without_credentials_is_refused_and_changes_nothing(world: World) -> None:
    with pytest.raises(PairFirst):
        world.ask(requests.reconnect)
    assert world.connection.wanted_version == 0


def test_a_logout_unlinks_the_phone(world: World) -> None:
    world.link()
    world.ask(requests.logout)
    assert world.connection.status is Status.DISCONNECTED
    assert not world.connection.has_credentials


def test_connect_fresh_shows_a_new_qr(world: World) -> None:
    world.link()
    world.ask(requests.connect, fresh=True)
    assert world.connection.status is Status.QR_PENDING
    assert not world.connection.has_credentials


def test_the_eleventh_dial_of_a_minute_is_refused(world: World) -> None:
    for _ in range(10):
        world.ask(requests.connect)
    with pytest.raises(TooOften):
        world.ask(requests.connect)


@pytest.mark.parametrize("state", ["new", "qr", "connected", "backoff", "hung", "held"])
def test_a_force_cleanup_takes_seven_steps_in_every_state(world: World, state: str) -> None:
    if state == "qr":
        world.ask(requests.connect)
    if state in {"connected", "backoff", "hung", "held"}:
        world.link()
    if state == "backoff":
        world.fault("network_loss")
    if state == "hung":
        world.fault("hang")
        world.ask(requests.reconnect)
    if state == "held":
        world.fault("conflict")
    world.ask(requests.force_cleanup)
    with world.app.app_context():
        operation = db.session.query(Operation).one()
        steps = [step.what for step in operation.steps]
        assert {step.outcome for step in operation.steps} <= {"done", "nothing"}
    assert operation.state == "DONE"
    assert steps == [
        "close_socket",
        "drop_pairing",
        "drop_memory",
        "cancel_timers",
        "drain_and_back_up",
        "remove_files",
        "reset_row",
    ]
    seen = world.connection
    assert (seen.status, seen.hold, seen.has_credentials) == (Status.DISCONNECTED, None, False)
    assert sockets(world) == 0


def test_a_deactivated_user_has_no_socket_and_comes_back_by_the_monitor(world: World) -> None:
    world.link()
    set_active(world, False)
    assert world.connection.status is Status.DISCONNECTED
    assert sockets(world) == 0
    world.advance(100)
    world.tick()
    assert sockets(world) == 0
    set_active(world, True)
    world.tick()
    assert world.connection.status is Status.CONNECTED
    assert world.connection.monitor_attempt == 1


def test_the_monitor_waits_out_the_cooldown(world: World) -> None:
    world.link()
    set_active(world, False)
    world.advance(5)
    set_active(world, True)
    world.tick()
    assert world.connection.status is Status.DISCONNECTED
    world.advance(56)
    world.tick()
    assert world.connection.status is Status.CONNECTED


def set_active(world: World, active: bool) -> None:
    with world.app.app_context():
        db.session.get_one(User, world.ana_id).active = active
        db.session.commit()
    world.settle()


def test_a_deleted_user_leaves_nothing_but_the_audit(world: World) -> None:
    world.link()
    with world.app.app_context():
        accounts.remove(ANA, db.session.get_one(User, world.ana_id))
    world.settle()
    assert sockets(world) == 0
    with world.app.app_context():
        assert db.session.query(User).count() == 0
        for table in (Connection, ConnectionEvent, PracticeAccount):
            assert db.session.query(table).count() == 0
        assert db.session.query(Audit).filter_by(action="user.delete").one().actor == ANA.name


def test_a_deleted_user_without_connections_is_gone_at_once(world: World) -> None:
    with world.app.app_context():
        bruno = accounts.create(ANA, "bruno@example.org", PASSWORD)
        accounts.remove(ANA, bruno)
        assert accounts.create(ANA, "bruno@example.org", PASSWORD).is_active


def test_a_removed_connection_is_wiped_before_its_row_goes(world: World) -> None:
    world.link()
    world.ask(requests.remove)
    with world.app.app_context():
        assert db.session.query(Connection).count() == 0
    assert sockets(world) == 0


def test_every_change_is_one_line_of_history(world: World) -> None:
    world.link()
    world.fault("conflict")
    with world.app.app_context():
        told = [(row.status, row.hold) for row in db.session.query(ConnectionEvent)]
    assert told == [
        (Status.CONNECTING, None),
        (Status.QR_PENDING, None),
        (Status.CONNECTING, None),
        (Status.CONNECTED, None),
        (Status.DISCONNECTED, Hold.CONFLICT),
    ]


def test_a_connection_that_stays_up_is_told_once(world: World) -> None:
    world.link()
    world.fault("drop_once")
    world.advance(40)
    assert world.connection.attempt == 0
    with world.app.app_context():
        told = [row.status for row in db.session.query(ConnectionEvent)]
    assert told.count(Status.CONNECTED) == 2


def test_one_wipe_is_what_all_who_asked_for_it_waited_for(world: World) -> None:
    world.link()
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        requests.force_cleanup(ANA, connection)
        requests.force_cleanup(ANA, connection)
    world.settle()
    with world.app.app_context():
        first, second = db.session.query(Operation).all()
        assert first.state == second.state == "DONE"
        told = [[(s.what, s.outcome, s.seconds) for s in one.steps] for one in (first, second)]
    assert told[0] == told[1]
    assert len(told[0]) == 7


def test_who_waits_holds_no_database_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.app.app_context():
        pool = db.engine.pool
        held = []

        def never(_: Connection) -> bool:
            held.append(pool.checkedout())
            return False

        def resting(_: float) -> None:
            held.append(-pool.checkedout())

        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", resting)
            status.wait_until(world.connection_id, never, 0.05)
        assert max(held) == 1, "a look needs one"
        assert min(held) == 0, "a rest holds none"


def test_when_the_waiting_room_is_full_the_answer_comes_at_once(world: World) -> None:
    looks = []
    places = [waiting.WAITING_ROOM.acquire(blocking=False) for _ in range(20)]
    try:
        with world.app.app_context():
            status.wait_until(world.connection_id, lambda _: bool(looks.append(1)), 3600)
    finally:
        for _ in places:
            waiting.WAITING_ROOM.release()
    assert len(looks) == 1

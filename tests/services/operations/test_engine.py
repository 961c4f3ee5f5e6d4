"""Operations: what is planned is what goes, a failed step stops no other, a crash costs nothing."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from tests.services.world import PASSWORD, World
from wa_app.domain.errors import OperationNotFound
from wa_app.domain.operations import KINDS
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Audit, Connection, Mail, Operation, OperationStep, User
from wa_app.services.audit import Actor
from wa_app.services.connections import registry, requests
from wa_app.services.operations import cleanups, engine
from wa_app.services.operations import requests as operation_requests
from wa_app.services.operations.context import Context
from wa_app.services.users import accounts

CARLA = Actor("carla@example.org", "192.0.2.7")


class Killed(BaseException):
    """kill -9, as far as the code that runs can tell."""


@pytest.fixture
def context(world: World) -> Callable[[], Context]:
    """Of the owner there is now; another one after a crash."""
    return lambda: world.context


def carry_out(
    world: World, context: Context, *, meanwhile: Callable[[], object] = lambda: None
) -> BaseException | None:
    """The owner's thread, while the world goes on; what killed it, if something did."""
    killed: list[BaseException] = []

    def work() -> None:
        try:
            with world.app.app_context():
                engine.carry_out(world.app, context)
        except Killed as end:
            killed.append(end)

    thread = Thread(target=work)
    thread.start()
    while thread.is_alive():
        world.settle()
        meanwhile()
        thread.join(0.01)
    return killed[0] if killed else None


def ask(world: World, kind: str, *, dry_run: bool = False) -> int:
    with world.app.app_context():
        return operation_requests.ask(CARLA, kind, dry_run=dry_run).id


def outcomes(world: World, operation_id: int) -> dict[str, str | None]:
    with world.app.app_context():
        steps = operation_requests.find(operation_id).steps
        return {step.target: step.outcome for step in steps}


@pytest.fixture
def shops(world: World) -> list[str]:
    """Four more connections, with the files of a session each."""
    ids = []
    with world.app.app_context():
        for name in ("bruno", "diego", "elena", "fatima"):
            user = accounts.create(CARLA, f"{name}@example.org", PASSWORD)
            connection = registry.create(CARLA, user, Channel.PRACTICE)
            ids.append(connection.id)
    return ids


def stale_after(world: World, connection_id: str, **seen: object) -> None:
    with world.app.app_context():
        connection = db.session.get_one(Connection, connection_id)
        connection.status_since = world.now - timedelta(hours=25)
        connection.socket_version = 1
        for name, value in seen.items():
            setattr(connection, name, value)
        db.session.commit()


# ---- plans


def test_only_what_is_without_a_login_and_untouched_for_a_day_is_stale(
    world: World, context: Callable[[], Context], shops: list[str]
) -> None:
    logged_out, fresh, linked, conflict = shops
    stale_after(world, logged_out, hold=Hold.LOGGED_OUT, enabled=True)
    stale_after(world, fresh, hold=Hold.PAIRING_EXPIRED, status_since=world.now)
    stale_after(world, linked, has_credentials=True)
    stale_after(world, conflict, hold=Hold.CONFLICT, has_credentials=True)
    dry = ask(world, "cleanup.stale", dry_run=True)
    carry_out(world, context())
    assert outcomes(world, dry) == {logged_out: None}
    real = ask(world, "cleanup.stale")
    carry_out(world, context())
    assert outcomes(world, real) == {logged_out: "done"}
    with world.app.app_context():
        cleaned = db.session.get_one(Connection, logged_out)
        assert (cleaned.hold, cleaned.enabled, cleaned.status) == (None, False, "DISCONNECTED")
        assert cleanups.stale(context()) == [], "once is enough"


def test_a_number_linked_between_plan_and_act_is_left_alone(
    world: World, context: Callable[[], Context], shops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stale_after(world, shops[0], hold=Hold.LOGGED_OUT)
    plan = dict(engine.PLANS)["cleanup.stale"]

    def and_then_somebody_links(with_context: Context, operation: Operation) -> list[OperationStep]:
        steps = list(plan(with_context, operation))
        stale_after(world, shops[0], has_credentials=True, hold=None)
        return steps

    monkeypatch.setitem(engine.PLANS, "cleanup.stale", and_then_somebody_links)  # type: ignore[arg-type]
    asked = ask(world, "cleanup.stale")
    carry_out(world, context())
    assert outcomes(world, asked) == {shops[0]: "nothing"}


def test_marked_disconnected_keeps_logins_wishes_and_holds(
    world: World, context: Callable[[], Context], shops: list[str]
) -> None:
    world.link()
    stale_after(world, shops[0], hold=Hold.CONFLICT, has_credentials=True, enabled=True)
    asked = ask(world, "cleanup.mark_disconnected")
    carry_out(world, context())
    assert outcomes(world, asked) == {world.connection_id: "done"}
    seen = world.connection
    assert (seen.status, seen.enabled, seen.has_credentials) == (Status.DISCONNECTED, True, True)
    assert world.phone.sockets == set()
    world.advance(61)
    world.tick()
    world.advance(1)
    assert world.connection.status is Status.CONNECTED
    with world.app.app_context():
        assert db.session.get_one(Connection, shops[0]).hold is Hold.CONFLICT


def test_a_command_that_stands_in_carries_out_nothing_but_its_own(
    world: World, context: Callable[[], Context], shops: list[str]
) -> None:
    somebody_elses = ask(world, "cleanup.full_reset")
    own = ask(world, "cleanup.orphans", dry_run=True)
    with world.app.app_context():
        engine.carry_out_one(world.app, context(), own)
        assert operation_requests.find(own).state == "DONE"
        assert operation_requests.find(somebody_elses).state == "PENDING"


def test_who_only_stands_in_dials_nobody(world: World, context: Callable[[], Context]) -> None:
    world.manager.dials = False
    with world.app.app_context():
        requests.connect(CARLA, db.session.get_one(Connection, world.connection_id))
    world.pool.run()
    assert (world.connection.status, world.phone.sockets) == (Status.DISCONNECTED, set())
    world.crash()  # a server starts
    assert world.connection.status is Status.QR_PENDING


def test_records_are_let_go_as_their_key_says(world: World, context: Callable[[], Context]) -> None:
    """A mail outlives its alert."""
    with world.app.app_context():
        raw = db.engine.raw_connection()
        raw.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]
        raw.execute(  # type: ignore[attr-defined]
            "INSERT INTO mail (alert_id, recipient, subject, text, created_at, attempts, next_at) "
            "VALUES (4711, 'ana@example.org', 's', 't', '2026-01-01', 0, '2026-01-01')"
        )
        raw.commit()
        raw.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]
        raw.close()
    asked = ask(world, "cleanup.orphans")
    carry_out(world, context())
    assert outcomes(world, asked) == {"mail.alert_id": "done"}
    with world.app.app_context():
        assert db.session.scalars(db.select(Mail)).one().alert_id is None


# ---- failures


def test_a_failed_step_stops_no_other(
    world: World, context: Callable[[], Context], shops: list[str]
) -> None:
    """One folder that can be neither removed nor renamed."""
    sessions = world.settings.sessions_dir
    for name in ("first", "second"):
        (sessions / name).mkdir(parents=True)
    stuck = sessions / "first"
    quarantine = world.settings.data_dir / "quarantine"
    quarantine.write_text("in the way")
    (stuck / "session.db").mkdir()  # no file: cannot be backed up, cannot be moved aside
    asked = ask(world, "cleanup.orphans")
    carry_out(world, context())
    assert outcomes(world, asked) == {"first": "failed", "second": "done"}
    with world.app.app_context():
        [failed] = [one for one in operation_requests.find(asked).steps if one.outcome == "failed"]
        assert failed.detail
        newest = db.session.scalars(db.select(Audit).order_by(Audit.id.desc())).first()
        assert newest is not None
        assert (newest.actor, newest.address) == (CARLA.name, CARLA.address)
        assert (newest.action, newest.outcome) == ("cleanup.orphans", "1 done, 1 failed")


def test_a_name_that_is_no_text_stops_nothing(
    world: World, context: Callable[[], Context], shops: list[str]
) -> None:
    sessions = world.settings.sessions_dir
    odd = sessions / os.fsdecode(b"odd\xff")
    odd.mkdir(parents=True)
    (sessions / "plain").mkdir()
    asked = ask(world, "cleanup.orphans")
    carry_out(world, context())
    assert outcomes(world, asked) == {r"odd\xff": "done", "plain": "done"}
    assert list(sessions.iterdir()) == []


def test_a_step_that_hangs_is_given_up_and_the_others_go_on(
    world: World, context: Callable[[], Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is gone: here a pipe that nobody writes to."""
    sessions = world.settings.sessions_dir
    for name in ("hangs", "plain"):
        (sessions / name).mkdir(parents=True)
    os.mkfifo(sessions / "hangs" / "session.sealed")
    asked = ask(world, "cleanup.orphans")

    def lose_patience() -> None:
        if outcomes(world, asked).get("plain"):
            monkeypatch.setattr(engine, "STEP_PATIENCE", 0)

    carry_out(world, context(), meanwhile=lose_patience)
    assert outcomes(world, asked) == {"hangs": "failed", "plain": "done"}
    with open(sessions / "hangs" / "session.sealed", "wb"):
        pass  # whoever still waits may go


def test_a_plan_that_fails_is_told(world: World, context: Callable[[], Context]) -> None:
    world.settings.sessions_dir.write_text("no folder")
    asked = ask(world, "cleanup.orphans")
    carry_out(world, context())
    assert outcomes(world, asked) == {"": "failed"}


def test_an_operation_nobody_asked_for_is_not_found(world: World) -> None:
    world.ask(requests.force_cleanup)
    with world.app.app_context():
        own = db.session.scalars(db.select(Operation.id)).one()
        for unknown in (own, 999):
            with pytest.raises(OperationNotFound):
                operation_requests.find(unknown)


# ---- crashes


@pytest.mark.parametrize("after", [False, True], ids=["before the act", "before it is recorded"])
@pytest.mark.parametrize("step", range(7))
def test_a_crash_at_any_step_costs_nothing(
    world: World,
    context: Callable[[], Context],
    shops: list[str],
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    after: bool,
) -> None:
    world.link()
    orphan = world.settings.sessions_dir / "orphan"
    orphan.mkdir(parents=True)
    (orphan / "spool.jsonl").write_text("")
    asked = ask(world, "cleanup.full_reset")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "AT_ONCE", 1)
        count = iter(range(100))
        for what, act in engine.ACTS.items():
            patch.setitem(engine.ACTS, what, dying(act, count, step, after))  # type: ignore[arg-type]
        killed = carry_out(world, context())
    assert (killed is not None) == (step < 6), "there are six steps"
    world.crash()
    assert carry_out(world, context()) is None
    everything = outcomes(world, asked)
    assert set(everything) == {"orphan", world.connection_id, *shops}
    assert set(everything.values()) <= {"done", "nothing"}
    assert not orphan.exists()
    with world.app.app_context():
        asked_for = db.select(Audit).where(Audit.action == "connection.force_cleanup")
        assert len(db.session.scalars(asked_for).all()) == 5, "none was cleaned twice"
        for connection in db.session.scalars(db.select(Connection)):
            assert connection.wiped_version == connection.wipe_version > 0
            assert not connection.has_credentials


def dying(act: engine.Act, count: Iterator[int], at: int, after: bool) -> engine.Act:
    def act_and_die(context: Context, operation: Operation, step: OperationStep) -> bool | str:
        dies = next(count) == at
        if dies and not after:
            raise Killed
        outcome = act(context, operation, step)
        if dies:
            raise Killed
        return outcome

    return act_and_die


def test_a_step_that_a_stop_cuts_short_is_begun_again(
    world: World, context: Callable[[], Context], shops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(with_context: Context, _operation: Operation, _step: OperationStep) -> bool:
        with_context.manager.begin_to_stop()
        raise TimeoutError("not done in time")

    asked = ask(world, "cleanup.full_reset")
    with monkeypatch.context() as patch:
        patch.setitem(engine.ACTS, "clean", cut_short)  # type: ignore[arg-type]
        carry_out(world, context())
    assert set(outcomes(world, asked).values()) == {None}
    world.crash()
    carry_out(world, context())
    assert set(outcomes(world, asked).values()) == {"done"}


def test_orphans_do_not_keep_the_service_from_starting(
    world: World, context: Callable[[], Context], tmp_path: Path
) -> None:
    world.link()
    with world.app.app_context():
        db.session.execute(db.text("PRAGMA foreign_keys=OFF"))
        db.session.commit()
        raw = db.engine.raw_connection()
        raw.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]
        raw.execute("DELETE FROM user")  # type: ignore[attr-defined]
        raw.commit()
        raw.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]
        raw.close()
        assert db.session.scalars(db.select(User)).all() == []
    world.settle()
    assert world.phone.sockets == set(), "without a user no socket"
    world.crash()
    asked = ask(world, "cleanup.orphans")
    carry_out(world, context())
    assert outcomes(world, asked)[world.connection_id] == "done"
    with world.app.app_context():
        assert db.session.scalars(db.select(Connection)).all() == []


def test_every_kind_of_operation_has_a_plan() -> None:
    assert engine.PLANS.keys() == KINDS

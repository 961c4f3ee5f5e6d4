"""Requests: each changes the wanted half of a connection, commits, and wakes the owner.

None of them touches a socket, so they work the same in the owner, in a standby and from the
command line.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from limits import RateLimitItemPerMinute
from sqlalchemy import and_, or_, select, update

from wa_app.domain.errors import NoOtherNumber, PairFirst, TooOften
from wa_app.domain.operations import CLEANUP_STEPS
from wa_app.domain.sessions.connection import may_reconnect, request
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db, limiter
from wa_app.models import Connection, Operation, OperationStep, User
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.connections import registry

DIALS = RateLimitItemPerMinute(10)


def connect(
    actor: Actor, connection: Connection, *, fresh: bool = False, phone: str | None = None
) -> None:
    """`phone` (E.164) asks for a pairing code instead of a QR. Raises `TooOften`."""
    _limit_dials(connection)
    marks = []
    if not connection.has_credentials and phone != connection.pair_phone:
        marks.append("reopen_version")  # the QR on show becomes a code, or the other way round
    kind = "connect_fresh" if fresh else "connect"
    _ask(actor, connection, kind, *marks, pair_phone=phone)


def reconnect(actor: Actor, connection: Connection) -> None:
    """Raises `PairFirst` without credentials, and `TooOften`."""
    if not may_reconnect(connection.wanted, connection.observed):
        raise PairFirst
    _limit_dials(connection)
    _ask(actor, connection, "reconnect")


def choose_number(actor: Actor, connection: Connection, *, keep: bool) -> None:
    """Another number was linked than the one this connection belongs to. `keep`: it is the new
    number of this shop; else it is unlinked, and a new code follows. Raises `NoOtherNumber`, and
    `TooOften`."""
    if connection.hold is not Hold.OTHER_NUMBER:
        raise NoOtherNumber
    _limit_dials(connection)
    _ask(actor, connection, "accept_number" if keep else "unlink_number")


def disconnect(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "disconnect")


def logout(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "logout")


def remove(actor: Actor, connection: Connection) -> None:
    _ask(actor, connection, "remove", deleted_at=datetime.now(UTC))


def force_cleanup(actor: Actor, connection: Connection) -> Operation:
    """The operation whose rows are the seven steps."""
    operation = Operation(
        kind="force_cleanup",
        connection_id=connection.id,
        actor=actor.name,
        address=actor.address,
        planned_at=datetime.now(UTC),
    )
    db.session.add(operation)
    version = write(actor, connection, "force_cleanup")
    operation.steps = [
        OperationStep(what=what, target=connection.id, version=version) for what in CLEANUP_STEPS
    ]
    db.session.commit()
    wake(connection.id)
    return operation


def force_cleanup_for(actor: Actor, connection: Connection, step: OperationStep) -> None:
    """The same as one step of a larger operation, which learns in the same commit what it waits
    for: a crash asks for no second one."""
    step.version = write(actor, connection, "force_cleanup")
    db.session.commit()
    wake(connection.id)


def _ask(actor: Actor, connection: Connection, kind: str, *extra_marks: str, **values: Any) -> None:
    write(actor, connection, kind, *extra_marks, **values)
    db.session.commit()
    wake(connection.id)


def write(actor: Actor, connection: Connection, kind: str, *extra_marks: str, **values: Any) -> int:
    """Add a request to the transaction under way; its version."""
    changed = (
        update(Connection)
        .where(Connection.id == connection.id)
        .values(**request(kind, Connection.wanted_version + 1, *extra_marks), **values)
        .returning(Connection.wanted_version)
    )
    version = db.session.scalar(changed)
    audit.record(actor, f"connection.{kind.removesuffix('_fresh')}", registry.label(connection))
    return version or 0


def _limit_dials(connection: Connection) -> None:
    if not limiter.limiter.hit(DIALS, "dial", connection.id):
        raise TooOften(timedelta(minutes=1))


def unseen() -> list[str]:
    """Connections whose newest request the owner has not come to, or that must not have a socket
    any more. For the owner: another process may have written the request."""
    allowed = and_(
        User.id.is_not(None),  # an orphan has no user
        User.active,
        User.deleted_at.is_(None),
        Connection.deleted_at.is_(None),
    )
    must_not_be_up = and_(
        Connection.status != Status.DISCONNECTED, or_(~Connection.enabled, ~allowed)
    )
    found = (
        select(Connection.id)
        .outerjoin(User)
        .where(
            or_(
                Connection.wanted_version > Connection.observed_version,
                Connection.wipe_version > Connection.wiped_version,
                Connection.deleted_at.is_not(None),
                must_not_be_up,
            )
        )
    )
    return list(db.session.scalars(found))


def wake(connection_id: str) -> None:
    """Tell the owner, if it is this process; another one looks twice a second anyway."""
    runtime = current_app.extensions.get("runtime")
    if runtime is not None:
        runtime.wake(connection_id)

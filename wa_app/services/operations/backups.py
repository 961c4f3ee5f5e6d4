"""Backups as operations of the owner: made, verified, and put back in place; and their end."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import and_, exists, select
from sqlalchemy.orm import joinedload

from wa_app.config import Settings
from wa_app.domain.backups import Comparison
from wa_app.domain.errors import (
    BackupHoldsNoSession,
    ConnectionNotFound,
    DisconnectFirst,
    NothingToTakeBack,
    Refused,
)
from wa_app.domain.operations import FAILED
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.restoring import (
    after_restore,
    after_taking_back,
    may_be_restored,
    may_be_taken_back,
)
from wa_app.extensions import db
from wa_app.gateways.base import SessionStore
from wa_app.models import Connection, Operation, OperationStep
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.connections import registry
from wa_app.services.notifications import alerts
from wa_app.services.operations.context import Context, in_turn
from wa_app.services.sessions import backup_files
from wa_app.services.sessions.backup_files import Backup

# ---- plans


LINKED = and_(Connection.has_credentials, Connection.deleted_at.is_(None))


def has_linked_numbers() -> bool:
    return bool(db.session.scalar(select(exists().where(LINKED))))


def plan_creating(_tools: Context, operation: Operation) -> Iterator[OperationStep]:
    """All linked numbers, or the one connection that the parameters name."""
    linked = select(Connection).where(LINKED)
    only = (operation.parameters or {}).get("connection")
    if only is not None:
        linked = linked.where(Connection.id == only)
    for connection in db.session.scalars(linked.order_by(Connection.created_at)):
        label = registry.label(connection)
        yield OperationStep(what="backup", target=connection.id, label=label)


def plan_verifying(context: Context, operation: Operation) -> Iterator[OperationStep]:
    yield _step("verify", context, operation)


def plan_restoring(context: Context, operation: Operation) -> Iterator[OperationStep]:
    yield _step("restore", context, operation)


def plan_taking_back(_: Context, operation: Operation) -> Iterator[OperationStep]:
    connection = db.session.get(Connection, (operation.parameters or {})["connection"])
    if connection is None:
        raise ConnectionNotFound
    yield OperationStep(what="take_back", target=connection.id, label=registry.label(connection))


def _step(what: str, context: Context, operation: Operation) -> OperationStep:
    backup = backup_files.find(context.settings, (operation.parameters or {})["backup"])
    connection = db.session.get(Connection, backup.connection_id)
    return OperationStep(what=what, target=backup.id, label=_label(connection))


def _label(connection: Connection | None) -> str:
    return registry.label(connection) if connection is not None else ""


# ---- acts


def back_up(context: Context, _: Operation, step: OperationStep) -> bool:
    connection = db.session.get(Connection, step.target)
    if connection is None:
        return False
    db.session.rollback()
    return backup_files.back_up(
        context.settings, step.target, context.gateways.store, context.clock()
    )


def verify(context: Context, _: Operation, step: OperationStep) -> bool:
    """Raises what `_read` raises."""
    _read(context, backup_files.find(context.settings, step.target))
    return True


def restore(context: Context, _: Operation, step: OperationStep) -> bool:
    """Put a session back, in its connection's own turn and only while nothing uses it or is about
    to: a person then presses Reconnect. What was there is backed up first. Raises `Refused`, and
    then nothing was changed."""
    backup = backup_files.find(context.settings, step.target)
    session = _read(context, backup)
    connection = db.session.get(Connection, backup.connection_id)
    if connection is None or connection.deleted_at is not None:
        raise ConnectionNotFound  # what the plan was made for is gone
    files = context.gateways.store

    def change(wanted: Wanted, observed: Observed) -> Observed:
        if not may_be_restored(wanted, observed):
            raise DisconnectFirst
        now = context.clock()
        replaced = backup_files.back_up(
            context.settings, backup.connection_id, files, now, spare=backup
        )
        files.restore(backup.connection_id, session)
        return after_restore(observed, now, replaced_copy_at=now if replaced else None)

    in_turn(context, backup.connection_id, change)
    return True


def take_back(context: Context, _: Operation, step: OperationStep) -> bool:
    """Put the login back that a restored one, which was of no use, has replaced. Raises what
    `restore` raises."""
    connection = db.session.get_one(Connection, step.target)
    if connection.replaced_copy_at is None:
        raise NothingToTakeBack
    copy_id = backup_files.id_of(connection.id, connection.replaced_copy_at)
    backup = backup_files.find(context.settings, copy_id)
    session = _read(context, backup)
    files = context.gateways.store

    def change(wanted: Wanted, observed: Observed) -> Observed:
        if observed.replaced_copy_at != backup.at or not may_be_taken_back(wanted, observed):
            raise NothingToTakeBack
        now = context.clock()
        backup_files.back_up(context.settings, backup.connection_id, files, now, spare=backup)
        files.restore(backup.connection_id, session)
        return after_taking_back(wanted, observed, now)

    in_turn(context, step.target, change)
    return True


def _read(context: Context, backup: Backup) -> bytes:
    """Raises `BackupUnreadable`, `BackupNotFound`, OSError. Only WhatsApp has session files."""
    session = backup_files.read(context.settings, backup)
    if context.gateways.store.login_in(session) is None:
        raise BackupHoldsNoSession
    return session


PLANS: Mapping[str, Callable[[Context, Operation], Iterable[OperationStep]]] = {
    "backup.create": plan_creating,
    "backup.verify": plan_verifying,
    "backup.restore": plan_restoring,
    "backup.take_back": plan_taking_back,
}

ACTS: Mapping[str, Callable[[Context, Operation, OperationStep], bool]] = {
    "backup": back_up,
    "verify": verify,
    "restore": restore,
    "take_back": take_back,
}


def tell_how_it_went(operation: Operation, now: datetime) -> None:
    """One number that was backed up does not mean that all can be."""
    failed = [step for step in operation.steps if step.outcome == FAILED]
    if failed:
        alerts.backup_failed(f"{failed[0].label}: {failed[0].detail}", now)
    elif "connection" not in (operation.parameters or {}):
        alerts.backup_works()


ENDS: Mapping[str, Callable[[Operation, datetime], None]] = {"backup.create": tell_how_it_went}


# ---- backups of removed connections


def remove_forgotten(settings: Settings, actor: Actor, now: datetime) -> None:
    """Those that nobody can put back any more, when their time is over. Raises OSError."""
    found: dict[str, list[Backup]] = {}
    for backup in backup_files.list_all(settings):
        found.setdefault(backup.connection_id, []).append(backup)
    known = set(db.session.scalars(select(Connection.id)))
    for connection_id in sorted(found.keys() - known):
        newest, count = found[connection_id][0].at, len(found[connection_id])
        if now - newest >= backup_files.KEPT_AFTER_REMOVAL:
            backup_files.remove(settings, connection_id)
            audit.record(actor, "backup.remove", connection_id, f"{count} removed", at=now)
            db.session.commit()


# ---- for people


@dataclass(frozen=True)
class Listed:
    """A backup; whose it is, if they are still there; why it cannot be restored now, if so."""

    backup: Backup
    label: str
    obstacle: Refused | None


def everything(settings: Settings) -> list[Listed]:
    """The newest first."""
    found = backup_files.list_all(settings)
    known = (
        select(Connection)
        .options(joinedload(Connection.user))
        .where(Connection.id.in_({backup.connection_id for backup in found}))
    )
    rows = {connection.id: connection for connection in db.session.scalars(known)}
    return [_listed(backup, rows.get(backup.connection_id)) for backup in found]


def one(settings: Settings, backup_id: str) -> Listed:
    """Raises `BackupNotFound`."""
    backup = backup_files.find(settings, backup_id)
    return _listed(backup, db.session.get(Connection, backup.connection_id))


def compare(settings: Settings, backup_id: str) -> Comparison:
    """In any process. Raises `BackupUnreadable`, `BackupNotFound`, OSError."""
    store: SessionStore = current_app.extensions["session_store"]()
    backup = backup_files.find(settings, backup_id)
    copy = store.login_in(backup_files.read(settings, backup))
    if copy is None:
        raise BackupHoldsNoSession
    session = store.export(backup.connection_id)
    connection = db.session.get(Connection, backup.connection_id)
    ups = (connection.connected_at, connection.last_disconnect_at) if connection else ()
    return Comparison(
        copy=copy,
        copied_at=backup.at,
        in_place=store.login_in(session) if session is not None else None,
        used_at=max(filter(None, ups), default=None),
    )


def _listed(backup: Backup, connection: Connection | None) -> Listed:
    return Listed(backup, _label(connection), _obstacle(connection))


def _obstacle(connection: Connection | None) -> Refused | None:
    if connection is None or connection.deleted_at is not None:
        return ConnectionNotFound()
    restorable = may_be_restored(connection.effective, connection.observed)
    return None if restorable else DisconnectFirst()

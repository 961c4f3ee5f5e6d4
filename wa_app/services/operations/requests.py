"""Asking for operations and reading how they go, in any process; the owner carries them out."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from wa_app.domain.errors import (
    BackupDamaged,
    BackupForeign,
    BackupHoldsNoSession,
    BackupNotFound,
    BackupWrongKey,
    ConnectionNotFound,
    DisconnectFirst,
    NothingToTakeBack,
    OperationNotFound,
    Refused,
)
from wa_app.domain.operations import DONE, FAILED, KINDS, NOTHING
from wa_app.extensions import db
from wa_app.models import Connection, Operation, OperationStep
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.waiting import wait

REFUSALS: Mapping[str, type[Refused]] = {
    kind.error: kind
    for kind in (
        BackupNotFound,
        ConnectionNotFound,
        DisconnectFirst,
        NothingToTakeBack,
        BackupForeign,
        BackupWrongKey,
        BackupDamaged,
        BackupHoldsNoSession,
    )
}


def ask(
    actor: Actor, kind: str, parameters: Mapping[str, Any] | None = None, *, dry_run: bool = False
) -> Operation:
    """Write the request down; the owner looks for new ones twice a second."""
    operation = Operation(
        kind=kind,
        parameters=dict(parameters or {}),
        dry_run=dry_run,
        actor=actor.name,
        address=actor.address,
    )
    db.session.add(operation)
    if not dry_run:
        audit.record(actor, kind, target_of(operation), "asked")
    db.session.commit()
    return operation


def carried_out(
    actor: Actor,
    kind: str,
    seconds: float,
    parameters: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
    meanwhile: Callable[[int], None] | None = None,
) -> Operation:
    """Ask, and wait: the operation when it is done, or as it is after `seconds`. `meanwhile` gets
    its id, for callers who have to do the owner's work. Raises what an operation on one thing was
    refused with; one on many tells it step by step."""
    asked = ask(actor, kind, parameters, dry_run=dry_run).id
    if meanwhile is not None:
        meanwhile(asked)
    operation = wait_for(asked, seconds)
    refusal = refused(operation) if operation.parameters else None
    if refusal is not None:
        raise refusal
    return operation


def take_back(actor: Actor, connection: Connection, seconds: float) -> Operation:
    """Ask for the login that a restored one has replaced, and wait. Raises `Refused`."""
    if connection.replaced_copy_at is None:
        raise NothingToTakeBack
    return carried_out(actor, "backup.take_back", seconds, {"connection": connection.id})


def find(operation_id: int) -> Operation:
    """Raises `OperationNotFound`; force-cleanups belong to their connection's user."""
    operation: Operation | None = db.session.get(Operation, operation_id)
    if operation is None or operation.kind not in KINDS:
        raise OperationNotFound
    return operation


def wait_for(operation_id: int, seconds: float) -> Operation:
    """The operation when it is done, or as it is after `seconds`."""

    def look() -> tuple[Operation, bool]:
        operation = db.session.get_one(Operation, operation_id, populate_existing=True)
        return operation, operation.state == "DONE"

    return wait(look, seconds)


def counts(operation: Operation) -> dict[str, int]:
    """Outcome → how many steps; `waiting` are those not done yet, or not to be done (dry run)."""
    outcome = func.coalesce(OperationStep.outcome, "waiting")
    counted = select(outcome, func.count()).where(OperationStep.operation_id == operation.id)
    found = {name: count for name, count in db.session.execute(counted.group_by(outcome))}
    return {name: found.get(name, 0) for name in (DONE, NOTHING, FAILED, "waiting")}


def latest(limit: int) -> list[Operation]:
    """The newest first, without dry runs."""
    asked = select(Operation).where(Operation.kind.in_(KINDS), Operation.dry_run.is_(False))
    return list(db.session.scalars(asked.order_by(Operation.id.desc()).limit(limit)))


def target_of(operation: Operation) -> str:
    return " ".join((operation.parameters or {}).values()) or "everything"


def refused(operation: Operation) -> Refused | None:
    """Why nothing was done, if it was refused."""
    words = {step.detail for step in operation.steps}
    return next((kind() for word, kind in REFUSALS.items() if word in words), None)

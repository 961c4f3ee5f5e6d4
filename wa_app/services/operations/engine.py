"""Carries out operations: an administrator's work beyond one row. In the owner only.

A request is a row, written by `requests.py`. The owner plans it, writes every single
thing down that would go, then does one after the other and writes down how it went. So a dry run
is a plan that is not carried out, and a crash in the middle costs nothing: what has no outcome yet
is done after the restart.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import datetime
from functools import partial

import structlog
from flask import Flask
from sqlalchemy import select

from wa_app.domain.errors import Refused
from wa_app.domain.operations import DONE, FAILED, NOTHING
from wa_app.extensions import db
from wa_app.models import Operation, OperationStep
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.operations.backups import ACTS as BACKUP_ACTS
from wa_app.services.operations.backups import ENDS as BACKUP_ENDS
from wa_app.services.operations.backups import PLANS as BACKUP_PLANS
from wa_app.services.operations.cleanups import ACTS as CLEANUP_ACTS
from wa_app.services.operations.cleanups import PLANS as CLEANUP_PLANS
from wa_app.services.operations.context import Context
from wa_app.services.operations.requests import counts, target_of
from wa_app.services.waiting import in_background

log = structlog.get_logger()

AT_ONCE = 16
"""Most of the work is waiting for the manager, whose pool has 32 threads."""

LOOK = 0.5
"""Seconds after which we see that the service is being stopped, or that a step takes too long."""

STEP_PATIENCE = 150.0
"""Seconds for one step, whatever hangs in it; what waits for the manager gives up sooner."""

AUDITED = frozenset({"row", "folder", "process", "records"})
"""Steps that remove what nobody will be able to ask about: each has a record of its own."""

Plan = Callable[[Context, Operation], Iterable[OperationStep]]
Act = Callable[[Context, Operation, OperationStep], bool | str]
"""True: done; False: there was nothing to do; text: done, and what to know about it."""

PLANS: Mapping[str, Plan] = {**CLEANUP_PLANS, **BACKUP_PLANS}
"""Kind of operation (which is also its name in the audit) → what is to be done."""

ACTS: Mapping[str, Act] = {**CLEANUP_ACTS, **BACKUP_ACTS}
"""`OperationStep.what` → how it is done. Every act may be begun again after a crash."""

ENDS: Mapping[str, Callable[[Operation, datetime], None]] = {**BACKUP_ENDS}
"""Kind of operation → who else hears of its end, in the same transaction."""


def carry_out(app: Flask, context: Context) -> None:
    """Everything that is pending, the oldest first. Needs an application context."""
    last = 0
    while not context.manager.is_stopping:
        pending = select(Operation.id).where(
            Operation.kind.in_(PLANS), Operation.state != "DONE", Operation.id > last
        )
        operation_id = db.session.scalar(pending.order_by(Operation.id).limit(1))
        db.session.rollback()
        if operation_id is None:
            return
        try:
            carry_out_one(app, context, operation_id)
        except Exception:
            # It is tried again at the next look; the others do not wait for that.
            log.exception("operation in trouble", operation=operation_id)
            db.session.rollback()
        last = operation_id


def carry_out_one(app: Flask, context: Context, operation_id: int) -> None:
    operation = db.session.get_one(Operation, operation_id)
    if operation.planned_at is None:
        _plan(context, operation)
    if not operation.dry_run:
        left = select(OperationStep.id).where(
            OperationStep.operation_id == operation_id, OperationStep.outcome.is_(None)
        )
        step_ids = deque(db.session.scalars(left.order_by(OperationStep.id)))
        db.session.rollback()
        _carry_out_steps(app, context, step_ids)
        if context.manager.is_stopping:
            return  # the rest is done after the restart
    _finish(operation_id, context.clock())


def _plan(context: Context, operation: Operation) -> None:
    operation_id = operation.id
    try:
        _write_down(operation, PLANS[operation.kind](context, operation), context.clock())
    except Exception as error:
        # Nothing can be done without a plan; why is the result.
        log.exception("operation not planned", operation=operation_id)
        db.session.rollback()
        why = OperationStep(what="plan", target="", outcome=FAILED, detail=_words(error)[:500])
        _write_down(db.session.get_one(Operation, operation_id), [why], context.clock())


def _write_down(operation: Operation, steps: Iterable[OperationStep], now: datetime) -> None:
    for step in list(steps):
        step.operation_id = operation.id
        db.session.add(step)
    operation.planned_at = now
    db.session.commit()


def _carry_out_steps(app: Flask, context: Context, step_ids: deque[int]) -> None:
    """A few at a time, each in a thread that we can afford to lose; this thread alone writes down
    how they went. Whatever happens in one of them, the others still have to run."""
    running: dict[Future[bool | str], tuple[int, float]] = {}
    while (step_ids or running) and not context.manager.is_stopping:
        while step_ids and len(running) < AT_ONCE:
            step_id = step_ids.popleft()
            act = in_background(partial(_act, app, context, step_id))
            running[act] = step_id, time.monotonic()
        ended, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
        for act, (step_id, began) in list(running.items()):
            seconds = time.monotonic() - began
            if act in ended or seconds >= STEP_PATIENCE:
                del running[act]
                _write_outcome(context, step_id, act, seconds)


def _write_outcome(context: Context, step_id: int, act: Future[bool | str], seconds: float) -> None:
    error = act.exception() if act.done() else TimeoutError("not done in time")
    if error is not None and not isinstance(error, Exception):
        raise error
    if error is not None and context.manager.is_stopping:
        return  # it was cut short, and is begun again after the restart
    step = db.session.get_one(OperationStep, step_id, populate_existing=True)
    if error is not None:
        step.outcome, step.detail = FAILED, _words(error)[:500]
        log.warning("operation step failed", step=step_id, error=step.detail)
    else:
        answer = act.result()
        step.outcome = DONE if answer else NOTHING
        step.detail = answer if isinstance(answer, str) else None
    step.seconds = round(seconds, 3)
    if step.what in AUDITED:
        _audit(step, step.outcome)
    db.session.commit()


def _act(app: Flask, context: Context, step_id: int) -> bool | str:
    with app.app_context():
        step = db.session.get_one(OperationStep, step_id)
        operation = db.session.get_one(Operation, step.operation_id)
        return ACTS[step.what](context, operation, step)


def _audit(step: OperationStep, outcome: str) -> None:
    operation = db.session.get_one(Operation, step.operation_id)
    target = " ".join(filter(None, (step.what, step.target, step.label)))
    audit.record(Actor(operation.actor, operation.address), operation.kind, target, outcome)


def _words(error: Exception) -> str:
    """A refusal by its stable word, which the pages know a sentence for."""
    if isinstance(error, Refused):
        return error.error
    return str(error) or type(error).__name__


def _finish(operation_id: int, now: datetime) -> None:
    operation = db.session.get_one(Operation, operation_id, populate_existing=True)
    operation.state, operation.finished_at = "DONE", now
    if not operation.dry_run:
        found = counts(operation)
        told = ", ".join(f"{count} {name}" for name, count in found.items() if count)
        actor = Actor(operation.actor, operation.address)
        audit.record(actor, operation.kind, target_of(operation), told or "nothing to do")
        log.info("operation done", kind=operation.kind, outcome=told or "nothing to do")
        if operation.kind in ENDS:
            ENDS[operation.kind](operation, now)
    db.session.commit()

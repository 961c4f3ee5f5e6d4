"""Force-cleanup: seven steps, each on its own. Every wipe is these seven."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import exists, select, update

from wa_app.config import Settings
from wa_app.domain.operations import DONE, FAILED, NOTHING
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.reconcile import after_wipe
from wa_app.extensions import db
from wa_app.gateways.base import SessionStore, Sockets
from wa_app.models import Connection, Operation, OperationStep
from wa_app.services.connections.registry import label
from wa_app.services.notifications import alerts
from wa_app.services.sessions import backup_files, transitions
from wa_app.services.waiting import within

log = structlog.get_logger()

FILE_LIMIT = 10.0
"""Seconds for a step that touches files. The files of a practice phone are rows, and a statement
waits so long for a locked database."""


@dataclass(frozen=True)
class Result:
    """What came of one step."""

    what: str
    outcome: str
    seconds: float
    detail: str | None = None


def wipe(
    connection: Connection,
    version: int,
    sockets: Sockets,
    files: SessionStore,
    *,
    settings: Settings,
    now: datetime,
    close: Callable[[], bool],
    forget: Callable[[], bool],
    drain: Callable[[], bool],
) -> None:
    """Remove the session of a connection. A step that fails is recorded, and the next one runs;
    what could not be saved is moved to the quarantine instead of removed. `close`, `forget` and
    `drain` say whether there was anything to do."""
    connection_id = connection.id
    had_pairing = bool(connection.qr_payload or connection.pairing_code)
    had_timer = connection.next_attempt_at is not None

    def close_socket() -> bool:
        closed = close()
        return files.kill_strays(connection_id) > 0 or closed

    def drain_and_back_up() -> bool:
        drained = drain()
        return within(FILE_LIMIT, back_up) or drained

    def back_up() -> bool:
        return backup_files.back_up(settings, connection_id, files, now)

    results = [
        _run("close_socket", close_socket),
        _run("drop_pairing", lambda: had_pairing),
        _run("drop_memory", forget),
        _run("cancel_timers", lambda: had_timer),
        _run("drain_and_back_up", drain_and_back_up),
    ]
    saved = results[-1].outcome != FAILED

    def remove_files() -> bool:
        if not saved:
            files.quarantine(connection_id)
            return True
        try:
            return sockets.forget(connection_id)
        except OSError:
            files.quarantine(connection_id)
            return True

    results.append(_run("remove_files", lambda: within(FILE_LIMIT, remove_files)))
    _reset(connection_id, version, results, settings.policy, now)
    time.sleep(settings.policy.settle_delay.total_seconds())


def _run(what: str, step: Callable[[], bool]) -> Result:
    began, detail = time.monotonic(), None
    try:
        outcome = DONE if step() else NOTHING
    except Exception as error:
        # Whatever it was, the other steps still have to run; the reason is in the result.
        outcome, detail = FAILED, str(error) or type(error).__name__
        log.warning("clean-up step failed", step=what, error=detail)
        db.session.rollback()
    return Result(what, outcome, round(time.monotonic() - began, 3), detail)


def _reset(
    connection_id: str, version: int, results: list[Result], policy: Policy, now: datetime
) -> None:
    """The last step: row and results in one commit, so that a crash repeats all or nothing."""
    began = time.monotonic()
    folder_gone = results[-1].outcome != FAILED
    connection = db.session.get_one(Connection, connection_id, populate_existing=True)
    clean = after_wipe(connection.observed, version, now, folder_gone=folder_gone)
    transitions.apply(connection, clean, now, policy)
    results.append(Result("reset_row", DONE, round(time.monotonic() - began, 3)))
    for result in results:
        if result.what == "drain_and_back_up" and result.outcome == FAILED:
            alerts.backup_failed(f"{label(connection)}: {result.detail}", now)
    _write_down(connection_id, version, results, now)
    db.session.commit()
    told = " ".join(f"{result.what}={result.outcome}" for result in results)
    log.info("session cleaned", connection=connection_id, steps=told)


def _write_down(connection_id: str, version: int, results: list[Result], now: datetime) -> None:
    """For whoever has asked for this wipe: each of the seven steps, or all of them as one step of
    a larger operation."""
    by_name = {result.what: result for result in results}
    waiting = select(OperationStep).where(
        OperationStep.target == connection_id,
        OperationStep.version <= version,
        OperationStep.outcome.is_(None),
    )
    for step in db.session.scalars(waiting).all():
        result = by_name.get(step.what) or _as_one(results)
        step.outcome, step.seconds = result.outcome, result.seconds
        step.detail = result.detail[:500] if result.detail else None
    left = exists().where(
        OperationStep.operation_id == Operation.id, OperationStep.outcome.is_(None)
    )
    done = update(Operation).where(
        Operation.kind == "force_cleanup",
        Operation.connection_id == connection_id,
        Operation.state != "DONE",
        ~left,
    )
    db.session.execute(done.values(state="DONE", finished_at=now))


def _as_one(results: list[Result]) -> Result:
    outcomes = {result.outcome for result in results}
    outcome = next(one for one in (FAILED, DONE, NOTHING) if one in outcomes)
    failed = "; ".join(f"{one.what}: {one.detail}" for one in results if one.outcome == FAILED)
    seconds = round(sum(result.seconds for result in results), 3)
    return Result("clean", outcome, seconds, failed or None)

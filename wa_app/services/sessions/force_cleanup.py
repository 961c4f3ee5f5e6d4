"""Force-cleanup: seven steps, each on its own. Every wipe is these seven."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import update

from wa_app.config import Settings
from wa_app.domain.operations import DONE, FAILED, NOTHING
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.reconcile import after_wipe
from wa_app.extensions import db
from wa_app.gateways.base import SessionStore, Sockets
from wa_app.models import Connection, Operation
from wa_app.services.connections.registry import label
from wa_app.services.notifications import alerts
from wa_app.services.sessions import backup_files, transitions
from wa_app.services.waiting import within

log = structlog.get_logger()

FILE_LIMIT = 10.0
"""Seconds for a step that touches files. The files of a practice phone are rows, and a statement
waits so long for a locked database."""

StepResult = dict[str, Any]


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

    steps = [
        _step("close_socket", close_socket),
        _step("drop_pairing", lambda: had_pairing),
        _step("drop_memory", forget),
        _step("cancel_timers", lambda: had_timer),
        _step("drain_and_back_up", drain_and_back_up),
    ]
    saved = steps[-1]["outcome"] != FAILED

    def remove_files() -> bool:
        if not saved:
            files.quarantine(connection_id)
            return True
        try:
            return sockets.forget(connection_id)
        except OSError:
            files.quarantine(connection_id)
            return True

    steps.append(_step("remove_files", lambda: within(FILE_LIMIT, remove_files)))
    folder_gone = steps[-1]["outcome"] != FAILED
    _reset(connection_id, version, steps, folder_gone, settings.policy, now)
    time.sleep(settings.policy.settle_delay.total_seconds())


def _step(name: str, run: Callable[[], bool]) -> StepResult:
    began = time.monotonic()
    result: StepResult = {"step": name}
    try:
        result["outcome"] = DONE if run() else NOTHING
    except Exception as error:
        # Whatever it was, the other steps still have to run; the reason is in the result.
        detail = str(error) or type(error).__name__
        log.warning("clean-up step failed", step=name, error=detail)
        db.session.rollback()
        result |= {"outcome": FAILED, "detail": detail}
    result["seconds"] = round(time.monotonic() - began, 3)
    return result


def _reset(
    connection_id: str,
    version: int,
    steps: list[StepResult],
    folder_gone: bool,
    policy: Policy,
    now: datetime,
) -> None:
    """The last step: row and results in one commit, so that a crash repeats all or nothing."""
    began = time.monotonic()
    connection = db.session.get_one(Connection, connection_id, populate_existing=True)
    clean = after_wipe(connection.observed, version, now, folder_gone=folder_gone)
    transitions.apply(connection, clean, now, policy)
    took = round(time.monotonic() - began, 3)
    steps.append({"step": "reset_row", "outcome": DONE, "seconds": took})
    _tell_of_failed_backup(connection, steps, now)
    finished = (
        update(Operation)
        .where(
            Operation.connection_id == connection_id,
            Operation.kind == "force_cleanup",
            Operation.version <= version,
            Operation.state != "DONE",
        )
        .values(state="DONE", result=steps, finished_at=now)
    )
    db.session.execute(finished)
    db.session.commit()
    log.info("session cleaned", connection=connection_id, steps=_summary(steps))


def _tell_of_failed_backup(connection: Connection, steps: list[StepResult], now: datetime) -> None:
    for step in steps:
        if step["step"] == "drain_and_back_up" and step["outcome"] == FAILED:
            alerts.backup_failed(f"{label(connection)}: {step['detail']}", now)


def _summary(steps: list[StepResult]) -> str:
    return " ".join(f"{step['step']}={step['outcome']}" for step in steps)

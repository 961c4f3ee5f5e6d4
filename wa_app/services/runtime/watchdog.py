"""The watchdog: does the worker itself stand still? Then that is reported, and the worker replaced.

A thread that hangs cannot be freed, but the worker can be replaced: every session resumes. The
report goes to a file first, because the database may be what hangs; the next owner reads it.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum, auto
from pathlib import Path

import structlog

from wa_app.extensions import db
from wa_app.models import Audit
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.notifications import alerts

log = structlog.get_logger()

WATCHDOG = Actor("watchdog")
ACTION = "service.restart"

INTERVALS = 3
LEAST_PATIENCE = timedelta(seconds=15)
"""Longer than a statement waits for a locked database (10 s), after which a turn gives a sign: a
restart frees no lock."""

LOOK = 1.0  # seconds
LAST_WORDS = 10.0  # seconds an orderly end may take before the worker is killed


class Restart(StrEnum):
    """Why a worker replaces itself."""

    STOOD_STILL = auto()
    FOLDER_AWAY = auto()


class Watchdog:
    """Counts its own looks instead of reading a clock: a machine that slept, or a process that
    was stopped for a while, has not stood still."""

    def __init__(
        self, watched: Mapping[str, timedelta], signs: Callable[[str], int], report: Path
    ) -> None:
        """`watched`: job → its interval; `signs`: how many signs of life it has given."""
        self._signs = signs
        self._report = report
        self._patience = {
            name: max(INTERVALS * every, LEAST_PATIENCE) for name, every in watched.items()
        }
        self._seen = dict.fromkeys(watched, -1)
        self._looks = dict.fromkeys(watched, 0)

    def look(self) -> str | None:
        """What stands still, in words; called every `LOOK` seconds."""
        for name, patience in self._patience.items():
            signs = self._signs(name)
            self._looks[name] = self._looks[name] + 1 if signs == self._seen[name] else 0
            self._seen[name] = signs
            still = self._looks[name] * LOOK
            if still > patience.total_seconds():
                return f"{name} stood still for {still:.0f} s"
        return None

    def watch(self, stopped: threading.Event, now: Callable[[], datetime]) -> None:
        """Until `stopped`, or until something stands still and the worker is replaced."""
        while not stopped.wait(LOOK):
            what = self.look()
            if what is not None:
                log.error("the service restarts itself", why=what)
                write_report(self._report, Restart.STOOD_STILL, what, now())
                replace_worker()
                return


def write_report(report: Path, why: Restart, what: str, at: datetime) -> None:
    try:
        with open(report, "w") as file:
            json.dump({"why": why, "what": what, "at": at.isoformat()}, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        log.exception("the report of the restart could not be written")


def replace_worker() -> None:
    """End this worker in order, or else hard; gunicorn starts another one."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WORDS)
    os.kill(os.getpid(), signal.SIGKILL)


ALERTS: Mapping[Restart, Callable[[str, datetime], None]] = {
    Restart.STOOD_STILL: alerts.stood_still,
    Restart.FOLDER_AWAY: alerts.folder_away,
}


def take_report(report: Path, now: datetime) -> str | None:
    """Why the last worker has replaced itself, into the audit; the file is gone then. Needs an
    application context."""
    try:
        told = json.loads(report.read_text())
        what, at = str(told["what"]), datetime.fromisoformat(told["at"])
        why = Restart(told.get("why", Restart.STOOD_STILL))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError):
        log.exception("the report of the watchdog cannot be read")
        report.unlink(missing_ok=True)
        return None
    if not _is_recorded(at):  # a crash right here, before the file was gone
        audit.record(WATCHDOG, ACTION, what, at=at)
        ALERTS[why](what, now)
        db.session.commit()
    report.unlink()
    return what


def _is_recorded(at: datetime) -> bool:
    known = db.select(Audit.id).where(Audit.action == ACTION, Audit.at == at).limit(1)
    return db.session.scalar(known) is not None


def last_restart() -> Audit | None:
    """When and why the service last restarted itself."""
    newest = db.select(Audit).where(Audit.action == ACTION).order_by(Audit.id.desc()).limit(1)
    found: Audit | None = db.session.scalar(newest)
    return found

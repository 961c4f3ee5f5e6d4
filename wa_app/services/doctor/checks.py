"""The doctor: runs every check and reports what may be wrong with an installation.

The same for the page, the API and the command line, in every process: the owner, a standby, or a
command with no server at all. The checks run side by side, so that one that hangs (a network, a
disk, a database) costs the others nothing.
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from wa_app.services.doctor import check_safety, check_service, check_sessions, check_whatsapp
from wa_app.services.doctor.findings import PATIENCE, Case, Check, Finding, ill, without_people
from wa_app.services.operations.context import Context
from wa_app.services.waiting import in_background

log = structlog.get_logger()

FRESH = timedelta(seconds=5)

CHECKS: Mapping[str, Check] = {
    "database": check_service.check_database,
    "migrations": check_service.check_migrations,
    "owner": check_service.check_owner,
    "port": check_service.check_port,
    "scheduler": check_service.check_scheduler,
    "jobs": check_service.check_jobs,
    "restarts": check_service.check_restarts,
    "whatsapp": check_whatsapp.check_whatsapp,
    "clock": check_whatsapp.check_clock,
    "library": check_whatsapp.check_library,
    "protocol": check_whatsapp.check_protocol,
    "folders": check_sessions.check_folders,
    "orphans": check_sessions.check_orphans,
    "stale": check_sessions.check_stale,
    "hung": check_sessions.check_hung,
    "key": check_safety.check_key,
    "backups": check_safety.check_backups,
    "secret": check_safety.check_secret,
    "disk": check_safety.check_disk,
    "mail": check_safety.check_mail,
}
"""Every check, in the order in which they are told."""


@dataclass(frozen=True)
class Report:
    """`findings`: (check, what it found)."""

    at: datetime
    findings: tuple[tuple[str, Finding], ...]

    @property
    def ok(self) -> bool:
        return all(finding.ok for _, finding in self.findings)


class Doctor:
    """Keeps the last report: clicks in a row are one look."""

    def __init__(self) -> None:
        self.last: Report | None = None
        self._looking = threading.Lock()

    def look(self, app: Flask, context: Context) -> Report:
        with self._looking:
            if self.last is None or abs(context.clock() - self.last.at) >= FRESH:
                self.last = examine(app, Case(context, serving=True))
            return self.last


def examine(app: Flask, case: Case, checks: Mapping[str, Check] = CHECKS) -> Report:
    """Within `PATIENCE`, whatever hangs."""
    begun = {name: _begin(app, case, check) for name, check in checks.items()}
    deadline = time.monotonic() + PATIENCE
    findings = [(name, one) for name, each in begun.items() for one in _end(each, deadline)]
    return Report(case.now, tuple(findings))


def _begin(app: Flask, case: Case, check: Check) -> Future[list[Finding]]:
    return in_background(partial(_look, app, case, check))


def _look(app: Flask, case: Case, check: Check) -> list[Finding]:
    """What a check found before it failed counts."""
    found: list[Finding] = []
    try:
        with app.app_context():
            for finding in check(case):
                found.append(finding)
    except SQLAlchemyError:
        found.append(ill("needs_database"))
    except TimeoutError:
        found.append(ill("too_slow"))
    except Exception as error:
        log.exception("check failed", check=check.__name__)
        why = without_people(f"{type(error).__name__}: {error}")
        found.append(ill("failed_to_look", why=why))
    return found


def _end(begun: Future[list[Finding]], deadline: float) -> list[Finding]:
    try:
        return begun.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return [ill("too_slow")]

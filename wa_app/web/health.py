"""For whoever watches the server: is the process there, and can it serve."""

import os
import socket
from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError

from wa_app.extensions import db
from wa_app.services import data_folder, ownership
from wa_app.services.runtime import database
from wa_app.services.runtime.database import Tables
from wa_app.web.http.errors import RETRY_AFTER
from wa_app.web.http.times import now
from wa_app.wording.refusals import ERRORS
from wa_app.wording.times import iso

log = structlog.get_logger()
bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """`instance` is the same for all servers of one data folder."""
    message = _("The process answers.")
    return jsonify(
        success=True, message=message, timestamp=iso(now()), instance=ownership.instance()
    )


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    if data_folder.of(current_app).loss() is not None:  # what is still open says nothing
        checks = dict.fromkeys(CHECKS, "failed")
        message = str(ERRORS["folder_away"].sentence)
    else:
        checks = {name: _outcome(name, check) for name, check in CHECKS.items()}
        message = _("The service is starting. Try again in a few seconds.")
    ready = all(outcome != "failed" for outcome in checks.values())
    message = _("Ready.") if ready else message
    body = {"success": ready, "message": message, "timestamp": iso(now()), "checks": checks}
    if ready:
        return jsonify(body)
    retry = {"Retry-After": str(round(RETRY_AFTER.total_seconds()))}
    return jsonify(body | {"error": "unavailable"}), 503, retry


def _outcome(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except (SQLAlchemyError, OSError) as error:
        db.session.rollback()
        log.warning("not ready", check=name, error=str(error))
        return "failed"


def _folder() -> str:
    return "in place"


def _database() -> str:
    database.look()
    return "reachable"


def _migrations() -> str:
    return "applied" if database.tables() is Tables.APPLIED else "failed"


def _runtime() -> str:
    """This process owns the sessions, or another one does and lives."""
    owner = ownership.owner()
    if owner is None or not ownership.owner_is_alive(owner, now()):
        return "failed"
    ours = owner.pid == os.getpid() and owner.host == socket.gethostname()
    return "owner" if ours else "standby"


CHECKS: Mapping[str, Callable[[], str]] = {
    "folder": _folder,
    "database": _database,
    "migrations": _migrations,
    "runtime": _runtime,
}

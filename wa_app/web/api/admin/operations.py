"""Clean-ups, and the operations they and others become; scheduled jobs."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import ConfirmFirst, NotFound
from wa_app.domain.operations import CONFIRMATION, needs_word
from wa_app.models import JobRun, Operation
from wa_app.services.operations import requests
from wa_app.services.runtime import scheduler
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, require_admin
from wa_app.web.http.inputs import LONGEST_WAIT
from wa_app.web.http.responses import answer
from wa_app.web.http.times import now
from wa_app.wording.operations import CLEANUPS, JOBS, detail_of, summary
from wa_app.wording.times import iso

bp = Blueprint("api_admin_operations", __name__, url_prefix="/api/admin")
bp.before_request(require_admin)


@bp.post("/cleanup/<name>")
@login_required
def clean(name: str) -> Response:
    kind = f"cleanup.{name.replace('-', '_')}"
    if kind not in CLEANUPS:
        raise NotFound
    asked = inputs.body(dryRun=bool, confirm=str)
    dry_run = asked.get("dryRun", False)
    if needs_word(kind) and not dry_run and asked.get("confirm") != CONFIRMATION:
        raise ConfirmFirst
    return carried_out(kind, dry_run=dry_run)


def carried_out(
    kind: str, parameters: Mapping[str, str] | None = None, *, dry_run: bool = False
) -> Response:
    """The result of an operation, or 202 while it is under way."""
    wait = inputs.seconds("wait", default=LONGEST_WAIT, most=LONGEST_WAIT)
    return _answer(requests.carried_out(actor(), kind, wait, parameters, dry_run=dry_run))


@bp.get("/operations/<int(max=2147483647):operation_id>")
@login_required
def operation(operation_id: int) -> Response:
    return _answer(requests.find(operation_id))


def _answer(operation: Operation) -> Response:
    message = summary(operation, requests.counts(operation))
    code = 200 if operation.state == "DONE" else 202
    return answer(message, code, **_document(operation))


# ---- jobs


@bp.get("/jobs")
@login_required
def scheduled() -> Response:
    found = scheduler.everything()
    documents = [_job(job) for job in found]
    return answer(_("Jobs: %(count)d.", count=len(found)), jobs=documents)


@bp.post("/jobs/<name>/run")
@login_required
def run(name: str) -> Response:
    wait = inputs.seconds("wait", default=LONGEST_WAIT, most=LONGEST_WAIT)
    inputs.body()
    job = scheduler.run_now(actor(), name, now(), wait)
    if job.asked_at is not None:
        return answer(_("Asked for. It runs as soon as it can."), 202, **_job(job))
    message = _("It ran and failed.") if job.error else _("It ran.")
    return answer(message, **_job(job))


def _document(operation: Operation) -> dict[str, Any]:
    """What the API tells about an operation."""
    return {
        "operationId": operation.id,
        "kind": operation.kind,
        "dryRun": operation.dry_run,
        "state": operation.state,
        "actor": operation.actor,
        "createdAt": iso(operation.created_at),
        "finishedAt": iso(operation.finished_at),
        "counts": requests.counts(operation),
        "steps": [
            {
                "what": step.what,
                "target": step.target,
                "label": step.label,
                "outcome": step.outcome,
                "seconds": step.seconds,
                "detail": detail_of(step),
            }
            for step in operation.steps
        ],
    }


def _job(job: JobRun) -> dict[str, Any]:
    return {
        "name": job.name,
        "text": str(JOBS.get(job.name, job.name)),
        "lastAt": iso(job.last_at),
        "seconds": job.seconds,
        "error": job.error,
        "nextAt": iso(job.next_at),
    }

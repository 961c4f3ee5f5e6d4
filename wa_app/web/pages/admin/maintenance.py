"""Clean-ups with their dry runs and results, and the scheduled jobs."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import ConfirmFirst, Refused, WrongInput
from wa_app.domain.operations import CONFIRMATION, needs_word
from wa_app.models import Operation
from wa_app.services.operations import requests
from wa_app.services.runtime import scheduler, watchdog
from wa_app.web.http import errors
from wa_app.web.http.access import actor, require_admin
from wa_app.web.http.times import now
from wa_app.wording import operations as words

bp = Blueprint("admin_maintenance", __name__, url_prefix="/admin/maintenance")
bp.before_request(require_admin)

SHORT_WAIT = 1.0
"""Seconds after a click; what takes longer is followed on its own page."""

LATEST = 10


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    return errors.back_with_words(error, url_for(".maintenance"))


@bp.get("")
@login_required
def maintenance() -> ResponseReturnValue:
    latest = requests.latest(LATEST)
    summaries = [words.summary(one, requests.counts(one)) for one in latest]
    return render_template(
        "admin/maintenance.html",
        cleanups=words.CLEANUPS,
        needs_word=needs_word,
        word=CONFIRMATION,
        latest=list(zip(latest, summaries, strict=True)),
        operation_title=words.title,
        restarted=watchdog.last_restart(),
        **shown_jobs(),
    )


@bp.post("/cleanup")
@login_required
def clean() -> ResponseReturnValue:
    kind, dry_run = request.form.get("kind", ""), bool(request.form.get("dry_run"))
    if kind not in words.CLEANUPS:
        raise WrongInput("kind", "unknown_word")
    typed = request.form.get("confirm", "").strip()
    if needs_word(kind) and not dry_run and typed != CONFIRMATION:
        raise ConfirmFirst
    asked = requests.carried_out(actor(), kind, SHORT_WAIT, dry_run=dry_run)
    return redirect(url_for(".operation", operation_id=asked.id))


@bp.get("/operations/<int(max=2147483647):operation_id>")
@login_required
def operation(operation_id: int) -> ResponseReturnValue:
    return render_template("admin/operation.html", **shown_operation(requests.find(operation_id)))


def shown_operation(found: Operation) -> dict[str, Any]:
    counts = requests.counts(found)
    return {
        "operation": found,
        "operation_title": words.title,
        "summary": words.summary(found, counts),
        "counts": counts,
        "cleanup": words.CLEANUPS.get(found.kind),
        "needs_word": needs_word,
        "word": CONFIRMATION,
        "step_words": words.STEPS,
        "outcomes": words.OUTCOMES,
        "detail_of": words.detail_of,
    }


# ---- jobs


@bp.post("/jobs/<name>/run")
@login_required
def run(name: str) -> ResponseReturnValue:
    job = scheduler.run_now(actor(), name, now(), SHORT_WAIT)
    if job.asked_at is not None:
        flash(_("Asked for. It runs as soon as it can."), "done")
    elif job.error:
        flash(_("It ran and failed: %(why)s", why=job.error), "error")
    else:
        flash(_("It ran and took %(seconds)s s.", seconds=job.seconds), "done")
    return redirect(url_for(".maintenance") + "#jobs")


def shown_jobs() -> dict[str, Any]:
    return {"jobs": scheduler.everything(), "job_words": words.JOBS}

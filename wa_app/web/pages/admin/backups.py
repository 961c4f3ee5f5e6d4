"""Encrypted copies of session files: listed, made, verified, put back."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import BackupUnreadable, Refused
from wa_app.models import Operation
from wa_app.services.operations import backups as restoring
from wa_app.services.operations import requests
from wa_app.services.sessions import backup_files as files
from wa_app.web.http.access import actor, require_admin, settings
from wa_app.web.http.errors import back_with_words
from wa_app.web.http.inputs import LONGEST_WAIT
from wa_app.web.http.times import moment
from wa_app.wording.backups import compared
from wa_app.wording.operations import detail_of, summary
from wa_app.wording.refusals import sentence_of

bp = Blueprint("admin_backups", __name__, url_prefix="/admin/backups")
bp.before_request(require_admin)


@bp.get("")
@login_required
def backups() -> ResponseReturnValue:
    return render_template(
        "admin/backups.html",
        listed=restoring.everything(settings()),
        key_lies_beside=files.key_lies_beside(settings()),
        kept=files.KEPT,
        days_after_removal=files.KEPT_AFTER_REMOVAL.days,
        sentence_of=sentence_of,
    )


@bp.post("")
@login_required
def create() -> ResponseReturnValue:
    return _act("backup.create")


@bp.post("/<backup_id>/verify")
@login_required
def verify(backup_id: str) -> ResponseReturnValue:
    files.find(settings(), backup_id)
    return _act("backup.verify", _("This backup is whole and can be opened."), backup=backup_id)


@bp.get("/<backup_id>/restore")
@login_required
def confirm(backup_id: str) -> ResponseReturnValue:
    one = restoring.one(settings(), backup_id)
    try:
        said = compared(restoring.compare(settings(), backup_id), moment)
    except BackupUnreadable as refused:
        said = [sentence_of(refused)]
    return render_template("admin/backup.html", one=one, compared=said, sentence_of=sentence_of)


@bp.post("/<backup_id>/restore")
@login_required
def restore(backup_id: str) -> ResponseReturnValue:
    files.find(settings(), backup_id)
    done = _("Restored. Now press Reconnect on this connection.")
    return _act("backup.restore", done, backup=backup_id)


def _act(kind: str, done: str = "", **parameters: str) -> ResponseReturnValue:
    """`done` is said when all went well, else the result in numbers and why."""
    try:
        operation = requests.carried_out(actor(), kind, LONGEST_WAIT, parameters)
    except Refused as refused:
        return back_with_words(refused, url_for(".backups"))
    counts = requests.counts(operation)
    told = [summary(operation, counts), *_whys(operation)]
    went_well = operation.state == "DONE" and not counts["failed"]
    flash((went_well and done) or " ".join(told), "error" if counts["failed"] else "done")
    return redirect(url_for(".backups"))


def _whys(operation: Operation) -> list[str]:
    """Each once: a full disk fails them all."""
    details = {detail_of(step) for step in operation.steps if step.outcome == "failed"}
    return sorted(detail for detail in details if detail)

"""What may be wrong, and what to do about it."""

from typing import Any

from flask import Blueprint, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.services.doctor import Doctor, Report
from wa_app.web import diagnoses
from wa_app.web.access import require_admin

bp = Blueprint("admin_diagnostics", __name__, url_prefix="/admin/diagnostics")
bp.before_request(require_admin)


@bp.get("")
@login_required
def diagnostics() -> ResponseReturnValue:
    """What was found last; looking takes seconds, so it takes a click."""
    report = _doctor().last
    return render_template("admin/diagnostics.html", **(_shown(report) if report else {}))


@bp.post("")
@login_required
def look() -> ResponseReturnValue:
    examine()
    return redirect(url_for(".diagnostics"))


def examine() -> Report:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return _doctor().look(app, app.extensions["runtime"].tools)


def _doctor() -> Doctor:
    doctor: Doctor = current_app.extensions.setdefault("doctor", Doctor())
    return doctor


def _shown(report: Report) -> dict[str, Any]:
    told = diagnoses.diagnoses(report)
    return {
        "report": report,
        "troubles": [one for one in told if not one.ok],
        "groups": diagnoses.grouped(told),
        "plain_text": diagnoses.plain_text(report),
    }

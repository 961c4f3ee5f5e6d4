"""What may be wrong, and what to do about it."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.services.doctor.checks import Report
from wa_app.services.doctor.report import diagnoses, doctor, examine, grouped, plain_text
from wa_app.web.http.access import require_admin

bp = Blueprint("admin_diagnostics", __name__, url_prefix="/admin/diagnostics")
bp.before_request(require_admin)


@bp.get("")
@login_required
def diagnostics() -> ResponseReturnValue:
    """What was found last; looking takes seconds, so it takes a click."""
    report = doctor().last
    return render_template("admin/diagnostics.html", **(_shown(report) if report else {}))


@bp.post("")
@login_required
def look() -> ResponseReturnValue:
    examine()
    return redirect(url_for(".diagnostics"))


def _shown(report: Report) -> dict[str, Any]:
    told = diagnoses(report)
    return {
        "report": report,
        "troubles": [one for one in told if not one.ok],
        "groups": grouped(told),
        "plain_text": plain_text(report),
    }

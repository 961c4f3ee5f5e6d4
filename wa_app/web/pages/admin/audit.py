"""Who did what, when and from where: read, searched, exported."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.services import audit as records
from wa_app.web.http import inputs, responses
from wa_app.web.http.access import require_admin
from wa_app.web.http.inputs import words_asked

bp = Blueprint("admin_audit", __name__, url_prefix="/admin/audit")
bp.before_request(require_admin)

PAGE = 50


@bp.get("")
@login_required
def audit() -> ResponseReturnValue:
    words = words_asked()
    before = inputs.whole("before", default=None, most=2**31 - 1)
    found = records.search(words, before=before, limit=PAGE + 1)
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template(
        "admin/audit.html",
        records=found[:PAGE],
        words_asked=words,
        is_first=before is None,
        older=older and url_for(".audit", q=words or None, before=older),
    )


@bp.get("/export.csv")
@login_required
def export() -> ResponseReturnValue:
    return responses.audit_file(words_asked())

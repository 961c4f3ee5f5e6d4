"""Who did what, when and from where."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_audit", __name__, url_prefix="/admin/audit")
bp.before_request(require_admin)


@bp.get("")
@login_required
def audit() -> ResponseReturnValue:
    return render_template("admin/audit.html")

"""What may be wrong, and what to do about it."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_diagnostics", __name__, url_prefix="/admin/diagnostics")
bp.before_request(require_admin)


@bp.get("")
@login_required
def diagnostics() -> ResponseReturnValue:
    return render_template("admin/diagnostics.html")

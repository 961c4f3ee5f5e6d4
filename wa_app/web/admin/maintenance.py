"""Clean-ups and scheduled jobs."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_maintenance", __name__, url_prefix="/admin/maintenance")
bp.before_request(require_admin)


@bp.get("")
@login_required
def maintenance() -> ResponseReturnValue:
    return render_template("admin/maintenance.html")

"""What all connections are doing."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_overview", __name__, url_prefix="/admin")
bp.before_request(require_admin)


@bp.get("")
@login_required
def overview() -> ResponseReturnValue:
    return render_template("admin/overview.html")

"""People with a login."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_users", __name__, url_prefix="/admin/users")
bp.before_request(require_admin)


@bp.get("")
@login_required
def everyone() -> ResponseReturnValue:
    return render_template("admin/users.html")

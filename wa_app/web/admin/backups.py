"""Encrypted copies of session files."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.web.access import require_admin

bp = Blueprint("admin_backups", __name__, url_prefix="/admin/backups")
bp.before_request(require_admin)


@bp.get("")
@login_required
def backups() -> ResponseReturnValue:
    return render_template("admin/backups.html")

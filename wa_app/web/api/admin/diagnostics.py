"""What `flask wa doctor` prints."""

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.services.doctor.report import document, examine
from wa_app.web.http.access import require_admin
from wa_app.web.http.responses import answer

bp = Blueprint("api_admin_diagnostics", __name__, url_prefix="/api/admin/diagnostics")
bp.before_request(require_admin)


@bp.get("")
@login_required
def diagnostics() -> Response:
    report = examine()
    message = _("Nothing is wrong.") if report.ok else _("Something needs you.")
    return answer(message, **document(report))

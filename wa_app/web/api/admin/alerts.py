"""What people were told of, and whether mails leave."""

from flask import Blueprint, Response
from flask_login import login_required

from wa_app.web import inputs
from wa_app.web.access import actor, me, require_admin
from wa_app.web.alerts import document, send_test_mail
from wa_app.web.api.answers import answer

bp = Blueprint("api_admin_alerts", __name__, url_prefix="/api/admin/alerts")
bp.before_request(require_admin)


@bp.get("")
@login_required
def alerts() -> Response:
    return answer("", **document())


@bp.post("/test-mail")
@login_required
def test_mail() -> Response:
    inputs.body()
    return answer(send_test_mail(actor(), me().email, me().locale))

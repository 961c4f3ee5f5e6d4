"""The button that sends a mail to who presses it; alerts are shown on the overview."""

from flask import Blueprint, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.domain.errors import Refused
from wa_app.services.notifications import mails
from wa_app.web.http import errors
from wa_app.web.http.access import actor, me, require_admin

bp = Blueprint("admin_alerts", __name__, url_prefix="/admin/alerts")
bp.before_request(require_admin)


def _here() -> str:
    return url_for("admin_overview.overview_page", _anchor="alerts")


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    return errors.back_with_words(error, _here())


@bp.post("/test-mail")
@login_required
def test_mail() -> ResponseReturnValue:
    flash(mails.send_test(actor(), me().email, me().locale), "done")
    return redirect(_here())

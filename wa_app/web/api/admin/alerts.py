"""What people were told of, and whether mails leave."""

from typing import Any

from flask import Blueprint, Response
from flask_login import login_required

from wa_app.models import Mail
from wa_app.services.notifications import mails
from wa_app.services.notifications.alert_list import listed
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, me, require_admin
from wa_app.web.http.responses import answer
from wa_app.wording.alerts import explain_alert
from wa_app.wording.times import iso

bp = Blueprint("api_admin_alerts", __name__, url_prefix="/api/admin/alerts")
bp.before_request(require_admin)


@bp.get("")
@login_required
def alerts() -> Response:
    return answer("", **_document())


@bp.post("/test-mail")
@login_required
def test_mail() -> Response:
    inputs.body()
    return answer(mails.send_test(actor(), me().email, me().locale))


def _document() -> dict[str, Any]:
    """As on the page, for programs."""
    state = mails.state()
    return {
        "alerts": [
            {
                "id": one.alert.id,
                "kind": one.alert.kind,
                "title": str(explain_alert(one.alert.kind, one.alert.cause).title),
                "connectionId": one.alert.connection_id,
                "userId": one.alert.user_id,
                "about": one.alert.about,
                "cause": one.alert.cause,
                "beganAt": iso(one.alert.began_at),
                "raisedAt": iso(one.alert.raised_at),
                "endedAt": iso(one.alert.ended_at),
                "recovered": one.alert.recovered,
                "mails": [_mail(letter) for letter in one.mails],
            }
            for one in listed()
        ],
        "mail": {
            "setUp": state.set_up,
            "waiting": state.waiting,
            "lastSentAt": iso(state.last_sent_at),
            "error": state.error,
        },
    }


def _mail(letter: Mail) -> dict[str, Any]:
    return {
        "recipient": letter.recipient,
        "sentAt": iso(letter.sent_at),
        "givenUpAt": iso(letter.given_up_at),
        "error": letter.error,
    }

"""Who did what."""

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.models import Audit
from wa_app.services import audit
from wa_app.web.http import inputs, responses
from wa_app.web.http.access import require_admin
from wa_app.web.http.inputs import words_asked
from wa_app.web.http.responses import answer
from wa_app.wording.times import iso

bp = Blueprint("api_admin_audit", __name__, url_prefix="/api/admin")
bp.before_request(require_admin)


@bp.get("/audit")
@login_required
def records() -> Response:
    """Newest first; `?q=` words, `?before=` the id last seen, `?limit=`."""
    before = inputs.whole("before", default=None, most=2**31 - 1)
    limit = inputs.whole("limit", default=50, most=500) or 50
    found = audit.search(words_asked(), before=before, limit=limit)
    return answer(
        _("Records: %(count)d.", count=len(found)), records=[_described(row) for row in found]
    )


@bp.get("/audit.csv")
@login_required
def export() -> Response:
    """All that hold the words of `?q=`; not JSON."""
    return responses.audit_file(words_asked())


def _described(row: Audit) -> dict[str, object]:
    return {
        "id": row.id,
        "at": iso(row.at),
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "address": row.address,
        "outcome": row.outcome,
    }

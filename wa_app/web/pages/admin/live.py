"""The parts of administrators' pages that are fetched again while they are open."""

from flask import Blueprint, Response
from flask_login import login_required

from wa_app.services.operations import requests
from wa_app.web.http.access import require_admin
from wa_app.web.pages.admin import maintenance, overview
from wa_app.web.pages.live import fragment

bp = Blueprint("admin_live", __name__, url_prefix="/live/admin")
bp.before_request(require_admin)


@bp.get("/connections")
@login_required
def connections() -> Response:
    return fragment("admin/_connections.html", **overview.shown())


@bp.get("/operations/<int(max=2147483647):operation_id>")
@login_required
def operation(operation_id: int) -> Response:
    found = requests.find(operation_id)
    return fragment("admin/_operation.html", **maintenance.shown_operation(found))


@bp.get("/jobs")
@login_required
def jobs() -> Response:
    return fragment("admin/_jobs.html", **maintenance.shown_jobs())

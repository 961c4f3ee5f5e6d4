"""The parts of pages that are fetched again while they are open, drawn by the same templates."""

from flask import Blueprint, Response, current_app, render_template
from flask_login import login_required
from flask_wtf.csrf import generate_csrf

from wa_app.services.operations import requests
from wa_app.web.http.access import me, own_connection_or_404, require_admin
from wa_app.web.http.responses import if_new
from wa_app.web.pages.admin import maintenance, overview
from wa_app.web.pages.cards import card_of, pairing_of, tabs_of
from wa_app.web.pages.practice import phone_of, practice_connection_or_404

bp = Blueprint("live", __name__, url_prefix="/live/<connection_id>")
admin = Blueprint("admin_live", __name__, url_prefix="/live/admin")
admin.before_request(require_admin)


@bp.get("/card")
@login_required
def card(connection_id: str) -> Response:
    connection = own_connection_or_404(connection_id)
    return fragment("live/card.html", card=card_of(connection, connection.channel))


@bp.get("/tabs")
@login_required
def tabs(connection_id: str) -> Response:
    connection = own_connection_or_404(connection_id)
    current = card_of(connection, connection.channel)
    return fragment("live/tabs.html", card=current, tabs=tabs_of(me()))


@bp.get("/state")
@login_required
def state(connection_id: str) -> Response:
    connection = practice_connection_or_404(connection_id)
    return fragment("live/state.html", card=card_of(connection, connection.channel))


@bp.get("/pairing")
@login_required
def pairing(connection_id: str) -> Response:
    return fragment("live/pairing.html", pairing=pairing_of(own_connection_or_404(connection_id)))


@bp.get("/chat")
@login_required
def chat(connection_id: str) -> Response:
    return fragment("live/chat.html", phone=phone_of(practice_connection_or_404(connection_id)))


@bp.get("/faults")
@login_required
def faults(connection_id: str) -> Response:
    return fragment("live/faults.html", phone=phone_of(practice_connection_or_404(connection_id)))


# ---- of administrators' pages


@admin.get("/connections")
@login_required
def connections() -> Response:
    return fragment("admin/_connections.html", **overview.shown())


@admin.get("/operations/<int(max=2147483647):operation_id>")
@login_required
def operation(operation_id: int) -> Response:
    found = requests.find(operation_id)
    return fragment("admin/_operation.html", **maintenance.shown_operation(found))


@admin.get("/jobs")
@login_required
def jobs() -> Response:
    return fragment("admin/_jobs.html", **maintenance.shown_jobs())


def fragment(template: str, **shown: object) -> Response:
    html = render_template(template, **shown)
    # The token of the forms is signed with the time: another one is no change.
    return if_new(current_app.response_class(html), html.replace(generate_csrf(), ""))

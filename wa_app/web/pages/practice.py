"""The practice phone: scan, write as a customer, make things go wrong."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import NotFound, Refused
from wa_app.domain.sessions.states import Channel
from wa_app.models import Connection
from wa_app.services.connections import practice, requests
from wa_app.services.connections.status import settled
from wa_app.web.http import errors
from wa_app.web.http.access import (
    actor,
    chosen_connection,
    me,
    own_connection_or_404,
    practice_offered,
    safe_next,
)
from wa_app.web.pages.cards import card_of
from wa_app.web.pages.phone import phone_of

bp = Blueprint("practice", __name__)


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    return errors.back_with_words(error, _where_from())


@bp.get("/practice")
@login_required
def phone() -> ResponseReturnValue:
    if not practice_offered():
        raise NotFound
    connection = chosen_connection(me(), Channel.PRACTICE)
    return render_template(
        "practice.html",
        card=card_of(connection, Channel.PRACTICE),
        phone=phone_of(connection) if connection else None,
    )


@bp.post("/connections/<connection_id>/practice/scan")
@login_required
def scan(connection_id: str) -> ResponseReturnValue:
    connection = practice_connection_or_404(connection_id)
    practice.scan(connection)
    requests.wake(connection.id)
    settled(connection, seen=lambda looked_at: looked_at.has_credentials)
    return redirect(url_for("home.pair", connection_id=connection.id))


@bp.post("/connections/<connection_id>/practice/messages")
@login_required
def write(connection_id: str) -> ResponseReturnValue:
    connection = practice_connection_or_404(connection_id)
    practice.write(connection, request.form.get("text", ""), request.form.get("customer", ""))
    requests.wake(connection.id)
    return redirect(_where_from())


@bp.post("/connections/<connection_id>/practice/faults")
@login_required
def set_fault(connection_id: str) -> ResponseReturnValue:
    connection = practice_connection_or_404(connection_id)
    on = request.form.get("on") == "true"
    practice.set_fault(actor(), connection, request.form.get("kind", ""), on)
    requests.wake(connection.id)
    flash(_("Done. Watch the connection card.") if on else _("Switched off."), "done")
    return redirect(_where_from())


def practice_connection_or_404(connection_id: str) -> Connection:
    connection = own_connection_or_404(connection_id)
    if connection.channel is not Channel.PRACTICE or not practice_offered():
        raise NotFound
    return connection


def _where_from() -> str:
    """The phone is docked on Home and has a page of its own; the form says which."""
    return safe_next(request.form.get("next")) or url_for("practice.phone")

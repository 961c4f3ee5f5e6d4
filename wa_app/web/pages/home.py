"""Home: the connection card, the pairing dialog, and the simple bot card."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import Refused, WrongInput
from wa_app.domain.phone_numbers import e164
from wa_app.domain.sessions.states import Channel, Status
from wa_app.models import Connection
from wa_app.services.bot import settings
from wa_app.services.connections import registry, requests, status
from wa_app.services.connections.status import settled
from wa_app.services.operations import requests as operation_requests
from wa_app.web.http import errors
from wa_app.web.http.access import (
    actor,
    me,
    own_connection_or_404,
    refuse_hidden,
)
from wa_app.web.http.inputs import LONGEST_WAIT
from wa_app.web.pages.cards import Card, card_of, pairing_of, tabs_of
from wa_app.web.pages.practice import phone_of
from wa_app.wording.connections import also_on_the_phone

bp = Blueprint("home", __name__)


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    named = (request.view_args or {}).get("connection_id")
    return errors.back_with_words(error, url_for(".home", connection=named))


# ---- pages


@bp.get("/")
@login_required
def home() -> ResponseReturnValue:
    tabs = tabs_of(me())
    return render_template("home.html", **_shown(tabs, _current(tabs)))


@bp.get("/connections/<connection_id>/pair")
@login_required
def pair(connection_id: str) -> ResponseReturnValue:
    """Home with the pairing dialog open."""
    connection = own_connection_or_404(connection_id)
    current = card_of(connection, connection.channel)
    shown = _shown(tabs_of(me()), current)
    return render_template("home.html", pairing=pairing_of(connection), **shown)


def _current(tabs: list[Card]) -> Card:
    """The tab the address names, else the first with a connection, else the first."""
    named, channel = request.args.get("connection"), request.args.get("channel")
    if named is not None:
        connection = own_connection_or_404(named)
        return card_of(connection, connection.channel)
    asked = [tab for tab in tabs if tab.channel == channel]
    return next(iter(asked or [tab for tab in tabs if tab.connection] or tabs))


def _shown(tabs: list[Card], card: Card) -> dict[str, Any]:
    docked = card.channel is Channel.PRACTICE and card.connection is not None
    return {
        "tabs": tabs,
        "card": card,
        "invite": _invite(tabs, card),
        "phone": phone_of(card.connection) if docked and card.connection else None,
    }


def _invite(tabs: list[Card], card: Card) -> Card | None:
    """Who has nothing yet is offered the practice phone beside the real one."""
    fresh = all(tab.connection is None for tab in tabs)
    practice = [tab for tab in tabs if tab.channel is Channel.PRACTICE]
    return practice[0] if fresh and practice and card.channel is Channel.WHATSAPP else None


# ---- what the buttons do


@bp.post("/connect")
@login_required
def first_connect() -> ResponseReturnValue:
    """The first connect on a channel creates the connection."""
    channel = Channel.PRACTICE if request.form.get("channel") == "practice" else Channel.WHATSAPP
    refuse_hidden(channel)
    return _connect(registry.first_or_create(actor(), me(), channel))


@bp.post("/connections/<connection_id>/connect")
@login_required
def connect(connection_id: str) -> ResponseReturnValue:
    return _connect(own_connection_or_404(connection_id))


def _connect(connection: Connection) -> ResponseReturnValue:
    linked = connection.has_credentials
    fresh, phone = bool(request.form.get("fresh")), request.form.get("phone", "").strip()
    try:
        requests.connect(actor(), connection, fresh=fresh, phone=e164(phone) if phone else None)
    except WrongInput as wrong:
        return errors.back_with_words(wrong, url_for(".pair", connection_id=connection.id))
    settled(connection, seen=status.has_answer)
    if linked and not fresh:
        return _home(connection)
    return redirect(url_for(".pair", connection_id=connection.id))


@bp.post("/connections/<connection_id>/reconnect")
@login_required
def reconnect(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    requests.reconnect(actor(), connection)
    return _home(connection)


@bp.post("/connections/<connection_id>/accept-number")
@login_required
def accept_number(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    requests.choose_number(actor(), connection, keep=True)
    return _home(connection)


@bp.post("/connections/<connection_id>/unlink-number")
@login_required
def unlink_number(connection_id: str) -> ResponseReturnValue:
    """Then a code for the right phone is shown."""
    connection = own_connection_or_404(connection_id)
    requests.choose_number(actor(), connection, keep=False)
    settled(connection, seen=status.has_answer)
    return redirect(url_for(".pair", connection_id=connection.id))


@bp.post("/connections/<connection_id>/take-back")
@login_required
def take_back(connection_id: str) -> ResponseReturnValue:
    """The login that a restored one, which was of no use, has replaced."""
    connection = own_connection_or_404(connection_id)
    operation_requests.take_back(actor(), connection, LONGEST_WAIT)
    flash(_("The earlier login is back."), "done")
    return _home(connection)


@bp.post("/connections/<connection_id>/disconnect")
@login_required
def disconnect(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    requests.disconnect(actor(), connection)
    return _home(connection)


@bp.post("/connections/<connection_id>/logout")
@login_required
def logout(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    told_whatsapp = connection.status is Status.CONNECTED
    requests.logout(actor(), connection)
    flash(_("Unlinked.") if told_whatsapp else also_on_the_phone(_("Unlinked.")), "done")
    return _home(connection)


@bp.post("/connections/<connection_id>/force-cleanup")
@login_required
def force_cleanup(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    requests.force_cleanup(actor(), connection)
    flash(also_on_the_phone(_("The saved login is being removed. Then press Connect.")), "done")
    return _home(connection)


@bp.post("/connections/<connection_id>/bot")
@login_required
def bot(connection_id: str) -> ResponseReturnValue:
    connection = own_connection_or_404(connection_id)
    settings.set_bot(
        actor(),
        connection,
        enabled=bool(request.form.get("enabled")),
        fallback_text=request.form.get("fallback_text", ""),
    )
    flash(_("The bot answers now.") if connection.bot_enabled else _("The bot is silent."), "done")
    return _home(connection)


def _home(connection: Connection) -> ResponseReturnValue:
    settled(connection)
    return redirect(url_for(".home", connection=connection.id))

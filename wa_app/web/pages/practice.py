"""The practice phone: what it shows; scan, write as a customer, make things go wrong."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import NotFound, Refused
from wa_app.domain.messages import Direction
from wa_app.domain.practice import EVENTS, SWITCHES
from wa_app.domain.sessions.states import Channel, Status
from wa_app.models import Connection, PracticeMessage
from wa_app.services.connections import practice, requests
from wa_app.services.connections.status import settled
from wa_app.web.http import errors, times
from wa_app.web.http.access import (
    actor,
    chosen_connection,
    me,
    own_connection_or_404,
    practice_offered,
    safe_next,
)
from wa_app.web.pages.cards import FAST, SLOW, card_of
from wa_app.wording.practice import FAULTS, FaultWords

bp = Blueprint("practice", __name__)

EXPECTING = timedelta(seconds=60)
"""How long after a customer's message an answer is looked for every second."""


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


# ---- what it shows


@dataclass(frozen=True)
class Fault:
    kind: str
    words: FaultWords
    is_switch: bool
    on: bool


@dataclass(frozen=True)
class Phone:
    """`customer` is whose chat is open, `customers` all who have one."""

    connection: Connection
    customer: str
    customers: list[str]
    messages: list[PracticeMessage]
    faults: list[Fault]
    every: int

    @property
    def is_connected(self) -> bool:
        return self.connection.status is Status.CONNECTED

    @property
    def faults_on(self) -> int:
        return sum(fault.on for fault in self.faults)


def phone_of(connection: Connection) -> Phone:
    everything = practice.messages(connection)
    named = request.args.get("customer", "").replace("\0", "").strip()[: practice.MAX_CUSTOMER]
    last = everything[-1].customer if everything else practice.DEFAULT_CUSTOMER
    customer = named or last
    return Phone(
        connection,
        customer,
        sorted({message.customer for message in everything} | {customer}),
        [message for message in everything if message.customer == customer],
        _faults(connection),
        FAST if _expects_answer(everything) else SLOW,
    )


def _expects_answer(messages: list[PracticeMessage]) -> bool:
    if not messages or messages[-1].direction is Direction.OUT:
        return False
    return times.now() - messages[-1].at < EXPECTING


def _faults(connection: Connection) -> list[Fault]:
    account = practice.peek(connection)
    return [
        Fault(kind, FAULTS[kind], kind in SWITCHES, account is not None and getattr(account, kind))
        for kind in (*EVENTS, *SWITCHES)
    ]

"""The practice phone through the API: everything a real phone and a bad network would do."""

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import ConnectionNotFound, WrongInput
from wa_app.domain.sessions.states import Channel
from wa_app.models import Connection, PracticeMessage
from wa_app.services.connections import practice, requests
from wa_app.services.connections.status import settled
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, chosen_connection, me, practice_offered
from wa_app.web.http.responses import answer, status_answer
from wa_app.wording.practice import FAULTS
from wa_app.wording.times import iso

bp = Blueprint("api_practice", __name__, url_prefix="/api/practice")


@bp.post("/scan")
@login_required
def scan() -> Response:
    inputs.body()
    connection = _own()
    practice.scan(connection)
    requests.wake(connection.id)
    connection = settled(connection, seen=lambda looked_at: looked_at.has_credentials)
    return status_answer(connection, me(), message=_("The practice phone has scanned the code."))


@bp.get("/messages")
@login_required
def messages() -> Response:
    found = [_described(message) for message in practice.messages(_own())]
    return answer(_("Messages: %(count)d.", count=len(found)), messages=found)


@bp.post("/messages")
@login_required
def write() -> Response:
    asked = inputs.body(text=str, customer=str)
    text = inputs.required(asked, "text")
    connection = _own()
    message = practice.write(connection, text, asked.get("customer", ""))
    requests.wake(connection.id)
    return answer(_("The customer has written."), 201, **_described(message))


@bp.post("/faults")
@login_required
def set_fault() -> Response:
    asked = inputs.body(kind=str, on=bool)
    kind, on = inputs.required(asked, "kind"), asked.get("on", True)
    if kind not in FAULTS:
        raise WrongInput("kind", "unknown_fault")
    connection = _own()
    practice.set_fault(actor(), connection, kind, on)
    requests.wake(connection.id)
    return answer(str(FAULTS[kind].effect) if on else _("Switched off."), kind=kind, on=on)


def _own() -> Connection:
    connection = chosen_connection(me(), Channel.PRACTICE) if practice_offered() else None
    if connection is None:
        raise ConnectionNotFound
    return connection


def _described(message: PracticeMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "customer": message.customer,
        "direction": message.direction,
        "text": message.text,
        "at": iso(message.at),
        "stored": message.stored,
    }

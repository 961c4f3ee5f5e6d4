"""Connect, reconnect, disconnect and the rest, for the signed-in user's own connections."""

from flask import Blueprint, Response, current_app, request
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import (
    NoOtherNumber,
    NotFound,
    NothingToTakeBack,
    OperationNotFound,
    PairFirst,
    WrongInput,
)
from wa_app.domain.operations import FAILED
from wa_app.domain.phone_numbers import e164
from wa_app.domain.sessions.states import Channel, Status
from wa_app.models import Connection, ConnectionEvent, Operation, OperationStep, User
from wa_app.services import ownership
from wa_app.services.connections import registry, requests
from wa_app.services.connections import status as connection_status
from wa_app.services.connections.status import settled, status_document
from wa_app.services.operations import requests as operation_requests
from wa_app.services.ownership import owner_is_alive
from wa_app.web import qr
from wa_app.web.http import inputs
from wa_app.web.http.access import (
    actor,
    chosen_connection,
    me,
    own_connection_or_404,
    refuse_hidden,
)
from wa_app.web.http.inputs import LONGEST_WAIT
from wa_app.web.http.responses import answer, status_answer, status_if_new, unkept
from wa_app.web.http.times import now
from wa_app.wording.closes import REASONS
from wa_app.wording.connections import also_on_the_phone
from wa_app.wording.times import iso

bp = Blueprint("api_sessions", __name__, url_prefix="/api/whatsapp")

CONNECT_WAIT = 5.0


class NoPicture(NotFound):
    error = "no_picture"


# ---- requests


@bp.post("/connect")
@login_required
def connect() -> Response:
    return connect_for(me())


@bp.post("/reconnect")
@login_required
def reconnect() -> Response:
    return reconnect_for(me())


@bp.post("/number")
@login_required
def number() -> Response:
    connection = chosen_connection(me())
    keep = inputs.required(inputs.body(keep=bool), "keep")
    if connection is None:
        raise NoOtherNumber
    requests.choose_number(actor(), connection, keep=keep)
    return status_answer(settled(connection, seen=connection_status.has_answer), me())


@bp.post("/take-back")
@login_required
def take_back() -> Response:
    inputs.body()
    connection = chosen_connection(me())
    if connection is None:
        raise NothingToTakeBack
    operation_requests.take_back(actor(), connection, LONGEST_WAIT)
    return status_answer(settled(connection, seen=connection_status.has_answer), me())


@bp.post("/disconnect")
@login_required
def disconnect() -> Response:
    return disconnect_for(me())


@bp.post("/logout")
@login_required
def logout() -> Response:
    inputs.body()
    connection = chosen_connection(me())
    told_whatsapp = connection is not None and connection.status is Status.CONNECTED
    if connection is not None:
        requests.logout(actor(), connection)
        connection = settled(connection)
    message = _("Unlinked.") if told_whatsapp else also_on_the_phone(_("Unlinked."))
    return status_answer(connection, me(), message=message)


@bp.post("/force-cleanup")
@login_required
def force_cleanup() -> Response:
    return force_cleanup_for(me())


def connect_for(user: User) -> Response:
    wait = inputs.seconds("wait", default=CONNECT_WAIT, most=LONGEST_WAIT)
    asked = inputs.body(fresh=bool, channel=Channel, phone=str)
    phone = e164(asked["phone"]) if "phone" in asked else None
    connection = _connection_to_connect(user, asked.get("channel"))
    requests.connect(actor(), connection, fresh=asked.get("fresh", False), phone=phone)
    return status_answer(
        connection_status.wait_until(connection.id, connection_status.has_answer, wait), user
    )


def reconnect_for(user: User) -> Response:
    inputs.body()
    connection = chosen_connection(user)
    if connection is None:
        raise PairFirst
    requests.reconnect(actor(), connection)
    return status_answer(settled(connection), user)


def disconnect_for(user: User) -> Response:
    inputs.body()
    connection = chosen_connection(user)
    if connection is not None:
        requests.disconnect(actor(), connection)
        connection = settled(connection)
    return status_answer(connection, user, message=_("Switched off. The number stays linked."))


def force_cleanup_for(user: User) -> Response:
    wait = inputs.seconds("wait", default=LONGEST_WAIT, most=LONGEST_WAIT)
    inputs.body()
    connection = chosen_connection(user)
    if connection is None:
        return answer(_("There was nothing to clean up."), steps=[])
    started = requests.force_cleanup(actor(), connection)
    return operation_answer(operation_requests.wait_for(started.id, wait))


def _connection_to_connect(user: User, channel: Channel | None) -> Connection:
    """The one that is named or there already; the first connect creates it."""
    refuse_hidden(channel)
    there = chosen_connection(user)
    if there is not None and channel in (None, there.channel):
        return there
    if there is not None and "connection" in request.args:
        raise WrongInput("channel", "other_channel")
    return registry.first_or_create(actor(), user, channel or Channel.WHATSAPP)


def operation_answer(operation: Operation) -> Response:
    if operation.state != "DONE":
        message = _("The clean-up is under way. Ask again for its result.")
        return answer(message, 202, operationId=operation.id, state=operation.state, steps=[])
    failed = sum(step.outcome == FAILED for step in operation.steps)
    done = (
        _("Cleaned up, but %(count)d steps failed.", count=failed) if failed else _("Cleaned up.")
    )
    steps = [_step(step) for step in operation.steps]
    return answer(
        also_on_the_phone(done), operationId=operation.id, state=operation.state, steps=steps
    )


def _step(step: OperationStep) -> dict[str, object]:
    document: dict[str, object] = {
        "step": step.what,
        "outcome": step.outcome,
        "seconds": step.seconds,
    }
    return document | ({"detail": step.detail} if step.detail else {})


@bp.get("/operations/<int(max=2147483647):operation_id>")
@login_required
def operation(operation_id: int) -> Response:
    for connection in registry.of_user(me()):
        found = connection_status.operation(connection, operation_id)
        if found is not None:
            return operation_answer(found)
    raise OperationNotFound


# ---- connections


@bp.get("/connections")
@login_required
def list_connections() -> Response:
    known = [_described(connection) for connection in registry.of_user(me())]
    return answer(_("Connections: %(count)d.", count=len(known)), connections=known)


@bp.post("/connections")
@login_required
def create_connection() -> Response:
    asked = inputs.body(channel=Channel, name=str)
    channel = inputs.required(asked, "channel")
    refuse_hidden(channel)
    name = asked.get("name", "").strip()
    if len(name) > inputs.MAX_NAME:
        raise WrongInput("name", "too_long")
    created = registry.create(actor(), me(), channel, name)
    return answer(_("Created."), 201, **_described(created))


@bp.delete("/connections/<connection_id>")
@login_required
def remove_connection(connection_id: str) -> Response:
    connection = own_connection_or_404(connection_id)
    message = _("Removed.")
    if connection.has_credentials and connection.status is not Status.CONNECTED:
        message = also_on_the_phone(message)
    requests.remove(actor(), connection)
    return answer(message)


def _described(connection: Connection) -> dict[str, object]:
    document = status_document(connection, ownership.owner(), now(), me())
    return document | {"name": connection.name, "createdAt": iso(connection.created_at)}


# ---- reading


@bp.get("/status")
@login_required
def status() -> Response:
    return status_if_new(status_answer(chosen_connection(me()), me()))


@bp.get("/qr.svg")
@login_required
def qr_svg() -> Response:
    return _picture(qr.svg(_payload()), "image/svg+xml")


@bp.get("/qr.png")
@login_required
def qr_png() -> Response:
    return _picture(qr.png(_payload()), "image/png")


def _payload() -> str:
    connection = chosen_connection(me())
    alive = owner_is_alive(ownership.owner(), now())
    if connection is None or connection.qr_payload is None or not alive:
        raise NoPicture
    return connection.qr_payload


def _picture(content: str | bytes, kind: str) -> Response:
    return unkept(current_app.response_class(content, mimetype=kind))


@bp.get("/events")
@login_required
def events() -> Response:
    before = inputs.whole("before", default=None, most=2**31 - 1)
    limit = inputs.whole("limit", default=50, most=200) or 50
    connection = chosen_connection(me())
    found = connection_status.history(connection, before=before, limit=limit) if connection else []
    return answer(
        _("Events: %(count)d.", count=len(found)), events=[_event(event) for event in found]
    )


def _event(event: ConnectionEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "at": iso(event.at),
        "status": event.status,
        "hold": event.hold,
        "reason": event.reason,
        "code": event.code,
        "attempt": event.attempt,
        "nextAttemptAt": iso(event.next_attempt_at),
        "text": str(REASONS[event.reason]) if event.reason else None,
    }

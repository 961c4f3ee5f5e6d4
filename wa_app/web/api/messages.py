"""Messages through the API, and the bot's settings."""

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import ConnectionNotFound, NotFound, PairFirst, WrongInput
from wa_app.domain.messages import MessageState, was_sent_again
from wa_app.models import Connection, Message
from wa_app.services.bot import settings
from wa_app.services.connections import registry, requests
from wa_app.services.messages import outbox
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, chosen_connection, me
from wa_app.web.http.responses import answer
from wa_app.wording.messages import FAIL_CAUSES, MESSAGE_STATES
from wa_app.wording.times import iso

bp = Blueprint("api_messages", __name__, url_prefix="/api/whatsapp")

MAX_KEY = 200


class MessageNotFound(NotFound):
    error = "message_not_found"


@bp.post("/messages")
@login_required
def send() -> Response:
    asked = inputs.body(to=str, text=str)
    to, text = inputs.required(asked, "to"), inputs.required(asked, "text")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise WrongInput("Idempotency-Key", "too_long" if key else "required")
    connection = chosen_connection(me())
    if connection is None:
        raise PairFirst
    message = outbox.accept(connection, to, text, idempotency_key=key)
    requests.wake(connection.id)
    return _message_answer(message, 202)


@bp.get("/messages/<int(max=2147483647):message_id>")
@login_required
def message(message_id: int) -> Response:
    if "connection" in request.args:
        candidates = [chosen_connection(me())]
    else:
        candidates = [*registry.of_user(me())]
    for connection in candidates:
        found = outbox.find(connection, message_id) if connection else None
        if found is not None:
            return _message_answer(found)
    raise MessageNotFound


def _message_answer(message: Message, code: int = 200) -> Response:
    said = str(MESSAGE_STATES[message.state])
    if message.cause is not None:
        said = f"{said} {FAIL_CAUSES[message.cause]}"
    return answer(said, code, **_described(message))


def _described(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "connectionId": message.connection_id,
        "chat": message.chat.jid,
        "author": message.author,
        "text": message.text,
        "state": message.state,
        "cause": message.cause,
        "perhapsTwice": message.state is not MessageState.FAILED and message.unknown_ends > 0,
        "sentAgain": was_sent_again(message.asked_again_at, message.sending_since),
        "createdAt": iso(message.created_at),
        "at": iso(message.at),
    }


# ---- the bot


@bp.get("/bot")
@login_required
def bot() -> Response:
    return _bot_answer(_own())


@bp.patch("/bot")
@login_required
def change_bot() -> Response:
    asked = inputs.body(enabled=bool, fallbackText=str)
    connection = _own()
    settings.set_bot(
        actor(),
        connection,
        enabled=asked.get("enabled"),
        fallback_text=asked.get("fallbackText"),
    )
    return _bot_answer(connection)


def _own() -> Connection:
    connection = chosen_connection(me())
    if connection is None:
        raise ConnectionNotFound
    return connection


def _bot_answer(connection: Connection) -> Response:
    said = _("The bot answers.") if connection.bot_enabled else _("The bot is silent.")
    return answer(
        said,
        connectionId=connection.id,
        enabled=connection.bot_enabled,
        fallbackText=connection.bot_fallback_text,
    )

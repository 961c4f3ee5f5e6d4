"""How an answer is written: `success`, `message`, `timestamp`, and what was asked for."""

import hashlib
import json
from typing import Any

from flask import Response, jsonify, request

from wa_app.models import Connection, User
from wa_app.services import ownership
from wa_app.services.connections.status import status_document
from wa_app.services.ownership import owner_is_alive
from wa_app.web.http.times import now
from wa_app.wording.connections import explain, sentence
from wa_app.wording.times import iso


def answer(message: str, code: int = 200, /, **fields: Any) -> Response:
    response = jsonify(success=True, message=message, timestamp=iso(now()), **fields)
    response.status_code = code
    return response


def status_answer(connection: Connection | None, user: User, *, message: str = "") -> Response:
    """The status document; its message is the explanation unless there is more to tell."""
    at, owner = now(), ownership.owner()
    said = message or sentence(explain(connection, alive=owner_is_alive(owner, at), now=at))
    return answer(said, **status_document(connection, owner, at, user))


def unchanged_if_known(response: Response) -> Response:
    """304 for a caller who has this answer already. The timestamp is no change."""
    content = {**response.get_json(), "timestamp": None}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    response.set_etag(digest[:32], weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response.make_conditional(request)

"""How an answer is written, and what each says to the browser about trust and keeping."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, jsonify, request, stream_with_context

from wa_app.models import Connection, User
from wa_app.services import audit, ownership
from wa_app.services.connections.status import status_document
from wa_app.services.ownership import owner_is_alive
from wa_app.web.http.times import now
from wa_app.wording.connections import explain, sentence
from wa_app.wording.times import iso

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Bootstrap draws its small marks from data: addresses
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # the CSRF check reads it under HTTPS
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def register(app: Flask) -> None:
    app.after_request(_secure)


def _secure(response: Response) -> Response:
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    if current_app.config["SETTINGS"].secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    # Nobody between us and the browser may keep a page; the browser asks again before it reuses.
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


# ---- what it says


def answer(message: str, code: int = 200, /, **fields: Any) -> Response:
    """JSON: `success`, `message`, `timestamp`, and what was asked for."""
    response = jsonify(success=True, message=message, timestamp=iso(now()), **fields)
    response.status_code = code
    return response


def status_answer(connection: Connection | None, user: User, *, message: str = "") -> Response:
    """The status document; its message is the explanation unless there is more to tell."""
    at, owner = now(), ownership.owner()
    said = message or sentence(explain(connection, alive=owner_is_alive(owner, at), now=at))
    return answer(said, **status_document(connection, owner, at, user))


def audit_file(words: str) -> Response:
    """The audit as a file to keep."""
    name = f"vigia-audit-{now():%Y-%m-%d}.csv"
    return Response(
        stream_with_context(audit.as_csv(words)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


# ---- whether it may be kept


def unkept(response: Response) -> Response:
    """There is a secret in it: nobody may keep a copy."""
    response.headers["Cache-Control"] = "no-store"
    return response


def status_if_new(response: Response) -> Response:
    """The timestamp is no change."""
    content = {**response.get_json(), "timestamp": None}
    return if_new(response, json.dumps(content, sort_keys=True))


def if_new(response: Response, content: str) -> Response:
    """304 for a caller who has an answer with this `content` already."""
    response.set_etag(hashlib.sha256(content.encode()).hexdigest()[:32], weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response

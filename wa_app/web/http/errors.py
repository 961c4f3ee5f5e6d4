"""What was refused or went wrong, as the answer that whoever calls can read."""

from collections.abc import Mapping
from datetime import timedelta

import structlog
from flask import Flask, Response, flash, g, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from wa_app.domain.errors import Forbidden, NotFound, Refused, TooOften, Unauthorized, WrongInput
from wa_app.extensions import db
from wa_app.web.http.times import now
from wa_app.wording.refusals import ERRORS, sentence_of
from wa_app.wording.times import iso

log = structlog.get_logger()


HTTP_ERRORS: Mapping[int, str] = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_often",
    503: "unavailable",
}  # anything else from 400 to 499: invalid


RETRY_AFTER = timedelta(seconds=5)

Answer = tuple[str | Response, int, dict[str, str]]


def register(app: Flask) -> None:
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(Exception, _our_fault)


def wants_json() -> bool:
    """Programs and the live fragments get JSON, people get pages."""
    if request.path.startswith(("/api/", "/live/")):
        return True
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def answer(
    error: str, sentence: str = "", *, field: str | None = None, retry: timedelta | None = None
) -> Answer:
    """The error as JSON or as a page, whichever the caller reads."""
    words = ERRORS[error]
    sentence = sentence or str(words.sentence)
    headers = {"Retry-After": str(max(1, round(retry.total_seconds())))} if retry else {}
    if not wants_json():
        page = render_template("error.html", error=error, sentence=sentence, status=words.status)
        return page, words.status, headers
    named = {"field": field} if field else {}
    body = {"success": False, "error": error, "message": sentence, "timestamp": iso(now())}
    return jsonify(body | named), words.status, headers


def back_with_words(refused: Refused, address: str) -> ResponseReturnValue:
    """For the forms of pages: back to where the person was, with the sentence. What does not
    exist, or is not theirs, is an error page."""
    if isinstance(refused, NotFound | Forbidden | Unauthorized):
        return _refused(refused)
    flash(sentence_of(refused), "error")
    return redirect(address)


def _refused(refused: Refused) -> ResponseReturnValue:
    retry = refused.retry_after if isinstance(refused, TooOften) else None
    field = refused.field if isinstance(refused, WrongInput) else None
    return answer(refused.error, sentence_of(refused), field=field, retry=retry)


def _csrf(_error: CSRFError) -> ResponseReturnValue:
    return answer("csrf")


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error  # a redirect
    unknown = "internal" if error.code >= 500 else "invalid"
    word = HTTP_ERRORS.get(error.code, unknown)
    retry = timedelta(minutes=1) if word == "too_often" else None
    told, status, headers = answer(
        word, retry=retry or (RETRY_AFTER if word == "unavailable" else None)
    )
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return told, status, headers


def _database_away(error: OperationalError) -> ResponseReturnValue:
    log.error("database away", error=str(error.orig))
    _let_go_of_the_database()
    return answer("unavailable", retry=RETRY_AFTER)


def _our_fault(error: Exception) -> ResponseReturnValue:
    log.exception("request failed", method=request.method, path=_path_without_secrets())
    _let_go_of_the_database()
    return answer("internal")


def _path_without_secrets() -> str:
    """A link that somebody may still use is nothing for a log."""
    secret = (request.view_args or {}).get("secret")
    return request.path.replace(secret, "…") if secret else request.path


def _let_go_of_the_database() -> None:
    """The answer must not need what has just failed."""
    g.without_user = True
    db.session.rollback()

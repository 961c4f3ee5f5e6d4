"""Where the one-time links lead: somebody chooses their password, and is in."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address

from wa_app.domain.errors import InvitationNotFound, WrongInput
from wa_app.extensions import limiter
from wa_app.services.users import invitations
from wa_app.web.http import errors
from wa_app.web.http.times import now
from wa_app.web.pages.sign_in import enter

bp = Blueprint("invitations", __name__, url_prefix="/invitation")

GUESSES = "30 per 15 minutes"


def _failed(response: Response) -> bool:
    return response.status_code == 404


_limit = limiter.shared_limit(
    GUESSES, scope="invitation", key_func=get_remote_address, deduct_when=_failed
)


@bp.after_request
def _keep_to_ourselves(response: Response) -> Response:
    """The address is a secret: no copy of the page, and no other address learns it. Not
    `no-referrer`, because the CSRF check wants to see the origin under HTTPS."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


@bp.errorhandler(InvitationNotFound)
def refused(error: InvitationNotFound) -> ResponseReturnValue:
    """Unknown, used or old: strangers learn nothing, and who was invited learns what to do."""
    if errors.wants_json():
        return errors.answer(error.error)
    return render_template("invitation_ended.html"), 404


@bp.get("/<secret>")
@_limit
def form(secret: str) -> ResponseReturnValue:
    return _form(secret)


@bp.post("/<secret>")
@_limit
def accept(secret: str) -> ResponseReturnValue:
    password = request.form.get("password", "")
    try:
        user = invitations.accept(secret, password, now(), request.remote_addr)
    except WrongInput as wrong:
        return make_response(_form(secret, wrong=errors.sentence_of(wrong)), 400)
    enter(user)
    return redirect(url_for("home.home"))


def _form(secret: str, *, wrong: str = "") -> str:
    return render_template(
        "invitation.html", secret=secret, user=invitations.find(secret, now()), wrong=wrong
    )

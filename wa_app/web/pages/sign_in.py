"""Signing in and out, the links with which somebody does so first, the language of a browser."""

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_required, login_user, logout_user

from wa_app.domain.errors import InvitationNotFound, WrongInput
from wa_app.extensions import limiter
from wa_app.models import User
from wa_app.services.users import accounts, invitations
from wa_app.web.http import errors
from wa_app.web.http.access import LOCALES, actor, me, safe_next
from wa_app.web.http.times import now
from wa_app.wording.refusals import sentence_of

bp = Blueprint("auth", __name__)
links = Blueprint("invitations", __name__, url_prefix="/invitation")

PER_ADDRESS, PER_PAIR, PER_EMAIL = (f"{count} per 15 minutes" for count in (30, 10, 100))
"""Failed attempts. The narrow limit is for an e-mail *from an address*: else anybody could lock a
known e-mail out with ten wrong passwords."""

GUESSES = "30 per 15 minutes"
"""Of links."""


def _failed(response: Response) -> bool:
    return response.status_code == 401


def _email() -> str:
    return request.form.get("email", "").strip().lower()[:254]


def _pair() -> str:
    return f"{get_remote_address()} {_email()}"


@bp.route("/login", methods=["GET", "POST"])
@limiter.limit(PER_ADDRESS, key_func=get_remote_address, methods=["POST"], deduct_when=_failed)
@limiter.limit(PER_PAIR, key_func=_pair, methods=["POST"], deduct_when=_failed)
@limiter.limit(PER_EMAIL, key_func=_email, methods=["POST"], deduct_when=_failed)
def sign_in() -> ResponseReturnValue:
    """Only failed attempts count; the right password in time never meets the limit."""
    if request.method == "POST":
        return _sign_in()
    if current_user.is_authenticated:
        return redirect(url_for("home.home"))
    return render_template("sign_in.html", next=safe_next(request.args.get("next")))


def _sign_in() -> ResponseReturnValue:
    wanted = safe_next(request.form.get("next"))
    user = accounts.sign_in(request.form.get("email", ""), request.form.get("password", ""))
    if user is None:
        if errors.wants_json():
            return errors.answer("wrong_login")
        page = render_template("sign_in.html", next=wanted, email=_email(), wrong=True)
        return page, 401
    enter(user)
    return redirect(wanted or url_for("home.home"))


def enter(user: User) -> None:
    """Make this browser theirs."""
    chosen = session.get("locale")
    session.clear()  # nothing of what an earlier visitor of this browser left is carried over
    if chosen:
        session["locale"] = chosen
    session.permanent = True
    login_user(user)


@bp.post("/logout")
@login_required
def sign_out() -> ResponseReturnValue:
    logout_user()
    session.clear()
    return redirect(url_for(".sign_in"))


@bp.post("/language")
def language() -> ResponseReturnValue:
    """For everybody, signed in or not; a user's choice follows them to other browsers."""
    chosen = request.form.get("locale", "")
    if chosen in LOCALES:
        session["locale"] = chosen
        if current_user.is_authenticated:
            accounts.set_locale(actor(), me(), chosen)
    return redirect(safe_next(request.form.get("next")) or url_for("home.home"))


# ---- where the one-time links lead: somebody chooses their password, and is in


_limit = limiter.shared_limit(
    GUESSES,
    scope="invitation",
    key_func=get_remote_address,
    deduct_when=lambda response: response.status_code == 404,
)


@links.after_request
def _keep_to_ourselves(response: Response) -> Response:
    """The address is a secret: no copy of the page, and no other address learns it. Not
    `no-referrer`, because the CSRF check wants to see the origin under HTTPS."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


@links.errorhandler(InvitationNotFound)
def refused(error: InvitationNotFound) -> ResponseReturnValue:
    """Unknown, used or old: strangers learn nothing, and who was invited learns what to do."""
    if errors.wants_json():
        return errors.answer(error.error)
    return render_template("invitation_ended.html"), 404


@links.get("/<secret>")
@_limit
def form(secret: str) -> ResponseReturnValue:
    return _form(secret)


@links.post("/<secret>")
@_limit
def accept(secret: str) -> ResponseReturnValue:
    password = request.form.get("password", "")
    try:
        user = invitations.accept(secret, password, now(), request.remote_addr)
    except WrongInput as wrong:
        return _form(secret, wrong=sentence_of(wrong)), 400
    enter(user)
    return redirect(url_for("home.home"))


def _form(secret: str, *, wrong: str = "") -> str:
    return render_template(
        "invitation.html", secret=secret, user=invitations.find(secret, now()), wrong=wrong
    )

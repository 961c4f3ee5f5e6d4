"""One's own account: password, language, tokens."""

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import Refused
from wa_app.domain.users import SCOPES
from wa_app.services.users import accounts, tokens
from wa_app.web.http import errors, inputs
from wa_app.web.http.access import actor, me
from wa_app.web.http.responses import unkept
from wa_app.web.http.times import now
from wa_app.web.pages.sign_in import enter
from wa_app.wording.refusals import ERRORS, sentence_of

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("")
@login_required
def account() -> ResponseReturnValue:
    return _page()


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    return errors.back_with_words(error, url_for(".account"))


@bp.get("/password")
@bp.get("/tokens")
@login_required
def back() -> ResponseReturnValue:
    """For who goes to the address of a form, as the one in the browser's bar after it was sent."""
    return redirect(url_for(".account"))


@bp.post("/password")
@login_required
def password() -> ResponseReturnValue:
    old, new = request.form.get("old", ""), request.form.get("password", "")
    try:
        accounts.change_password(actor(), me(), old, new)
    except Refused as refused:
        return _page_with(refused, "wrong_password")
    enter(me())  # every other browser has to sign in again; this one need not
    flash(_("Your password is changed. Other browsers have to sign in again."), "done")
    return redirect(url_for(".account"))


@bp.post("/tokens")
@login_required
def create_token() -> ResponseReturnValue:
    try:
        name, scopes = request.form.get("name", ""), request.form.getlist("scope")
        token, secret = tokens.create(actor(), me(), name, scopes, now(), _days())
    except Refused as refused:
        return _page_with(refused, "wrong_token")
    # Not by a redirect: the secret would have to wait for it in a cookie.
    return unkept(make_response(_page(created=token, secret=secret), 201))


@bp.post("/tokens/<int(max=2147483647):token_id>/revoke")
@login_required
def revoke_token(token_id: int) -> ResponseReturnValue:
    token = tokens.own(me(), token_id)
    name = token.name
    tokens.revoke(actor(), token)
    flash(_("The token %(name)s is revoked. It opens nothing any more.", name=name), "done")
    return redirect(url_for(".account"))


def _days() -> int | None:
    text = request.form.get("days", "").strip()
    return inputs.number("days", text, least=1, most=2**31) if text else None


def _page_with(refused: Refused, place: str) -> ResponseReturnValue:
    """The sentence beside the form it is about."""
    page = _page(**{place: sentence_of(refused)})
    return page, ERRORS[refused.error].status


def _page(**more: object) -> str:
    offered = [scope for scope in SCOPES if scope != "admin" or me().is_admin]
    return render_template("account.html", tokens=tokens.of_user(me()), scopes=offered, **more)

"""People with a login."""

from flask import (
    Blueprint,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required, logout_user

from wa_app.domain.errors import Refused
from wa_app.domain.users import MAX_CONNECTIONS
from wa_app.models import User
from wa_app.services.connections import registry
from wa_app.services.sessions import backup_files
from wa_app.services.users import accounts, invitations, user_list
from wa_app.web.http import errors, inputs
from wa_app.web.http.access import actor, me, refuse_for_oneself, require_admin, settings
from wa_app.web.http.responses import unkept
from wa_app.web.http.times import now
from wa_app.wording.refusals import ERRORS, sentence_of
from wa_app.wording.users import USER_BADGES, deleted

bp = Blueprint("admin_users", __name__, url_prefix="/admin/users")
bp.before_request(require_admin)


@bp.errorhandler(Refused)
def refused(error: Refused) -> ResponseReturnValue:
    """Back to the user it is about, else to the list."""
    user_id = (request.view_args or {}).get("user_id")
    back = url_for(".one", user_id=user_id) if user_id else url_for(".everyone")
    return errors.back_with_words(error, back)


# ---- everybody


@bp.get("")
@login_required
def everyone() -> ResponseReturnValue:
    return _everyone()


@bp.post("")
@login_required
def create() -> ResponseReturnValue:
    """With a password they can sign in at once; without one they get a link."""
    form = {name: request.form.get(name, "") for name in ("email", "name", "role", "password")}
    email, password = form["email"], form["password"]
    wanted = {"role": form["role"] or "user", "name": form["name"]}
    try:
        if password:
            user = accounts.create(actor(), email, password, **wanted)
        else:
            invitation = invitations.create(
                actor(), email, now(), reached_at=request.url_root, **wanted
            )
    except Refused as refused:
        page = _everyone(form=form, wrong=sentence_of(refused))
        return page, ERRORS[refused.error].status
    if not password:
        return _once(_everyone(invitation=invitation))
    flash(_("%(email)s can sign in now.", email=user.email), "done")
    return redirect(url_for(".everyone"))


def _everyone(**more: object) -> str:
    filters = {
        "q": request.args.get("q", "").replace("\0", ""),
        "role": _one_of(accounts.ROLES, request.args.get("role")),
        "state": _one_of(tuple(user_list.STATES), request.args.get("state")),
    }
    page = inputs.whole("page", default=1, most=10**6) or 1
    listed, total = user_list.search(
        filters["q"], role=filters["role"], state=filters["state"], page=page
    )
    return render_template(
        "admin/users.html",
        listed=listed,
        total=total,
        filters=filters,
        page=page,
        pages=max(1, -(-total // user_list.PAGE)),
        **_words(),
        **more,
    )


def _one_of(known: tuple[str, ...], word: str | None) -> str:
    """A filter that nobody knows filters nothing."""
    return word if word in known else ""


def _words() -> dict[str, object]:
    return {
        "badges_of_user": USER_BADGES,
        "state_of": user_list.state_of,
        "limit_of": registry.limit_of,
    }


def _once(page: str) -> ResponseReturnValue:
    """A page with a secret on it. It is the answer itself, not behind a redirect: the secret
    would have to wait for that in a cookie."""
    return unkept(make_response(page))


# ---- one of them


@bp.get("/<int(max=2147483647):user_id>")
@login_required
def one(user_id: int) -> ResponseReturnValue:
    return _one(accounts.by_id(user_id))


@bp.post("/<int(max=2147483647):user_id>")
@login_required
def change(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    accounts.change(
        actor(),
        user,
        name=request.form.get("name", user.name),
        role=request.form.get("role", user.role),
        max_connections=_limit(),
    )
    flash(_("Saved."), "done")
    return redirect(url_for(".one", user_id=user_id) if me().is_admin else url_for("home.home"))


def _limit() -> int | None:
    text = request.form.get("max_connections", "").strip()
    return inputs.number("maxConnections", text, least=0, most=MAX_CONNECTIONS) if text else None


@bp.get("/<int(max=2147483647):user_id>/invite")
@bp.get("/<int(max=2147483647):user_id>/password")
@login_required
def back(user_id: int) -> ResponseReturnValue:
    """For who goes to the address of a form, as the one in the browser's bar after it was sent."""
    return redirect(url_for(".one", user_id=user_id))


@bp.post("/<int(max=2147483647):user_id>/invite")
@login_required
def invite(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    refuse_for_oneself(user)
    invitation = invitations.renew(actor(), user, now(), reached_at=request.url_root)
    return _once(_one(user, invitation=invitation))


@bp.post("/<int(max=2147483647):user_id>/password")
@login_required
def password(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    refuse_for_oneself(user)
    return _once(_one(user, password=accounts.set_password(actor(), user, None)))


@bp.post("/<int(max=2147483647):user_id>/activate")
@login_required
def activate(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    accounts.activate(actor(), user)
    flash(_("%(email)s is active again. Their connections come back.", email=user.email), "done")
    return redirect(url_for(".one", user_id=user_id))


@bp.post("/<int(max=2147483647):user_id>/deactivate")
@login_required
def deactivate(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    accounts.deactivate(actor(), user)
    flash(_("%(email)s is deactivated. Everything is kept.", email=user.email), "done")
    return redirect(url_for(".one", user_id=user_id))


@bp.get("/<int(max=2147483647):user_id>/delete")
@login_required
def confirm_delete(user_id: int) -> ResponseReturnValue:
    """Everything that goes, said before."""
    user = accounts.by_id(user_id)
    return render_template(
        "admin/user_delete.html",
        user=user,
        goes=user_list.belongings(user),
        days_after_removal=backup_files.KEPT_AFTER_REMOVAL.days,
    )


@bp.post("/<int(max=2147483647):user_id>/delete")
@login_required
def delete(user_id: int) -> ResponseReturnValue:
    user = accounts.by_id(user_id)
    email, goes, is_me = user.email, user_list.belongings(user), user.id == me().id
    accounts.remove(actor(), user)
    if is_me:
        logout_user()
        session.clear()
        return redirect(url_for("auth.sign_in"))
    flash(
        deleted(email, connections=goes.connections, messages=goes.messages, tokens=goes.tokens),
        "done",
    )
    return redirect(url_for(".everyone"))


def _one(user: User, **more: object) -> str:
    return render_template(
        "admin/user.html",
        user=user,
        linked=user_list.linked(user),
        everybodys=settings().max_connections_per_user,
        **_words(),
        **more,
    )

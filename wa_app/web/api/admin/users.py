"""Users, for administrators and their programs."""

from typing import Any

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import WrongInput
from wa_app.models import User
from wa_app.services.connections import registry
from wa_app.services.users import accounts, invitations, user_list
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, refuse_for_oneself, require_admin
from wa_app.web.http.responses import answer, unkept
from wa_app.web.http.times import now
from wa_app.wording.times import iso
from wa_app.wording.users import deleted

bp = Blueprint("api_admin_users", __name__, url_prefix="/api/admin/users")
bp.before_request(require_admin)


@bp.get("")
@login_required
def everyone() -> Response:
    role = _known("role", "unknown_role", accounts.ROLES)
    state = _known("state", "unknown_state", tuple(user_list.STATES))
    words = inputs.text("q", request.args.get("q", ""))
    page = inputs.whole("page", default=1, most=10**6) or 1
    listed, total = user_list.search(words, role=role, state=state, page=page)
    users = [_described(row.user, row.linked) for row in listed]
    return answer(
        _("Users: %(count)d.", count=total),
        users=users,
        total=total,
        page=page,
        pageSize=user_list.PAGE,
    )


def _known(name: str, problem: str, words: tuple[str, ...]) -> str:
    word = request.args.get(name, "")
    if word and word not in words:
        raise WrongInput(name, problem)
    return word


@bp.post("")
@login_required
def create() -> Response:
    """With a password they can sign in at once; without one the answer holds their link."""
    asked = inputs.body(email=str, name=str, role=str, password=str)
    email, chosen = inputs.required(asked, "email"), asked.get("password")
    more = {"role": asked.get("role", "user"), "name": asked.get("name", "")}
    if chosen is None:
        invitation = invitations.create(actor(), email, now(), reached_at=request.url_root, **more)
        return _invited(invitation, 201)
    user = accounts.create(actor(), email, chosen, **more)
    return answer(_("Created."), 201, **_described(user))


@bp.patch("/<int(max=2147483647):user_id>")
@login_required
def change(user_id: int) -> Response:
    asked = inputs.body(name=str, role=str, maxConnections=int, active=bool)
    user = accounts.by_id(user_id)
    accounts.change(actor(), user, **_changes(asked))
    return answer(_("Saved."), **_described(user))


def _changes(asked: dict[str, Any]) -> dict[str, Any]:
    """Null takes the user's own limit away."""
    changes: dict[str, Any] = {
        name: asked[name] for name in ("name", "role", "active") if name in asked
    }
    if "maxConnections" in asked or inputs.is_null("maxConnections"):
        changes["max_connections"] = asked.get("maxConnections")
    return changes


@bp.delete("/<int(max=2147483647):user_id>")
@login_required
def delete(user_id: int) -> Response:
    inputs.body()
    user = accounts.by_id(user_id)
    email, goes = user.email, user_list.belongings(user)
    accounts.remove(actor(), user)
    return answer(
        deleted(email, connections=goes.connections, messages=goes.messages, tokens=goes.tokens),
        connections=goes.connections,
        messages=goes.messages,
        tokens=goes.tokens,
    )


@bp.post("/<int(max=2147483647):user_id>/invite")
@login_required
def invite(user_id: int) -> Response:
    inputs.body()
    user = accounts.by_id(user_id)
    refuse_for_oneself(user)
    return _invited(invitations.renew(actor(), user, now(), reached_at=request.url_root))


@bp.post("/<int(max=2147483647):user_id>/password")
@login_required
def password(user_id: int) -> Response:
    """Without one in the request, a random one, which only this answer tells."""
    asked = inputs.body(password=str)
    user = accounts.by_id(user_id)
    refuse_for_oneself(user)
    chosen = accounts.set_password(actor(), user, asked.get("password"))
    told = {} if "password" in asked else {"password": chosen}
    return unkept(answer(_("The new password is set."), **told))


def _invited(invitation: invitations.Invitation, code: int = 200) -> Response:
    user = invitation.user
    response = answer(
        _("Give them the link: it works once, for 7 days."),
        code,
        **_described(user),
        link=invitation.link,
        mailed=invitation.mailed,
    )
    return unkept(response)


def _described(user: User, linked: int | None = None) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "state": user_list.state_of(user),
        "active": user.active,
        "connections": user_list.linked(user) if linked is None else linked,
        "maxConnections": user.max_connections,
        "connectionLimit": registry.limit_of(user),
        "linkExpiresAt": iso(user.invite_expires_at),
        "createdAt": iso(user.created_at),
    }

"""All connections, and what an administrator does for somebody else."""

from collections.abc import Callable

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import NotFound, UserInactive, UserNotFound, WrongInput
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services import ownership
from wa_app.services.connections import overview
from wa_app.services.connections.status import status_document
from wa_app.web.api.connections import connect_for, disconnect_for, force_cleanup_for, reconnect_for
from wa_app.web.http import inputs
from wa_app.web.http.access import actor, me, require_admin
from wa_app.web.http.inputs import query_asked
from wa_app.web.http.responses import answer
from wa_app.web.http.times import now

bp = Blueprint("api_admin_connections", __name__, url_prefix="/api/admin")
bp.before_request(require_admin)


@bp.get("/connections")
@login_required
def everything() -> Response:
    query = query_asked()
    found = overview.find(query)
    return answer(
        _("Connections: %(count)d.", count=found.total),
        connections=[_described(connection) for connection in found.rows],
        total=found.total,
        page=query.page,
        pages=found.pages,
        counts=[
            {"status": status, "hold": hold, "count": count}
            for (status, hold), count in overview.counts().items()
        ],
    )


def _described(connection: Connection) -> dict[str, object]:
    user: User | None = connection.user
    document = status_document(connection, ownership.owner(), now(), me())
    return document | {
        "name": connection.name,
        "user": user and {"id": user.id, "email": user.email, "name": user.name},
    }


@bp.post("/connections/<action>")
@login_required
def act(action: str) -> Response:
    """Several at once: each answers for itself."""
    if action not in overview.ACTIONS:
        raise NotFound
    asked = inputs.body(connections=list)
    chosen = inputs.required(asked, "connections")
    if len(chosen) > overview.MOST_AT_ONCE:
        raise WrongInput("connections", "too_long")
    results = overview.act(actor(), action, chosen)
    done = sum(result == "asked" for result in results.values())
    return answer(_("Asked for: %(done)d.", done=done), results=results)


def _for_user(action: str, act_for: Callable[[User], Response], *, active: bool) -> None:
    @bp.post(f"/users/<int(max=2147483647):user_id>/{action}", endpoint=action)
    @login_required
    def view(user_id: int) -> Response:
        user = db.session.get(User, user_id)
        if user is None or user.deleted_at is not None:
            raise UserNotFound
        if active and not user.active:
            raise UserInactive
        return act_for(user)


_for_user("connect", connect_for, active=True)
_for_user("reconnect", reconnect_for, active=True)
_for_user("disconnect", disconnect_for, active=False)
_for_user("force-cleanup", force_cleanup_for, active=False)

"""What an administrator does for somebody else."""

from flask import Blueprint, Response
from flask_login import login_required

from wa_app.domain.errors import UserInactive, UserNotFound
from wa_app.extensions import db
from wa_app.models import User
from wa_app.web.access import require_admin
from wa_app.web.api.sessions import connect_for, reconnect_for

bp = Blueprint("api_admin_connections", __name__, url_prefix="/api/admin")
bp.before_request(require_admin)


@bp.post("/users/<int(max=2147483647):user_id>/connect")
@login_required
def connect(user_id: int) -> Response:
    return connect_for(_active_user(user_id))


@bp.post("/users/<int(max=2147483647):user_id>/reconnect")
@login_required
def reconnect(user_id: int) -> Response:
    return reconnect_for(_active_user(user_id))


def _active_user(user_id: int) -> User:
    user = db.session.get(User, user_id)
    if user is None or user.deleted_at is not None:
        raise UserNotFound
    if not user.active:
        raise UserInactive
    return user

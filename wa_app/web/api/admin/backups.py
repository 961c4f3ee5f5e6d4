"""Encrypted copies of session files."""

from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext as _
from flask_login import login_required

from wa_app.domain.errors import ConnectionNotFound
from wa_app.extensions import db
from wa_app.models import Connection
from wa_app.services.operations import backups
from wa_app.services.operations.backups import Listed
from wa_app.services.sessions import backup_files as files
from wa_app.web.api.admin.operations import carried_out
from wa_app.web.http import inputs
from wa_app.web.http.access import require_admin, settings
from wa_app.web.http.responses import answer
from wa_app.wording.backups import compared
from wa_app.wording.times import iso, moment

bp = Blueprint("api_admin_backups", __name__, url_prefix="/api/admin/backups")
bp.before_request(require_admin)


@bp.get("")
@login_required
def everything() -> Response:
    listed = backups.everything(settings())
    return answer(
        _("Backups: %(count)d.", count=len(listed)),
        backups=[_document(one) for one in listed],
        keyLiesBeside=files.key_lies_beside(settings()),
    )


def _document(one: Listed) -> dict[str, Any]:
    return {
        "id": one.backup.id,
        "connectionId": one.backup.connection_id,
        "at": iso(one.backup.at),
        "size": one.backup.size,
        "label": one.label,
        "obstacle": one.obstacle and one.obstacle.error,
    }


@bp.get("/<backup_id>")
@login_required
def one(backup_id: str) -> Response:
    """With what it would take the place of."""
    listed = backups.one(settings(), backup_id)
    found = backups.compare(settings(), backup_id)
    return answer(
        " ".join(compared(found, moment)),
        **_document(listed),
        phone=found.copy.phone,
        inPlace=found.in_place and {"phone": found.in_place.phone, "usedAt": iso(found.used_at)},
        sameLogin=found.is_same,
        newer=found.newer,
    )


@bp.post("")
@login_required
def create() -> Response:
    """All linked numbers, or the one named."""
    asked: dict[str, str] = inputs.body(connection=str)
    if "connection" in asked and db.session.get(Connection, asked["connection"]) is None:
        raise ConnectionNotFound
    return carried_out("backup.create", asked)


@bp.post("/<backup_id>/<any('verify','restore'):act>")
@login_required
def act(backup_id: str, act: str) -> Response:
    inputs.body()
    files.find(settings(), backup_id)
    return carried_out(f"backup.{act}", {"backup": backup_id})

"""History: every event of a connection, newest first."""

from itertools import groupby

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.models import Connection, ConnectionEvent
from wa_app.services.connections import registry, status
from wa_app.web.http import inputs, times
from wa_app.web.http.access import chosen_connection, me

bp = Blueprint("history", __name__)

PAGE = 50


@bp.get("/history")
@login_required
def events() -> ResponseReturnValue:
    connection = chosen_connection(me())
    before = inputs.whole("before", default=None, most=2**31 - 1)
    found = status.history(connection, before=before, limit=PAGE + 1) if connection else []
    return render_template(
        "history.html",
        connection=connection,
        connections=registry.of_user(me()),
        days=_by_day(found[:PAGE]),
        is_first=before is None,
        older=_older(connection, found[PAGE - 1].id) if len(found) > PAGE else None,
    )


def _by_day(events: list[ConnectionEvent]) -> list[tuple[str, list[ConnectionEvent]]]:
    return [(day, list(group)) for day, group in groupby(events, lambda event: times.day(event.at))]


def _older(connection: Connection | None, last_seen: int) -> str:
    return url_for(".events", connection=connection and connection.id, before=last_seen)

"""What all connections are doing, who runs them, and the buttons for one or several at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from flask_login import login_required

from wa_app.domain.errors import WrongInput
from wa_app.domain.sessions.states import Action
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services import ownership
from wa_app.services.connections import overview, registry
from wa_app.services.connections.overview import Query
from wa_app.services.notifications import alert_list
from wa_app.services.ownership import owner_is_alive
from wa_app.web.http.access import actor, require_admin, settings
from wa_app.web.http.inputs import query_asked
from wa_app.web.http.times import now
from wa_app.wording.connections import (
    HOLD_BADGES,
    STATUS_BADGES,
    Badge,
    badge_of,
    explain,
    sentence,
)
from wa_app.wording.refusals import ERRORS

bp = Blueprint("admin_overview", __name__, url_prefix="/admin")
bp.before_request(require_admin)

ACTIONS: Mapping[str, str] = {
    "reconnect": _("Reconnect"),
    "disconnect": _("Disconnect"),
    "force-cleanup": _("Clean up"),
}

COLUMNS: Mapping[str, str] = {
    "user": _("User"),
    "number": _("Number"),
    "state": _("State"),
    "since": _("Since"),
    "attempts": _("Attempts"),
}
"""What the table can be sorted by, in the order of its columns."""


@dataclass(frozen=True)
class Line:
    """One connection in the table. `user` is None for an orphan."""

    connection: Connection
    user: User | None
    badge: Badge
    why: str

    def can_help(self, action: Action) -> bool:
        """Whether what a person is told to do can be done here: a code is scanned elsewhere."""
        if action is Action.RECONNECT:
            return self.offers("reconnect")
        return action not in (Action.PAIR, Action.CHOOSE_NUMBER, Action.TAKE_BACK)

    def offers(self, action: str) -> bool:
        """Whether its button could do something."""
        match action:
            case "reconnect":
                return self.connection.has_credentials and self.user is not None
            case "disconnect":
                return self.connection.enabled
        return True


@bp.get("")
@login_required
def overview_page() -> ResponseReturnValue:
    return render_template("admin/overview.html", alerts=alert_list.panel(), **shown())


def shown() -> dict[str, Any]:
    """What the page and its live part show."""
    query = query_asked()
    found = overview.find(query)
    at, owner, counts = now(), ownership.owner(), _counted()
    alive = owner_is_alive(owner, at)
    stale_after = settings().policy.heartbeat_stale_after
    return {
        "query": query,
        "found": found,
        "lines": [_line(connection, alive) for connection in found.rows],
        "counts": counts,
        "total": sum(count for _badge, count in counts),
        "owner": owner,
        "alive": alive,
        "standbys": ownership.standbys(at, stale_after),
        "columns": COLUMNS,
        "actions": ACTIONS,
        "statuses": STATUS_BADGES,
        "holds": HOLD_BADGES,
        "address": address_of,
    }


def _line(connection: Connection, alive: bool) -> Line:
    explanation = explain(connection, alive=alive, now=now())
    line = Line(connection, connection.user, badge_of(connection, alive=alive), explanation.title)
    if explanation.action is Action.NONE:
        return replace(line, why="")
    return replace(line, why=sentence(explanation)) if line.can_help(explanation.action) else line


def _counted() -> list[tuple[Badge, int]]:
    """How many of each badge, the good ones first."""
    found = overview.counts()
    by_status = [
        (badge, found.get((status, None), 0))
        for status, badge in reversed([*STATUS_BADGES.items()])
    ]
    by_hold = [
        (badge, sum(count for (_, held), count in found.items() if held is hold))
        for hold, badge in HOLD_BADGES.items()
    ]
    return [(badge, count) for badge, count in (*by_status, *by_hold) if count]


# ---- addresses


PAGE = "admin_overview.overview_page"


def address_of(query: Query, endpoint: str = PAGE, **changes: Any) -> str:
    """The page (or its live part, or its form) for this query, with these changes."""
    other = replace(query, **changes)
    sort = f"-{other.sort}" if other.descending else other.sort
    return url_for(
        endpoint,
        q=other.words or None,
        status=other.status,
        hold=other.hold,
        sort=sort if sort != "user" else None,
        page=other.page if other.page > 1 else None,
    )


# ---- what the buttons do


@bp.post("/connections")
@login_required
def act() -> ResponseReturnValue:
    """`one` is a row's own button, `<action> <connection id>`; else the chosen rows."""
    action, _blank, one = request.form.get("one", request.form.get("action", "")).partition(" ")
    chosen = [one] if one else request.form.getlist("id")
    back = address_of(query_asked())
    if action not in ACTIONS:
        raise WrongInput("action", "unknown_word")
    if not chosen:
        flash(_("Choose connections in the table first."), "error")
        return redirect(back)
    if action == "force-cleanup" and not request.form.get("sure"):
        return render_template("admin/confirm_clean.html", chosen=_named(chosen), back=back)
    _tell(overview.act(actor(), action, chosen))
    return redirect(back)


def _named(connection_ids: list[str]) -> dict[str, str]:
    found = [db.session.get(Connection, each) for each in connection_ids[: overview.MOST_AT_ONCE]]
    return {one.id: registry.label(one) for one in found if one is not None}


def _tell(results: Mapping[str, str]) -> None:
    """In numbers, and why for those that were refused."""
    refused = [word for word in results.values() if word != "asked"]
    asked = len(results) - len(refused)
    if asked:
        told = ngettext("Asked for %(num)d connection.", "Asked for %(num)d connections.", asked)
        flash(told, "done")
    for word in dict.fromkeys(refused):
        sentence = ERRORS[word].sentence
        flash(f"{refused.count(word)} × {sentence}", "error")

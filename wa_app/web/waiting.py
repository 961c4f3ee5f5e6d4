"""A short wait after a request, so that the answer shows its effect and not the moment before."""

from collections.abc import Callable

from wa_app.domain.connection import is_under_way
from wa_app.models import Connection
from wa_app.services import connections, ownership
from wa_app.services.ownership import owner_is_alive
from wa_app.web.times import now

SECONDS = 0.6
"""Within a second of the click the page has to say what is going on."""


LONGEST_WAIT = 15.0
"""Seconds; who waits for the end of what is asked for is told after that how far it is."""


def settled(connection: Connection, seen: Callable[[Connection], bool] | None = None) -> Connection:
    """The connection as soon as the owner has come to the request (or `seen` says so), after that
    time at most. Without an owner there is nothing to wait for."""
    if not owner_is_alive(ownership.owner(), now()):
        return connection
    carried_out = seen or (lambda looked_at: not is_under_way(looked_at.asked, looked_at.observed))
    return connections.wait_until(connection.id, carried_out, SECONDS)

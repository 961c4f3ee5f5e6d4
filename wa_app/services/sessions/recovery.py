"""What a new owner does before its first heartbeat: find out how things are, lose nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import OperationalError

from wa_app.config import Settings
from wa_app.domain.sessions.policy import Moment
from wa_app.domain.sessions.reconcile import resume
from wa_app.extensions import db
from wa_app.gateways.base import Gateways, SessionStore
from wa_app.models import Connection
from wa_app.services import ownership
from wa_app.services.messages import events, outbox
from wa_app.services.sessions import backup_files, transitions
from wa_app.services.sessions.manager import Manager

log = structlog.get_logger()

SPREAD_EACH = timedelta(milliseconds=100)
LONGEST_SPREAD = timedelta(seconds=10)


def recover(
    settings: Settings,
    gateways: Gateways,
    *,
    clock: Callable[[], datetime],
    dice: Callable[[], float],
) -> None:
    """Store what the spools hold, settle what was being sent, and resume every connection.
    Needs an application context."""
    now = clock()
    previous = ownership.owner()
    stopped_at = previous.heartbeat_at if previous else now
    backup_files.remove_unfinished(settings)
    for connection_id in gateways.store.spool_waiting():
        if db.session.get(Connection, connection_id) is not None:
            _drain(connection_id, gateways.store)
    outbox.service_started(now)
    connections = list(db.session.scalars(select(Connection)))
    spread = min(SPREAD_EACH * len(connections), LONGEST_SPREAD)
    for connection in connections:
        resumed = resume(
            connection.effective,
            connection.observed,
            Moment(now, dice(), settings.policy),
            has_credentials=_has_credentials(connection, gateways),
            stopped_at=stopped_at,
            spread=spread,
        )
        transitions.apply(connection, resumed, now, settings.policy)
    db.session.commit()
    log.info("connections resumed", count=len(connections))


def _has_credentials(connection: Connection, gateways: Gateways) -> bool:
    """Where nothing is there to say it, what was known stays, and the dial says what is wrong."""
    found = gateways.sockets[connection.channel].has_credentials(connection.id)
    return connection.has_credentials if found is None else found


def _drain(connection_id: str, files: SessionStore) -> None:
    try:
        events.drain(connection_id, files)
    except OperationalError:
        raise  # the database is away; the start is tried again
    except Exception:
        # One spool that cannot be read must not keep all the others from starting.
        log.exception("spool not stored", connection=connection_id)
        db.session.rollback()


def wake_all(manager: Manager) -> None:
    """Let the manager look at every connection that may need something."""
    unsettled = or_(Connection.enabled, Connection.wanted_version > Connection.observed_version)
    for connection_id in db.session.scalars(select(Connection.id).where(unsettled)).all():
        manager.wake(connection_id)

"""What runs by itself: the table of jobs, and what those do that are nobody else's. How they run is
`scheduler.py`."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from wa_app.domain.alerts import clock_is_wrong
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.models import Connection
from wa_app.services.audit import Actor
from wa_app.services.messages.dispatch import Dispatch
from wa_app.services.notifications.alerts import Alerts, clock_right, clock_wrong
from wa_app.services.operations import backups, cleanups, requests
from wa_app.services.operations.context import Context
from wa_app.services.runtime import retention
from wa_app.services.runtime.scheduler import Job, Jobs
from wa_app.services.sessions.manager import Manager
from wa_app.services.sessions.monitor import Monitor

LOOK = timedelta(seconds=0.5)
ALERT_LOOK = timedelta(seconds=5)
CLOCK_LOOK = timedelta(minutes=15)
SETTLE_SENDS = timedelta(seconds=15)
CLEAN_STALE = Actor("job clean-stale")
BACK_UP = Actor("job back-up")


def table(
    context: Context,
    scheduled: Jobs,
    monitor: Monitor,
    dispatch: Dispatch,
    alerts: Alerts,
    *,
    beat: Callable[[], None],
) -> tuple[Job, ...]:
    policy = context.settings.policy
    lifts = Job("lift-outages", policy.monitor_interval, monitor.lift_outages)
    return (
        Job("heartbeat", policy.heartbeat, beat),
        Job("look-for-requests", LOOK, partial(_look_for_requests, context.manager, scheduled)),
        Job("monitor", policy.monitor_interval, monitor.tick),
        *((lifts,) if context.settings.enable_connection_monitor else ()),
        Job("settle-sends", SETTLE_SENDS, dispatch.settle),
        Job("alerts", ALERT_LOOK, alerts.look),
        Job("check-clock", CLOCK_LOOK, partial(_check_clock, context)),
        Job("clean-stale", policy.cleanup_interval, partial(_clean_stale, context)),
        Job("back-up", policy.backup_interval, partial(_back_up, context)),
        Job("forget", retention.DAY, partial(_forget, context)),
    )


def _look_for_requests(manager: Manager, scheduled: Jobs) -> None:
    manager.find_requests()
    scheduled.start_what_was_asked_for()


def _check_clock(context: Context) -> None:
    """Against WhatsApp's, whose answers carry the time; nobody is asked without a number there."""
    in_use = select(Connection.proxy).where(
        Connection.channel == Channel.WHATSAPP, Connection.enabled, Connection.deleted_at.is_(None)
    )
    one = db.session.execute(in_use.limit(1)).first()
    if one is None:
        return
    route = one.proxy or context.settings.whatsapp_proxy or None
    theirs, now = context.gateways.probes[Channel.WHATSAPP].reach(route).date, context.clock()
    if theirs is None:
        return
    if clock_is_wrong(now, theirs):
        clock_wrong(f"{abs(now - theirs).total_seconds():.0f} s", now)
    else:
        clock_right()
    db.session.commit()


def _clean_stale(context: Context) -> None:
    if cleanups.stale(context):
        requests.ask(CLEAN_STALE, "cleanup.stale")


def _back_up(context: Context) -> None:
    if backups.has_linked_numbers():
        requests.ask(BACK_UP, "backup.create")
    backups.remove_forgotten(context.settings, BACK_UP, context.clock())


def _forget(context: Context) -> None:
    retention.forget(context.clock())

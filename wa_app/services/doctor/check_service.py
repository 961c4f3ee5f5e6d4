"""Whether the service itself is well: database, owner, port, jobs."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection, HTTPException

from sqlalchemy.exc import SQLAlchemyError

from wa_app.config import Settings
from wa_app.extensions import db
from wa_app.models import JobRun
from wa_app.services import ownership
from wa_app.services.doctor.findings import Case, Finding, ill, well, without_people
from wa_app.services.runtime import database, scheduler, watchdog

ANSWER_WITHIN = 3.0
LATELY = timedelta(hours=24)


def check_database(_case: Case) -> Iterator[Finding]:
    try:
        database.look()
    except SQLAlchemyError as error:
        yield ill("away", why=without_people(getattr(error, "orig", None) or error))
    else:
        yield well("reachable")


def check_migrations(_case: Case) -> Iterator[Finding]:
    match database.tables():
        case database.Tables.APPLIED:
            yield well("applied")
        case database.Tables.PENDING:
            yield ill("pending")
        case database.Tables.NEWER:
            yield ill("newer")


def check_owner(case: Case) -> Iterator[Finding]:
    """Who owns the sessions. A command may well be alone; a server never is."""
    owner = ownership.owner()
    if owner is None or owner.stopped:
        yield ill("nobody") if case.serving else well("none")
        return
    who = {"pid": owner.pid, "host": owner.host}
    if ownership.owner_is_alive(owner, case.now):
        stale_after = case.settings.policy.heartbeat_stale_after
        standbys = len(ownership.standbys(case.now, stale_after))
        yield well("alive", **who, since=owner.since, standbys=standbys)
    elif owner.heartbeat_at > case.now:
        yield ill("from_future", **who, at=owner.heartbeat_at)
    else:
        yield ill("silent", **who, at=owner.heartbeat_at)


def check_port(case: Case) -> Iterator[Finding]:
    """Ours is what answers with the mark of this data folder."""
    where = {"host": case.settings.host, "port": case.settings.port}
    try:
        answered = _instance_at(_reachable(case.settings.host), case.settings.port)
    except ConnectionRefusedError:
        yield _may_be_listened_on(case.settings)
    except TimeoutError:
        yield ill("silent", **where)
    except OSError as error:
        yield ill("unusable", **where, why=error.strerror)
    else:
        yield well("ours", **where) if answered == ownership.instance() else ill("taken", **where)


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  looked for, not used


def _instance_at(host: str, port: int) -> str | None:
    """The mark of the Vigía that listens there; None: it is something else. Raises OSError."""
    http = HTTPConnection(host, port, timeout=ANSWER_WITHIN)
    try:
        http.request("GET", "/healthz")
        found: str | None = json.loads(http.getresponse().read(10_000)).get("instance")
    except (HTTPException, ConnectionResetError, ValueError, AttributeError):
        return None
    finally:
        http.close()
    return found


def _may_be_listened_on(settings: Settings) -> Finding:
    where = {"host": settings.host, "port": settings.port}
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as error:
        why, _, _ = str(error.strerror).partition(" (")  # Python adds the address to it
        return ill("unusable", **where, why=why)
    return well("free", **where)


def check_scheduler(case: Case) -> Iterator[Finding]:
    """Jobs are written down so often at most; a service that has just started gets its time."""
    owner, now = ownership.owner(), case.now
    if owner is None or not ownership.owner_is_alive(owner, now):
        yield well("no_service")
        return
    row = db.session.get(JobRun, "monitor")
    last_at = max(owner.since, (row and row.last_at) or owner.since)
    every = max(case.settings.policy.monitor_interval, scheduler.RECORD_EVERY)
    if now - last_at > watchdog.INTERVALS * every:
        yield ill("still", since=last_at)
    else:
        yield well("runs", at=last_at) if last_at > owner.since else well("starting")


def check_jobs(_case: Case) -> Iterator[Finding]:
    failed = [job for job in scheduler.everything() if job.error]
    for job in failed:
        yield ill("failed", job=job.name, why=without_people(job.error))
    if not failed:
        yield well("fine")


def check_restarts(case: Case) -> Iterator[Finding]:
    last = watchdog.last_restart()
    if last is not None and case.now - last.at < LATELY:
        yield ill("lately", at=last.at, why=last.target)
    else:
        yield well("none")

"""The doctor: what may be wrong with an installation, looked for by one small check each.

The same for the page, the API and the command line, in every process: the owner, a standby, or a
command with no server at all. The checks run side by side, so that one that hangs (a network, a
disk, a database) costs the others nothing.
"""

import hmac
import json
import os
import re
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

import structlog
from flask import Flask, current_app
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from wa_app.config import ROOT, Settings
from wa_app.domain.alerts import AlertKind, disk_is_low
from wa_app.domain.states import Channel, Hold
from wa_app.extensions import db
from wa_app.gateways.base import Gateway, Reach
from wa_app.models import Alert, Connection, JobRun, Operation
from wa_app.services import (
    backups,
    cleanups,
    connections,
    database,
    jobs,
    mails,
    overview,
    ownership,
    restoring,
    watchdog,
)
from wa_app.services.tools import Tools

log = structlog.get_logger()
T = TypeVar("T")

PATIENCE = 7.0
"""Seconds for each check; longer than a way to WhatsApp takes to be given up (5 s)."""

FRESH = timedelta(seconds=5)
ANSWER_WITHIN = 3.0
MOST_SKEW = timedelta(seconds=30)
LATELY = timedelta(hours=24)
REQUIREMENTS = ROOT / "requirements.txt"

PERSONAL = re.compile(r"\S*@\S+|\+?\d[\d ]{6,}\d")
"""Addresses, logins in URLs, numbers of phones."""


@dataclass(frozen=True)
class Finding:
    """`code` is the stable word of what was found; `values` are for its sentence, and hold nothing
    that must not be shown to a stranger who helps."""

    ok: bool
    code: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """`findings`: (check, what it found)."""

    at: datetime
    findings: tuple[tuple[str, Finding], ...]

    @property
    def ok(self) -> bool:
        return all(finding.ok for _, finding in self.findings)


@dataclass(frozen=True)
class Case:
    """`serving`: asked by a server, not by a command that may be alone."""

    tools: Tools
    serving: bool

    @property
    def settings(self) -> Settings:
        return self.tools.settings

    @property
    def now(self) -> datetime:
        return self.tools.clock()

    @property
    def whatsapp(self) -> Gateway:
        return self.tools.gateways[Channel.WHATSAPP]


Check = Callable[[Case], Iterator[Finding]]


def well(code: str, **values: object) -> Finding:
    return Finding(True, code, values)


def ill(code: str, **values: object) -> Finding:
    return Finding(False, code, values)


def without_people(text: object) -> str:
    """What somebody else's software said, without what a report must not carry on."""
    lines = str(text).splitlines() or [""]  # the database's own second line tells the statement
    return PERSONAL.sub("…", lines[0])[:200]


# ---- the service


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
    owner, stale_after = connections.owner(), case.settings.policy.heartbeat_stale_after
    if owner is None or owner.stopped:
        yield ill("nobody") if case.serving else well("none")
        return
    who = {"pid": owner.pid, "host": owner.host}
    if ownership.is_alive(owner, case.now, stale_after):
        standbys = len(ownership.standing_by(case.now, stale_after))
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
        yield well("ours", **where) if answered == instance() else ill("taken", **where)


def instance() -> str:
    """The same for all servers of one data folder, and no other."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.digest(key, b"instance", "sha256").hex()[:16]


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
    owner, now = connections.owner(), case.now
    if owner is None or not ownership.is_alive(
        owner, now, case.settings.policy.heartbeat_stale_after
    ):
        yield well("no_service")
        return
    row = db.session.get(JobRun, "monitor")
    last_at = max(owner.since, (row and row.last_at) or owner.since)
    every = max(case.settings.policy.monitor_interval, jobs.RECORD_EVERY)
    if now - last_at > watchdog.INTERVALS * every:
        yield ill("still", since=last_at)
    else:
        yield well("runs", at=last_at) if last_at > owner.since else well("starting")


def check_jobs(_case: Case) -> Iterator[Finding]:
    failed = [job for job in jobs.everything() if job.error]
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


# ---- sessions


def check_folders(case: Case) -> Iterator[Finding]:
    """The session folders, and everything else under the data folder that holds a login."""
    settings = case.settings
    folder = settings.sessions_dir if settings.sessions_dir.exists() else settings.data_dir
    if not folder.is_dir():
        yield ill("no_folder", path=folder)
        return
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        yield ill("not_writable", path=folder, why=error.strerror)
    else:
        wrong = next(_open_to_others(settings.data_dir), None)
        yield ill("open_to_others", **wrong) if wrong else well("fine", path=settings.sessions_dir)


def _open_to_others(data_dir: Path) -> Iterator[dict[str, object]]:
    """What anybody but us may read or change."""
    secret = (data_dir / name for name in ("sessions", "quarantine", "backups"))
    for path in (data_dir, *secret, data_dir / "backup_key"):
        yield from _open_in(path)
        if path != data_dir:
            for folder, folders, names in os.walk(path):
                for name in sorted(folders + names):
                    yield from _open_in(Path(folder, name))


def _open_in(path: Path) -> Iterator[dict[str, object]]:
    try:
        status = path.lstat()
    except FileNotFoundError:  # sessions come and go
        return
    if stat.S_IMODE(status.st_mode) & 0o077 and not stat.S_ISLNK(status.st_mode):
        right = "700" if stat.S_ISDIR(status.st_mode) else "600"
        yield {"path": path, "mode": f"{stat.S_IMODE(status.st_mode):o}", "right": right}


def check_orphans(case: Case) -> Iterator[Finding]:
    steps = list(cleanups.plan_orphans(case.tools, Operation(kind="cleanup.orphans")))
    count = sum(int(step.label) if step.what == "records" else 1 for step in steps)
    yield ill("some", count=count) if count else well("none")


def check_stale(case: Case) -> Iterator[Finding]:
    count = len(cleanups.stale(case.tools))
    yield ill("some", count=count) if count else well("none")


def check_hung(case: Case) -> Iterator[Finding]:
    count = overview.hung(case.now, case.settings.policy.connect_timeout)
    yield ill("some", count=count) if count else well("none")


# ---- WhatsApp


def check_whatsapp(case: Case) -> Iterator[Finding]:
    """Every way that is in use, side by side."""
    reaches = [in_background(partial(case.whatsapp.reach, way)) for way in _routes(case)]
    for reach in (one.result(PATIENCE) for one in reaches):
        proxy = reach.proxy
        if reach.failed is not None:
            yield ill(f"{reach.failed}_failed", proxy=proxy)
        else:
            yield well("through_proxy", proxy=proxy) if proxy else well("directly")


def _routes(case: Case) -> list[str | None]:
    usual = case.settings.whatsapp_proxy or None
    own = select(Connection.proxy).distinct()
    in_use = own.where(Connection.channel == Channel.WHATSAPP, Connection.deleted_at.is_(None))
    try:
        proxies = {proxy or usual for proxy in db.session.scalars(in_use)}
    except SQLAlchemyError:  # the usual way can be tried without it
        proxies = set()
    return sorted({usual, *proxies}, key=str)


def check_clock(case: Case) -> Iterator[Finding]:
    """Against WhatsApp's: a login is refused when they are far apart."""
    reach: Reach = case.whatsapp.reach(case.settings.whatsapp_proxy or None)
    if reach.date is None:
        yield well("unknown")
        return
    skew = round(abs(case.now - reach.date).total_seconds())
    yield ill("off", seconds=skew) if skew > MOST_SKEW.total_seconds() else well("right")


def check_library(case: Case) -> Iterator[Finding]:
    parts = case.whatsapp.components()
    installed, pinned = parts.get("neonize"), _pinned("neonize")
    if installed is None:
        yield ill("missing", pinned=pinned or "")
    elif pinned is not None and installed != pinned:
        yield ill("other", neonize=installed, pinned=pinned)
    else:
        yield well("right", neonize=installed, whatsmeow=parts.get("whatsmeow") or "?")


def _pinned(package: str) -> str | None:
    """None where the requirements were not delivered with the code."""
    try:
        lines = REQUIREMENTS.read_text().splitlines()
    except FileNotFoundError:
        return None
    return next((line.split("==")[1] for line in lines if line.startswith(f"{package}==")), None)


def check_protocol(_case: Case) -> Iterator[Finding]:
    held = select(func.count()).where(
        Connection.hold == Hold.CLIENT_OUTDATED, Connection.deleted_at.is_(None)
    )
    count = db.session.scalar(held)
    yield ill("outdated", count=count) if count else well("accepted")


# ---- what must not be lost


def check_key(case: Case) -> Iterator[Finding]:
    """The key of the backups."""
    yield ill("beside") if backups.key_lies_beside(case.settings) else well("elsewhere")


def check_backups(case: Case) -> Iterator[Finding]:
    failed = select(Alert.about).where(
        Alert.kind == AlertKind.BACKUP_FAILED, Alert.ended_at.is_(None), ~Alert.recovered
    )
    why = db.session.scalar(failed)
    yield ill("failed", why=without_people(why)) if why is not None else _age_of_backups(case)


def _age_of_backups(case: Case) -> Finding:
    """A number that was linked today is backed up for the first time tomorrow."""
    linked_since = db.session.scalar(
        select(func.min(Connection.created_at)).where(restoring.LINKED)
    )
    if linked_since is None:
        return well("nothing_linked")
    made = next((backup.at for backup in backups.list_all(case.settings)), None)
    if case.now - (made or linked_since) > 2 * case.settings.policy.backup_interval:
        return ill("old", at=made) if made else ill("never")
    return well("recent", at=made) if made else well("first_to_come")


def check_secret(case: Case) -> Iterator[Finding]:
    """The key that signs the logins."""
    file = case.settings.data_dir / "secret_key"
    if case.settings.secret_key:
        yield well("set")
    elif stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield ill("readable", path=file)
    else:
        yield well("file", path=file)


def check_disk(case: Case) -> Iterator[Finding]:
    total, _used, free = shutil.disk_usage(case.settings.data_dir)
    size = {"free": _gigabytes(free), "total": _gigabytes(total)}
    yield ill("low", **size) if disk_is_low(total, free, was_low=False) else well("enough", **size)


def _gigabytes(size: int) -> str:
    return f"{size / 1000**3:.1f} GB"


def check_mail(_case: Case) -> Iterator[Finding]:
    state = mails.state()
    if not state.set_up:
        yield well("not_set_up")
    elif state.error is not None:
        yield ill("failed", why=without_people(state.error))
    else:
        yield well("sent", at=state.last_sent_at) if state.last_sent_at else well("ready")


CHECKS: Mapping[str, Check] = {
    "database": check_database,
    "migrations": check_migrations,
    "owner": check_owner,
    "port": check_port,
    "scheduler": check_scheduler,
    "jobs": check_jobs,
    "restarts": check_restarts,
    "whatsapp": check_whatsapp,
    "clock": check_clock,
    "library": check_library,
    "protocol": check_protocol,
    "folders": check_folders,
    "orphans": check_orphans,
    "stale": check_stale,
    "hung": check_hung,
    "key": check_key,
    "backups": check_backups,
    "secret": check_secret,
    "disk": check_disk,
    "mail": check_mail,
}


# ---- all of them


class Doctor:
    """Keeps the last report: clicks in a row are one look."""

    def __init__(self) -> None:
        self.last: Report | None = None
        self._looking = threading.Lock()

    def look(self, app: Flask, tools: Tools) -> Report:
        with self._looking:
            if self.last is None or abs(tools.clock() - self.last.at) >= FRESH:
                self.last = examine(app, Case(tools, serving=True))
            return self.last


def examine(app: Flask, case: Case, checks: Mapping[str, Check] = CHECKS) -> Report:
    """Within `PATIENCE`, whatever hangs."""
    begun = {name: _begin(app, case, check) for name, check in checks.items()}
    deadline = time.monotonic() + PATIENCE
    findings = [(name, one) for name, each in begun.items() for one in _end(each, deadline)]
    return Report(case.now, tuple(findings))


def _begin(app: Flask, case: Case, check: Check) -> Future[list[Finding]]:
    return in_background(partial(_look, app, case, check))


def _look(app: Flask, case: Case, check: Check) -> list[Finding]:
    """What a check found before it failed counts."""
    found: list[Finding] = []
    try:
        with app.app_context():
            for finding in check(case):
                found.append(finding)
    except SQLAlchemyError:
        found.append(ill("needs_database"))
    except TimeoutError:
        found.append(ill("too_slow"))
    except Exception as error:
        log.exception("check failed", check=check.__name__)
        why = without_people(f"{type(error).__name__}: {error}")
        found.append(ill("failed_to_look", why=why))
    return found


def _end(begun: Future[list[Finding]], deadline: float) -> list[Finding]:
    try:
        return begun.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return [ill("too_slow")]


def in_background(run: Callable[[], T]) -> Future[T]:
    """In a thread that nobody waits for at the end: a pool's would hold up the command."""
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(run())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="check", daemon=True).start()
    return outcome

"""Exactly one process owns the sessions: the one that holds the lock on a file in the data folder.

The kernel frees the lock when its holder dies, however it dies.
"""

import fcntl
import hmac
import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import delete, select

from wa_app.config import Settings
from wa_app.extensions import db
from wa_app.models import Owner, Standby


class OwnerLock:
    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "owner.lock"
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; True when it is ours."""
        if self._handle is not None:
            return True
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def beat(now: datetime, since: datetime, *, stopped: bool = False) -> None:
    """Write the owner's sign of life, or its goodbye. Needs an application context."""
    row = db.session.get(Owner, 1) or Owner(id=1)
    row.pid, row.host, row.since, row.heartbeat_at = os.getpid(), socket.gethostname(), since, now
    row.stopped = stopped
    db.session.add(row)
    db.session.commit()


def record_standby(now: datetime, since: datetime, stale_after: timedelta) -> None:
    """Write a waiting process's sign of life, and forget those that gave none for long."""
    key = {"host": socket.gethostname(), "pid": os.getpid()}
    db.session.merge(Standby(**key, since=since, heartbeat_at=now))
    db.session.execute(delete(Standby).where(Standby.heartbeat_at < now - stale_after))
    db.session.commit()


def remove_standby() -> None:
    ours = Standby.host == socket.gethostname(), Standby.pid == os.getpid()
    db.session.execute(delete(Standby).where(*ours))
    db.session.commit()


def standbys(now: datetime, stale_after: timedelta) -> list[Standby]:
    fresh = select(Standby).where(Standby.heartbeat_at >= now - stale_after)
    return list(db.session.scalars(fresh.order_by(Standby.since)))


def instance() -> str:
    """The same for all servers of one data folder, and no other."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.digest(key, b"instance", "sha256").hex()[:16]


def owner_is_alive(owner: Owner | None, now: datetime) -> bool:
    """Whether somebody is there to write the observed halves."""
    if owner is None or owner.stopped:
        return False
    settings: Settings = current_app.config["SETTINGS"]
    # A heartbeat from the future is no sign of life: the clock was set back since.
    return abs(now - owner.heartbeat_at) <= settings.policy.heartbeat_stale_after


def owner() -> Owner | None:
    return db.session.get(Owner, 1)

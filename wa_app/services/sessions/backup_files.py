"""Encrypted copies of session files: made before a session is removed, daily, and when asked for.

One file each, sealed as `wa_app/sealing.py` says, about the id of its connection.
"""

import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import structlog

from wa_app import disk, sealing
from wa_app.config import Settings, secret_from_file
from wa_app.domain.errors import (
    BackupDamaged,
    BackupForeign,
    BackupNotFound,
    BackupUnreadable,
    BackupWrongKey,
)
from wa_app.gateways.base import SessionStore
from wa_app.sealing import Sealer

log = structlog.get_logger()

KEPT = 5
"""For each connection."""

KEPT_AFTER_REMOVAL = timedelta(days=30)
"""Since the newest. Nobody can put them back without their connection, but whoever removed it by
mistake can still learn what there was; after a month they are only the logins of people who have
left."""

STAMP = "%Y%m%dT%H%M%S%f"
ID = re.compile(r"([A-Za-z0-9_-]{1,36})\.(\d{8}T\d{12})", re.ASCII)

REFUSALS: Mapping[type[sealing.Unreadable], type[BackupUnreadable]] = {
    sealing.ForeignFile: BackupForeign,
    sealing.WrongKey: BackupWrongKey,
    sealing.Damaged: BackupDamaged,
}


@dataclass(frozen=True)
class Backup:
    """`size` in bytes."""

    connection_id: str
    at: datetime
    size: int
    path: Path

    @property
    def id(self) -> str:
        return id_of(self.connection_id, self.at)


def id_of(connection_id: str, at: datetime) -> str:
    return f"{connection_id}.{at.astimezone(UTC):{STAMP}}"


# ---- the key


def sealer_of(settings: Settings) -> Sealer:
    return _sealer(settings.data_dir, settings.backup_key)


@cache
def _sealer(data_dir: Path, key: str) -> Sealer:
    """Read once: one process must not seal with one key and open with another."""
    return Sealer(key or secret_from_file(data_dir / "backup_key"))


def with_another_key(settings: Settings) -> int:
    """How many backups the key of today does not open."""
    ours = sealer_of(settings).fingerprint
    return sum(sealing.fingerprint_of(one.path) not in (ours, None) for one in _found(settings))


def key_lies_beside(settings: Settings) -> bool:
    """Whether BACKUP_KEY is not set: then whoever takes the data folder takes the key along."""
    return not settings.backup_key


# ---- making


def back_up(
    settings: Settings,
    connection_id: str,
    files: SessionStore,
    now: datetime,
    *,
    spare: Backup | None = None,
) -> bool:
    """False: there is nothing to back up. Raises OSError."""
    session = files.export(connection_id)
    if session is not None:
        key = settings.backup_key
        save(settings.data_dir, key, connection_id, session, now, spare=spare)
    return session is not None


def save(
    data_dir: Path,
    key: str,
    connection_id: str,
    session: bytes,
    now: datetime,
    *,
    spare: Backup | None = None,
) -> Path:
    """Write a copy, durably, and drop all but the last five; never this one, nor the one to
    `spare`. Raises OSError when it could not be written."""
    folder = data_dir / "backups" / connection_id
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{now.astimezone(UTC):{STAMP}}.session"
    disk.write(path, _sealer(data_dir, key).seal(session, connection_id))
    _drop_old(folder, {path, spare.path} if spare else {path})
    return path


def _drop_old(folder: Path, spared: set[Path]) -> None:
    """Whatever else lies there is not ours to count or to remove."""
    ours = sorted(filter(None, map(_at, folder.glob("*.session"))), key=lambda one: one.at)
    for old in ours[:-KEPT]:
        if old.path not in spared:
            try:
                old.path.unlink()
            except OSError as error:  # the new copy is what counts
                log.warning("old backup not removed", path=str(old.path), error=str(error))


def remove_unfinished(settings: Settings) -> None:
    """What a crash has left of a copy that was being made. Only while nobody makes any."""
    for part in (settings.data_dir / "backups").glob("*/*.part"):
        try:
            part.unlink()
        except OSError as error:
            log.warning("unfinished backup not removed", path=str(part), error=str(error))


def remove(settings: Settings, connection_id: str) -> None:
    """All of a connection's. Raises OSError."""
    shutil.rmtree(settings.data_dir / "backups" / connection_id)


# ---- reading


def list_all(settings: Settings) -> list[Backup]:
    """The newest first."""
    return sorted(_found(settings), key=lambda backup: backup.at, reverse=True)


def _found(settings: Settings) -> Iterator[Backup]:
    for path in (settings.data_dir / "backups").glob("*/*.session"):
        backup = _at(path)
        if backup is not None:
            yield backup


def find(settings: Settings, backup_id: str) -> Backup:
    """Raises `BackupNotFound`."""
    parts = ID.fullmatch(backup_id)
    if parts is None:
        raise BackupNotFound
    path = settings.data_dir / "backups" / parts[1] / f"{parts[2]}.session"
    backup = _at(path)
    if backup is None:
        raise BackupNotFound
    return backup


def _at(path: Path) -> Backup | None:
    """None for a file that is none of ours, or has gone meanwhile."""
    try:
        at = datetime.strptime(path.stem, STAMP).replace(tzinfo=UTC)
        status = path.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        return Backup(path.parent.name, at, status.st_size, path) if is_file else None
    except (ValueError, OSError):
        return None


def read(settings: Settings, backup: Backup) -> bytes:
    """The session in it. Raises `BackupUnreadable`, OSError."""
    try:
        content = backup.path.read_bytes()
    except FileNotFoundError:
        raise BackupNotFound from None
    try:
        return sealer_of(settings).unseal(content, backup.connection_id)
    except sealing.Unreadable as error:
        raise REFUSALS[type(error)] from error

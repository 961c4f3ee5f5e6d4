"""Is the data folder still the one that this process has started on?

Somebody may empty it, move it away, put another in its place, or mount something over it, while
the service runs. What is open stays open then: the database that answers is a deleted one, what is
written to it is lost, and every session folder looks as if its number had been unlinked. So nothing
more is done on such a folder; a marker file in it tells when ours is back.
"""

import os
import sqlite3
import time
from contextlib import closing, suppress
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import make_url

from wa_app import disk
from wa_app.config import SettingError, Settings, secret_from_file
from wa_app.disk import Identity

if TYPE_CHECKING:
    from flask import Flask

SETTLED = 1.0
"""Seconds without a change after which a folder that is put back counts as whole."""


class Loss(StrEnum):
    """What there is instead of our folder."""

    GONE = auto()  # nothing, or a folder with nothing of ours in it
    OTHER = auto()  # another installation's
    EXCHANGED = auto()  # our own, but not the files that are open: a copy, or a part is missing


class DataFolder:
    def __init__(self, settings: Settings) -> None:
        self._path = settings.data_dir
        self._marker = settings.data_dir / "installation_id"
        self.database = database_file(settings)
        """None: it is elsewhere."""
        self._id = ""
        self._files: dict[Path, Identity] = {}

    def remember(self) -> None:
        """From now on this is ours. One without a database yet bears no mark, and neither does one
        that cannot be written. Raises `SettingError`."""
        lock = self._path / "owner.lock"
        with suppress(OSError):
            lock.touch(mode=0o600)
            self._id = secret_from_file(self._marker) if self.has_tables() else ""
        watched = [self._path, self._marker, lock, *filter(None, (self.database,))]
        self._files = {path: found for path in watched if (found := _kept(path)) is not None}

    def loss(self) -> Loss | None:
        """None: all is in place. A few looks at the disk; reads nothing."""
        if all(disk.identity(path) == known for path, known in self._files.items()):
            return None
        try:
            found = self._marker.read_text().strip()
        except (OSError, ValueError):
            return Loss.GONE
        return Loss.EXCHANGED if self._id in ("", found) else Loss.OTHER

    def is_back(self) -> bool:
        """Whether our folder, or a copy of it, is there and whole: nothing changes in it."""
        try:
            if not self._is_ours():
                return False
            before = self._content()
            time.sleep(SETTLED)
            return self._is_ours() and self._content() == before
        except OSError:  # it goes, or comes, while it is looked at
            return False

    def _is_ours(self) -> bool:
        if self.loss() not in (None, Loss.EXCHANGED):
            return False
        return self.has_tables()

    def has_tables(self) -> bool:
        """As far as one can see: of a database elsewhere nothing."""
        return self.database is None or has_tables(self.database)

    def _content(self) -> set[tuple[str, int, int]]:
        found = set()
        for folder, _, names in os.walk(self._path):
            for name in names:
                if name.endswith("-shm"):
                    continue  # changes whenever a database is read
                path = Path(folder, name)
                try:
                    status = path.lstat()
                except OSError:
                    continue
                found.add((str(path), status.st_size, status.st_mtime_ns))
        return found


def of(app: "Flask") -> DataFolder:
    found: DataFolder = app.extensions["data_folder"]
    return found


def database_file(settings: Settings) -> Path | None:
    """None: the database is elsewhere."""
    url = make_url(settings.database)
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def has_tables(file: Path) -> bool:
    """False: there is no database, or one with nothing in it. One that cannot be read has some:
    whoever opens it is told what is wrong with it."""
    if not file.exists() or file.stat().st_size == 0:
        return False
    log = file.with_name(file.name + "-wal")
    in_use = log.exists() and log.stat().st_size > 0
    place = f"file:{quote(str(file))}?{'mode=ro' if in_use else 'mode=ro&immutable=1'}"
    try:
        with closing(sqlite3.connect(place, uri=True)) as database:
            [(count,)] = database.execute("SELECT count(*) FROM sqlite_master")
            return bool(count)
    except sqlite3.DatabaseError:
        return True


def refuse_lost_database(settings: Settings) -> None:
    """Sessions or backups beside a database with nothing in it: it was lost, and who began anew
    would only see that everything is gone. Raises `SettingError`."""
    file = database_file(settings)
    if file is None or has_tables(file):
        return
    beside = [path for name in ("sessions", "backups") for path in _folders(settings, name)]
    if beside:
        raise SettingError(
            f"{file} is empty or missing, but there are logins of numbers beside it, such as "
            f"{beside[0]}. Put the database back from your copy; to begin anew, move the folders "
            f"sessions and backups away."
        )


def _folders(settings: Settings, name: str) -> list[Path]:
    try:
        return sorted(path for path in (settings.data_dir / name).iterdir() if path.is_dir())
    except OSError:
        return []


def _kept(path: Path) -> Identity | None:
    """Held open without a way to read it, or the number of a file that is deleted would be given
    to the one that takes its place."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    found = os.fstat(handle)
    return found.st_dev, found.st_ino

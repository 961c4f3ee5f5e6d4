"""The session file: the credentials of one linked device, in a SQLite database of the library.

We look into it for one thing only, whether it holds a device. The library deletes that row when
WhatsApp logs the device out, and writes it when pairing succeeds.
"""

import re
import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

BUSY_TIMEOUT = 5.0

UNUSABLE_ERRORS = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
"""What SQLite says when the disk or the rights are to blame. Anything else: the file is."""


class FileState(StrEnum):
    NEW = "new"  # none, or an empty one
    HALF_PAIRED = "half_paired"  # made by the library, but no device was ever paired, or it is gone
    PAIRED = "paired"
    CORRUPT = "corrupt"
    UNUSABLE = "unusable"  # not to be written, or not to be opened: nothing says it is broken


def library_name(path: Path) -> str:
    """The name under which the library opens the file.

    It pastes the name into `file:NAME?_foreign_keys=on`, so the name can carry settings. With a
    write-ahead log pairing is six times faster; FULL keeps the ratchets of a power cut's last
    instant, which NORMAL would roll back.
    """
    busy_timeout = int(BUSY_TIMEOUT * 1000)
    settings = f"_journal_mode=WAL&_synchronous=FULL&_busy_timeout={busy_timeout}"
    return f"{quote(str(path))}?_foreign_keys=on&{settings}&x="


def inspect(path: Path) -> FileState:
    """Look thoroughly, before the library opens it. Only for the holder of the folder's lock."""
    if is_empty(path):
        return FileState.NEW
    if not path.is_file():
        return FileState.CORRUPT
    try:
        with closing(_connect(path, "mode=rw")) as database:
            _try_to_write(database)
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return FileState.CORRUPT
            return FileState.PAIRED if _has_device(database) else FileState.HALF_PAIRED
    except sqlite3.DatabaseError as error:
        return FileState.UNUSABLE if _is_unusable(error) else FileState.CORRUPT


def is_empty(path: Path) -> bool:
    """Nothing of the library's is there: no file, or one of 0 bytes. That says nothing of a device
    that there was: the library deletes its row, and leaves the file."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def has_device(path: Path) -> bool:
    """Whether there is a device in it, at any time, even while it is in use. A file that cannot
    be read counts as one that has: the dial will say what is wrong with it."""
    try:
        if is_empty(path):
            return False
        with closing(_connect_for_reading(path)) as database:
            return _has_device(database)
    except (sqlite3.DatabaseError, OSError):
        return True


def phone(path: Path) -> str | None:
    """The number of its device, E.164 with a plus; None without one. Only while the library does
    not use the file."""
    if not has_device(path):
        return None
    try:
        with closing(_connect_for_reading(path)) as database:
            return phone_of(_device(database))
    except sqlite3.DatabaseError:
        return None


def export(path: Path) -> bytes | None:
    """A consistent copy as one file, though it may be in use. None: there is nothing to copy.
    Raises OSError for a file that cannot be read."""
    if not has_device(path):
        return None
    try:
        with (
            closing(_connect_for_reading(path)) as database,
            closing(sqlite3.connect(":memory:")) as copy,
        ):
            database.backup(copy)
            image = bytearray(copy.serialize())
    except sqlite3.DatabaseError as error:
        raise OSError(f"the session file cannot be read: {error}") from error
    # Bytes 18 and 19 say "has a write-ahead log", which the copy does not.
    image[18:20] = b"\x01\x01"
    return bytes(image)


def device_in(image: bytes) -> str | None:
    """The JID of the device in an export. None: these bytes are no whole session file with one."""
    if not image:
        return None
    try:
        with closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(image)
            whole = copy.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            return _device(copy) if whole and _has_device(copy) else None
    except sqlite3.DatabaseError:
        return None


def phone_of(device: str | None) -> str | None:
    """34600111222:7@s.whatsapp.net → +34600111222"""
    user = re.match(r"\d+", device or "")
    return f"+{user[0]}" if user else None


def _device(database: sqlite3.Connection) -> str | None:
    row = database.execute("SELECT jid FROM whatsmeow_device LIMIT 1").fetchone()
    return str(row[0]) if row else None


def _connect(path: Path, settings: str) -> sqlite3.Connection:
    location = f"file:{quote(str(path))}?{settings}"
    return sqlite3.connect(location, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """Without a write-ahead log everything is in the file itself, and reading it as immutable
    leaves no -wal and -shm behind. Read-only, or SQLite would make the file anew when it has just
    been sealed, and an empty open file would stand beside the sealed one."""
    log = path.with_name(path.name + "-wal")
    in_use = log.exists() and log.stat().st_size > 0
    return _connect(path, "mode=ro" if in_use else "mode=ro&immutable=1")


def _try_to_write(database: sqlite3.Connection) -> None:
    """The library would log in with a file it cannot write to, and then fail to decrypt."""
    database.execute("BEGIN IMMEDIATE")
    database.execute("PRAGMA user_version = 1")
    database.execute("ROLLBACK")


def _has_device(database: sqlite3.Connection) -> bool:
    table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'whatsmeow_device'"
    if database.execute(table).fetchone() is None:
        return False
    return database.execute("SELECT 1 FROM whatsmeow_device LIMIT 1").fetchone() is not None


def _is_unusable(error: sqlite3.DatabaseError) -> bool:
    # Extended codes keep the plain code in their low byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in UNUSABLE_ERRORS

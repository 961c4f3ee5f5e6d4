"""The folder of one session: what lies where in it, and the lock that only one process can hold.

Two processes on one session file would throw each other out for ever, so whoever drives a session
holds the lock of its folder for as long as it lives. The kernel frees it when the process dies,
however it dies.
"""

import contextlib
import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.process_id import ProcessId

ROOM_TO_OPEN = 16_000_000
ROOM_TO_STAY = 8_000_000
"""Bytes that must be free on the disk. On a full one the library takes messages from WhatsApp,
cannot keep what it needs to decrypt them, and loses them: better to leave in time."""

LOCK_RETRY = 0.05


class FolderInUseError(OSError):
    """Another process holds the folder; `holder` is who it says it is."""

    def __init__(self, holder: ProcessId | None) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


@dataclass(frozen=True)
class Folder:
    path: Path

    @property
    def session_file(self) -> Path:
        return self.path / "session.db"

    @property
    def session_files(self) -> tuple[Path, ...]:
        """The credentials: SQLite keeps a part of them in the -wal file while they are in use."""
        file = self.session_file
        return (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal")))

    @property
    def sealed_file(self) -> Path:
        """The credentials while no socket uses them (`sealed_file.py`)."""
        return self.path / "session.sealed"

    @property
    def is_sealed(self) -> bool:
        """Only the sealed file counts: there is no open one, or one with nothing in it."""
        return self.sealed_file.exists() and not session_file.has_device(self.session_file)

    @property
    def is_blank(self) -> bool:
        """There is nothing that could say whether a device was linked, or is still."""
        return not self.sealed_file.exists() and session_file.is_empty(self.session_file)

    def forms(self) -> tuple[tuple[int, int] | None, ...]:
        """Which sealed and which open file there is. Another answer than before: the session was
        sealed, opened or removed meanwhile, or all of that in turn."""
        return _mark(self.sealed_file), _mark(self.session_file)

    @property
    def spool(self) -> Path:
        return self.path / "spool.jsonl"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def crash_report(self) -> Path:
        """The standard error of the session process: what the native library says when it dies."""
        return self.path / "crash.txt"

    def prepare(self) -> None:
        """Make the folder, private, and see that the disk has room. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if not self.has_room(ROOM_TO_OPEN):
            raise OSError(errno.ENOSPC, "the disk is nearly full")

    def has_room(self, needed: int) -> bool:
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= needed

    def can_be_written(self) -> bool:
        """Try it, beside the session file: while the library uses that, nobody else in its process
        may open it, for closing it again would free the library's own locks (SQLite, "How To
        Corrupt An SQLite Database File", 2.2)."""
        return self._takes_files() and os.access(self.session_file, os.W_OK)

    def is_usable(self) -> bool:
        """While no socket uses it. With room to spare: not to leave again a moment later."""
        try:
            self.prepare()
        except OSError:
            return False
        files = [file for file in (self.sealed_file, *self.session_files) if file.exists()]
        writable = all(os.access(file, os.W_OK) for file in files)
        return self.has_room(2 * ROOM_TO_OPEN) and writable and self._takes_files()

    def _takes_files(self) -> bool:
        attempt = self.path / "write-test"
        try:
            with attempt.open("wb") as file:
                file.write(b"x")
                os.fsync(file.fileno())
            attempt.unlink()
        except OSError:
            return False
        return True

    def hold(self, patience: float) -> int:
        """Take the lock, sign it, and return its descriptor: whoever keeps that open holds it.
        Raises FolderInUseError after `patience` seconds, OSError when the folder is unusable."""
        deadline = time.monotonic() + patience
        while True:
            descriptor = self._try_lock()
            if descriptor is not None:
                _sign(descriptor)
                return descriptor
            if time.monotonic() >= deadline:
                raise FolderInUseError(self.holder())
            time.sleep(LOCK_RETRY)

    def _try_lock(self) -> int | None:
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The folder may have been removed and made anew since it was opened: then this is a
            # lock on a file nobody else can see.
            if os.fstat(descriptor).st_ino == self.lock.stat().st_ino:
                return descriptor
        os.close(descriptor)
        return None

    def holder(self) -> ProcessId | None:
        """The living process that holds the lock, as it signed; None when nobody does."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ProcessId.parse(os.pread(descriptor, 100, 0).decode("ascii", "replace"))
        finally:
            os.close(descriptor)
        return None


def _mark(file: Path) -> tuple[int, int] | None:
    """The number of a file that is gone is soon given to another one; the time tells them apart."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(ProcessId.of(os.getpid())).encode(), 0)

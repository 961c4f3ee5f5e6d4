"""Incoming messages on disk, from the moment they arrive until the worker has stored them.

WhatsApp regards a message as delivered before we see it, so one that is lost between here and the
database is lost for ever. Each is one line of JSON, written before anything else is done with it:
from then on it survives this process, and once flushed, the machine. While the disk flushes, the
next ones are written. What a crash left is read by whoever comes next; the message id makes it
harmless to see one twice.
"""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path

from wa_app import disk
from wa_app.domain.sessions.socket_messages import Incoming

TIMES = ("at", "arrived_at")


class Spool:
    """The session process's side. Offsets count the bytes ever spooled by this process (what it
    found included) and never go back, so that a late acknowledgement cannot cover a newer message
    that took the place of an older one in the file."""

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if is_new:
            disk.flush_folder(path.parent)
        self._lock = threading.Lock()
        self._forgotten = 0
        self._end = self._drop_torn_line()

    def _drop_torn_line(self) -> int:
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        return whole

    def append(self, message: Incoming) -> Incoming:
        """The message with its offset, once it is written. Raises OSError."""
        record = json.dumps(asdict(message), default=datetime.isoformat).encode() + b"\n"
        with self._lock:
            try:
                _write_whole(self._file, record)
            except OSError:
                # Half a line in the middle would hide every message after it.
                os.ftruncate(self._file, self._end - self._forgotten)
                raise
            self._end += len(record)
            return _at(message, self._end)

    def flush(self) -> None:
        """Everything written so far is on the disk. Raises OSError."""
        os.fdatasync(self._file)

    def stored(self, offset: int) -> None:
        with self._lock:
            if offset >= self._end > self._forgotten:
                os.ftruncate(self._file, 0)
                self._forgotten = self._end


def read_spool(path: Path) -> Iterator[Incoming]:
    """What is in a spool nobody writes to any more, oldest first."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    offset = 0
    for line in content.splitlines(keepends=True):
        offset += len(line)
        message = _parse(line)
        if message is not None:
            yield _at(message, offset)


def _parse(line: bytes) -> Incoming | None:
    """None for a line that a crash or a bad disk left unreadable: the others still count. What a
    newer version noted besides is left out."""
    try:
        noted = json.loads(line)
        told = {one.name: noted[one.name] for one in fields(Incoming) if one.name in noted}
        times = {name: datetime.fromisoformat(told[name]) for name in TIMES if told.get(name)}
        return Incoming(**told | times) if "at" in times else None
    except (ValueError, TypeError, AttributeError):
        return None


def _at(message: Incoming, offset: int) -> Incoming:
    return Incoming(**{**message.__dict__, "spool_offset": offset})


def _write_whole(file: int, record: bytes) -> None:
    while record:
        record = record[os.write(file, record) :]

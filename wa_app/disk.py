"""What is written stays written: files that are whole or not there, whatever crashes.

No part of `sealing.py`, because session processes need it and nothing else of that.
"""

import os
from contextlib import suppress
from pathlib import Path

Identity = tuple[int, int]


def write(path: Path, content: bytes) -> None:
    """All of it or nothing, whatever crashes, and readable to us alone. Raises OSError."""
    part = path.with_suffix(".part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """What was created, renamed or removed in it stays so after a power cut. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def identity(path: Path) -> Identity | None:
    """Which file or folder this is, whatever its name; None: none that can be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""What is written stays written: files that are whole or not there, whatever crashes.

No part of `sealing.py`, because session processes need it and nothing else of that.
"""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """All of it or nothing, whatever crashes, and readable to us alone. Raises OSError."""
    part = path.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """What was created, renamed or removed in it stays so after a power cut. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

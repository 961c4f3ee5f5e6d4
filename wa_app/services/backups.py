"""Encrypted copies of session files, made before a session is removed.

A file is the 12-byte nonce and the AES-256-GCM ciphertext; the connection's id is authenticated
with it, so that a copy cannot pass for another connection's.
"""

import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wa_app.config import secret_from_file

KEPT = 5


def save(data_dir: Path, key: str, connection_id: str, session: bytes, now: datetime) -> Path:
    """Write a copy, durably, and drop all but the last five. Raises `OSError`."""
    folder = data_dir / "backups" / connection_id
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    secret = sha256((key or secret_from_file(data_dir / "backup_key")).encode()).digest()
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(secret).encrypt(nonce, session, connection_id.encode())
    path = folder / f"{now:%Y%m%dT%H%M%S%f}.session"
    part = path.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    for old in sorted(folder.glob("*.session"))[:-KEPT]:
        old.unlink()
    return path

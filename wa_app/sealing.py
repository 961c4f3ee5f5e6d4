"""Content sealed with a key: nobody without it reads it, and nobody changes it unnoticed.

A sealed file says what it is, so that a refusal can say what is wrong with it: 8 bytes of name, 8
of the key's fingerprint, the length of what follows the header (8, big-endian), a 12-byte nonce;
then the AES-256-GCM ciphertext. Header and the id of the connection are authenticated with it, so
that one connection's content cannot pass for another's.
"""

import hashlib
import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"VIGIA1\n\0"
HEADER = struct.Struct(">8s8sQ12s")

SALT = b"vigia backups 1"
"""The same everywhere: the key alone has to open a backup on another machine."""

SCRYPT_COST = 2**15  # 32 MB and about 0.1 s, once
SCRYPT_MEMORY = 2**26


class Unreadable(Exception):
    """`problem` is the stable word for why."""

    problem = "damaged"


class ForeignFile(Unreadable):
    """Nothing that was ever sealed here."""

    problem = "foreign_file"


class WrongKey(Unreadable):
    """Sealed with another key."""

    problem = "wrong_key"


class Damaged(Unreadable):
    """Cut, changed, or another connection's."""


@dataclass(frozen=True)
class Sealer:
    """`secret` is the text of BACKUP_KEY."""

    secret: str

    @property
    def fingerprint(self) -> bytes:
        """Tells keys apart, and nothing about them."""
        return _key(self.secret)[1]

    def seal(self, content: bytes, about: str) -> bytes:
        key, fingerprint = _key(self.secret)
        nonce = os.urandom(12)
        length = len(content) + 16  # the tag
        header = HEADER.pack(MAGIC, fingerprint, length, nonce)
        return header + AESGCM(key).encrypt(nonce, content, header + about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Raises `Unreadable`."""
        if not sealed.startswith(MAGIC):
            raise ForeignFile
        header, ciphertext = sealed[: HEADER.size], sealed[HEADER.size :]
        if len(header) < HEADER.size:
            raise Damaged
        _, sealed_with, length, nonce = HEADER.unpack(header)
        key, fingerprint = _key(self.secret)
        if sealed_with != fingerprint:
            raise WrongKey
        if len(ciphertext) != length:
            raise Damaged
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, header + about.encode())
        except InvalidTag:
            raise Damaged from None


def fingerprint_of(path: Path) -> bytes | None:
    """Of the key that a file was sealed with; None for a file that is none of ours."""
    try:
        with path.open("rb") as file:
            magic, fingerprint, _, _ = HEADER.unpack(file.read(HEADER.size))
    except (OSError, struct.error):
        return None
    return bytes(fingerprint) if magic == MAGIC else None


@lru_cache(maxsize=2)
def _key(secret: str) -> tuple[bytes, bytes]:
    """Key and fingerprint. Slow by design: somebody may have chosen a guessable text."""
    made = hashlib.scrypt(
        secret.encode(), salt=SALT, n=SCRYPT_COST, r=8, p=1, maxmem=SCRYPT_MEMORY, dklen=40
    )
    return made[:32], made[32:]

"""App state: what phone and linked devices keep in common, such as the account's own name.

A phone hands out a key, and from then on writes patches that only those with the key can read and
verify. Sources: whatsmeow appstate/ (encode.go, hash.go, keys.go) and its protobufs waServerSync
and waSyncAction.
"""

from __future__ import annotations

import hmac
import json
import secrets
import struct
import time

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from . import protobuf

COLLECTION = "critical_block"
"""The one of the five in which the own name is kept."""

PROTOCOL_MESSAGE, KEY_SHARE = 12, 6  # a field of Message, and a type of ProtocolMessage
PUSH_NAME_SETTING = 7  # of SyncActionValue
SET = 0


class AppState:
    """Of one account, and of it the one setting that is played here."""

    def __init__(self) -> None:
        self._id, self._key = secrets.token_bytes(6), secrets.token_bytes(32)
        expanded = _hkdf(self._key, b"WhatsApp Mutation Keys", 160)
        keys = [expanded[at : at + 32] for at in range(0, 160, 32)]
        self._index, self._encryption, self._value_mac, self._snapshot_mac, self._patch_mac = keys
        self._hash = [0] * 64
        self._last_mac: bytes | None = None
        self.patches: list[bytes] = []

    @property
    def version(self) -> int:
        return len(self.patches)

    def key_share(self) -> bytes:
        """The Message in which the phone hands out the key."""
        data = protobuf.encode((1, self._key), (2, b""), (3, int(time.time() * 1000)))
        key = protobuf.encode((1, protobuf.encode((1, self._id))), (2, data))
        share = protobuf.encode((2, KEY_SHARE), (7, protobuf.encode((1, key))))
        return protobuf.encode((PROTOCOL_MESSAGE, share))

    def set_name(self, name: str) -> None:
        index = json.dumps(["setting_pushName"]).encode()
        setting = protobuf.encode((PUSH_NAME_SETTING, protobuf.encode((1, name))))
        content = self._encrypt(protobuf.encode((1, index), (2, setting), (3, b""), (4, 1)))
        signed = bytes([SET + 1]) + self._id + content + _number(len(self._id) + 1)
        mac = hmac.digest(self._value_mac, signed, "sha512")[:32]
        self._replace(mac)
        record = protobuf.encode(
            (1, protobuf.encode((1, hmac.digest(self._index, index, "sha256")))),
            (2, protobuf.encode((1, content + mac))),
            (3, protobuf.encode((1, self._id))),
        )
        self.patches.append(self._patch(protobuf.encode((1, SET), (2, record)), mac))

    def _patch(self, mutation: bytes, mac: bytes) -> bytes:
        version = self.version + 1
        end = _number(version) + COLLECTION.encode()
        state = struct.pack("<64H", *self._hash)
        snapshot = hmac.digest(self._snapshot_mac, state + end, "sha256")
        return protobuf.encode(
            (1, protobuf.encode((1, version))),
            (2, mutation),
            (4, snapshot),
            (5, hmac.digest(self._patch_mac, snapshot + mac + end, "sha256")),
            (6, protobuf.encode((1, self._id))),
        )

    def _replace(self, mac: bytes) -> None:
        """The sum over all values that are valid now."""
        if self._last_mac is not None:
            self._add(self._last_mac, -1)
        self._add(mac, 1)
        self._last_mac = mac

    def _add(self, mac: bytes, sign: int) -> None:
        parts = struct.unpack("<64H", _hkdf(mac, b"WhatsApp Patch Integrity", 128))
        self._hash = [
            (one + sign * other) & 0xFFFF for one, other in zip(self._hash, parts, strict=True)
        ]

    def _encrypt(self, plain: bytes) -> bytes:
        padder, start = PKCS7(128).padder(), secrets.token_bytes(16)
        cipher = Cipher(AES(self._encryption), CBC(start)).encryptor()
        return start + cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()


def _hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, None, info).derive(secret)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")

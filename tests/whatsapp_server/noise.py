"""The encrypted channel: Noise_XX_25519_AESGCM_SHA256 as WhatsApp uses it, server side.

Sources: the Noise Protocol Framework (noiseprotocol.org), pattern XX; whatsmeow, package socket
(noisehandshake, noisesocket) and handshake.go for the certificate chain and the message layout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import protobuf
from .curve import KeyPair

PATTERN = b"Noise_XX_25519_AESGCM_SHA256".ljust(32, b"\x00")
PROLOGUE = b"WA\x06\x03"  # protocol 6, token dictionary 3

CLIENT_HELLO, SERVER_HELLO, CLIENT_FINISH = 2, 3, 4  # fields of HandshakeMessage
EPHEMERAL, STATIC, PAYLOAD = 1, 2, 3
FINISH_STATIC, FINISH_PAYLOAD = 1, 2

INTERMEDIATE_SERIAL, LEAF_SERIAL = 1, 2
DAY = 86_400


def derive(secret: bytes, length: int, *, salt: bytes | None = None, info: bytes = b"") -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


class Cipher:
    """AES-256-GCM with a counter as nonce."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._counter = 0

    def seal(self, plain: bytes, bound_to: bytes | None = None) -> bytes:
        return self._cipher.encrypt(self._nonce(), plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes | None = None) -> bytes:
        return self._cipher.decrypt(self._nonce(), sealed, bound_to)

    def _nonce(self) -> bytes:
        nonce = self._counter.to_bytes(12, "big")
        self._counter += 1
        return nonce


@dataclass(frozen=True)
class Authority:
    """The server's static key and the chain of certificates that leads to it from a root key."""

    root: KeyPair
    static: KeyPair
    chain: bytes

    @classmethod
    def new(cls) -> Authority:
        root, intermediate, static = KeyPair.new(), KeyPair.new(), KeyPair.new()
        middle = _certificate(INTERMEDIATE_SERIAL, 0, intermediate.public, signer=root)
        leaf = _certificate(LEAF_SERIAL, INTERMEDIATE_SERIAL, static.public, signer=intermediate)
        return cls(root, static, protobuf.encode((1, leaf), (2, middle)))


def _certificate(serial: int, issuer: int, key: bytes, *, signer: KeyPair) -> bytes:
    now = int(time.time())
    details = protobuf.encode((1, serial), (2, issuer), (3, key), (4, now - DAY), (5, now + DAY))
    return protobuf.encode((1, details), (2, signer.sign(details)))


@dataclass(frozen=True)
class Introduction:
    """What the client says of itself at the end of the handshake."""

    static_key: bytes
    payload: protobuf.Fields


class Handshake:
    """The server's half: `hello`, then `finish`, then the two ciphers of the channel."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._ephemeral = KeyPair.new()
        self._hash = self._salt = PATTERN
        self._cipher = Cipher(PATTERN)
        self._mix_hash(PROLOGUE)

    def hello(self, message: bytes) -> bytes:
        """The answer to the client's first message."""
        theirs = protobuf.Fields(message).message(CLIENT_HELLO).data(EPHEMERAL)
        self._mix_hash(theirs)
        self._mix_hash(self._ephemeral.public)
        self._mix_key(self._ephemeral.agree(theirs))
        static = self._seal(self._authority.static.public)
        self._mix_key(self._authority.static.agree(theirs))
        chain = self._seal(self._authority.chain)
        hello = protobuf.encode(
            (EPHEMERAL, self._ephemeral.public), (STATIC, static), (PAYLOAD, chain)
        )
        return protobuf.encode((SERVER_HELLO, hello))

    def finish(self, message: bytes) -> Introduction:
        finish = protobuf.Fields(message).message(CLIENT_FINISH)
        static_key = self._open(finish.data(FINISH_STATIC))
        self._mix_key(self._ephemeral.agree(static_key))
        payload = self._open(finish.data(FINISH_PAYLOAD))
        return Introduction(static_key, protobuf.Fields(payload))

    def channel(self) -> tuple[Cipher, Cipher]:
        """(reads what the client writes, writes what the client reads)."""
        keys = derive(b"", 64, salt=self._salt)
        return Cipher(keys[:32]), Cipher(keys[32:])

    def _mix_hash(self, data: bytes) -> None:
        self._hash = sha256(self._hash + data).digest()

    def _mix_key(self, secret: bytes) -> None:
        keys = derive(secret, 64, salt=self._salt)
        self._salt, self._cipher = keys[:32], Cipher(keys[32:])

    def _seal(self, plain: bytes) -> bytes:
        sealed = self._cipher.seal(plain, self._hash)
        self._mix_hash(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        plain = self._cipher.open(sealed, self._hash)
        self._mix_hash(sealed)
        return plain

"""One end-to-end encrypted session between two devices: X3DH and the double ratchet.

Sources: the Signal specifications "X3DH" and "The Double Ratchet Algorithm"; libsignal for what
they leave open (message version 3, labels, layouts). Numbers in `protobuf` calls are the fields
of libsignal's SignalMessage and PreKeySignalMessage.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from . import protobuf
from .curve import KeyPair, SignedKey, typed, untyped
from .noise import derive

VERSION = b"\x33"  # this version 3, oldest understood version 3
MAC_SIZE = 8
DISCONTINUITY = b"\xff" * 32  # X3DH, section 2.2: keeps it apart from other uses of the keys
NO_SALT = bytes(32)
MOST_SKIPPED = 2000


class UndecryptableError(Exception):
    """The message does not belong to this session, or was read before."""


@dataclass(frozen=True)
class Bundle:
    """The public keys with which anyone can start a session with a device."""

    registration_id: int
    identity: bytes
    signed_id: int
    signed_key: bytes
    signature: bytes
    one_time: tuple[int, bytes] | None = None


@dataclass(frozen=True)
class PrekeyMessage:
    """The envelope of a first message: the message, and the keys that open the session."""

    one_time_id: int | None
    base_key: bytes
    identity: bytes
    signed_id: int
    message: bytes

    @classmethod
    def parse(cls, data: bytes) -> PrekeyMessage:
        fields = protobuf.Fields(data[1:])
        return cls(
            fields.number(1) if 1 in fields else None,
            untyped(fields.data(2)),
            untyped(fields.data(3)),
            fields.number(6),
            fields.data(4),
        )


@dataclass(frozen=True)
class MessageKeys:
    cipher: bytes
    mac: bytes
    iv: bytes

    @classmethod
    def derive(cls, seed: bytes) -> MessageKeys:
        keys = derive(seed, 80, salt=NO_SALT, info=b"WhisperMessageKeys")
        return cls(keys[:32], keys[32:64], keys[64:])

    def encrypt(self, plain: bytes) -> bytes:
        padder = PKCS7(128).padder()
        encryptor = self._aes().encryptor()
        return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()

    def decrypt(self, sealed: bytes) -> bytes:
        decryptor = self._aes().decryptor()
        unpadder = PKCS7(128).unpadder()
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()

    def _aes(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.cipher), modes.CBC(self.iv))


@dataclass(frozen=True)
class Chain:
    """One direction between two ratchet steps: every message takes the next key."""

    key: bytes
    index: int = 0

    def next(self) -> tuple[MessageKeys, Chain]:
        seed, key = _hmac(self.key, b"\x01"), _hmac(self.key, b"\x02")
        return MessageKeys.derive(seed), Chain(key, self.index + 1)


@dataclass
class Session:
    identity: KeyPair
    registration_id: int
    their_identity: bytes
    base_key: bytes  # tells sessions with the same device apart
    root: bytes
    ratchet: KeyPair
    sending: Chain
    receiving: dict[bytes, Chain] = field(default_factory=dict)  # by their ratchet key
    skipped: dict[tuple[bytes, int], MessageKeys] = field(default_factory=dict)
    previous_count: int = 0
    # The bundle used, repeated in front of every message until the first answer.
    opening: Bundle | None = None

    @classmethod
    def start(cls, identity: KeyPair, registration_id: int, bundle: Bundle) -> Session:
        """X3DH from the side that has the other's bundle."""
        base = KeyPair.new()
        secrets = [
            identity.agree(bundle.signed_key),
            base.agree(bundle.identity),
            base.agree(bundle.signed_key),
        ]
        if bundle.one_time:
            secrets.append(base.agree(bundle.one_time[1]))
        root, chain = _initial_keys(secrets)
        ratchet = KeyPair.new()
        root, sending = _step(root, ratchet.agree(bundle.signed_key))
        return cls(
            identity,
            registration_id,
            bundle.identity,
            base.public,
            root,
            ratchet,
            sending,
            receiving={bundle.signed_key: chain},
            opening=bundle,
        )

    @classmethod
    def answer(
        cls,
        identity: KeyPair,
        registration_id: int,
        signed: SignedKey,
        one_time: KeyPair | None,
        message: PrekeyMessage,
    ) -> Session:
        """X3DH from the side whose bundle was used."""
        secrets = [
            signed.pair.agree(message.identity),
            identity.agree(message.base_key),
            signed.pair.agree(message.base_key),
        ]
        if one_time:
            secrets.append(one_time.agree(message.base_key))
        root, chain = _initial_keys(secrets)
        return cls(
            identity,
            registration_id,
            message.identity,
            message.base_key,
            root,
            signed.pair,
            chain,
        )

    def encrypt(self, plain: bytes) -> tuple[str, bytes]:
        """(kind of the envelope as WhatsApp names it, its bytes)"""
        keys, following = self.sending.next()
        body = VERSION + protobuf.encode(
            (1, typed(self.ratchet.public)),
            (2, self.sending.index),
            (3, self.previous_count),
            (4, keys.encrypt(plain)),
        )
        self.sending = following
        message = body + self._mac(keys, body, self.identity.public, self.their_identity)
        return ("pkmsg", self._with_opening(message)) if self.opening else ("msg", message)

    def decrypt(self, message: bytes) -> bytes:
        """The plaintext; a failure leaves the session as it was."""
        trial = replace(self, receiving=dict(self.receiving), skipped=dict(self.skipped))
        try:
            plain = trial._decrypt(message)
        except ValueError as error:
            raise UndecryptableError(str(error)) from error
        trial.opening = None  # they have the session now
        vars(self).update(vars(trial))
        return plain

    def _decrypt(self, message: bytes) -> bytes:
        body, mac = message[:-MAC_SIZE], message[-MAC_SIZE:]
        fields = protobuf.Fields(body[1:])
        their_ratchet = untyped(fields.data(1))
        if their_ratchet not in self.receiving:
            self._turn(their_ratchet)
        keys = self._keys(their_ratchet, fields.number(2))
        expected = self._mac(keys, body, self.their_identity, self.identity.public)
        if not hmac.compare_digest(mac, expected):
            raise UndecryptableError("wrong authentication code")
        return keys.decrypt(fields.data(4))

    def _turn(self, their_ratchet: bytes) -> None:
        """The ratchet step: a receiving chain with our old key, a sending chain with a new one."""
        root, self.receiving[their_ratchet] = _step(self.root, self.ratchet.agree(their_ratchet))
        self.previous_count = max(self.sending.index - 1, 0)
        self.ratchet = KeyPair.new()
        self.root, self.sending = _step(root, self.ratchet.agree(their_ratchet))

    def _keys(self, their_ratchet: bytes, index: int) -> MessageKeys:
        """The keys of one message; those of messages still on their way are kept."""
        chain = self.receiving[their_ratchet]
        if index < chain.index:
            keys = self.skipped.pop((their_ratchet, index), None)
            if keys is None:
                raise UndecryptableError(f"message {index} was read before")
            return keys
        if index - chain.index > MOST_SKIPPED:
            raise UndecryptableError(f"message {index} is too far ahead")
        while chain.index < index:
            self.skipped[their_ratchet, chain.index], chain = chain.next()
        keys, self.receiving[their_ratchet] = chain.next()
        return keys

    def _with_opening(self, message: bytes) -> bytes:
        assert self.opening
        one_time = [(1, self.opening.one_time[0])] if self.opening.one_time else []
        return VERSION + protobuf.encode(
            *one_time,
            (2, typed(self.base_key)),
            (3, typed(self.identity.public)),
            (4, message),
            (5, self.registration_id),
            (6, self.opening.signed_id),
        )

    @staticmethod
    def _mac(keys: MessageKeys, body: bytes, sender: bytes, receiver: bytes) -> bytes:
        return _hmac(keys.mac, typed(sender) + typed(receiver) + body)[:MAC_SIZE]


def _initial_keys(secrets: list[bytes]) -> tuple[bytes, Chain]:
    return _root_and_chain(DISCONTINUITY + b"".join(secrets), NO_SALT, b"WhisperText")


def _step(root: bytes, secret: bytes) -> tuple[bytes, Chain]:
    return _root_and_chain(secret, root, b"WhisperRatchet")


def _root_and_chain(secret: bytes, salt: bytes, label: bytes) -> tuple[bytes, Chain]:
    keys = derive(secret, 64, salt=salt, info=label)
    return keys[:32], Chain(keys[32:])


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, sha256)

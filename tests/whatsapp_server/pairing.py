"""The phone's part of linking a device, as pure functions: scan a QR code, or type a code.

Sources: whatsmeow pair.go (QR, signatures over the device identity) and pair-code.go (linking by
code); WhatsApp's ADV protobufs (waAdv) as shipped in neonize for the field numbers.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import protobuf
from .binary_xml import Node
from .curve import KeyPair, typed, verify
from .noise import derive

ACCOUNT_SIGNATURE, DEVICE_SIGNATURE = b"\x06\x00", b"\x06\x01"  # what is signed begins with these

CODE_LENGTH = 8
CODE_ROUNDS = 131_072
SALT, IV, NONCE = 32, 16, 12
BUNDLE_LABEL = b"link_code_pairing_key_bundle_encryption_key"
SECRET_LABEL = b"adv_secret"


class PairingRefused(Exception):
    """The phone would say: this code is not valid."""


@dataclass(frozen=True)
class QrCode:
    ref: str
    noise_key: bytes
    identity: bytes
    adv_secret: bytes

    @classmethod
    def parse(cls, text: str) -> QrCode:
        """`https://wa.me/settings/linked_devices#REF,NOISE,IDENTITY,SECRET,TYPE`"""
        try:
            ref, *keys, _ = text.rpartition("#")[2].split(",")
            noise_key, identity, secret = (base64.b64decode(key, validate=True) for key in keys)
        except ValueError as error:
            raise PairingRefused(f"not a WhatsApp QR code: {text!r}") from error
        return cls(ref, noise_key, identity, secret)


@dataclass(frozen=True)
class Registration:
    """What a client that wants to be linked says of itself when it connects."""

    registration_id: int
    identity: bytes
    signed_id: int
    signed_key: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: protobuf.Fields) -> Registration:
        registration = cls(
            int.from_bytes(data.data(1), "big"),
            data.data(3),
            int.from_bytes(data.data(4), "big"),
            data.data(5),
            data.data(6),
        )
        signed = typed(registration.signed_key)
        if not verify(registration.identity, signed, registration.signature):
            raise ValueError("the signed prekey of the registration has a wrong signature")
        return registration


class DeviceIdentity:
    """The document that makes a device part of an account: signed by the account, then by it."""

    def __init__(self, account: KeyPair, companion: bytes, number: int) -> None:
        self._account, self._companion = account, companion
        self._details = protobuf.encode(
            (1, secrets.randbits(31)), (2, int(time.time())), (3, number), (4, 0), (5, 0)
        )

    def sealed(self, adv_secret: bytes) -> bytes:
        """For the companion: only who showed the code knows the secret of the seal."""
        signature = self._account.sign(ACCOUNT_SIGNATURE + self._details + self._companion)
        signed = protobuf.encode((1, self._details), (2, self._account.public), (3, signature))
        seal = hmac.digest(adv_secret, signed, sha256)
        return protobuf.encode((1, signed), (2, seal))

    def check(self, answer: bytes) -> None:
        """The companion signs in turn."""
        document = DEVICE_SIGNATURE + self._details + self._companion + self._account.public
        if not verify(self._companion, document, protobuf.Fields(answer).data(4)):
            raise PairingRefused("the device signature is wrong")


class CodeLink:
    """Linking by phone number: the companion shows a code, the phone types it."""

    def __init__(self, hello: Node, companion_identity: bytes) -> None:
        self.ref = secrets.token_hex(16)
        self._wrapped = hello.need("link_code_pairing_wrapped_companion_ephemeral_pub").data
        self._companion_identity = companion_identity
        self._ephemeral = KeyPair.new()

    def wrapped_ephemeral(self, code: str) -> bytes:
        """Our ephemeral key, readable only for who knows the code."""
        salt, iv = secrets.token_bytes(SALT), secrets.token_bytes(IV)
        return salt + iv + _with_code(code, salt, iv, self._ephemeral.public)

    def adv_secret(self, code: str, account: KeyPair, bundle: bytes) -> bytes:
        """The secret that both sides now share, from the companion's key bundle."""
        salt, iv, sealed = _split(self._wrapped, SALT, IV)
        between = self._ephemeral.agree(_with_code(code, salt, iv, sealed))
        salt, nonce, sealed = _split(bundle, SALT, NONCE)
        key = derive(between, 32, salt=salt, info=BUNDLE_LABEL)
        try:
            keys = AESGCM(key).decrypt(nonce, sealed, None)
        except InvalidTag as error:
            raise PairingRefused("the code is wrong") from error
        companion, primary, random = _split(keys, 32, 32)
        if (companion, primary) != (self._companion_identity, account.public):
            raise PairingRefused("the key bundle belongs to somebody else")
        return derive(between + account.agree(companion) + random, 32, info=SECRET_LABEL)


def _with_code(code: str, salt: bytes, iv: bytes, data: bytes) -> bytes:
    """AES in counter mode: the same call closes and opens."""
    key = pbkdf2_hmac("sha256", code.encode(), salt, CODE_ROUNDS)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def plain_code(shown: str) -> str:
    """`ABCD-1234` as the phone's user types it, without the dash."""
    code = shown.replace("-", "").strip().upper()
    if len(code) != CODE_LENGTH:
        raise PairingRefused(f"a pairing code has {CODE_LENGTH} characters: {shown!r}")
    return code


def _split(data: bytes, *sizes: int) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]

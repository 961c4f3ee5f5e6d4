"""Curve25519 keys: agreement (X25519, RFC 7748) and signatures (XEdDSA, Signal specification).

Public keys are raw 32 bytes; "typed" keys carry the byte 5 in front, as libsignal writes them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import xeddsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_TYPE = b"\x05"  # libsignal: DJB_TYPE, the only kind of key there is
SIGN_BIT = 0x80


def typed(public: bytes) -> bytes:
    return KEY_TYPE + public


def untyped(public: bytes) -> bytes:
    if len(public) != 33 or not public.startswith(KEY_TYPE):
        raise ValueError(f"not a typed Curve25519 key: {public.hex()}")
    return public[1:]


@dataclass(frozen=True)
class KeyPair:
    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def new(cls) -> KeyPair:
        private = X25519PrivateKey.generate()
        return cls(private.private_bytes_raw(), private.public_key().public_bytes_raw())

    def agree(self, public: bytes) -> bytes:
        """The secret that the owner of `public` computes too."""
        private = X25519PrivateKey.from_private_bytes(self.private)
        return private.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """A signature whose sign bit is clear, which every verifier takes.

        libsignal carries the sign of the Edwards key in the top bit of the last byte. Signing
        with the key of the positive sign leaves that bit clear.
        """
        positive = xeddsa.priv_force_sign(self.private, False)
        return xeddsa.ed25519_priv_sign(positive, message, secrets.token_bytes(64))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    sign = bool(signature[63] & SIGN_BIT)
    plain = signature[:63] + bytes([signature[63] & ~SIGN_BIT])
    edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, sign)
    return xeddsa.ed25519_verify(plain, edwards, message)


@dataclass(frozen=True)
class SignedKey:
    """A key pair that its owner's identity vouches for (a Signal signed prekey)."""

    id: int
    pair: KeyPair
    signature: bytes

    @classmethod
    def new(cls, id: int, identity: KeyPair) -> SignedKey:
        pair = KeyPair.new()
        return cls(id, pair, identity.sign(typed(pair.public)))

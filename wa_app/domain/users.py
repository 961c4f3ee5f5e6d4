"""What a login may look like, and what a token may do."""

import hashlib
from datetime import timedelta

MIN_PASSWORD, MAX_PASSWORD = 10, 1000
"""Characters."""

MAX_EMAIL = 254  # RFC 5321
MAX_NAME = 100

MAX_CONNECTIONS = 1000
"""What an administrator may allow one user."""

INVITATION_LASTS = timedelta(days=7)


def is_email(text: str) -> bool:
    """Enough to catch a slip; only a mail that arrives proves more. Only ASCII, so that no two
    addresses look the same, and no sign that would make it two addresses in a mail's header."""
    name, at, host = text.partition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' ,;:<>()[]\\"')
    return bool(name and at and host) and "@" not in host and plain and len(text) <= MAX_EMAIL


def as_name(text: str) -> str | None:
    """How somebody is called, on one line; None for what cannot be a name."""
    name = " ".join(text.split())
    return name if len(name) <= MAX_NAME and name.isprintable() else None


SCOPES = ("read", "send", "manage", "admin")
"""What a token may be allowed. None includes another."""

MAX_TOKENS = 50
"""Tokens a user may have at a time."""

MAX_DAYS = 3650
"""How long a token with an end may live."""


def as_scopes(words: list[str]) -> str | None:
    """The scopes in their own order with a blank between, as a token keeps them; None for none
    or an unknown one."""
    known = [scope for scope in SCOPES if scope in words]
    return " ".join(known) if known and set(words) <= set(SCOPES) else None


def hash_of(secret: str) -> str:
    """What is kept of a token or a link; what is that random needs no slow hash."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()

"""What a login may look like, and what a token may do."""

from collections.abc import Mapping

MIN_PASSWORD = 10
"""Characters."""

MAX_EMAIL = 254  # RFC 5321


def is_email(text: str) -> bool:
    """Enough to catch a slip; only a mail that arrives proves more."""
    name, at, host = text.partition("@")
    odd = len(text) > MAX_EMAIL or "@" in host or any(sign.isspace() for sign in text)
    return bool(name and at and host) and not odd


SCOPES: Mapping[str, str] = {
    "read": "see connections, messages and history",
    "send": "send messages",
    "manage": "connect, disconnect and change settings",
    "admin": "everything an administrator may",
}
"""What a token may be allowed. None includes another."""

"""What a login may look like."""

MIN_PASSWORD = 10
"""Characters."""

MAX_EMAIL = 254  # RFC 5321


def is_email(text: str) -> bool:
    """Enough to catch a slip; only a mail that arrives proves more."""
    name, at, host = text.partition("@")
    odd = len(text) > MAX_EMAIL or "@" in host or any(sign.isspace() for sign in text)
    return bool(name and at and host) and not odd

"""Times and numbers as programs and people read them, whoever reads."""

from datetime import UTC, datetime

from babel.dates import format_datetime
from flask_babel import get_locale


def iso(at: datetime | None) -> str | None:
    """`2026-11-21T06:19:00.123Z`"""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(at: datetime) -> str:
    """In UTC and with the date, for where nobody knows where and when it is read."""
    return format_datetime(at, "d MMM y, HH:mm", tzinfo=UTC, locale=get_locale()) + " UTC"


def phone(number: str) -> str:
    """`+34600111222` → `+34 600 111 222`: in threes from the end, as it is easiest to compare."""
    digits = number.removeprefix("+")
    first = len(digits) % 3 or 3
    groups = [digits[:first], *(digits[at : at + 3] for at in range(first, len(digits), 3))]
    return "+" + " ".join(groups)

"""Times as whoever makes the request reads them: in their zone and language."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime, format_skeleton, format_time
from flask import g, request
from flask_babel import get_locale
from flask_babel import gettext as _


def now() -> datetime:
    return datetime.now(UTC)


def zone() -> tzinfo:
    """The browser's zone, which the first script of every page leaves in a cookie; else UTC."""
    if "zone" not in g:
        g.zone = _zone_named(request.cookies.get("tz", "UTC"))
    known: tzinfo = g.zone
    return known


def _zone_named(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _zone_told() -> str:
    """Without the script nobody knows the browser's zone; then the time says which it is in."""
    return "" if "tz" in request.cookies else " UTC"


def clock(at: datetime, *, seconds: bool = False) -> str:
    """`14:05`"""
    text = format_time(at, "HH:mm:ss" if seconds else "HH:mm", tzinfo=zone(), locale=get_locale())
    return text + _zone_told()


def moment(at: datetime) -> str:
    """`14:05` today, `20 Nov, 14:05` on another day."""
    local, today = at.astimezone(zone()), now().astimezone(zone())
    if local.date() == today.date():
        return clock(at)
    pattern = "d MMM, HH:mm" if local.year == today.year else "d MMM y, HH:mm"
    return format_datetime(at, pattern, tzinfo=zone(), locale=get_locale()) + _zone_told()


def since(at: datetime) -> str:
    """`since 14:05` today, `since 20 Nov, 14:05` on another day."""
    if at.astimezone(zone()).date() == now().astimezone(zone()).date():
        return str(_("since %(time)s", time=clock(at)))
    return str(_("since %(day)s", day=moment(at)))


def day(at: datetime) -> str:
    """`Today`, or the weekday and the date."""
    local, today = at.astimezone(zone()), now().astimezone(zone())
    if local.date() == today.date():
        return str(_("Today"))
    return format_skeleton("MMMMEd", at, tzinfo=zone(), locale=get_locale()).capitalize()

"""Users in words: their state, their role, what a token may, what went with them."""

from collections.abc import Mapping

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.wording.connections import Badge

USER_BADGES: Mapping[str, Badge] = {
    "active": Badge(_("Active"), "connected", "check"),
    "invited": Badge(_("Invited"), "progress", "clock"),
    "deactivated": Badge(_("Deactivated"), "off", "off"),
}


def deleted(email: str, *, connections: int, messages: int, tokens: int) -> str:
    told = gettext(
        "%(email)s is deleted. Connections: %(connections)d, messages: %(messages)d, "
        "tokens: %(tokens)d.",
        email=email,
        connections=connections,
        messages=messages,
        tokens=tokens,
    )
    return str(told)


ROLES: Mapping[str, str] = {"user": _("User"), "admin": _("Administrator")}


SCOPES: Mapping[str, str] = {
    "read": _("See connections, messages and history"),
    "send": _("Send messages"),
    "manage": _("Connect, disconnect and change settings"),
    "admin": _("Everything an administrator may"),
}
"""What a token may be allowed to do."""

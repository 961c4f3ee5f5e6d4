"""The one-time links with which people set their password: where they lead, and the mail."""

from flask import current_app, has_request_context, request
from flask_babel import force_locale, get_locale
from flask_babel import gettext as _

from wa_app.models import User


def address(secret: str) -> str:
    """The whole link. Without PUBLIC_URL people are thought to reach this service as the one who
    invites them does."""
    settings = current_app.config["SETTINGS"]
    reached = has_request_context() and not settings.public_url
    base = request.url_root.rstrip("/") if reached else settings.address
    return f"{base}/invitation/{secret}"


def letter(user: User, secret: str) -> tuple[str, str]:
    """Subject and text, in the language of the user, else of the one who invites."""
    with force_locale(user.locale or str(get_locale() or "en")):
        text = _(
            "Hello,\n\n"
            "open this link to choose your password for Vigía:\n\n"
            "%(link)s\n\n"
            "It works once, and for 7 days. You sign in with %(email)s.\n"
            "If you expected no such mail, you need not do anything.",
            link=address(secret),
            email=user.email,
        )
        return _("Your login for Vigía"), text

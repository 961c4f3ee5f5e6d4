"""What every template may use, without being handed it."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, request, url_for
from flask_babel import get_locale

from wa_app.web.http import times
from wa_app.web.http.access import LOCALES, practice_offered, settings
from wa_app.wording.closes import REASONS
from wa_app.wording.connections import TABS, badge_of_event
from wa_app.wording.times import iso, phone
from wa_app.wording.users import ROLES, SCOPES

WORDS: Mapping[str, Mapping[Any, str]] = {
    "REASONS": REASONS,
    "ROLES": ROLES,
    "SCOPES": SCOPES,
    "TABS": TABS,
}
"""The tables that templates read for themselves."""


def register(app: Flask) -> None:
    app.context_processor(
        lambda: {
            "locales": LOCALES,
            "locale": str(get_locale() or "en"),
            "words": WORDS,
            "iso": iso,
            "phone_number": phone,
            "times": times,
            "max_attempts": lambda: settings().policy.reconnect_max_attempts,
            "practice_offered": practice_offered,
            "badge_of_event": badge_of_event,
            "here": _here,
            "with_customer": _with_customer,
        }
    )


def _here() -> str:
    """Where a form brings its person back to: the page they see, not the part that is fetched."""
    if request.blueprint == "live":
        return request.args.get("here", "/")
    return request.full_path.rstrip("?")


def _with_customer(name: str | None = None) -> str:
    """The page with the practice phone on it, with this customer's chat open."""
    endpoint = "home.home" if request.blueprint == "home" else "practice.phone"
    connection = request.args.get("connection") or (request.view_args or {}).get("connection_id")
    return url_for(endpoint, connection=connection, customer=name)

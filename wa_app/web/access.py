"""Who calls, and what they may. Decided here, before anything else, for every route at once."""

import hmac
import re
from typing import cast
from urllib.parse import urlsplit

from flask import current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from wa_app.domain.errors import ConnectionNotFound, UserNotFound, WrongInput
from wa_app.domain.states import Channel
from wa_app.extensions import csrf, db
from wa_app.models import Connection, User
from wa_app.services import connections
from wa_app.services.audit import Actor
from wa_app.web.errors import Deactivated, Forbidden, Unauthorized, wants_json

OPEN = frozenset(
    {
        "static",
        "bootstrap.static",
        "auth.sign_in",
        "auth.language",
        "health.healthz",
        "health.readyz",
    }
)
"""The endpoints that need no login. Whatever is not named here does."""

_CONNECTION_ID = re.compile(r"[0-9A-Za-z-]{1,36}")


def load_user(cookie: str) -> User | None:
    """The user of a login cookie, `<id>.<session key>`. A deactivated one is returned, so that
    they can be told; for one who no longer exists the fact is remembered for `unauthorized`."""
    if g.get("without_user"):  # an error page is drawn, and looking may be what failed
        return None
    user_id, _, session_key = cookie.partition(".")
    user = db.session.get(User, int(user_id)) if user_id.isdecimal() else None
    if user is None or user.deleted_at is not None:
        g.user_is_gone = True
        return None
    if not hmac.compare_digest(user.session_key.encode(), session_key.encode()):
        return None
    return user


def unauthorized() -> ResponseReturnValue:
    """The answer to somebody who may not come in."""
    if g.get("user_is_gone"):
        raise UserNotFound
    if not current_user.is_anonymous:
        raise Deactivated
    if wants_json():
        raise Unauthorized
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.sign_in", next=wanted if wanted != "/" else None))


def decide_who_calls() -> ResponseReturnValue | None:
    """Before every request: who is it, then whether the request is really theirs (CSRF)."""
    unknown_page = request.endpoint is None and not request.path.startswith("/api/")
    if request.endpoint not in OPEN and not unknown_page:
        if not current_user.is_authenticated:
            return unauthorized()
        g.locale = current_user.locale
    if request.endpoint is not None:
        request.get_data()  # kept, so that looking for a token in a form leaves the JSON readable
        csrf.protect()
    return None


def me() -> User:
    """The signed-in user. Only behind `login_required`."""
    return cast(User, current_user._get_current_object())


def actor() -> Actor:
    return Actor(me().email, request.remote_addr)


def require_admin() -> None:
    if not me().is_admin:
        raise Forbidden


def own_connection_or_404(connection_id: str) -> Connection:
    """The one place that decides whether a connection may be seen by who is signed in."""
    if not _CONNECTION_ID.fullmatch(connection_id):
        raise ConnectionNotFound
    return connections.own(me(), connection_id)


def chosen_connection(user: User, channel: Channel | None = None) -> Connection | None:
    """The connection a request is about: the one `?connection=` names, else the user's WhatsApp
    number, else their practice phone (or only the `channel` asked for); None when there is none."""
    named = request.args.get("connection")
    if named is not None:
        if not _CONNECTION_ID.fullmatch(named):
            raise ConnectionNotFound
        found = connections.own(user, named)
        if channel is not None and found.channel is not channel:
            raise ConnectionNotFound
        return found
    known = [one for one in connections.of_user(user) if channel in (None, one.channel)]
    return min(known, key=lambda one: one.channel is not Channel.WHATSAPP, default=None)


def practice_offered() -> bool:
    return bool(current_app.config["SETTINGS"].practice_phone)


def refuse_hidden(channel: Channel | None) -> None:
    """`PRACTICE_PHONE=false` hides the practice phone."""
    if channel is Channel.PRACTICE and not practice_offered():
        raise WrongInput("channel", "unknown_channel")


def safe_next(target: str | None) -> str | None:
    """`target` if it is a path on this site. Browsers read `//host`, `/\\host` and paths with
    control characters as another site, so those are none."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return None
    if any(ord(sign) <= 32 for sign in target):
        return None
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else None

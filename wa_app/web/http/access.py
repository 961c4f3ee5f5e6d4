"""Who calls, and what they may. Decided here, before anything else, for every route at once."""

import hmac
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from flask import current_app, g, has_request_context, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from wa_app.config import Settings
from wa_app.domain.errors import (
    ConnectionNotFound,
    Deactivated,
    Forbidden,
    OwnPassword,
    ScopeMissing,
    Unauthorized,
    UserNotFound,
    WrongInput,
)
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import csrf, db, login_manager
from wa_app.models import Connection, Token, User
from wa_app.services import data_folder
from wa_app.services.audit import Actor
from wa_app.services.connections import access, registry
from wa_app.services.users import tokens
from wa_app.web.http.errors import RETRY_AFTER, answer, wants_json
from wa_app.web.http.times import now

OPEN = frozenset(
    {
        "static",
        "bootstrap.static",
        "auth.sign_in",
        "auth.language",
        "invitations.form",
        "invitations.accept",
        "health.healthz",
        "health.readyz",
    }
)
"""The endpoints that need no login. Whatever is not named here does."""

WITHOUT_DATA = frozenset({"static", "bootstrap.static", "health.healthz", "health.readyz"})
"""Those that need no data folder either."""

SCOPE_OF_READING = "read"
SCOPE_OF_PATHS: Mapping[str, str] = {
    "/api/admin/": "admin",
    "/api/whatsapp/messages": "send",
    "/api/practice/messages": "send",
    "/api/whatsapp/": "manage",
    "/api/practice/": "manage",
}
"""The scope a token needs on a route: that of the first beginning that fits. Whatever only reads
needs `read` instead, except for administrators' routes. No row: no token gets there."""

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


def scope_of(method: str, path: str) -> str | None:
    """The one scope that a token needs for this."""
    scope = next((its for start, its in SCOPE_OF_PATHS.items() if path.startswith(start)), None)
    reads = method in {"GET", "HEAD", "OPTIONS"}
    return SCOPE_OF_READING if reads and scope in {"send", "manage"} else scope


def _token_sent() -> str | None:
    """The token in the header of a program's request; pages take none."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    is_token = request.path.startswith("/api/") and kind.lower() == "bearer"
    return secret.strip() if is_token else None


def _let_token_in(secret: str) -> None:
    """The request is the token's user's, whatever cookies came with it."""
    login_as(None)
    token = tokens.by_secret(secret, now(), request.remote_addr)
    if token is None:
        raise Unauthorized
    login_as(token.user)
    g.token = token
    if not token.user.is_active:
        raise Deactivated
    if request.url_rule is not None:
        _require_scope(scope_of(request.method, request.url_rule.rule))


def login_as(user: User | None) -> None:
    """For this request only. Where Flask-Login keeps whom it has found for a request, so that it
    does not look at cookies any more."""
    login_manager._update_request_context_with_user(user)


def _require_scope(scope: str | None) -> None:
    """Of the token, if the request came with one."""
    token: Token | None = g.get("token")
    if token is not None and scope not in token.scopes.split():
        raise ScopeMissing(scope)


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
    if request.endpoint not in WITHOUT_DATA and data_folder.of(current_app).loss() is not None:
        g.without_user = True
        return answer("folder_away", retry=RETRY_AFTER)
    unknown_page = request.endpoint is None and not request.path.startswith("/api/")
    if request.endpoint not in OPEN and not unknown_page:
        secret = _token_sent()
        if secret is not None:
            _let_token_in(secret)
        if not current_user.is_authenticated:
            return unauthorized()
        g.locale = current_user.locale
    if request.endpoint is not None:
        request.get_data()  # kept, so that looking for a token in a form leaves the JSON readable
        if not by_token():  # a browser sends cookies by itself, but never this header
            csrf.protect()
    return None


def by_token() -> bool:
    """Whether a program calls, and no browser."""
    return "token" in g


def me() -> User:
    """The signed-in user. Only behind `login_required`."""
    return cast(User, current_user._get_current_object())


def actor() -> Actor:
    name = f"{me().email} (token {g.token.prefix})" if by_token() else me().email
    return Actor(name, request.remote_addr)


def require_admin() -> None:
    if not me().is_admin:
        raise Forbidden
    _require_scope("admin")


def refuse_for_oneself(user: User) -> None:
    """Administrators need no old password for others', but for their own. Raises `OwnPassword`."""
    if user.id == me().id:
        raise OwnPassword


def own_connection_or_404(connection_id: str) -> Connection:
    """The one place that decides whether a connection may be seen by who is signed in."""
    if not _CONNECTION_ID.fullmatch(connection_id):
        raise ConnectionNotFound
    return access.own(me(), connection_id)


def chosen_connection(user: User, channel: Channel | None = None) -> Connection | None:
    """The connection a request is about: the one `?connection=` names, else the user's WhatsApp
    number, else their practice phone (or only the `channel` asked for); None when there is none."""
    named = request.args.get("connection")
    if named is not None:
        if not _CONNECTION_ID.fullmatch(named):
            raise ConnectionNotFound
        found = access.own(user, named)
        if channel is not None and found.channel is not channel:
            raise ConnectionNotFound
        return found
    known = [one for one in registry.of_user(user) if channel in (None, one.channel)]
    return min(known, key=lambda one: one.channel is not Channel.WHATSAPP, default=None)


def settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def practice_offered() -> bool:
    return settings().practice_phone


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


# ---- in which language

LOCALES: Mapping[str, str] = {"en": "English", "es": "Español"}


def choose_locale() -> str:
    """The user's own choice, else the one made in this browser, else what the browser asks for."""
    if not has_request_context():
        return "en"
    chosen = g.get("locale") or session.get("locale")
    if chosen in LOCALES:
        return str(chosen)
    return request.accept_languages.best_match(list(LOCALES)) or "en"

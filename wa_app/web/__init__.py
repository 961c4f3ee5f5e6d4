"""HTTP in, HTML or JSON out: who it is, what they may, whether the input is right, and words."""

from flask import Flask

from wa_app.web import access, auth, codes, errors, headers, health, history, home, live, practice
from wa_app.web.admin import audit as admin_audit
from wa_app.web.admin import backups as admin_backups
from wa_app.web.admin import diagnostics as admin_diagnostics
from wa_app.web.admin import maintenance as admin_maintenance
from wa_app.web.admin import overview as admin_overview
from wa_app.web.admin import users as admin_users
from wa_app.web.api import messages, sessions
from wa_app.web.api import practice as api_practice
from wa_app.web.api.admin import connections as api_admin_connections

BLUEPRINTS = (
    auth.bp,
    home.bp,
    live.bp,
    practice.bp,
    history.bp,
    codes.bp,
    health.bp,
    sessions.bp,
    messages.bp,
    api_practice.bp,
    admin_overview.bp,
    admin_maintenance.bp,
    admin_users.bp,
    admin_backups.bp,
    admin_audit.bp,
    admin_diagnostics.bp,
    api_admin_connections.bp,
)


def register(app: Flask) -> None:
    # An answer that was on its way during a sign-out must not bring the old cookie back.
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    app.before_request(access.decide_who_calls)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    errors.register(app)
    headers.register(app)
    home.register_words(app)

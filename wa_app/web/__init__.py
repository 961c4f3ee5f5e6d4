"""HTTP in, HTML or JSON out: who it is, what they may, whether the input is right; then one call of
a service, and an answer. No SQL, no rules: what must hold for commands too does not belong here.
"""

from flask import Flask

from wa_app.web import health, template_globals
from wa_app.web.api import connections, messages
from wa_app.web.api import practice as api_practice
from wa_app.web.api.admin import alerts as api_admin_alerts
from wa_app.web.api.admin import audit as api_admin_audit
from wa_app.web.api.admin import backups as api_admin_backups
from wa_app.web.api.admin import connections as api_admin_connections
from wa_app.web.api.admin import diagnostics as api_admin_diagnostics
from wa_app.web.api.admin import operations as api_admin_operations
from wa_app.web.api.admin import users as api_admin_users
from wa_app.web.http import access, errors, responses
from wa_app.web.pages import account, help, history, home, live, practice, sign_in
from wa_app.web.pages.admin import alerts as admin_alerts
from wa_app.web.pages.admin import audit as admin_audit
from wa_app.web.pages.admin import backups as admin_backups
from wa_app.web.pages.admin import diagnostics as admin_diagnostics
from wa_app.web.pages.admin import maintenance as admin_maintenance
from wa_app.web.pages.admin import overview as admin_overview
from wa_app.web.pages.admin import users as admin_users

BLUEPRINTS = (
    sign_in.bp,
    sign_in.links,
    account.bp,
    home.bp,
    live.bp,
    practice.bp,
    history.bp,
    help.bp,
    health.bp,
    connections.bp,
    messages.bp,
    api_practice.bp,
    admin_overview.bp,
    admin_alerts.bp,
    admin_maintenance.bp,
    admin_users.bp,
    admin_backups.bp,
    admin_audit.bp,
    live.admin,
    admin_diagnostics.bp,
    api_admin_connections.bp,
    api_admin_operations.bp,
    api_admin_audit.bp,
    api_admin_backups.bp,
    api_admin_users.bp,
    api_admin_alerts.bp,
    api_admin_diagnostics.bp,
)


def register(app: Flask) -> None:
    # An answer that was on its way during a sign-out must not bring the old cookie back.
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    app.before_request(access.decide_who_calls)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    errors.register(app)
    responses.register(app)
    template_globals.register(app)

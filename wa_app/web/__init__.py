"""HTTP in, HTML or JSON out: who it is, what they may, whether the input is right, and words."""

from flask import Flask

from wa_app.web import access, auth, codes, errors, headers, health, history, home, live, practice
from wa_app.web.api import admin, messages, sessions
from wa_app.web.api import practice as api_practice

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
    admin.bp,
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

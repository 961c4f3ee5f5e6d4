"""`create_app()`: the only place that joins the parts. It starts nothing."""

import sqlite3
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event
from werkzeug.middleware.proxy_fix import ProxyFix

from wa_app import cli, config, logs, web
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import babel, bootstrap, csrf, db, limiter, login_manager, migrate
from wa_app.gateways import mail
from wa_app.gateways.base import Gateways
from wa_app.gateways.practice import PracticeGateway
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.models import utc_now
from wa_app.services.connections.practice import PracticeRows
from wa_app.services.data_folder import DataFolder, refuse_lost_database
from wa_app.services.notifications.alerts import Alerts
from wa_app.services.notifications.mails import Mailer
from wa_app.services.runtime.lifecycle import Runtime
from wa_app.services.sessions.backup_files import sealer_of
from wa_app.web.http import access


def create_app(settings: config.Settings | None = None) -> Flask:
    """The application. Raises `SettingError` for a setting that makes no sense, and for a data
    folder whose database is lost."""
    settings = settings or config.load()
    logs.configure(settings.log_format)
    _make_data_dir(settings)
    refuse_lost_database(settings)
    app = Flask(__name__)
    app.config.from_mapping(_flask_config(settings))
    _bind_extensions(app)
    _bind_data_folder(app, DataFolder(settings))
    app.extensions["session_store"] = partial(_whatsapp, settings)  # to read in, in any process
    web.register(app)
    cli.register(app, create_runtime)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def create_runtime(app: Flask) -> Runtime:
    """What runs by itself for this application; not started."""
    settings: config.Settings = app.config["SETTINGS"]
    whatsapp = _whatsapp(settings)
    practice = PracticeGateway(PracticeRows(app), utc_now)
    runtime = Runtime(
        app,
        Gateways(
            sockets={Channel.WHATSAPP: whatsapp, Channel.PRACTICE: practice},
            probes={Channel.WHATSAPP: whatsapp, Channel.PRACTICE: practice},
            store=whatsapp,
            components=whatsapp.components,
        ),
        Alerts(settings, mailer=_mailer(settings), clock=utc_now),
    )
    app.extensions["runtime"] = runtime
    return runtime


def _whatsapp(settings: config.Settings) -> WhatsAppGateway:
    return WhatsAppGateway(
        settings.sessions_dir,
        settings.data_dir / "quarantine",
        sealer_of(settings),
        seal_sessions=settings.seal_sessions,
        keepalive_failures=settings.policy.keepalive_failures,
        keepalive_presence=settings.keepalive_presence,
        pairing_window=settings.policy.pairing_window,
        secrets=config.SECRET_SETTINGS,
    )


def _mailer(settings: config.Settings) -> Mailer:
    server = mail.SmtpServer(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_user,
        settings.smtp_password,
        settings.mail_sender,
    )
    return partial(mail.send, server)


def _make_data_dir(settings: config.Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"{settings.data_dir} cannot be used: {error.strerror}"
        raise config.SettingError(f"DATA_DIR={why}.") from None


def _flask_config(settings: config.Settings) -> dict[str, Any]:
    sqlite = settings.database.startswith("sqlite")
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key
        or config.secret_from_file(settings.data_dir / "secret_key"),
        "SQLALCHEMY_DATABASE_URI": settings.database,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # IMMEDIATE: a transaction that writes waits for its turn at the beginning, instead
            # of failing in the middle because somebody else wrote since it read.
            "connect_args": {"isolation_level": "IMMEDIATE", "timeout": 10} if sqlite else {},
            # One for every thread there is: requests, manager pool, scheduler, and the rest.
            "pool_size": 90,
            "max_overflow": 10,
        },
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "SESSION_COOKIE_NAME": "vigia",
        "REMEMBER_COOKIE_HTTPONLY": True,
        "MAX_CONTENT_LENGTH": 1024 * 1024,
        "WTF_CSRF_CHECK_DEFAULT": False,  # `web/http/access.py` checks it, after who calls is known
        "WTF_CSRF_TIME_LIMIT": None,
        "BOOTSTRAP_SERVE_LOCAL": True,
        "BABEL_TRANSLATION_DIRECTORIES": str(config.ROOT / "wa_app" / "translations"),
    }


def _bind_extensions(app: Flask) -> None:
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"), render_as_batch=True)
    login_manager.init_app(app)
    login_manager.user_loader(access.load_user)
    login_manager.unauthorized_handler(access.unauthorized)
    csrf.init_app(app)
    babel.init_app(app, locale_selector=access.choose_locale)
    bootstrap.init_app(app)
    limiter.init_app(app)


def _bind_data_folder(app: Flask, folder: DataFolder) -> None:
    app.extensions["data_folder"] = folder

    def refuse_another(*_: Any) -> None:
        """SQLite would make an empty database there."""
        if folder.loss() is not None:
            raise sqlite3.OperationalError("the data folder is another one")

    if folder.database is not None:
        with app.app_context():
            event.listen(db.engine, "do_connect", refuse_another)


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # FULL: what was confirmed survives a power cut, in WAL mode too.
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

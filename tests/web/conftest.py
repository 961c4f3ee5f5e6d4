"""The cast, signed in; and connections put into any state, as an owner would."""

import shutil
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from jinja2 import FileSystemBytecodeCache
from werkzeug.test import TestResponse

from tests.conftest import empty_database, make_app
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db, limiter
from wa_app.models import Connection, Owner, User, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import registry
from wa_app.services.users import accounts

PASSWORD = "correct horse battery"


class Apart(FlaskClient):
    """A browser. Its requests know nothing of the test's own application context, or they would
    share what belongs to one request."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, buffered=True, **kwargs)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One for all tests of a file: making it takes longer than most of them do."""
    application = make_app(tmp_path_factory.mktemp("web") / "data")
    yield application
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def app(application: Flask) -> Iterator[Flask]:
    """As it was made: nothing of one test is there in the next."""
    settings = application.config["SETTINGS"]
    key = settings.data_dir / "secret_key"
    yield application
    application.config["SETTINGS"] = settings
    application.extensions.pop("runtime", None)
    limiter.reset()
    with application.app_context():
        db.engine.dispose()
    for left in settings.data_dir.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left != key:
            left.unlink()
    (settings.data_dir / "vigia.db").write_bytes(empty_database())


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates are compiled once, not once for each application."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture(autouse=True)
def browsers(app: Flask, compiled: FileSystemBytecodeCache) -> None:
    app.test_client_class = Apart
    app.jinja_env.bytecode_cache = compiled


@dataclass
class Person:
    """A browser with somebody's login cookie in it; `token` makes its changes valid."""

    http: FlaskClient
    user_id: int | None

    def token(self) -> str:
        """What the forms of this browser's pages carry."""
        with self.http.session_transaction() as session:
            secret = session.setdefault("csrf_token", "a secret of this session")
        key = self.http.application.secret_key
        return URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(secret)

    def call(self, method: str, address: str, **kwargs: Any) -> TestResponse:
        headers = {"X-CSRFToken": self.token(), **kwargs.pop("headers", {})}
        return self.http.open(address, method=method, headers=headers, **kwargs)

    def get(self, address: str, **kwargs: Any) -> TestResponse:
        return self.http.get(address, **kwargs)

    def post(self, address: str, **kwargs: Any) -> TestResponse:
        return self.call("POST", address, **kwargs)

    def patch(self, address: str, **kwargs: Any) -> TestResponse:
        return self.call("PATCH", address, **kwargs)

    def delete(self, address: str, **kwargs: Any) -> TestResponse:
        return self.call("DELETE", address, **kwargs)


@pytest.fixture
def in_app(app: Flask):
    with app.app_context():
        yield


@pytest.fixture
def cast(in_app: None) -> dict[str, User]:
    names = {"ana": "user", "bruno": "user", "carla": "admin"}
    return {
        name: accounts.create(
            COMMAND_LINE, f"{name}@example.com", PASSWORD, role=role, name=name.title()
        )
        for name, role in names.items()
    }


@pytest.fixture
def sign_in(app: Flask) -> Callable[[User | None], Person]:
    """A browser with this user's cookie, as signing in leaves it."""

    def signed_in(user: User | None) -> Person:
        http = app.test_client()
        if user is not None:
            with http.session_transaction() as session:
                session["_user_id"] = user.get_id()
                session["_fresh"] = True
        return Person(http, user.id if user is not None else None)

    return signed_in


@pytest.fixture
def ana(cast: dict[str, User], sign_in: Callable[[User], Person]) -> Person:
    return sign_in(cast["ana"])


@pytest.fixture
def carla(cast: dict[str, User], sign_in: Callable[[User], Person]) -> Person:
    return sign_in(cast["carla"])


@pytest.fixture
def connection(cast: dict[str, User]) -> Connection:
    """Ana's WhatsApp number."""
    return registry.create(COMMAND_LINE, cast["ana"], Channel.WHATSAPP)


@pytest.fixture
def practice_connection(cast: dict[str, User]) -> Connection:
    return registry.create(COMMAND_LINE, cast["ana"], Channel.PRACTICE)


@pytest.fixture
def owner(in_app: None) -> Owner:
    """Somebody is there who owns the sessions."""
    return heartbeat()


def heartbeat(ago: timedelta = timedelta(0)) -> Owner:
    now = utc_now()
    row = db.session.get(Owner, 1) or Owner(id=1)
    row.pid, row.host, row.since, row.heartbeat_at = 4242, "shop", now, now - ago
    db.session.add(row)
    db.session.commit()
    return row


def observe(connection: Connection, *, enabled: bool = True, **seen: Any) -> Connection:
    """Write the observed half, as the owner does."""
    connection.enabled = enabled
    carried_out = {"observed_version": connection.wanted_version}
    connection.observed = replace(connection.observed, **(carried_out | seen))
    db.session.commit()
    return connection


def row_of(connection: Connection) -> dict[str, Any]:
    """Everything in the row, read afresh."""
    db.session.rollback()
    table = Connection.__table__
    found = db.session.execute(table.select().where(table.c.id == connection.id)).one()
    return dict(found._mapping)


def delete(user: User) -> None:
    """Marked, as a deletion leaves them until the owner has wiped their sessions."""
    user.deleted_at = utc_now()
    db.session.commit()

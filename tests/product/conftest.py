"""A data folder with the cast in it, servers on copies of it, and one WhatsApp.

A server takes two seconds to start, so the tests of a file share one where none of them ends it;
each takes a connection of its own there. `MAX_CONNECTIONS_PER_USER` makes room for that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import flask_migrate
import pytest

from app import create_app
from tests.whatsapp_server import Contact, Phone, WhatsAppServer, environment
from wa_app import config
from wa_app.extensions import db
from wa_app.models import JobRun, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts

from .server import GUNICORN, Server, copy_of, serving
from .visitor import PASSWORD, Number, Visitor

ANA, BRUNO, CARLA = (f"{name}@example.org" for name in ("ana", "bruno", "carla"))

QUICK = {
    "BOT_PAUSE": "0",
    "SEND_RATE": "0",
    "SETTLE_DELAY": "0.1",
    "STABLE_AFTER": "0.5",
    "HEARTBEAT": "1",
    "MAX_CONNECTIONS_PER_USER": "100",
}
"""Shorter waits than a person would choose; the rules are the same."""

Start = Callable[..., Server]
numbers = itertools.count(34_600_200_000)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated, with Ana, Bruno and Carla, who is the administrator."""
    data_dir = tmp_path_factory.mktemp("template") / "data"
    app = create_app(config.load({"DATA_DIR": str(data_dir)}))
    with app.app_context():
        flask_migrate.upgrade()
        for email, role in ((ANA, "user"), (BRUNO, "user"), (CARLA, "admin")):
            accounts.create(COMMAND_LINE, email, PASSWORD, role=role)
        # The daily backup was made just now: none comes in between.
        db.session.add(JobRun(name="back-up", last_at=utc_now()))
        db.session.commit()
        db.engine.dispose()
    return data_dir


@pytest.fixture(scope="module")
def whatsapp() -> Iterator[WhatsAppServer]:
    with WhatsAppServer() as server:
        yield server
        mistakes = server.journal.of("error")
    assert not mistakes, "the test server itself has made a mistake"


@pytest.fixture
def prepare(template: Path, tmp_path: Path) -> Iterator[Start]:
    """Makes servers, which are ended after the test. `beside` is one whose data folder to share."""
    with ExitStack() as stack:

        def prepare(
            whatsapp: WhatsAppServer | None = None, beside: Server | None = None, **settings: str
        ) -> Server:
            data_dir = beside.data_dir if beside else copy_of(template, tmp_path / "data")
            route = environment(whatsapp) if whatsapp else {}
            return stack.enter_context(serving(Server(data_dir, {**QUICK, **route, **settings})))

        yield prepare


@pytest.fixture
def start(prepare: Start) -> Start:
    """The same, started and ready."""
    return lambda *arguments, **settings: prepare(*arguments, **settings).start()


@pytest.fixture
def sign_in() -> Iterator[Callable[..., Visitor]]:
    with ExitStack() as stack:
        yield lambda server, email=ANA: stack.enter_context(Visitor(server, email))


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A file may say with which settings its `server` runs."""
    return {}


@pytest.fixture(scope="module")
def command() -> list[str]:
    """And how it is started."""
    return GUNICORN


@pytest.fixture(scope="module")
def server(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    whatsapp: WhatsAppServer,
    settings: dict[str, str],
    command: list[str],
) -> Iterator[Server]:
    """The one that the tests of a file share."""
    data_dir = copy_of(template, tmp_path_factory.mktemp("shared") / "data")
    with serving(Server(data_dir, {**QUICK, **environment(whatsapp), **settings})) as server:
        yield server.start(command)


@pytest.fixture(scope="module")
def ana(server: Server) -> Iterator[Visitor]:
    with Visitor(server, ANA) as ana:
        yield ana


@pytest.fixture
def number(ana: Visitor) -> Iterator[Number]:
    """A new connection of Ana's to WhatsApp."""
    number = ana.new_number()
    yield number
    number.disconnect()


@pytest.fixture
def phone(whatsapp: WhatsAppServer) -> Phone:
    """A phone that nothing is linked to yet."""
    return whatsapp.phone(str(next(numbers)), "Ana")


@pytest.fixture
def luis(whatsapp: WhatsAppServer) -> Contact:
    return whatsapp.contact(str(next(numbers)), "Luis")
